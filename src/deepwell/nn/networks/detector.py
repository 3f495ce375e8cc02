"""Detector: a picture -> a box and a score per class at each place of a feature pyramid, without anchors, in one stage.

After FCOS (Tian et al. 2019, arXiv:1904.01355) and YOLOX (Ge et al. 2021, arXiv:2107.08430): one head, shared by all maps, with
one branch for classes and one for boxes. Unusual: as in RTMDet (Lyu et al. 2022, arXiv:2212.07784) the maps share the head's
convolutions, but each has normalisations of its own, since the same convolution sees other sizes of things there. A box is its
centre beside the place, in cells, and the logarithm of its sides, in units of BEGIN cells: a new network answers boxes that suit
each map, from which the assignment of losses/assignment.py finds the right map.

Legend: n pictures, L places (nn/layers/pyramid.py), K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepwell.nn.layers.pictures import PictureEncoder, PictureShape, multiplications
from deepwell.nn.layers.pyramid import Pyramid, places
from deepwell.nn.networks.image import module_name

BEGIN = 5.0
"""Sides of the boxes of a new network, in cells."""
LARGEST = math.log(64.0)
"""The largest logarithm of a side in units of BEGIN cells: no box is much larger than a picture, and exp stays finite."""
AT_ONCE = 4_000_000
"""Pixels of pictures that are answered together outside training: maps take a hundred times the memory of a picture."""
PRIOR = 0.01
"""Score of each class at each place in a new network (Lin et al. 2017, arXiv:1708.02002): almost all places are empty."""


@dataclass(frozen=True)
class DetectorShape:
    """How large the detector is.

    encoder: of the backbone. width: channels of pyramid and head. depth: convolutions of each branch of the head.
    strides: of the maps that are answered on, powers of two, each twice the one before.
    """

    encoder: PictureShape
    width: int
    depth: int = 2
    strides: tuple[int, ...] = (8, 16, 32)

    @property
    def stages(self) -> int:
        """Stages of the backbone after its stem, which has stride 2."""
        return int(math.log2(self.strides[-1])) - 1


def detector_multiplications(size: tuple[int, int, int], shape: DetectorShape) -> int:
    """Multiply-adds of one forward pass over one picture, the last layers not counted. size: (channels, height, width)."""
    total = multiplications(size, shape.encoder, shape.stages)
    for number, stride in enumerate(shape.strides):
        cells = math.ceil(size[1] / stride) * math.ceil(size[2] / stride)
        convolutions = (1 if number == 0 else 3) + 2 * shape.depth
        total += cells * 9 * shape.width**2 * convolutions
    return total


class Detector(nn.Module):
    """Array `<picture>` (n, channels, height, width) -> `<target>.boxes` (n, L, 4), `<target>.logits` (n, L, K), both float32.

    Boxes are (left, top, right, bottom) in pixels of the picture that is given; they may reach beyond it. Logits are of
    sigmoids, one question for each class. size: (channels, height, width).
    """

    def __init__(
        self, picture: str, size: tuple[int, int, int], target: str, classes: int, shape: DetectorShape
    ) -> None:
        super().__init__()
        self.picture, self.target, self.strides = picture, target, shape.strides
        self.module = module_name(picture)
        encoder = PictureEncoder(size, shape.encoder, shape.stages)
        self.encoder = nn.ModuleDict({self.module: encoder})
        self.pyramid = Pyramid(encoder.widths[-len(shape.strides) :], shape.width)
        self.classes = _Branch(shape, classes, begin=math.log(PRIOR / (1 - PRIOR)))
        self.boxes = _Branch(shape, 4, begin=0.0)

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        pictures = arrays[self.picture]
        height, width = pictures.shape[-2:]
        few = len(pictures) if self.training else max(1, AT_ONCE // (height * width))
        answers = [self._answer(some) for some in torch.split(pictures, max(1, few))]
        logits, found = (torch.cat(parts) for parts in zip(*answers, strict=True))
        where = places(height, width, self.strides, pictures.device)
        return {f"{self.target}.boxes": _boxes(found, where), f"{self.target}.logits": logits}, state

    def _answer(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(n, L, K) logits and (n, L, 4) centres and sides as `_boxes` reads them."""
        encoder = self.encoder[self.module]
        maps = self.pyramid(encoder.maps(pictures)[-len(self.strides) :])  # type: ignore[operator]
        return self.classes(maps), self.boxes(maps)


class _Branch(nn.Module):
    """Maps [(n, width, h_i, w_i)] -> (n, L, outputs) float32. The maps share convolutions, each has its own normalisations."""

    def __init__(self, shape: DetectorShape, outputs: int, begin: float) -> None:
        """begin: what a new branch answers everywhere, nearly."""
        super().__init__()
        w = shape.width
        self.convolutions = nn.ModuleList(nn.Conv2d(w, w, 3, padding=1, bias=False) for _ in range(shape.depth))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(w) for _ in shape.strides) for _ in range(shape.depth))
        self.last = nn.Conv2d(w, outputs, 1)
        with (
            torch.no_grad()
        ):  # not drawn anew: a normal draw on the meta device, where bundles open, loads torch's compiler
            self.last.weight.mul_(0.1)
            self.last.bias.fill_(begin)  # type: ignore[union-attr]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """See the class."""
        answers = []
        for level, x in enumerate(maps):
            for convolution, norms in zip(self.convolutions, self.norms, strict=True):
                x = functional.relu(norms[level](convolution(x)))  # type: ignore[index]
            answers.append(self.last(x).flatten(2).transpose(1, 2).float())
        return torch.cat(answers, 1)


def _boxes(found: Tensor, where: Tensor) -> Tensor:
    """(n, L, 4) answers of the branch -> edges in pixels. where: (L, 3) places."""
    stride = where[:, 2:]
    centre = where[:, :2] + stride * found[..., :2]
    half = 0.5 * BEGIN * stride * torch.exp(found[..., 2:].clamp(max=LARGEST))
    return torch.cat([centre - half, centre + half], -1)
