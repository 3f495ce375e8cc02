"""Reasons in words: which fields are named, when none is, and where in a picture."""

import math

import numpy as np
import pytest

from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.fields.category import Category
from deepwell.data.pipeline import FieldPipeline
from deepwell.families.graded import STEPS, Graded
from deepwell.families.odd_reasons import NOTHING, fields_because, picture_because

SCHEMA = Schema((Field("kind", "category"), Field("width", "number")))


def asked(share, width=8.0, kind="round", expected=None):
    """The text for one row; share: of width, then of kind, as networks have numbers before categories."""
    table = Table({"width": np.linspace(0, 10, 100), "kind": np.array(["long"] * 60 + ["round"] * 40, object)})
    pipeline = FieldPipeline(SCHEMA, {"width": Graded(), "kind": Category(9)}).fit(table)
    row = pipeline.encode(Table({"width": np.array([width]), "kind": np.array([kind], object)})).columns
    arrays = {"inputs.number": row["width"][:, None], "inputs.category": row["kind"][:, None]}
    usual = np.array([[(STEPS - 1) / 2, 1.0]]) if expected is None else np.array([expected])
    outputs = {"share": np.array([share]), "expected": usual}
    return fields_because(SCHEMA, outputs, arrays, pipeline, odds=True)[0]


def test_the_odd_field_is_named_with_its_odds_and_what_is_usual():
    assert asked([math.log(6400), 0.1]) == "width 8 (1 in 6,400; about 5 is usual here)"
    assert asked([0.1, math.log(45)]) == "kind 'round' (1 in 45; 'long' is usual here)"
    both = asked([math.log(100), math.log(200)])
    assert both.startswith("kind 'round' (1 in 200")
    assert "; width 8 (1 in 100" in both


def test_usual_rows_have_no_reason():
    assert asked([1.0, 2.0]) == NOTHING


def test_missing_values_are_told_and_may_be_what_is_usual():
    assert asked([9.0, 0.0], width=math.nan).startswith("width missing (1 in 8,103; about 5 is usual here)")
    assert asked([9.0, 0.0], expected=[STEPS, 1.0]).endswith("missing is usual here)")
    assert asked([0.0, 9.0], kind="square").startswith("kind of a rare, unknown or missing value")


def test_without_odds_the_part_of_the_score_is_told():
    table = Table({"width": np.linspace(0, 10, 100), "kind": np.array(["long"] * 100, object)})
    pipeline = FieldPipeline(SCHEMA, {"width": Graded(), "kind": Category(9)}).fit(table)
    arrays = {"inputs.number": np.full((2, 1), 24, np.float32), "inputs.category": np.ones((2, 1), np.int32)}
    outputs = {"share": np.array([[0.3, 0.1], [0.0, 0.0]]), "expected": np.zeros((2, 2))}
    found = fields_because(SCHEMA, outputs, arrays, pipeline, odds=False)
    assert found[0].startswith("width 5 (75% of the score); kind 'long' (25%")
    assert found[1] == NOTHING


def test_a_spot_of_a_picture_is_named_by_its_place():
    where = np.zeros((3, 20, 30), np.float32)
    where[0, 1:3, 25:29] = 4.0
    where[1, 9, 14] = 1.0
    texts, maps = picture_because(where)
    assert texts[0] == "top right: rows 2 to 3, columns 26 to 29 of 20 x 30 (100% of the score)"
    assert texts[1].startswith("middle centre: rows 10 to 10")
    assert texts[2] == NOTHING
    assert maps[0].shape == (20, 30)
    assert maps[0].max() == 255
    assert not maps[2].any()


@pytest.mark.parametrize(
    ("width", "said"), [(1e300, "above "), (np.inf, "above "), (-1e30, "below -"), (-1e300, "below -")]
)
def test_a_number_beyond_the_scale_is_told_as_beyond_it(width, said):
    text = asked([9.0, 0.0], width=width)
    assert text.startswith(f"width {said}")
    told = float(text.split()[2])
    assert abs(told) < abs(width)
    assert abs(told) > 1000


@pytest.mark.parametrize("width", [8.0, -40.0, 700.0])
def test_a_number_on_the_scale_is_told_in_four_figures(width):
    assert asked([9.0, 0.0], width=width).startswith(f"width {width:.4g} (1 in ")


def test_a_number_that_the_scale_blurs_is_told_roughly():
    assert asked([9.0, 0.0], width=4200.0).startswith("width about 4.2e+03 (1 in ")
