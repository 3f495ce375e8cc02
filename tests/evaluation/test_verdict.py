"""The verdict says what is known, in one sentence, and no more."""

import math

from deepwell.core.scores import Score
from deepwell.evaluation.intervals import Difference
from deepwell.evaluation.verdict import verdict

ACCURACY = Score("accuracy", 0.8674, 0.8622, 0.8721, 16281, "share", "higher")
RMSE = Score("rmse", 3.741, 3.62, 3.88, 980, "EUR", "lower")


def gap(value, low, high, better, direction="higher"):
    return Difference("accuracy", value, low, high, direction, better)


MAJORITY = gap(0.1037, 0.097, 0.11, "network")


def test_better_than_every_baseline():
    found = verdict(ACCURACY, {"majority": MAJORITY, "linear": gap(0.0152, 0.0121, 0.0189, "network")}, ["majority"])
    assert found.winner == "network"
    assert found.text == (
        "The network reaches accuracy 0.8674 (0.8622 to 0.8721, n = 16,281): better than the best baseline, linear, by "
        "0.0152 (0.0121 to 0.0189)."
    )


def test_a_metric_that_is_called_like_its_unit_is_told_once():
    found = verdict(Score("nats", 88.68, 88.21, 89.12, 10_000, "nats", "lower"), {})
    assert "reaches nats 88.68 (88.21 to 89.12, n = 10,000);" in found.text


def test_not_distinguishable():
    known = {"majority": MAJORITY, "boosting": gap(-0.001, -0.004, 0.002, "neither")}
    found = verdict(ACCURACY, known, ["majority"])
    assert found.winner == "neither"
    assert found.text.endswith(
        "not distinguishable from the best baseline, boosting (network minus baseline -0.0010, interval -0.0040 to +0.0020)."
    )


def test_a_better_baseline_is_recommended():
    known = {"linear": gap(0.015, 0.012, 0.019, "network"), "boosting": gap(-0.006, -0.0094, -0.0031, "baseline")}
    found = verdict(ACCURACY, known)
    assert found.winner == "boosting"
    assert found.text.endswith("; the best baseline, boosting, is better by 0.0060 (0.0031 to 0.0094): use it.")


def test_a_proven_rival_goes_before_a_seeming_one():
    known = {"linear": gap(-0.01, -0.03, 0.01, "neither"), "boosting": gap(-0.006, -0.009, -0.003, "baseline")}
    assert verdict(ACCURACY, known).winner == "boosting"


def test_lower_is_better_for_errors_and_units_are_named():
    known = {"mean": gap(-2.0, -2.4, -1.6, "network", "lower"), "linear": gap(-0.33, -0.5, -0.2, "network", "lower")}
    found = verdict(RMSE, known, ["mean"])
    assert found.text == (
        "The network reaches rmse 3.74 EUR (3.62 to 3.88, n = 980): better than the best baseline, linear, by 0.33 "
        "(0.20 to 0.50) EUR."
    )


def test_not_beating_a_trivial_answer_is_said():
    found = verdict(ACCURACY, {"majority": gap(0.001, -0.01, 0.01, "neither")}, ["majority"])
    assert "looks at no input" in found.text
    known = {"majority": gap(0.002, -0.01, 0.01, "neither"), "linear": gap(-0.001, -0.01, 0.01, "neither")}
    assert "does not beat a trivial answer either" in verdict(ACCURACY, known, ["majority"]).text


def test_an_undefined_metric_or_no_baseline_gives_no_winner():
    undefined = Score("area_under_curve", math.nan, math.nan, math.nan, 12, "share", "higher")
    assert verdict(undefined, {}).text == "No verdict: area under curve is undefined on these 12 units."
    assert verdict(ACCURACY, {}).winner == "neither"
    assert "no baseline" in verdict(ACCURACY, {}).text


def test_a_single_unit_has_no_interval_to_print():
    single = Score("mae", 1.5, math.nan, math.nan, 1, "", "lower")
    found = verdict(single, {"mean": gap(-1.0, math.nan, math.nan, "neither", "lower")})
    assert "too few" in found.text
    assert "nan" not in found.text
