"""Columns that are worked on block by block: where the blocks end makes no difference. Referees are numpy's whole-array calls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.table import Table
from deepwell.data import equal_rows, recognition_columns, splits
from deepwell.data.equal_rows import numbered, row_codes
from deepwell.data.fields import values
from deepwell.data.fields.values import factorise, sampled
from deepwell.data.recognition import describe, recognise
from deepwell.data.sources.columns import objects
from deepwell.data.splits import draw

FLOATS = st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.5, float("nan"), float("inf"), -7.0]), max_size=30)


@pytest.fixture(params=[1, 3, 8], autouse=True)
def block(request, monkeypatch):
    """Blocks of a few rows everywhere."""
    for module in (equal_rows, recognition_columns, splits, values):
        monkeypatch.setattr(module, "BLOCK", request.param)


def table():
    draws = np.random.default_rng(4)
    number = draws.normal(size=40)
    number[[3, 17, 39]] = np.nan
    return Table(
        {
            "number": number, "whole": draws.integers(0, 30, 40), "running": np.arange(40) + 7, "yes": draws.random(40) > 0.5,
            "back": np.arange(40)[::-1].copy(), "word": objects(draws.choice(["a", "b", None], 40)),
            "huge": np.where(np.arange(40) == 20, np.inf, number * 1e300), "gaps": np.full(40, np.nan),
            "as text": objects(f"{i % 9}.5" for i in range(40)), "label": objects(["u", "v"] * 20),
        }
    )  # fmt: skip


def test_recognition_and_figures_do_not_depend_on_blocks(monkeypatch):
    found = recognise(table())
    figures = describe(table(), found)
    for module in (equal_rows, recognition_columns, splits, values):
        monkeypatch.setattr(module, "BLOCK", 1 << 16)
    assert found == recognise(table())
    for one, other in zip(figures, describe(table(), found), strict=True):
        for name in ("mean", "deviation"):  # sums may differ in the last place
            assert one["stats"].pop(name, 0) == pytest.approx(other["stats"].pop(name, 0), rel=1e-12)
        assert one == other
    assert "a running number, 7 to 46, another one in each row" in found["running"].reason
    number = table()["number"]
    stats = describe(table(), found)[0]["stats"]
    assert stats["mean"] == pytest.approx(np.nanmean(number))
    assert stats["deviation"] == pytest.approx(np.nanstd(number))
    assert stats["median"] == np.nanmedian(number)


@given(FLOATS)
def test_numbers_are_factorised_as_by_unique(cells):
    column = np.array(cells, np.float64)
    keys, index = factorise(column)
    unique, inverse = np.unique(column, return_inverse=True)
    assert [None if np.isnan(u) else values.key(u) for u in unique] == keys
    assert index.tolist() == inverse.tolist()


@given(st.lists(st.sampled_from(["a", "b", "", " ", None, 1, 1.0, 2.5]), max_size=30))
def test_mixed_cells_are_factorised_in_order_of_appearance(cells):
    keys, index = factorise(objects(cells))
    assert [keys[i] for i in index] == [values.key(c) for c in cells]
    assert list(dict.fromkeys(index.tolist())) == list(range(len(keys)))


def test_cells_that_cannot_be_hashed_are_factorised_by_their_text():
    assert factorise(objects(["x", [1], "x", [1], [2]])) == (["x", "[1]", "[2]"], pytest.approx([0, 1, 0, 1, 2]))


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=40))
def test_numbered_is_the_inverse_of_unique(cells):
    column = np.array(cells, np.uint64)
    assert numbered(column).tolist() == np.unique(column, return_inverse=True)[1].tolist()


def test_equal_rows_have_equal_codes_across_blocks():
    rows = Table({"x": np.array([1.0, np.nan, -0.0] * 4), "w": objects(["a", None, "c"] * 4)})
    codes = row_codes(rows, ["x", "w"])
    assert numbered(codes).tolist() == numbered(codes)[:3].tolist() * 4
    assert len(set(codes.tolist())) == 3
    zero = Table({"x": np.array([0.0]), "w": objects(["c"])})
    assert row_codes(zero, ["x"]) == row_codes(Table({"x": np.array([-0.0])}), ["x"])


def drawn_before(units, strata, count, draws):
    """The rule of `draw` with whole-array calls and sorting, as it is written down."""
    unit, inverse, sizes = np.unique(units, return_inverse=True, return_counts=True)
    names = np.unique(strata)
    votes = np.zeros((len(unit), len(names)), np.int64)
    np.add.at(votes, (inverse, np.searchsorted(names, strata)), 1)
    order = np.lexsort((draws.permutation(len(unit)), votes.argmax(axis=1)))
    share = min(1.0, count / len(units))
    taken = np.zeros(len(unit), np.bool_)
    single = order[sizes[order] == 1]
    taken[single] = np.diff(np.floor(np.arange(len(single) + 1) * share + draws.random())) > 0
    owed = 0.0
    for index in order[sizes[order] > 1]:
        owed += sizes[index] * share
        if owed >= sizes[index] / 2:
            taken[index], owed = True, owed - sizes[index]
    if count and not taken.any() and len(unit) > 1:
        taken[order[np.argmin(sizes[order])]] = True
    return taken[inverse]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(-1, 5)), min_size=1, max_size=60),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_rows_are_drawn_as_the_rule_says(rows, share, seed):
    units, strata = np.array(rows).T
    count = round(share * len(rows))
    found = draw(units, strata, count, np.random.default_rng(seed))
    assert found.tolist() == drawn_before(units, strata, count, np.random.default_rng(seed)).tolist()


def test_a_sample_of_many_rows_tells_their_quantiles(monkeypatch):
    column = np.arange(100_000) % 1000 / 1000  # a period, which evenly spaced rows would meet
    assert sampled(column) is column
    monkeypatch.setattr(values, "FITTED_ROWS", 5000)
    some = sampled(column)
    assert len(some) == 5000
    assert np.array_equal(some, sampled(column))
    for share in (0.01, 0.25, 0.5, 0.75, 0.99):
        assert np.quantile(some, share) == pytest.approx(share, abs=0.03)
    ordered = sampled(np.arange(100_000.0))
    assert (np.diff(ordered) > 0).all()  # one of each stretch
    assert abs(ordered - np.arange(5000) * 20).max() < 20
