"""Augmentation with boxes: pictures and what is marked in them are mirrored, zoomed and put together, a whole batch at a time.

Unusual: pure functions of (batch, torch's default generator) without a loop over pictures or boxes, also the mosaic, whose
boxes are those of four pictures each. Of an object that was cut so far that less than VISIBLE of its area is left nobody can
say whether it should still be found: it is marked to be ignored; what is left of less than SMALLEST pixels on a side goes.

Pictures are (n, c, h, w), uint8 or floats. Boxes of the target N are flat, by picture: N (total, 4) float32 edges (left, top,
right, bottom) in pixels of that picture, N.label and N.ignore (total,), each with its `.row` (total,). Edges, not centres:
pixel x of a picture covers x to x + 1, so that mirrored edges are w - x (points, which are centres, have w - 1 - x).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.core.task import Transform
from deepwell.training.augmentation import as_type_of, uniform

VISIBLE = 0.3
SMALLEST = 2.0


def flip(image: str, target: str, probability: float = 0.5, *, upside_down: bool = False) -> Transform:
    """Mirror each picture left to right, or top to bottom, with the given probability."""

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        coin = torch.rand(len(picture), device=picture.device) < probability
        axis = 2 if upside_down else 3
        mirrored = torch.where(coin.view(-1, 1, 1, 1), picture.flip(axis), picture)
        low, high = (1, 3) if upside_down else (0, 2)
        marked = _Marked.of(batch.arrays, target)
        boxes = marked.boxes.clone()
        boxes[:, low], boxes[:, high] = (
            picture.shape[axis] - marked.boxes[:, high],
            picture.shape[axis] - marked.boxes[:, low],
        )
        moved = torch.where(coin[marked.row].unsqueeze(1), boxes, marked.boxes)
        return batch.replace(**{image: mirrored, target: moved})

    return transform


def zoom(image: str, target: str, low: float = 0.75, high: float = 1.33, stretch: float = 0.1) -> Transform:
    """Enlarge or shrink each picture by a factor from low to high, and put it, or a part of it, anywhere.

    stretch: height and width by factors that differ by up to (1 + stretch)^2. A smaller picture is surrounded by its mean colour.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        n, (h, w) = len(picture), picture.shape[2:]
        draw = uniform(4, n, picture.device)
        middle, half = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / 2
        size, more = middle + half * draw[0], math.log1p(stretch) * draw[1]
        factor = torch.exp(torch.stack([size + more, size - more], 1))  # of x, of y
        side = torch.tensor([w, h], dtype=torch.float32, device=picture.device)
        offset = side * (1.0 - factor) * (draw[2:].t() + 1.0) / 2.0
        moved = _placed(picture, factor, offset)
        marked = _Marked.of(batch.arrays, target).scaled(factor, offset)
        limits = functional.pad(side, (2, 0)).expand(n, 4)
        return batch.replace(**{image: moved, **marked.within(limits).arrays(target)})

    return transform


def mosaic(image: str, target: str, probability: float = 0.5, smallest: float = 0.5) -> Transform:
    """Put together each picture from parts of four, with the given probability (Bochkovskiy et al. 2020, arXiv:2004.10934).

    The corner where the four meet lies anywhere in the middle half of each side. Each part is shown at a factor from `smallest`
    to 1, at least so large that it fills its quarter: there is no border.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        n, (h, w) = len(picture), picture.shape[2:]
        device = picture.device
        side = torch.tensor([w, h], dtype=torch.float32, device=device)
        corner = (side * (0.25 + 0.5 * torch.rand(n, 2, device=device))).round()
        coin = torch.rand(n, device=device) < probability
        marked = _Marked.of(batch.arrays, target)
        chosen, whole, pieces = coin.nonzero().squeeze(1), picture.clone(), [marked.kept(~coin[marked.row])]
        x, y = torch.arange(w, device=device), torch.arange(h, device=device)
        for right, lower in ((0, 0), (1, 0), (0, 1), (1, 1)):
            first = right + lower == 0  # the picture itself is one of its four
            source = torch.arange(n, device=device) if first else torch.randperm(n, device=device)
            quarter = torch.tensor([right, lower], device=device)
            near, far = corner * quarter, torch.where(quarter > 0, side, corner)
            needed, drawn = ((far - near) / side).amax(1), smallest + (1 - smallest) * torch.rand(n, device=device)
            factor = torch.maximum(needed, drawn).view(n, 1).expand(n, 2)
            # Anywhere between the part's near edges and its far edges lying on those of the quarter.
            offset = near + (far - near - side * factor) * torch.rand(n, 2, device=device)
            if len(chosen):
                part = _placed(picture[source[chosen]], factor[chosen], offset[chosen])
                low, high = near[chosen], far[chosen]
                across = ((x >= low[:, :1]) & (x < high[:, :1])).unsqueeze(1)
                down = ((y >= low[:, 1:]) & (y < high[:, 1:])).unsqueeze(2)
                whole[chosen] = torch.where((across & down).unsqueeze(1), part, whole[chosen])
            place = torch.empty_like(source)
            place[source] = torch.arange(n, device=device)
            moved = marked.given_to(place).scaled(factor, offset)
            pieces.append(moved.kept(coin[moved.row]).within(torch.cat([near, far], 1)))
        return batch.replace(**{image: whole, **_Marked.joined(pieces).arrays(target)})

    return transform


def colour(image: str, light: float = 0.15, contrast: float = 0.2, saturation: float = 0.2) -> Transform:
    """Change light by up to a share of the full range, contrast and saturation by up to a factor 1 ± so much.

    Saturation moves each pixel away from its grey or towards it; grey pictures have none.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        draw = uniform(3, len(picture), picture.device).view(3, -1, 1, 1, 1)
        full = 255.0 if picture.dtype == torch.uint8 else 1.0
        values = picture.float()
        if picture.shape[1] > 1:
            values = torch.lerp(values.mean(1, keepdim=True), values, 1.0 + saturation * draw[2])
        mean = values.mean((1, 2, 3), keepdim=True)
        values = torch.lerp(mean, values, 1.0 + contrast * draw[0]) + light * full * draw[1]
        return batch.replace(**{image: as_type_of(values, picture)})

    return transform


@dataclass(frozen=True)
class _Marked:
    """The marked objects of a batch. boxes (total, 4); row, label, ignore (total,)."""

    boxes: Tensor
    row: Tensor
    label: Tensor
    ignore: Tensor

    @staticmethod
    def of(arrays: Mapping[str, Any], target: str) -> _Marked:
        return _Marked(*(arrays[f"{target}{part}"] for part in ("", ".row", ".label", ".ignore")))

    @staticmethod
    def joined(pieces: list[_Marked]) -> _Marked:
        """All pieces, in the order of their rows."""
        each = zip(*((p.boxes, p.row, p.label, p.ignore) for p in pieces), strict=True)
        together = _Marked(*(torch.cat(part) for part in each))
        return together.kept(torch.sort(together.row, stable=True).indices)

    def arrays(self, target: str) -> dict[str, Tensor]:
        rows = {f"{target}{part}.row": self.row for part in ("", ".label", ".ignore")}
        return {target: self.boxes, f"{target}.label": self.label, f"{target}.ignore": self.ignore, **rows}

    def kept(self, which: Tensor) -> _Marked:
        """Some of them, by a mask or by indices."""
        return _Marked(self.boxes[which], self.row[which], self.label[which], self.ignore[which])

    def given_to(self, place: Tensor) -> _Marked:
        """The objects of picture i as those of picture place[i]."""
        return _Marked(self.boxes, place[self.row], self.label, self.ignore)

    def scaled(self, factor: Tensor, offset: Tensor) -> _Marked:
        """Edges times factor plus offset, both (n, 2) for x and y of each picture."""
        boxes = self.boxes * factor.repeat(1, 2)[self.row] + offset.repeat(1, 2)[self.row]
        return _Marked(boxes, self.row, self.label, self.ignore)

    def within(self, limits: Tensor) -> _Marked:
        """What lies inside limits (n, 4), edges of a part of each picture; see the top of this file for what is cut."""
        edges = limits[self.row]
        boxes = torch.minimum(torch.maximum(self.boxes, edges[:, :2].repeat(1, 2)), edges[:, 2:].repeat(1, 2))
        visible = _area(boxes) / _area(self.boxes).clamp(min=1e-9)
        ignore = torch.where(visible < VISIBLE, torch.ones_like(self.ignore), self.ignore)
        large = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST).all(1) | (visible > 0.999)
        return _Marked(boxes, self.row, self.label, ignore).kept(large & (visible > 0))


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _placed(picture: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    """Each picture enlarged by factor (n, 2) and moved by offset (n, 2) pixels, x and y: edges x go to x * factor + offset.

    Bilinear; what comes in has the picture's mean colour.
    """
    n, (h, w) = len(picture), picture.shape[2:]
    side = torch.tensor([w, h], dtype=torch.float32, device=picture.device)
    theta = torch.zeros(n, 2, 3, device=picture.device)
    theta[:, [0, 1], [0, 1]] = 1.0 / factor
    # grid_sample asks where output comes from, in halves of the picture's side about its centre; edges are at -1 and 1.
    theta[:, :, 2] = (1.0 - 2.0 * offset / side) / factor - 1.0
    grid = functional.affine_grid(theta, list(picture.shape), align_corners=False)
    values = picture.float()
    mean = values.mean((2, 3), keepdim=True)
    moved = functional.grid_sample(values - mean, grid, padding_mode="zeros", align_corners=False)
    return as_type_of(moved + mean, picture)
