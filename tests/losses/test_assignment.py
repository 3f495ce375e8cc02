"""Assignment: by hand on a few places, against a plain loop over objects, and what must always hold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.losses.assignment import Objects, covered, task_aligned
from deepwell.losses.boxes import overlap
from deepwell.nn.layers.pyramid import places

ROW = torch.tensor([[4.0, 4.0, 8.0], [12.0, 4.0, 8.0], [20.0, 4.0, 8.0], [28.0, 4.0, 8.0]])
"""Four places side by side in a picture of 32 x 8."""


def objects(*rows):
    """(picture, label, left, top, right, bottom) of each."""
    found = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    return Objects(found[:, 2:], found[:, 0].long(), found[:, 1].long())


def logit(p):
    return torch.logit(torch.tensor(p, dtype=torch.float32))


def test_by_hand_the_best_fitting_places_answer_and_are_asked_for_their_share_of_the_fit():
    truth = objects((0, 1, 0, 0, 24, 8))
    boxes = torch.tensor([[[0, 0, 12, 8], [0, 0, 24, 8], [0, 0, 18, 8], [0, 0, 24, 8]]], dtype=torch.float32)
    logits = torch.stack([logit([0.9, 0.9, 0.9, 0.9]), logit([0.5, 0.25, 0.5, 0.9])], 1).unsqueeze(0)
    found = task_aligned(boxes, logits, ROW, truth, most=2, powers=(1, 2))
    # Fits 0.5, 1, 0.75 give the measures 0.5 * 0.25, 0.25 * 1, 0.5 * 0.5625; the fourth place lies outside the object.
    assert sorted(found.place.tolist()) == [1, 2]
    quality = dict(zip(found.place.tolist(), found.quality.tolist(), strict=True))
    assert quality[2] == pytest.approx(1.0)  # the highest measure is asked for the best fit
    assert quality[1] == pytest.approx(0.25 / 0.28125)


def test_a_place_that_two_objects_want_goes_to_the_one_it_fits_better():
    truth = objects((0, 0, 0, 0, 16, 8), (0, 0, 8, 0, 24, 8))
    boxes = torch.tensor([[[0, 0, 16, 8], [7, 0, 23, 8], [8, 0, 24, 8], [0, 0, 1, 1]]], dtype=torch.float32)
    found = task_aligned(boxes, torch.zeros(1, 4, 1), ROW, truth)
    assert dict(zip(found.place.tolist(), found.object.tolist(), strict=True)) == {0: 0, 1: 1, 2: 1}


def test_a_batch_without_objects_assigns_nothing():
    found = task_aligned(torch.zeros(3, 4, 4), torch.zeros(3, 4, 2), ROW, objects())
    assert len(found.picture) == len(found.place) == len(found.object) == len(found.quality) == 0
    assert not covered(ROW, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 3).any()


def test_an_object_smaller_than_a_cell_has_a_place():
    boxes = torch.tensor([[[0, 0, 8, 8], [8, 0, 16, 8], [0, 0, 8, 8], [0, 0, 8, 8]]], dtype=torch.float32)
    found = task_aligned(boxes, torch.zeros(1, 4, 1), ROW, objects((0, 0, 9, 1, 10, 2)))
    assert found.place.tolist() == [1]


def test_places_inside_ignored_boxes_are_found_by_picture():
    found = covered(ROW, torch.tensor([[0.0, 0, 13, 8], [18, 0, 30, 8]]), torch.tensor([1, 0]), 2)
    assert found.tolist() == [[False, False, True, True], [True, True, False, False]]


def scenes(seed, pictures=3, classes=2):
    """Random answers and objects on a small pyramid."""
    draw = np.random.default_rng(seed)
    where = places(24, 40, (8, 16))
    count = int(draw.integers(0, 9))
    corner = draw.uniform(-4, 36, (count, 2))
    found = np.concatenate([corner, corner + draw.uniform(1, 24, (count, 2))], 1)
    truth = Objects(
        torch.tensor(found, dtype=torch.float32),
        torch.tensor(np.sort(draw.integers(0, pictures, count))),
        torch.tensor(draw.integers(0, classes, count)),
    )
    middle = where[:, :2] + torch.tensor(draw.normal(0, 3, (pictures, len(where), 2)), dtype=torch.float32)
    half = torch.tensor(draw.uniform(2, 12, (pictures, len(where), 2)), dtype=torch.float32)
    logits = torch.tensor(draw.normal(0, 2, (pictures, len(where), classes)), dtype=torch.float32)
    return torch.cat([middle - half, middle + half], -1), logits, where, truth


def by_loop(boxes, logits, where, truth, most):
    """The same in plain Python: picture and place -> object, quality."""
    wishes = {}
    for number, (box, row, label) in enumerate(zip(truth.boxes, truth.row, truth.label, strict=True)):
        middle, half = (box[:2] + box[2:]) / 2, ((box[2:] - box[:2]) / 2).clamp(min=4)
        inside = [i for i, p in enumerate(where) if bool(((p[:2] - middle).abs() <= half).all())]
        fit = {i: overlap(boxes[row, i], box).item() for i in inside}
        measure = {i: logits[row, i, label].sigmoid().item() * fit[i] ** 6 for i in inside}
        for i in sorted(inside, key=lambda i: -measure[i])[:most]:
            wishes.setdefault((int(row), i), []).append((fit[i], -number, measure[i]))
    won = {slot: max(claims) for slot, claims in wishes.items()}
    best = {
        n: (max(m for _, o, m in won.values() if o == n), max(f for f, o, _ in won.values() if o == n))
        for n in {o for _, o, _ in won.values()}
    }
    return {slot: (-n, m / (best[n][0] + 1e-12) * best[n][1]) for slot, (_, n, m) in won.items()}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_it_is_what_a_plain_loop_finds(seed, most):
    boxes, logits, where, truth = scenes(seed)
    found = task_aligned(boxes, logits, where, truth, most)
    expected = by_loop(boxes, logits, where, truth, most)
    slots = list(zip(found.picture.tolist(), found.place.tolist(), strict=True))
    assert len(set(slots)) == len(slots)
    assert dict(zip(slots, found.object.tolist(), strict=True)) == {slot: n for slot, (n, _) in expected.items()}
    for slot, quality in zip(slots, found.quality.tolist(), strict=True):
        assert quality == pytest.approx(expected[slot][1], rel=1e-3, abs=1e-6)
    assert torch.equal(truth.row[found.object], found.picture)
    assert bool(((found.quality >= 0) & (found.quality <= 1 + 1e-6)).all())


def test_pictures_do_not_depend_on_each_other():
    boxes, logits, where, truth = scenes(5, pictures=4)
    whole = task_aligned(boxes, logits, where, truth)
    for row in range(4):
        own = truth.row == row
        part = Objects(truth.boxes[own], torch.zeros(int(own.sum()), dtype=torch.int64), truth.label[own])
        alone = task_aligned(boxes[row : row + 1], logits[row : row + 1], where, part)
        among = whole.picture == row
        assert torch.equal(alone.place, whole.place[among])
        assert torch.equal(alone.quality, whole.quality[among])
