"""Judge: a network whose last features say what a picture shows; see families/judging.py for where its weights come from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.pictures import PictureEncoder, PictureShape

GREY = (0.299, 0.587, 0.114)
"""Brightness of red, green and blue (ITU-R BT.601), as files are read."""


class Judge(nn.Module):
    """Pictures (n, c, h, w) of any size, 0..255, -> features (n, f). size: (channels, height, width) that the encoder reads.

    classes: of `logits`, which it is trained by; 0: it comes trained, and has none.
    """

    def __init__(self, size: tuple[int, int, int], classes: int, shape: PictureShape) -> None:
        super().__init__()
        self.size = size
        self.encoder = PictureEncoder(size, shape)
        self.head = nn.Linear(self.encoder.features, classes) if classes else None

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class. Pictures of another size are brought to the encoder's, grey and colour into each other."""
        channels, height, width = self.size
        x = pictures.float()
        if channels < x.shape[1]:
            x = (x * torch.tensor(GREY, device=x.device)[:, None, None]).sum(1, keepdim=True)
        elif channels > x.shape[1]:
            x = x.expand(-1, channels, -1, -1)
        if x.shape[2:] != (height, width):
            x = functional.interpolate(x, (height, width), mode="bilinear", antialias=True).clamp(0, 255)
        features: Tensor = self.encoder(x)
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Features (n, f) -> (n, classes). Raises ValueError for a judge without classes."""
        if self.head is None:
            raise ValueError("this judge came trained, and has no classes")
        found: Tensor = self.head(features)
        return found
