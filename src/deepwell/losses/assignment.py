"""Assignment: which places of a detector answer for which object, found anew at each step from what it answers now.

Feng et al. 2021, arXiv:2108.07755 (task-aligned assignment): of the places inside an object, those answer for it where
score^alpha * overlap^beta is highest, and their classes are asked for a quality: that measure, scaled so that the best place of
an object is asked for its overlap. Unusual: no padding and no loop over pictures. Pairs of an object and a place inside it
are one flat list, so the work grows with the area of the objects, and a batch without any object is an empty list. An
object smaller than a cell is widened to one, so that each has a place to answer for it.

Legend: n pictures, L places, K classes, t objects of all pictures, p pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deepwell.losses.boxes import overlap


@dataclass(frozen=True)
class Objects:
    """True objects, flat. boxes: (t, 4) in pixels; row: (t,) the picture of each; label: (t,) its class."""

    boxes: Tensor
    row: Tensor
    label: Tensor


@dataclass(frozen=True)
class Assignment:
    """Which places answer. Each is in at most one of the m pairs.

    picture, place, object: (m,) int64 indices. quality: (m,) float32 from 0 to 1, what the score of the object's class is to be.
    """

    picture: Tensor
    place: Tensor
    object: Tensor
    quality: Tensor


def task_aligned(
    boxes: Tensor,
    logits: Tensor,
    places: Tensor,
    objects: Objects,
    most: int = 13,
    powers: tuple[float, float] = (1, 6),
) -> Assignment:
    """The assignment for answers boxes (n, L, 4) and logits (n, L, K). No gradient flows through it.

    places: (L, 3) x, y, stride. most: places that answer for one object. powers: alpha and beta, see the top of this file.
    Where two objects want one place, the one that its box overlaps more gets it; of equals the first.
    """
    with torch.no_grad():
        owner, place = _inside(places, objects.boxes)
        picture = objects.row[owner]
        score = logits[picture, place, objects.label[owner]].float().sigmoid()
        fit = overlap(boxes[picture, place], objects.boxes[owner])
        measure = score ** powers[0] * fit ** powers[1]
        best = _best(owner, measure, most)
        owner, place, picture, fit, measure = (x[best] for x in (owner, place, picture, fit, measure))
        kept = _single(picture * len(places) + place, fit, boxes.shape[0] * len(places))
        owner, place, picture, fit, measure = (x[kept] for x in (owner, place, picture, fit, measure))
        count = len(objects.boxes)
        top = measure.new_zeros(count).scatter_reduce(0, owner, measure, "amax")
        best_fit = fit.new_zeros(count).scatter_reduce(0, owner, fit, "amax")
        return Assignment(picture, place, owner, measure / (top[owner] + 1e-12) * best_fit[owner])


def covered(places: Tensor, boxes: Tensor, row: Tensor, pictures: int) -> Tensor:
    """(pictures, L) bool: which places lie inside any of the boxes (t, 4) of their picture; row: (t,)."""
    owner, place = _inside(places, boxes)
    found = torch.zeros(pictures, len(places), dtype=torch.bool, device=places.device)
    found[row[owner], place] = True
    return found


def _inside(places: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(p,), (p,): box and place of each pair in which the place lies inside the box, box by box."""
    cell = places[:, 2].min() if len(places) else places.new_ones(())
    middle = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    half = (0.5 * (boxes[:, 2:] - boxes[:, :2])).clamp(min=0.5 * float(cell))
    x, y = places[:, 0], places[:, 1]
    within = (x - middle[:, :1]).abs() <= half[:, :1]
    within &= (y - middle[:, 1:]).abs() <= half[:, 1:]
    owner, place = within.nonzero(as_tuple=True)
    return owner, place


def _best(owner: Tensor, measure: Tensor, most: int) -> Tensor:
    """Indices of the pairs whose measure is among the `most` highest of their owner, owner by owner; of equals the first."""
    order = measure.argsort(descending=True, stable=True)
    order = order[owner[order].argsort(stable=True)]
    counts = torch.bincount(owner) if len(owner) else owner
    first = counts.cumsum(0) - counts
    rank = torch.arange(len(owner), device=owner.device) - first[owner[order]]
    return order[rank < most]


def _single(slot: Tensor, fit: Tensor, slots: int) -> Tensor:
    """Indices of the pairs that keep their slot: in each the one of the highest fit, of equals the first. slot: (p,)."""
    highest = fit.new_full((slots,), -1.0).scatter_reduce(0, slot, fit, "amax")
    wins = (fit == highest[slot]).nonzero().squeeze(1)
    first = torch.full((slots,), len(slot), device=slot.device).scatter_reduce(0, slot[wins], wins, "amin")
    return wins[first[slot[wins]] == wins]
