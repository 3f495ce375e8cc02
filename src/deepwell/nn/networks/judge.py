"""Judge: a small network whose last features say what kind of picture it sees; see families/judging.py."""

from __future__ import annotations

from torch import Tensor, nn

from deepwell.nn.layers.pictures import PictureEncoder, PictureShape


class Judge(nn.Module):
    """Pictures (n, c, h, w), 0..255, -> features (n, f) and logits (n, classes). size: (channels, height, width)."""

    def __init__(self, size: tuple[int, int, int], classes: int, shape: PictureShape) -> None:
        super().__init__()
        self.encoder = PictureEncoder(size, shape)
        self.head = nn.Linear(self.encoder.features, classes)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features: Tensor = self.encoder(pictures)
        return features, self.head(features)
