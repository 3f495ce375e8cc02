"""Figures of reduced rows: distances on the plane, labels of what was set aside, which rows and columns are shown."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from deepwell.core.fields import Field
from deepwell.core.table import Table
from deepwell.evaluation.reduction_figures import MOST_POINTS, SHOWN_ROWS, along, beside, plane
from deepwell.reports import plots

A, B, KIND, PHOTO = Field("a", "number"), Field("b", "number"), Field("kind", "category"), Field("photo", "image")


def test_the_plane_is_that_of_the_two_largest_components():
    codes = np.random.default_rng(0).normal(size=(300, 5)) @ np.diag([3.0, 1, 5, 0.5, 0.2])
    event = plane(codes, None, None)
    found = np.stack([event["data"]["x"], event["data"]["y"]], axis=1)
    theirs = PCA(2).fit_transform(codes)
    assert np.allclose(np.abs(found), np.abs(theirs), atol=1e-6)
    assert "label" not in event["data"]
    assert plots.draw(event, "f")


def test_one_code_and_many_rows_still_make_a_plane():
    event = plane(np.arange(3 * MOST_POINTS, dtype=np.float32)[:, None], None, None)
    assert len(event["data"]["x"]) == MOST_POINTS
    assert not any(event["data"]["y"])


def test_points_are_coloured_by_what_was_set_aside():
    codes = np.random.default_rng(0).normal(size=(100, 3))
    few = np.array(["x", "y"] * 50, object)
    event = plane(codes, KIND, few)
    assert event["data"]["label"] == few.tolist()
    assert "coloured by kind" in event["title"]
    fifths = plane(codes, A, np.append(np.arange(99.0), np.nan))["data"]["label"]
    assert sorted({v: fifths.count(v) for v in fifths}.values()) == [1, 19, 20, 20, 20, 20]
    assert fifths[0].startswith("0 to ")
    assert fifths[-1] == "missing"
    words = plane(codes, Field("note", "text"), np.array([f"note {i}" for i in range(100)], object))
    assert "label" not in words["data"]


def rows(n=20):
    return Table({"a": np.arange(n, dtype=float), "b": np.ones(n), "kind": np.array(["u"] * n, object)})


def answers(n=20):
    away = np.zeros(n)
    away[3] = 100.0
    return Table({"a.written": np.arange(n) + 0.0, "b.written": 1 + away, "kind.written": np.array(["u"] * n, object)})


def test_worst_rows_come_first_with_the_columns_that_are_to_blame():
    errors = np.linspace(1, 2, 20)
    errors[3] = 9.0
    worst, middle = beside([A, B, KIND], rows(), answers(), errors, None)
    assert [line[0] for line in worst["rows"]] == ["row 3", "row 19", "row 18", "row 17"]
    assert [line[1] for line in worst["rows"]] == sorted(errors, reverse=True)[:SHOWN_ROWS]
    assert [c["name"] for c in worst["columns"]][:4] == ["row", "error", "b", "b, written again"]
    assert worst["rows"][0][2:4] == [1.0, 101.0]
    assert np.median(errors) == pytest.approx(np.median([line[1] for line in middle["rows"]]), abs=0.06)


def test_rows_are_found_by_their_index_in_the_table():
    worst = beside([A], rows(), answers(), np.array([0.0, 5.0]), np.array([7, 11]))[0]
    assert [line[2] for line in worst["rows"]] == [11.0, 7.0]


def test_pictures_stand_beside_what_was_written_of_them():
    pixels = np.random.default_rng(0).integers(0, 255, (6, 4, 4, 1)).astype(np.uint8)
    table, told = Table({"photo": pixels}), Table({"photo.written": np.zeros_like(pixels)})
    events = beside([PHOTO], table, told, np.arange(6.0), None)
    assert [e["title"].split(":")[0] for e in events] == [
        "Written again worst", "Written again as rows mostly are", "Written again best"
    ]  # fmt: skip
    assert all(set(cell) == {"png"} for line in events[0]["rows"] for cell in line[2:])


def test_nothing_is_shown_of_nothing():
    assert beside([A], rows(), Table({}), np.zeros(20), None) == []
    assert beside([A], rows(), answers(), np.zeros(0), None) == []
    assert along([A], rows(), answers(), np.zeros(0), None, "a") == []


def test_curves_go_around_the_worst_step():
    n = 1000
    when = np.array([f"day {i}" for i in range(n)], object)
    table = Table({"a": np.append(np.nan, np.arange(1.0, n)), "when": when})
    told = Table({"a.written": np.arange(n) + 1.0})
    errors = np.zeros(n)
    errors[990] = 1.0
    (event,) = along([A], table, told, errors, None, "when")
    assert (event["data"]["x"][0], event["data"]["x"][-1]) == ("day 800", "day 999")
    assert [s["values"][0] for s in event["data"]["series"]] == [800.0, 801.0]
    assert along([A], table, told, errors[::-1], None, "when")[0]["data"]["series"][0]["values"][0] is None
    assert plots.draw(event, "f")
