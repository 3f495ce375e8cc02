"""Selection: what is kept as best, when checks are due."""

import math

import pytest
from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.training.checks import Selection


def judged(values, direction="lower", watch="loss", other=None):
    """A Selection that saw the given values of the raw weights at steps 10, 20, ..."""
    module, results, upcoming = nn.Linear(1, 1), [], {}
    average = nn.Linear(1, 1)
    selection = Selection(lambda m: {"loss": upcoming[m], "n": 1}, watch, direction)
    for i, value in enumerate(values):
        nn.init.constant_(module.weight, i)
        upcoming = {module: value, average: math.nan if other is None else other[i]}
        candidates = {"ema": average, "raw": module}
        results.append(selection.check(10 * (i + 1), (i + 1) / len(values), candidates))
    return selection, results


def test_keeps_a_copy_of_the_best():
    selection, results = judged([3.0, 1.0, 2.0])
    assert selection.best["weight"].item() == 1.0
    assert (selection.best_step, selection.best_name, selection.best_values["loss"]) == (20, "raw", 1.0)
    assert [r.best for r in results] == [True, True, False]
    assert selection.without_gain == 1


def test_direction():
    assert judged([3.0, 1.0, 2.0], "higher")[0].best_step == 10


def test_later_of_equals_is_kept_but_is_no_gain():
    selection, _ = judged([2.0, 1.0, 1.0, 1.0])
    assert selection.best_step == 40
    assert selection.without_gain == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_best(bad):
    selection, _ = judged([bad, 5.0, bad])
    assert selection.best_values["loss"] == 5.0
    assert judged([bad, bad])[0].best == {}


def test_better_of_raw_and_averaged():
    _, results = judged([3.0, 1.0], other=[2.0, 1.0])
    assert [r.chosen for r in results] == ["ema", "ema"]
    assert [r.values["loss"] for r in results] == [2.0, 1.0]
    assert judged([1.0], other=[2.0])[0].best_name == "raw"


def test_unknown_watch_is_taught():
    with pytest.raises(ConfigError, match="did you mean 'loss'"):
        judged([1.0], watch="los")


def test_modes_are_restored_and_judging_is_in_evaluation_mode():
    module, modes = nn.Dropout(), []

    def judge(m):
        modes.append(m.training)
        return {"loss": 1.0}

    Selection(judge, "loss", "lower").check(1, 0.1, {"raw": module.train()})
    assert modes == [False]
    assert module.training


def test_when_checks_are_due():
    selection = Selection(lambda m: {"loss": 1.0}, "loss", "lower")
    due = []
    for step in range(1, 401):
        if selection.due(step, step / 400):
            selection.check(step, step / 400, {"raw": nn.Identity()})
            due.append(step)
    assert due == list(range(20, 401, 20))
    assert not Selection(None, "loss", "lower").due(400, 1.0)


def test_dear_checks_become_fewer():
    selection = Selection(lambda m: {"loss": 1.0}, "loss", "lower")
    assert selection.fewer(0.1, 60.0, 0.05) is None
    assert selection.fewer(2.0, 60.0, 0.05)[0] == 3
    selection.space(3, 0.05)
    assert selection.left(0.05) == pytest.approx(3)
    assert not selection.due(100, 0.3)
    assert selection.due(100, 0.37)
    assert selection.due(300, 1.0)
