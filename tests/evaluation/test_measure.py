"""measure joins the batches of a task's own measure, line by line, whatever the batch size."""

from types import SimpleNamespace

import numpy as np
import pytest

from deepwell.core.batch import Encoded
from deepwell.core.errors import RunError
from deepwell.core.examples import RowExamples
from deepwell.core.runner import NumpyRunner
from deepwell.evaluation.measure import measure

RUNNER = NumpyRunner({"forward": lambda arrays, state: ({"twice": 2 * arrays["x"]}, state)})


def task(give):
    """Anything with a measure."""
    return SimpleNamespace(measure=lambda runner, batch, pipeline: give(runner.run("forward", batch.arrays)[0], batch))


def examples(count: int, units=None) -> RowExamples:
    return RowExamples(Encoded({"x": np.arange(count)}, np.arange(count)), units)


PLAIN = task(lambda outputs, batch: {"t.answer": outputs["twice"], "t.logits": np.zeros((len(batch), 3), np.float32)})


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_one_line_per_example_in_order(size):
    found = measure(PLAIN, RUNNER, examples(7), None, size)
    assert found["t.answer"].tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert found["t.logits"].shape == (7, 3)
    assert found["t.logits"].dtype == np.float32
    assert "unit" not in found


def test_units_are_appended_and_wide_columns_can_be_left_out():
    found = measure(PLAIN, RUNNER, examples(4, np.array([1, 1, 2, 2])), None, without=(".logits",))
    assert set(found) == {"t.answer", "unit"}
    assert found["unit"].tolist() == [1, 1, 2, 2]


def test_no_examples_give_no_columns():
    assert measure(PLAIN, RUNNER, examples(0, np.zeros(0, int)), None) == {}


def test_a_task_that_breaks_the_contract_is_told():
    with pytest.raises(RunError, match="2 lines of 'a' for a batch of 3"):
        measure(task(lambda outputs, batch: {"a": np.zeros(2)}), RUNNER, examples(3), None)
    uneven = task(lambda outputs, batch: {"a": outputs["twice"]} if batch.examples[0] == 0 else {})
    with pytest.raises(RunError, match="after \\['a'\\]"):
        measure(uneven, RUNNER, examples(4), None, size=2)
    endless = examples(3)
    endless.count = None
    with pytest.raises(RunError, match="no end"):
        measure(PLAIN, RUNNER, endless, None)
