"""Augmentation: random transforms of whole batches on the device, which move pictures and points together.

Unusual: a transform is a pure function of (batch, torch's default generator), which the loop sets from the key of the
micro-step; so a resumed or repeated step draws the same. Nothing runs per example.

Pictures are (n, c, h, w), uint8 in 0..255 or floats (taken as 0..1 where an amount is a share); their type is kept. Points
are flat (total, 2) as (x, y) in pixels, with `NAME.row` (total,) saying whose they are; the point (x, y) is the centre of
the pixel picture[:, :, y, x]. Points may leave the picture; nothing is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.core.task import Transform

Border = Literal["edge", "zero"]


def shift(image: str, pixels: int, points: Sequence[str] = (), border: Border = "edge") -> Transform:
    """Move each picture by whole pixels, from -pixels to +pixels on either axis.

    border: what comes in: the nearest edge pixel (on a plain background the same as zero, elsewhere no bars), or zero.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        n, _, h, w = picture.shape
        by = torch.randint(-pixels, pixels + 1, (2, n, 1), device=picture.device)
        y, x = (torch.arange(size, device=picture.device) - by[axis] for axis, size in ((1, h), (0, w)))
        index = y.clamp(0, h - 1).unsqueeze(2) * w + x.clamp(0, w - 1).unsqueeze(1)
        moved = picture.flatten(2).gather(2, index.flatten(1).unsqueeze(1).expand(-1, picture.shape[1], -1))
        moved = moved.view(picture.shape)
        if border == "zero":
            inside = ((y >= 0) & (y < h)).unsqueeze(2) & ((x >= 0) & (x < w)).unsqueeze(1)
            moved = moved * inside.unsqueeze(1)
        offset = by.squeeze(2).t()
        return _moved(batch, image, moved, points, lambda point, row: point + offset[row])

    return transform


def flip(image: str, points: Sequence[str] = (), probability: float = 0.5) -> Transform:
    """Mirror each picture left to right with the given probability."""

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        coin = torch.rand(len(picture), device=picture.device) < probability
        mirrored = torch.where(coin.view(-1, 1, 1, 1), picture.flip(3), picture)
        width = picture.shape[3] - 1

        def move(point: Tensor, row: Tensor) -> Tensor:
            x = torch.where(coin[row], width - point[:, 0], point[:, 0])
            return torch.stack([x, point[:, 1]], 1)

        return _moved(batch, image, mirrored, points, move)

    return transform


def affine(
    image: str,
    degrees: float = 0.0,
    scale: float = 0.0,
    shear: float = 0.0,
    points: Sequence[str] = (),
    border: Border = "edge",
) -> Transform:
    """Turn, scale and shear each picture about its centre, bilinearly.

    degrees: turned by up to so much either way. scale: enlarged or shrunk by a factor from 1 / (1 + scale) to 1 + scale.
    shear: x moves by up to so much of y either way. Pixels map to A (p - centre) + centre with A = scale * turn * shear.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        h, w = picture.shape[2:]
        matrix = _matrix(uniform(3, len(picture), picture.device), degrees, scale, shear)
        half = torch.tensor([max(w - 1, 1) / 2, max(h - 1, 1) / 2], device=picture.device)
        # grid_sample asks where each output pixel comes from, in units of half the picture.
        back = torch.linalg.inv(matrix) * half.view(1, 1, 2) / half.view(1, 2, 1)
        theta = torch.cat([back, torch.zeros(len(picture), 2, 1, device=picture.device)], 2)
        grid = functional.affine_grid(theta, list(picture.shape), align_corners=True)
        padding = "border" if border == "edge" else "zeros"
        moved = functional.grid_sample(picture.float(), grid, padding_mode=padding, align_corners=True)
        centre = torch.tensor([(w - 1) / 2, (h - 1) / 2], device=picture.device)

        def move(point: Tensor, row: Tensor) -> Tensor:
            return (matrix[row] @ (point.float() - centre).unsqueeze(2)).squeeze(2) + centre

        return _moved(batch, image, as_type_of(moved, picture), points, move)

    return transform


def brightness_contrast(image: str, brightness: float = 0.1, contrast: float = 0.1) -> Transform:
    """Lighten by up to `brightness` of the full range and stretch about the picture's mean by up to 1 ± contrast."""

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        draw = uniform(2, len(picture), picture.device).view(2, -1, 1, 1, 1)
        full = 255.0 if picture.dtype == torch.uint8 else 1.0
        values = picture.float()
        mean = values.mean((1, 2, 3), keepdim=True)
        values = torch.lerp(mean, values, 1.0 + contrast * draw[0]) + brightness * full * draw[1]
        return batch.replace(**{image: as_type_of(values, picture)})

    return transform


def cutout(image: str, share: float = 0.25) -> Transform:
    """Cover one square of each picture with its mean colour (DeVries & Taylor 2017, arXiv:1708.04552).

    share: side of the square as a share of the shorter side. Its centre is anywhere, so part of it may lie outside.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        n, _, h, w = picture.shape
        half = share * min(h, w) / 2
        centre = torch.rand(2, n, 1, device=picture.device)
        y, x = (
            (torch.arange(size, device=picture.device) + 0.5 - centre[axis] * size).abs() < half
            for axis, size in ((0, h), (1, w))
        )
        covered = (y.unsqueeze(2) & x.unsqueeze(1)).unsqueeze(1)
        mean = as_type_of(picture.float().mean((2, 3), keepdim=True), picture)
        return batch.replace(**{image: torch.where(covered, mean, picture)})

    return transform


def uniform(kinds: int, n: int, device: torch.device) -> Tensor:
    """(kinds, n) uniform in [-1, 1]."""
    return torch.rand(kinds, n, device=device) * 2.0 - 1.0


def _matrix(draw: Tensor, degrees: float, scale: float, shear: float) -> Tensor:
    """(n, 2, 2): scale * turn * shear, from draws (3, n) in [-1, 1]; acts on (x, y)."""
    angle = draw[0] * math.radians(degrees)
    factor = torch.exp(draw[1] * math.log1p(scale))
    cosine, sine, slope = factor * torch.cos(angle), factor * torch.sin(angle), shear * draw[2]
    rows = [torch.stack([cosine, cosine * slope - sine], 1), torch.stack([sine, sine * slope + cosine], 1)]
    return torch.stack(rows, 1)


def as_type_of(values: Tensor, picture: Tensor) -> Tensor:
    """Values as the picture's type; for uint8 rounded and kept within 0..255."""
    return values.round_().clamp_(0, 255).to(torch.uint8) if picture.dtype == torch.uint8 else values.to(picture.dtype)


def _moved(
    batch: Batch, image: str, picture: Tensor, points: Sequence[str], move: Callable[[Tensor, Tensor], Tensor]
) -> Batch:
    """The batch with a new picture, and the points moved: move(points (total, 2), rows (total,)) -> (total, 2)."""
    arrays = {name: move(batch.arrays[name], batch.arrays[f"{name}.row"]) for name in points}
    return batch.replace(**{image: picture, **arrays})
