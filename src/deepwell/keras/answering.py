"""evaluate and predict: batches through the network, in float32, as at prediction.

Unusual: without a batch size more examples go at once than in training, since nothing is kept for gradients; the values are the
same, but for means over masked steps, which Keras takes batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.errors import ConfigError
from deepwell.core.keys import Key
from deepwell.keras.arrays import ArrayExamples, Columns
from deepwell.keras.callbacks import CallbackList, Logs, listed
from deepwell.keras.compiled import Head, Objective, Running, given
from deepwell.keras.progress import ProgbarLogger, verbosity
from deepwell.nn.graph import GraphNetwork
from deepwell.nn.runner import evaluating
from deepwell.training.feed import Feed
from deepwell.training.pace import using_threads
from deepwell.training.plan import Plan
from deepwell.training.updates import Sums

BATCH = 256
"""Examples at once where the user does not say."""
BATCH_BYTES = 64 << 20
"""Bytes of the inputs of such a batch at the most."""


@dataclass(frozen=True)
class Question:
    """How evaluate and predict were called."""

    batch_size: int | None = None
    verbose: Any = "auto"
    steps: int | None = None
    callbacks: Any = None


def size_for(columns: Columns, asked: int | None, most: int = BATCH) -> int:
    """Examples of a batch. Raises ConfigError for a size that is none."""
    if asked is not None:
        if asked < 1:
            raise ConfigError(f"batch_size must be at least 1; got {asked}")
        return int(asked)
    bytes_each = sum(c.nbytes / max(1, len(c)) for c in columns.values())
    return max(1, min(most, int(BATCH_BYTES / max(bytes_each, 1.0))))


@contextmanager
def asking(network: GraphNetwork, plan: Plan) -> Iterator[torch.device]:
    """The network on its device, as at prediction, without gradients."""
    device = torch.device(plan.device)
    network.to(device)
    with torch.no_grad(), evaluating(network), using_threads(plan.threads):
        yield device


def batches(columns: Columns, device: torch.device, size: int, steps: int | None) -> Iterator[Batch]:
    """All examples in order, at most `steps` batches of them."""
    feed = Feed(ArrayExamples(columns), device)
    count = len(next(iter(columns.values())))
    for number, start in enumerate(range(0, count, size)):
        if steps is not None and number >= steps:
            return
        yield feed.batch(np.arange(start, min(start + size, count)), Key(0))


def number_of(columns: Columns, size: int, steps: int | None) -> int:
    """How many batches `batches` gives."""
    count = -(-len(next(iter(columns.values()))) // size)
    return count if steps is None else min(count, steps)


def measured(
    network: GraphNetwork, plan: Plan, columns: Columns, heads: Sequence[Head], question: Question, hooks: CallbackList
) -> dict[str, float]:
    """Label -> value over all examples."""
    objective, running = Objective(network.graph, heads), Running(heads)
    size = size_for(columns, question.batch_size)
    logs = Logs(running.labels(), running.values)
    hooks("on_test_begin", None)
    begins, ends = hooks.hears_batches("on_test_batch_begin"), hooks.hears_batches("on_test_batch_end")
    with asking(network, plan) as device:
        for number, batch in enumerate(batches(columns, device, size, question.steps)):
            for hook in begins:
                hook.on_test_batch_begin(number, logs)
            loss = objective(network, batch, Key(0))
            running.hear(Sums(loss.total, loss.units, dict(loss.parts)))
            for hook in ends:
                hook.on_test_batch_end(number, logs)
        values = running.values()
    hooks("on_test_end", values)
    return values


def answered(
    network: GraphNetwork,
    plan: Plan,
    columns: Columns,
    question: Question,
    hooks: CallbackList,
    structured: Callable[[Sequence[Any]], Any],
) -> list[NDArray[Any]]:
    """The outputs for all examples, in the order of the graph. structured: puts them into the nest that callbacks hear."""
    inputs = [i.name for i in network.graph.inputs]
    names, size = list(network.graph.outputs), size_for(columns, question.batch_size)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    hooks("on_predict_begin", None)
    begins, ends = hooks.hears_batches("on_predict_batch_begin"), hooks.hears_batches("on_predict_batch_end")
    with asking(network, plan) as device:
        for number, batch in enumerate(batches(columns, device, size, question.steps)):
            for hook in begins:
                hook.on_predict_batch_begin(number, None)
            outputs, _ = network(given(batch.arrays, inputs))
            for name in names:
                value = outputs[name]
                value = value.float() if value.is_floating_point() else value
                parts[name].append(value.contiguous().cpu().numpy())
            for hook in ends:
                hook.on_predict_batch_end(number, {"outputs": structured([parts[name][-1] for name in names])})
    hooks("on_predict_end", None)
    return [np.concatenate(parts[name]) if len(parts[name]) > 1 else parts[name][0].copy() for name in names]


def hooks_for(model: Any, columns: Columns, question: Question) -> CallbackList:
    """The callbacks of an evaluation or a prediction, the bar among them."""
    verbose = verbosity(question.verbose)
    steps = number_of(columns, size_for(columns, question.batch_size), question.steps)
    params = {"verbose": verbose, "steps": steps}
    return CallbackList([*listed(question.callbacks), *([ProgbarLogger()] if verbose else [])], model, params)
