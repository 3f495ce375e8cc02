"""`keras.ops.image`: pictures (height, width, channels) or (n, height, width, channels)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.ops.conversion import convert_to_tensor
from deepwell.keras.ops.whole import whole

__all__ = ["resize"]

WAYS = {"bilinear": "bilinear", "nearest": "nearest-exact", "bicubic": "bicubic"}
"""How pixels between pixels are made -> torch's word for it."""


@whole
def resize(images: Any, size: Sequence[int], interpolation: str = "bilinear", antialias: bool = False) -> Tensor:
    """Pictures in another (height, width). antialias: pixels that are left out count in those that stay.

    Whole numbers stay whole, rounded and within their type. Raises ConfigError for another interpolation and for what is no
    picture.
    """
    if interpolation not in WAYS:
        raise ConfigError(f"there is no interpolation {interpolation!r}{nearest(interpolation, WAYS)}")
    given = convert_to_tensor(images)
    if given.ndim not in (3, 4):
        raise ConfigError(f"resize takes pictures (height, width, channels) or several; got {tuple(given.shape)}")
    first = (given if given.ndim == 4 else given.unsqueeze(0)).permute(0, 3, 1, 2)
    wide = first if given.is_floating_point() else first.float()
    smooth = antialias and interpolation != "nearest"
    found = functional.interpolate(wide, tuple(size), mode=WAYS[interpolation], antialias=smooth)
    if not given.is_floating_point():
        limits = torch.iinfo(given.dtype)
        found = found.round().clamp(limits.min, limits.max).to(given.dtype)
    last = found.permute(0, 2, 3, 1)
    return last if given.ndim == 4 else last.squeeze(0)
