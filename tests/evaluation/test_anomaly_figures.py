"""What a report shows of anomalies: two heaps of scores, ranks and thresholds, the oddest rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.evaluation import anomaly_figures as figures
from deepwell.reports.plots import draw


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["gamma", "lognormal", "uniform", "normal"]))
def test_one_heap_is_rarely_taken_for_two(seed, form):
    draws = np.random.default_rng(seed)
    score = {
        "gamma": lambda: draws.gamma(6, 1, 2000),
        "lognormal": lambda: draws.lognormal(1, 0.5, 2000),
        "uniform": lambda: draws.uniform(1, 5, 2000),
        "normal": lambda: draws.normal(20, 3, 2000),
    }[form]()
    assert figures.heap(score) is None


@pytest.mark.parametrize("share", [0.15, 0.33, 0.45])
def test_two_heaps_are_told_by_the_share_of_the_upper_one(share):
    draws = np.random.default_rng(0)
    many = round(2000 * share)
    score = np.concatenate([draws.gamma(6, 1, 2000 - many), draws.gamma(200, 0.2, many)])
    assert figures.heap(score) == pytest.approx(share, abs=0.02)


def test_few_rows_and_equal_scores_have_no_heaps():
    assert figures.heap(np.ones(1000)) is None
    assert figures.heap(np.repeat([1.0, 9.0], 50)) is None


def columns(n=300):
    draws = np.random.default_rng(0)
    truth = np.repeat([0, 1, -1], [n - 60, 40, 20])
    return {"score": draws.gamma(5, 1, n) + 6 * (truth == 1), "truth": truth, "threshold": np.full(n, 12.0)}


def test_every_figure_can_be_drawn_and_planted_rows_are_called_so():
    events = figures.figures(columns(), planted=True)
    assert [e["kind"] for e in events] == ["lines", "histogram", "histogram", "roc"]
    for place, event in enumerate(events):
        assert draw(event, f"f{place}")
    assert "planted anomalies" in events[2]["title"]
    ranked = events[0]["data"]["series"]
    assert ranked[0]["values"] == sorted(ranked[0]["values"], reverse=True)
    assert ranked[0]["values"][0] == max(columns()["score"][columns()["truth"] < 1])
    assert set(ranked[1]["values"]) == {12.0}
    labelled = figures.figures(columns(), planted=False)
    assert "rows labelled anomalous" in labelled[2]["title"]
    assert labelled[0]["data"]["series"][0]["values"][0] == max(columns()["score"])


def test_heaps_become_a_note_with_a_repair():
    draws = np.random.default_rng(0)
    score = np.concatenate([draws.gamma(6, 1, 700), draws.gamma(200, 0.2, 300)])
    events = figures.figures({"score": score, "truth": np.zeros(1000, int)}, planted=True)
    note = next(e for e in events if e["event"] == "note")
    assert "two heaps, of which the upper holds 30%" in note["text"]
    assert "--set contamination=0.3" in note["text"]


def test_the_oddest_rows_are_shown_with_their_reasons():
    n = 30
    rows = Table({"a": np.arange(n, dtype=float), "state": np.array(["fine"] * n, object)})
    answers = Table({
        "score": np.where(np.arange(n) == 4, 99.0, 1.0), "alarming": np.array(["no"] * n, object),
        "because": np.array([f"row {i}" for i in range(n)], object),
    })  # fmt: skip
    label = Field("state", "category", "target")
    (event,) = figures.oddest(rows, answers, np.arange(n), [Field("a", "number")], label)
    assert [c["name"] for c in event["columns"]] == ["row", "state", "score", "alarming", "because"]
    assert event["rows"][0] == ["row 4", "fine", 99.0, "no", "row 4"]
    assert len(event["rows"]) == figures.SHOWN_ROWS
    assert figures.oddest(rows, answers.take(np.arange(2)), None, [], label) == []


SERIES = Schema((Field("shop", "category", "group"), Field("sold", "number"), Field("heat", "number")))


def answered(n=300):
    """Two shops by turns, 150 hours each, told in the order of time within each; the oddest is hour 60 of the second."""
    shop = np.where(np.arange(n) % 2 == 0, "a", "b").astype(object)
    rows = Table({"shop": shop, "sold": np.arange(n) * 1.0, "heat": np.arange(n) * -1.0})
    odd = np.arange(n) == 121
    answers = Table({
        "score": np.where(odd, 9.0, 1.0).astype(object), "alarming": np.where(odd, "yes", "no").astype(object),
        "expected.heat": np.full(n, 5.0), "share.sold": np.full(n, 0.1), "share.heat": np.full(n, 0.9),
    })  # fmt: skip
    order = np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)])
    return rows, answers, order


def test_the_stretch_around_the_oddest_row_is_of_its_series_and_shows_where_the_alarm_was():
    rows, answers, order = answered()
    answers["score"][5] = None
    copies = np.concatenate([order, [3, 121, 200]])  # spoilt copies stand behind
    values, scores = figures.stretch(rows, answers, copies, SERIES)
    assert "heat of b around the oddest row" in values["title"]
    x = np.array(values["data"]["x"])
    assert (x[0], x[-1]) == (-60, 89)
    curves = {c["name"]: c["values"] for c in values["data"]["series"]}
    assert curves["value"] == [-(2.0 * hour + 1) for hour in range(150)]
    assert set(curves["expected"]) == {5.0}
    assert [place for place, v in zip(x, curves["alarm"], strict=True) if v is not None] == [-1, 0]
    (score,) = scores["data"]["series"]
    assert score["values"][60] == 9.0
    assert score["values"][2] is None
    for place, event in enumerate((values, scores)):
        assert draw(event, f"f{place}")


def test_a_long_stretch_is_cut_and_without_answers_there_is_none():
    rows, answers, _ = answered()
    alone = Schema((Field("sold", "number"),))
    values, _ = figures.stretch(rows, answers, np.arange(300), alone)
    assert (values["data"]["x"][0], values["data"]["x"][-1]) == (-figures.BESIDE, figures.BESIDE)
    assert figures.stretch(rows, answers, None, alone) == []
    assert figures.stretch(rows, answers.take(np.arange(3)), np.arange(300), alone) == []
    empty = answers.with_columns({"score": np.full(300, None, object)})
    assert figures.stretch(rows, empty, np.arange(300), alone) == []
    one, _ = figures.stretch(rows.take(np.array([121])), answers.take(np.array([121])), np.array([0]), alone)
    assert one["data"]["x"] == [0]
