"""The sides of the language benchmark do the same work, and take turns."""

import numpy as np
import pytest
import torch

from benchmarks import language


def test_sides_take_turns_and_the_first_round_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    clock = iter(np.arange(100.0).tolist())
    monkeypatch.setattr(language.time, "perf_counter", lambda: next(clock))

    def side(name: str, work: float) -> language.Side:
        def run() -> float:
            called.append(name)
            return work

        return run

    figure, ours, theirs = language.compare(side("ours", 12.0), side("theirs", 4.0), pairs=3)
    assert called == ["theirs", "ours", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert (figure.value, ours, theirs) == (3.0, 12.0, 4.0)  # each call takes one tick of the clock


def test_with_a_cache_and_without_the_same_tokens_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "WRITTEN", 12)
    chosen: list[list[int]] = []

    class Spy(language.TorchRunner):
        def run(self, call, arrays, state=None):
            outputs, state = super().run(call, arrays, state)
            chosen[-1].append(int(outputs["logits"].argmax()))
            return outputs, state

    monkeypatch.setattr(language, "TorchRunner", Spy)
    with torch.random.fork_rng():
        sides = language.writers()
    for side in sides:
        chosen.append([])
        assert side() == 12
    assert chosen[0] == chosen[1]


def test_all_sources_are_answered_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "SOURCES", 3)
    with torch.random.fork_rng():
        together, one_by_one = language.translators()
    assert together() == one_by_one() == 3
