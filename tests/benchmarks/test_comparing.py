"""Comparing: the order of measurements, what trials choose, which goals are met. Measurements are made up."""

from collections.abc import Mapping
from typing import Any

import pytest
from benchmarks.comparing import (
    choose,
    fastest,
    first_at,
    goal,
    interleaved,
    overhead,
    ratios,
    smallest_budget,
    steps_for,
)  # fmt: skip
from benchmarks.processes import MeasurementError
from benchmarks.ratios import Median, median
from benchmarks.workloads import WORKLOADS

from benchmarks import side_by_side


def rate(rows: float) -> dict[str, float]:
    return {"rows_per_second": rows}


def test_rounds_interleave_and_turn_around() -> None:
    asked: list[str] = []
    found = interleaved(["a", "b", "c"], 3, lambda side: asked.append(side) or rate(len(asked)))  # type: ignore[func-returns-value]
    assert asked == list("abc" + "cba" + "abc")
    assert [m["rows_per_second"] for m in found["a"]] == [1, 6, 7]
    assert [m["rows_per_second"] for m in found["c"]] == [3, 4, 9]


def test_ratios_pair_the_engine_with_each_side_of_the_same_round() -> None:
    found = {
        "tuned": [rate(10), rate(100), rate(1000)],
        "engine": [rate(9), rate(100), rate(1100)],
        "idiomatic": [rate(3), rate(20), rate(500)],
    }
    figures = ratios(found)
    assert list(figures) == ["tuned", "idiomatic"]
    assert (figures["tuned"].value, figures["tuned"].low, figures["tuned"].high) == (1.0, 0.9, 1.1)
    assert figures["idiomatic"].value == 3.0


def test_a_drift_of_the_machine_cancels() -> None:
    """A machine that slows down by a tenth with each measurement: two sides alike come out alike."""
    clock = iter(range(100))
    found = interleaved(["tuned", "engine"], 9, lambda side: rate(0.9 ** next(clock)))
    figure = ratios(found)["tuned"]
    assert figure.low < 1.0 < figure.high
    assert figure.low * figure.high == pytest.approx(1.0)


def test_overhead_is_the_difference_per_step() -> None:
    found = {
        "engine": [{"microseconds_per_step": m} for m in (150.0, 180.0, 300.0)],
        "tuned": [{"microseconds_per_step": m} for m in (100.0, 120.0, 260.0)],
    }
    assert overhead(found).value == 50.0


def test_trials_choose_the_fastest_setting_of_the_tuned_loop() -> None:
    speeds = {(1, "float32"): 5.0, (1, "bfloat16"): 9.0, (4, "float32"): 7.0, (4, "bfloat16"): 8.0}
    asked = []

    def measure(side: str, row: str, steps: int, choice: Mapping[str, Any]) -> dict[str, float]:
        asked.append((side, row, steps))
        return rate(speeds[choice["threads"], choice["precision"]])

    chosen = choose("mlp", 4, measure)
    assert (chosen["threads"], chosen["precision"]) == (1, "bfloat16")
    assert {(t["threads"], t["precision"]): t["rows_per_second"] for t in chosen["tried"]} == speeds
    assert set(asked) == {("tuned", "mlp", WORKLOADS["mlp"].trial)}
    assert len(choose("mlp", 1, measure)["tried"]) == 2


def test_a_backend_that_fails_is_skipped_with_a_word() -> None:
    def measure(side: str, row: str, steps: int, choice: Mapping[str, Any]) -> dict[str, float]:
        if side == "keras-torch":
            raise MeasurementError("no torch here")
        return rate({"keras-tensorflow": 3.0, "keras-jax": 4.0}[side])

    said: list[str] = []
    assert fastest("mlp", ["tensorflow", "jax", "torch"], measure, said.append) == "keras-jax"
    assert said == ["skipped: Keras on torch (no torch here)"]
    assert fastest("mlp", ["torch"], measure, said.append) is None
    assert fastest("mlp", [], measure, said.append) is None


def test_steps_fill_the_seconds() -> None:
    assert steps_for("convnet", rate(6400.0), 3.0) == 300
    assert steps_for("transformer", rate(1.0), 3.0) == 8  # never so few that nothing is checked


def figure(value: float, low: float, high: float) -> Median:
    return Median(value, low, high, 0.96, 9)


def test_goals() -> None:
    assert goal("mlp", "tuned", figure(0.9, 0.85, 0.98)) == ("interval reaches 0.97", True)
    assert goal("mlp", "tuned", figure(0.9, 0.85, 0.96))[1] is False
    assert goal("convnet", "idiomatic", figure(2.6, 2.4, 3.0)) == (">= 2.5", True)
    assert goal("convnet", "idiomatic", figure(2.4, 2.3, 2.6))[1] is False
    assert goal("lstm", "idiomatic", figure(1.1, 1.0, 1.2)) == ("", None)
    assert goal("lstm", "keras-jax", figure(1.4, 1.3, 1.6)) == (">= 1.5", False)


def test_time_to_an_accuracy_is_that_of_the_first_epoch_there() -> None:
    assert first_at([[10.0, 0.97], [20.0, 0.991], [30.0, 0.989]], 0.99) == 20.0
    assert first_at([[10.0, 0.97]], 0.99) is None


def test_budgets_grow_until_one_suffices() -> None:
    reached = {4.0: 0.985, 6.0: 0.99, 8.0: 0.992}
    runs = smallest_budget([4.0, 6.0, 8.0], 0.99, lambda s: {"curve": [[s + 0.5, reached[s]]]})
    assert [run["budget"] for run in runs] == [4.0, 6.0]
    assert first_at(runs[-1]["curve"], 0.99) == 6.5
    assert len(smallest_budget([4.0], 0.99, lambda s: {"curve": [[s, 0.5]]})) == 1


def test_a_side_that_never_arrives_has_no_ratio() -> None:
    line = side_by_side._until_line("time-to-99", "idiomatic", {"engine": [10.0, 12.0], "idiomatic": [60.0, None]})
    assert "not all seeds arrived" in line
    assert "60/never s" in line
    assert "| no |" in line


def test_the_line_of_a_time_gives_the_median_and_range_of_seeds() -> None:
    seconds = {"engine": [10.0, 10.0, 20.0], "idiomatic": [60.0, 50.0, 80.0]}
    line = side_by_side._until_line("time-to-99", "idiomatic", seconds)
    assert "5 times (4 to 6, 3 seeds) | >= 5 | yes | 10/10/20 s | 60/50/80 s" in line


def test_a_whole_row_from_made_up_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"engine": 980.0, "tuned": 1000.0, "idiomatic": 350.0, "keras-jax": 500.0}

    def measure(side: str, row: str, steps: int, choice: Mapping[str, Any]) -> dict[str, Any]:
        if side in ("keras-tensorflow", "keras-torch"):
            raise MeasurementError("absent")
        chosen = side in ("engine", "tuned") and (choice["threads"], choice["precision"]) == (1, "bfloat16")
        faster = 1.5 if chosen else 1.0
        extra = {"mfu": 0.3, "bfloat16_peak": 1e12} if side == "engine" else {}
        return {"rows_per_second": rates[side] * faster, "peak_bytes": 5e8, "steps": steps, **extra}

    monkeypatch.setattr(side_by_side, "measured", measure)
    monkeypatch.setattr(side_by_side, "physical_cores", lambda: 2)
    asked = side_by_side.options(["--pairs", "9", "--seconds", "2"])
    found, lines = side_by_side._speed("convnet", asked, ["tensorflow", "jax", "torch"])
    assert found["choice"]["precision"] == "bfloat16"
    assert found["steps"] == {"tuned": 47, "engine": 47, "idiomatic": 11, "keras-jax": 16}
    assert found["figures"]["tuned"] == median([0.98] * 9).to_json()
    assert {len(m) for m in found["measurements"].values()} == {9}
    beside = [line.split(" | ")[1] for line in lines]
    assert beside == ["tuned", "idiomatic", "keras-jax", ""]
    assert [line.split(" | ")[4] for line in lines] == ["yes", "yes", "yes", "no"]


@pytest.mark.parametrize(
    ("words", "said"), [(["--rows", "convent"], "no row 'convent'"), (["--pairs", "0"], "at least 1")]
)
def test_wrong_options_are_refused_in_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        side_by_side.options(words)
    assert said in capsys.readouterr().err
