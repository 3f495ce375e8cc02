"""Why a row of a series is unusual, in words."""

import numpy as np
import pytest
from tests.data.series.test_row_windows import fitted, table

from deepwell.core.batch import Batch
from deepwell.families.odd_reasons import NOTHING
from deepwell.families.series_reasons import WORDS, because, shares
from deepwell.nn.networks.series_judge import REASONS

PIPELINE = fitted(table((40,)))
BATCH = Batch(
    {
        "window": np.array([[[0.0, 0.0], [1.0, 2.0]]], np.float32),
        "window.seen": np.ones((1, 2, 2), np.uint8),
        "offset": np.array([[10.0, 100.0]]),
        "factor": np.array([[5.0, 50.0]]),
    },
    np.zeros(1, np.int64),
)


def outputs(column, reason, part=2.0):
    parts = np.zeros((1, 2, len(REASONS)), np.float32)
    parts[0, column, REASONS.index(reason)] = part
    return {"parts": parts, "expected": np.array([[-1.0, 0.5]], np.float32)}


def test_each_statistic_has_its_words():
    assert tuple(WORDS)[:-1] == REASONS


@pytest.mark.parametrize(
    ("column", "reason", "said"),
    [
        (0, "level", "y is 15, far from what it was before"),
        (1, "spread", "z changes more than before; it is 200"),
        (1, "flatness", "z stands still more than before; it is 200"),
        (1, "forecast", "z is 200; 125 was expected"),
        (0, "forecast", "y is 15; 5 was expected"),
    ],
)
def test_the_largest_part_speaks_in_the_unit_of_the_data(column, reason, said):
    assert because(outputs(column, reason), BATCH, PIPELINE).tolist() == [said]


def test_a_baseline_has_one_statistic():
    found = {"parts": np.array([[[1.0], [3.0]]]), "expected": np.zeros((1, 2))}
    assert because(found, BATCH, PIPELINE).tolist() == ["z is 200; 100 is usual"]


def test_a_missing_value_is_called_so():
    batch = Batch({**BATCH.arrays, "window.seen": np.zeros((1, 2, 2), np.uint8)}, BATCH.examples)
    assert because(outputs(0, "flatness"), batch, PIPELINE).tolist() == [
        "y stands still more than before; it is missing"
    ]


def test_shares_of_columns_add_up():
    found = shares({"parts": np.log(np.array([[[1.0, 3.0], [1.0, 0.5]]]))})
    np.testing.assert_allclose(found, [[0.75, 0.25]])


@pytest.mark.parametrize("part", [0.0, 1.9])
def test_usual_rows_have_no_reason(part):
    assert because(outputs(0, "level", part), BATCH, PIPELINE).tolist() == [NOTHING]


def test_an_alarming_row_has_a_reason_in_any_case():
    said = because(outputs(0, "level", 1.9), BATCH, PIPELINE, alarming=1.5)
    assert said.tolist() == ["y is 15, far from what it was before"]
    assert because(outputs(0, "level", 1.2), BATCH, PIPELINE, alarming=1.5).tolist() == [NOTHING]
