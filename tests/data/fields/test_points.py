"""points: exact in float32, ragged, odd cells named."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.fields import Field
from deepwell.data.fields.points import Points

pairs = st.lists(
    st.tuples(st.floats(width=32, allow_nan=False, allow_infinity=False), st.floats(-1, 1, width=32)), max_size=5
)


@given(st.lists(pairs, max_size=6))
def test_points_come_back_exactly(rows):
    column = np.empty(len(rows), object)
    column[:] = rows
    kind = Points().fit(column, Field("p", "points"), is_target=True)
    parts, problems = kind.encode(column)
    assert not problems
    assert parts[""].values.dtype == np.float32
    back = kind.decode(parts[""])
    assert [[tuple(p) for p in row.tolist()] for row in back] == rows


def test_odd_cells_are_named():
    column = np.empty(5, object)
    column[:] = [None, [(1, 2, 3)], "abc", [(1, float("nan"))], [(1, 2)]]
    problems = Points().encode(column)[1]
    assert sorted(problems) == [0, 1, 2, 3]
    assert "shape (points, 2); got (1, 3)" in problems[1]
