"""Halves: whether bfloat16 trains this network as float32 does, tried on copies.

Two questions, both about small batches so that they are cheap. Do 20 steps of either reach the same losses? And do both give
the same gradient at the weights where float32 has come to after these steps? Not at the very first weights: there the
examples' gradients all but cancel, and rounding looks larger than it will ever be again. Unusual: dropout is off on the
copies, because its draws need not be the same in both precisions and would drown what is asked.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepwell.core.batch import Batch
from deepwell.core.errors import RunError
from deepwell.core.examples import First
from deepwell.core.keys import Key
from deepwell.nn.layers.dropping import Drop
from deepwell.training.feed import Feed
from deepwell.training.job import Job
from deepwell.training.loop import Loop
from deepwell.training.pace import using_threads
from deepwell.training.plan import Plan
from deepwell.training.trial import copied
from deepwell.training.updates import Updater

STEPS = 20
MOST_EXAMPLES = 32
"""Examples of a batch at the most."""
GRADIENT_BATCHES = 4
LOSS_APART = 0.01
"""Mean losses may differ by this share of their size."""
LEAST_COSINE = 0.99
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@dataclass(frozen=True)
class Verdict:
    """Whether bfloat16 tracks float32, None when the time was over before it was known; words: the figures."""

    holds: bool | None
    words: str


class _Losses:
    """A Sink that keeps the loss of each update at each step."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}

    def emit(self, event: Mapping[str, Any]) -> None:
        """Keep what a progress event says."""
        for name, value in event.get("losses", {}).items():
            self.found.setdefault(name, []).append(value)


def tracks(job: Job, plan: Plan, end: float, examples: int = MOST_EXAMPLES) -> Verdict:
    """Whether 20 steps in bfloat16 track float32. examples: of a batch. end: perf_counter() after which no step begins."""
    size = min(examples, plan.batch_size)
    plain = replace(plan, precision="float32", batch_size=size, micro_batch=0, compile=False)
    half = replace(plain, precision="bfloat16")
    heard = {p.precision: _Losses() for p in (plain, half)}
    start = replace(job, network=_without_dropout(job.network))
    jobs = [copied(start, p, STEPS, heard[p.precision]) for p in (plain, half)]
    with using_threads(plan.threads):
        try:
            loops = [Loop(trial) for trial in jobs]
            for _ in range(STEPS):
                for loop in loops:
                    if time.perf_counter() > end:
                        return Verdict(None, f"no time for the {STEPS} steps that would show whether it tracks float32")
                    loop.step()
            cosine = _cosine(start, jobs[0].network, plain, half)
        except RunError as error:
            return Verdict(False, f"within {STEPS} steps {error.what}")
    names = [update.name for update in job.updates]
    apart = max(_apart(heard["float32"].found[name], heard["bfloat16"].found[name]) for name in names)
    holds = apart <= LOSS_APART and cosine >= LEAST_COSINE
    return Verdict(holds, f"over {STEPS} steps the loss is {apart:.2%} off float32's, gradient cosine {cosine:.4f}")


def _apart(plain: Sequence[float], half: Sequence[float]) -> float:
    """The difference of two mean losses, as share of their mean size."""
    size = statistics.fmean(abs(v) for v in plain)
    return abs(statistics.fmean(half) - statistics.fmean(plain)) / max(size, 1e-12)


def _cosine(job: Job, network: nn.Module, plain: Plan, half: Plan) -> float:
    """Cosine of the two precisions' gradients of the same examples at the network's weights."""
    batches = _batches(job, plain)
    exact, rough = (_gradient(job, network, plan, batches) for plan in (plain, half))
    return float(exact @ rough / (exact.norm() * rough.norm()).clamp(min=1e-30))


def _batches(job: Job, plan: Plan) -> list[tuple[Batch, Key]]:
    """A few batches as the loop would feed them, transformed alike."""
    examples = First(job.examples, GRADIENT_BATCHES * plan.batch_size)
    feed, key = Feed(examples, torch.device(plan.device)), job.key.fold("precision")
    found = []
    for number, index in enumerate(np.array_split(np.arange(examples.count or 0), GRADIENT_BATCHES)):
        if not len(index):
            continue
        draw = key.fold(number)
        batch = feed.batch(index, draw)
        for transform in job.transforms:
            batch = transform(batch, draw)
        found.append((batch, draw))
    return found


def _gradient(job: Job, network: nn.Module, plan: Plan, batches: list[tuple[Batch, Key]]) -> Tensor:
    """The sum of the gradients of all updates over the batches, one float64 vector on the host."""
    module = copy.deepcopy(network)
    module.train()
    for update in job.updates:
        updater, sums = Updater(module, update, job.loss, job.recipe, plan), None
        for batch, draw in batches:
            torch.manual_seed(draw.seed)
            sums = updater.micro_step(batch, draw, sums)
    parts = [p.grad.double().flatten().cpu() for p in module.parameters() if p.grad is not None]
    return torch.cat(parts)


def _without_dropout(network: nn.Module) -> nn.Module:
    module = copy.deepcopy(network)
    for part in module.modules():
        if isinstance(part, DROPOUTS):
            part.p = 0.0
        if isinstance(part, Drop):
            part.rate = 0.0
    return module
