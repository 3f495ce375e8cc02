"""Augmentation of pictures whose pixels are classes: picture and mask move together, whole batches on the device.

Unusual: what a picture shows beyond its border is unknown, so it becomes void in the mask and has no part in the loss; the
picture shows its own mean colour there. Masks are never blended: each pixel takes the class of the nearest one. As in
augmentation.py, a transform is a pure function of (batch, torch's default generator).

Pictures are (n, c, h, w), uint8 in 0..255 or floats (taken as 0..1); masks (n, h, w) uint8, class indices or VOID.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.core.task import Transform
from deepwell.losses.dice import VOID


def flip(image: str, mask: str, probability: float = 0.5) -> Transform:
    """Mirror each picture with its mask left to right with the given probability."""

    def transform(batch: Batch, key: Key) -> Batch:
        picture, classes = batch.arrays[image], batch.arrays[mask]
        coin = torch.rand(len(picture), device=picture.device) < probability
        return batch.replace(
            **{
                image: torch.where(coin.view(-1, 1, 1, 1), picture.flip(3), picture),
                mask: torch.where(coin.view(-1, 1, 1), classes.flip(2), classes),
            }
        )

    return transform


def zoom(
    image: str, mask: str, least: float = 0.5, most: float = 2.0, *, stretch: float = 0.0, degrees: float = 0.0
) -> Transform:
    """Enlarge each picture by a factor from `least` to `most`, evenly on a logarithmic scale, and show some part of it.

    A picture that is larger than its frame is cut anywhere, one that is smaller stands anywhere within it. stretch: the ratio
    of its sides changes by up to 1 + stretch either way. degrees: turned by up to so much either way.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        picture, classes = batch.arrays[image], batch.arrays[mask]
        n, device = len(picture), picture.device
        draw = torch.rand(5, n, device=device)
        factor = torch.exp(math.log(least) + draw[0] * math.log(most / least))
        ratio = torch.exp((draw[1] - 0.5) * math.log1p(stretch))
        sides = torch.stack([factor * ratio, factor / ratio], 1)  # (n, 2) of x and y
        # How far the middle of what is shown may lie from the middle of the picture, in halves of the picture.
        room = (1.0 - 1.0 / sides).abs()
        grid = _grid(picture, sides, (2.0 * draw[2] - 1.0) * math.radians(degrees), (2.0 * draw[3:].t() - 1.0) * room)
        return batch.replace(**{image: _sampled(picture, grid), mask: _nearest(classes, grid)})

    return transform


def light(image: str, brightness: float = 0.2, contrast: float = 0.2, colour: float = 0.2) -> Transform:
    """Change light, contrast and, where there are several channels, how strong colours are and what colour the light has.

    brightness: all values are multiplied by up to 1 + brightness either way. contrast: stretched about the picture's mean by
    up to 1 ± contrast. colour: each channel is multiplied, and its distance from grey changed, by up to 1 ± colour.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        picture: Tensor = batch.arrays[image]
        n, channels = picture.shape[:2]
        draw = torch.rand(3 + channels, n, 1, 1, 1, device=picture.device) * 2.0 - 1.0
        values = picture.float()
        factor = torch.exp(draw[0] * math.log1p(brightness))
        if channels > 1:
            tint = 1.0 + colour / 2.0 * draw[3:].squeeze(4).squeeze(3).permute(1, 0, 2).unsqueeze(3)
            grey = values.mean(1, keepdim=True)
            values = torch.lerp(grey, values, 1.0 + colour * draw[2]) * tint
        mean = values.mean((1, 2, 3), keepdim=True)
        values = torch.lerp(mean, values, 1.0 + contrast * draw[1]) * factor
        return batch.replace(**{image: _like(values, picture)})

    return transform


def _grid(picture: Tensor, sides: Tensor, angle: Tensor, middle: Tensor) -> Tensor:
    """(n, h, w, 2): where each pixel of the frame comes from, (x, y) in halves of the picture about its middle.

    sides: (n, 2) enlargement of x and y. angle: (n,) radians. middle: (n, 2) what stands in the frame's middle.
    """
    height, width = picture.shape[2:]
    cosine, sine, flat = torch.cos(angle), torch.sin(angle), width / height
    rows = [torch.stack([cosine, sine / flat], 1), torch.stack([-sine * flat, cosine], 1)]
    back = torch.stack(rows, 1) / sides.unsqueeze(2)
    theta = torch.cat([back, middle.unsqueeze(2)], 2)
    return functional.affine_grid(theta, list(picture.shape), align_corners=False)


def _sampled(picture: Tensor, grid: Tensor) -> Tensor:
    """The picture (n, c, h, w) at the places of the grid, bilinearly; beyond its border its mean colour."""
    mean = picture.float().mean((2, 3), keepdim=True)
    values = functional.grid_sample(picture.float() - mean, grid, padding_mode="zeros", align_corners=False) + mean
    return _like(values, picture)


def _nearest(mask: Tensor, grid: Tensor) -> Tensor:
    """The mask (n, h, w) at the places of the grid, the nearest pixel's class; beyond its border VOID."""
    # What grid_sample finds outside is 0, so 0 has to mean void.
    turned = (VOID - mask).float().unsqueeze(1)
    found = functional.grid_sample(turned, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return VOID - found.squeeze(1).to(torch.uint8)


def _like(values: Tensor, picture: Tensor) -> Tensor:
    """Values as the picture's type; for uint8 rounded and kept within 0..255."""
    return values.round_().clamp_(0, 255).to(torch.uint8) if picture.dtype == torch.uint8 else values.to(picture.dtype)
