"""Example rows of boxes and masks: truth and answer are drawn on their picture, and what cannot be drawn is told."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from deepwell.core.fields import Field, Schema
from deepwell.core.table import ImageFile, Legend, MaskFile, Table
from deepwell.data.drawing import colour
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.sources.columns import objects
from deepwell.evaluation.figures import showcase

SIDE, ROWS = 32, 12
PICTURE = Field("image", "image")


def pixels(cell: object) -> np.ndarray:
    assert isinstance(cell, dict)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(cell["png"]))).convert("RGB"))


def test_boxes_are_drawn_true_and_answered_side_by_side() -> None:
    schema = Schema((PICTURE, Field("objects", "boxes", "target")))
    true = [{"label": "cat", "box": [4, 4, 20, 20]}]
    rows = Table({"image": np.zeros((ROWS, SIDE, SIDE, 3), np.uint8), "objects": objects([true] * ROWS)})
    pipeline = FieldPipeline(schema).fit(rows)
    answers = Table({"objects": objects([[{"label": "cat", "box": [8, 8, 24, 24], "score": 0.5}]] * (ROWS - 1) + [[]])})
    measured = {"objects.quality": np.where(np.arange(ROWS) == 7, 0.1, 0.9)}
    events = showcase(rows, schema, answers, measured, None, pipeline)
    assert [e["title"] for e in events] == ["Answers drawn at random", "The worst answers"]
    assert [c["name"] for c in events[0]["columns"]] == ["row", "objects, true", "objects, answered"]
    assert events[1]["rows"][0][0] == "row 7"
    _, left, right = events[1]["rows"][0]
    assert tuple(pixels(left)[5 * 8, 4 * 8]) == colour(0)  # eight times as large: the left edge of the true box
    assert tuple(pixels(right)[5 * 8, 4 * 8]) == (0, 0, 0)
    assert tuple(pixels(right)[20 * 8, 8 * 8]) == colour(0)


def test_true_masks_are_read_as_the_pipeline_reads_them(tmp_path: Path) -> None:
    """The files hold 0 and 7, an answer the indices 0 and 1; both are shown in the colour of the class."""
    legend = Legend({"0": "sky", "7": "car"})
    paths = []
    for place in range(ROWS):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[:, :16] = 7
        paths.append(tmp_path / f"{place}.png")
        Image.fromarray(mask).save(paths[-1])
    schema = Schema((PICTURE, Field("mask", "mask", "target")))
    cells = objects([MaskFile(str(p), legend) for p in paths])
    rows = Table({"image": np.full((ROWS, SIDE, SIDE, 3), 100, np.uint8), "mask": cells})
    pipeline = FieldPipeline(schema).fit(rows)
    answer = np.zeros((SIDE, SIDE), np.uint8)
    answer[:, :16] = 1
    events = showcase(rows, schema, Table({"mask": objects([answer] * ROWS)}), {"any": np.zeros(ROWS)}, None, pipeline)
    for row in events[0]["rows"]:
        true, answered = pixels(row[1]), pixels(row[2])
        assert np.array_equal(true, answered)
        assert not np.array_equal(true[5, 5], true[5, 25])
    paths[0].unlink()
    found = showcase(rows, schema, Table({"mask": objects([answer] * ROWS)}), {"any": np.zeros(ROWS)}, None, pipeline)
    told = [row[1] for row in found[0]["rows"] if isinstance(row[1], str)]
    assert all("exist" in text for text in told)


def test_a_picture_that_cannot_be_read_costs_only_its_cell() -> None:
    schema = Schema((PICTURE, Field("objects", "boxes", "target")))
    pictures = objects([ImageFile("/nowhere/at-all.png")] * ROWS)
    rows = Table({"image": pictures, "objects": objects([[]] * ROWS)})
    events = showcase(rows, schema, Table({"objects": objects([[]] * ROWS)}), {"any": np.zeros(ROWS)}, None)
    assert events[0]["rows"][0][1:] == ["the file does not exist"] * 2
