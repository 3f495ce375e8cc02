"""Figures of the report by themselves."""

import pytest

from deepwell.reports import plots


def test_a_map_colours_its_most_frequent_labels_and_refuses_odd_lengths():
    data = {"x": [0, 1, 2], "y": [2, 1, 0], "label": ["<b>", "other", "other"], "x_label": "first", "y_label": "second"}
    picture = str(plots.map_(data, "m")[0])
    assert "3 points; most frequent: other, &lt;b&gt;" in picture
    assert "<b>" not in picture
    assert "3 points" in str(plots.map_({"x": [0, 1, 2], "y": [1, 2, 3]}, "m")[0])
    with pytest.raises(ValueError, match="a map of 3 points has 2 heights"):
        plots.map_({"x": [0, 1, 2], "y": [1, 2]}, "m")
