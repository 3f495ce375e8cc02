"""Changes of pictures that gradients go through, for what a critic sees (Zhao et al. 2020, arXiv:2006.10738)."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT = 0.04
"""Of the shorter side, how far pictures are moved at most, and at least a pixel. With the paper's eighth a generator made one
picture of each class for hundreds of steps, since moving it about looked like variety enough (500 digits, 250 steps: recall 0,
and 0.39 with one pixel)."""
LIGHT = 0.3
"""How much is added to or taken from all values, of a range from -1 to 1."""


def changed(pictures: Tensor) -> Tensor:
    """Pictures (n, c, h, w), -1 to 1, lightened, and moved by whole pixels with edges drawn out; draws by torch's generator."""
    n, _, h, w = pictures.shape
    device = pictures.device
    light = (torch.rand(n, 1, 1, 1, device=device) * 2 - 1) * LIGHT
    most = max(1, round(min(h, w) * SHIFT))
    by = torch.randint(-most, most + 1, (2, n, 1), device=device)
    y = (torch.arange(h, device=device) - by[0]).clamp(0, h - 1)
    x = (torch.arange(w, device=device) - by[1]).clamp(0, w - 1)
    rows = torch.arange(n, device=device)[:, None, None]
    moved = pictures.permute(0, 2, 3, 1)[rows, y[:, :, None], x[:, None, :]]
    return moved.permute(0, 3, 1, 2) + light
