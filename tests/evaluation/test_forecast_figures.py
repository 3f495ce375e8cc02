"""Figures of forecasts: own units, the worst window is the worst, JSON without NaN."""

import json

import numpy as np
import pytest

from deepwell.evaluation.forecast_figures import figures


def columns(n=5, steps=3, targets=2, history=2):
    draw = np.random.default_rng(0)
    truth = draw.normal(size=(n, steps, targets))
    truth[0, 1, 0] = np.nan
    answer = truth + np.arange(n)[:, None, None] * 0.1
    answer[np.isnan(answer)] = 0
    return {
        "future.truth": truth, "future.answer": answer, "future.low": answer - 0.25, "future.high": answer + 0.25,
        "future.before": draw.normal(size=(n, history, targets)), "future.factor": np.full((n, targets), 10.0),
        "future.offset": np.full((n, targets), 100.0),
    }  # fmt: skip


def test_fans_show_the_middle_and_the_worst_window_in_own_units():
    found = columns()
    events = figures(found, ["a", "b"], ["kW", ""], lambda window: [f"{window}:{i}" for i in range(5)])
    json.dumps(events, allow_nan=False)
    fans = [e for e in events if e["kind"] == "fan"]
    assert [e["title"] for e in fans] == [
        "a (kW): a window in the middle by its error", "a (kW): the worst window",
        "b: a window in the middle by its error", "b: the worst window",
    ]  # fmt: skip
    worst = fans[1]["data"]
    assert worst["labels"] == [f"4:{i}" for i in range(5)]
    assert worst["truth"] == pytest.approx((found["future.truth"][4, :, 0] * 10 + 100).tolist(), rel=1e-5)
    assert worst["history"] == pytest.approx((found["future.before"][4, :, 0] * 10 + 100).tolist(), rel=1e-5)
    assert np.subtract(worst["high"], worst["low"]) == pytest.approx([5, 5, 5], abs=0.01)
    assert fans[0]["data"]["labels"][0] == "2:0"


def test_error_and_coverage_by_step():
    lines = [e for e in figures(columns(), ["a", "b"], ["", ""]) if e["kind"] == "lines"]
    error, coverage = (e["data"] for e in lines)
    assert error["x"] == coverage["x"] == [1, 2, 3]
    assert [s["name"] for s in error["series"]] == ["all targets", "a", "b"]
    each = np.sqrt(np.mean(np.square([0, 0.1, 0.2, 0.3, 0.4])))
    assert error["series"][2]["values"] == pytest.approx([each] * 3)
    assert error["series"][1]["values"][1] == pytest.approx(np.sqrt(np.mean(np.square([0.1, 0.2, 0.3, 0.4]))))
    assert coverage["series"][0]["values"] == pytest.approx([0.6, 5 / 9, 0.6])
    assert coverage["series"][1]["values"] == [0.8] * 3


def test_one_target_is_told_in_its_own_unit():
    found = columns(targets=1)
    error = next(e for e in figures(found, ["load"], ["kW"]) if e["kind"] == "lines")["data"]
    assert error["y_label"] == "root mean squared error (kW)"
    assert error["series"][0]["values"][0] == pytest.approx(10 * np.sqrt(0.06))


def test_steps_are_numbered_without_times_and_what_is_unknown_is_null():
    found = columns(n=1)
    del found["future.low"], found["future.high"]
    events = figures(found, ["a", "b"], ["", ""])
    assert len([e for e in events if e["kind"] == "fan"]) == 2  # one window is not shown twice
    fan = events[0]["data"]
    assert fan["labels"] == ["-1", "0", "1", "2", "3"]
    assert fan["truth"][1] is None
    assert fan["low"] == fan["high"] == []
    assert [e["title"] for e in events if e["kind"] == "lines"] == ["Error by step ahead"]


def test_nothing_known_and_nothing_measured():
    found = columns()
    found["future.truth"][:] = np.nan
    events = figures(found, ["a", "b"], ["", ""])
    assert [e["kind"] for e in events] == ["lines", "lines"]
    assert events[0]["data"]["series"][0]["values"] == [None] * 3
    assert figures({name: values[:0] for name, values in found.items()}, ["a", "b"], ["", ""]) == []
