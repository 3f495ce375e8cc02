"""Labels inside boxes are renamed and checked as those of categories are."""

import numpy as np
import pytest

from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Part, Table
from deepwell.data.sources.columns import objects
from deepwell.data.splits import Parts
from deepwell.runs.labels import check_labels, renamed


def box(label: str) -> dict[str, object]:
    return {"label": label, "box": [0, 0, 4, 4]}


def test_labels_of_boxes_are_renamed_and_the_cells_given_stay() -> None:
    table = Table({"objects": objects([[box("wbc"), box("RBC")], [], None, [box("WBC")]])})
    found = renamed(table, ["objects"], {"wbc": "WBC"})
    assert [[b["label"] for b in cell] if cell else cell for cell in found["objects"]] == [
        ["WBC", "RBC"],
        [],
        None,
        ["WBC"],
    ]
    assert table["objects"][0][0] == box("wbc")
    with pytest.raises(DataError, match="does not occur: 'wbx'; did you mean 'wbc'"):
        renamed(table, ["objects"], {"wbx": "WBC"})


def parts_of(train: list[str], test: list[str]) -> Parts:
    each = {"train": train, "select": [], "calibrate": [], "test": test}
    made = {n: Part(n, Table({"objects": objects([[box(label)] for label in labels])})) for n, labels in each.items()}
    return Parts(**made, reason="", notes=(), assignment=np.zeros(0, np.int8))


def test_a_label_that_only_the_authors_test_has_is_refused() -> None:
    target, split = Field("objects", "boxes", "target"), Field("split", "category", "split")
    parts = parts_of(["RBC", "WBC"], ["RBC", "wbc"])
    with pytest.raises(
        DataError, match="'wbc' of column 'objects' never occurs in training; did you mean 'WBC'"
    ) as found:
        check_labels(parts, Schema((target, split)))
    assert "--map 'wbc -> WBC'" in str(found.value)
    assert "row 1" in str(found.value)
    check_labels(parts, Schema((target,)))
    check_labels(parts_of(["RBC", "WBC"], ["WBC"]), Schema((target, split)))
