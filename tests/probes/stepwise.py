"""Probe: step-by-step generation with a cache. Trained on whole words, asked letter by letter."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from deepwell.core.batch import Encoded
from deepwell.core.config import Knob, Recipe
from deepwell.core.errors import DataError
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.scores import Metric
from deepwell.core.table import Table
from deepwell.core.task import Baseline, Fit, Loss, Task

LETTERS, LENGTH = "abcdefghijk", 8


def tokens(words):
    bad = next((w for w in words if set(str(w)) - set(LETTERS) or not w), None)
    if bad is not None:
        raise DataError(f"a word may hold the letters {LETTERS} only; got {bad!r}")
    return np.array([[LETTERS.index(letter) for letter in word] for word in words])


def spell(runner, start, length):
    """(n, given) first letters -> (n, length) greedy continuation, one cached step per letter."""
    word, state = [start[:, i] for i in range(start.shape[1])], None
    for i in range(length - 1):
        outputs, state = runner.run("step", {"token": word[i]}, state)
        if i + 1 >= start.shape[1]:
            word.append(outputs["logits"].argmax(1))
    return np.stack(word, 1)


@dataclass(frozen=True)
class Question:
    """How a word begins."""

    prompt: Annotated[str, Knob("first letters")] = "ab"


class Stepwise(Task):
    """Continues words whose letters advance by a constant stride."""

    Config, Request, asks_rows = Recipe, Question, False

    @classmethod
    def fits(cls, schema):
        return Fit(0.1 if schema.names == ["word"] else 0, {"word": "ignore"}, "needs one column, word")

    @classmethod
    def demo(cls, seed):
        first, stride = Key(seed).numpy().integers(11, size=(2, 1500, 1))
        letters = np.array(list(LETTERS))[(first + stride * np.arange(LENGTH)) % 11]
        return Table({"word": np.array(["".join(row) for row in letters], object)})

    def examples(self, part, pipeline):
        word = tokens(part.rows["word"])
        return RowExamples(Encoded({"word": word}, np.arange(len(word))))

    def network(self, sizes):
        from tests.probes.networks import Speller

        return Speller(len(LETTERS), 64)

    def loss(self, network, batch, draw):
        import torch

        logits, word = network(batch.arrays)[0]["logits"], batch.arrays["word"].long()
        each = torch.nn.functional.cross_entropy(logits[:, 1:-1].flatten(0, 1), word[:, 2:].flatten(), reduction="sum")
        return Loss(each, word[:, 2:].numel())

    def answers(self, pipeline):
        return Schema((Field("word", "text"),))

    def predict(self, runner, batch, pipeline, request, emit=None):
        word = ""
        for letter in spell(runner, tokens([request.prompt]), LENGTH)[0]:
            word += LETTERS[letter]
            if emit is not None:
                emit(LETTERS[letter])
        return Table({"word": np.array([word], object)})

    def metrics(self, pipeline):
        return (Metric("accuracy", "share", "higher", lambda c, w: (w @ c["right"]) / w.sum(1)),)

    def measure(self, runner, batch, pipeline):
        word = batch.arrays["word"]
        return {"right": (spell(runner, word[:, :2], LENGTH)[:, 2:] == word[:, 2:]).mean(1)}

    def baselines(self):
        always_a = NumpyRunner(
            {"step": lambda arrays, state: ({"logits": np.eye(1, 11).repeat(len(arrays["token"]), 0)}, state)}
        )
        return (Baseline("always a", "trivial", lambda examples, pipeline, key: always_a),)
