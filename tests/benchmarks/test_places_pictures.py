"""Both sides of the comparison of detectors do the same work: one loss, and they learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.places_pictures import SCHEMA, STRIDES, Case, ours, picture_by_picture, scenes, theirs

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.nn.layers.pyramid import places
from deepwell.tasks.object_detection import DetectionConfig, ObjectDetection

SMALL = Case(pictures=9, height=120, width=160, side=160, objects=3, steps=2, threads=1)


def test_a_loop_over_pictures_has_the_loss_of_the_task() -> None:
    draw = np.random.default_rng(0)
    where = places(80, 136, STRIDES)
    middle = where[:, :2] + torch.tensor(draw.normal(0, 4, (3, len(where), 2)), dtype=torch.float32)
    half = torch.tensor(draw.uniform(4, 20, (3, len(where), 2)), dtype=torch.float32)
    outputs = {
        "objects.boxes": torch.cat([middle - half, middle + half], -1),
        "objects.logits": torch.tensor(draw.normal(-2, 2, (3, len(where), 2)), dtype=torch.float32),
    }
    corner = torch.tensor(draw.uniform(0, 60, (5, 2)), dtype=torch.float32)
    boxes = torch.cat([corner, corner + torch.tensor(draw.uniform(8, 40, (5, 2)), dtype=torch.float32)], 1)
    row, label = torch.tensor([0, 0, 0, 2, 2]), torch.tensor([0, 1, 1, 0, 1])
    targets = [{"boxes": boxes[row == i], "labels": label[row == i]} for i in range(3)]
    total, units = picture_by_picture(outputs, where, targets)
    arrays = {
        "image": torch.zeros(3, 3, 80, 136, dtype=torch.uint8), "objects": boxes, "objects.row": row,
        "objects.label": label, "objects.ignore": torch.zeros(5, dtype=torch.uint8),
    }  # fmt: skip

    class Network(torch.nn.Module):
        def forward(self, arrays: object, state: object = None) -> object:
            return outputs, state

    task = ObjectDetection(SCHEMA, DetectionConfig())
    loss = task.loss(Network(), Batch(arrays, np.arange(3)), Key(0))
    assert loss.units == units == 8
    assert total.item() == pytest.approx(loss.total.item(), rel=1e-4)


def test_both_sides_run_and_count_their_pictures(tmp_path: Path) -> None:
    table = scenes(SMALL, tmp_path)
    for side in (ours(SMALL, table, "float32"), theirs(SMALL, table)):
        assert side() == 16
