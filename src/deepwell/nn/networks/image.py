"""ImageNetwork: pictures, and any numbers and categories beside them -> classes or numbers.

Unusual: little. Each picture column has an encoder of its own, columns of scalars are read as tables read them, and what they
give stands side by side before one head per target. Only where there are scalars is there a hidden layer, which mixes
them with the pictures.

Legend: n rows, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deepwell.nn.layers.categories import CategoryEncoder
from deepwell.nn.layers.numbers import NumberEncoder
from deepwell.nn.layers.pictures import PictureEncoder, PictureShape

EMBEDDING = 8
"""Width of what each scalar column is turned into, per encoder."""


class ImageNetwork(nn.Module):
    """Arrays `<picture>` (n, c, h, w), `inputs.number`, `inputs.number.position`, `inputs.category` (families/prediction.py)
    -> `TARGET.logits` (n, K) or `TARGET.value` (n,).

    pictures: column -> (channels, height, width). numbers: column -> (columns, knots), see families/positions.py.
    categories: column -> levels. targets: column -> classes, None for a number.
    """

    def __init__(
        self,
        pictures: Mapping[str, tuple[int, int, int]],
        numbers: Mapping[str, tuple[int, int]],
        categories: Mapping[str, int],
        targets: Mapping[str, int | None],
        shape: PictureShape,
        dropout: float,
    ) -> None:
        super().__init__()
        self.pictures = {name: module_name(name) for name in pictures}
        self.encoder = nn.ModuleDict()
        width = 0
        for name, size in pictures.items():
            picture = PictureEncoder(size, shape)
            self.encoder[self.pictures[name]], width = picture, width + picture.features
        seen = width
        if numbers:
            indicators = sum(columns - 1 for columns, _ in numbers.values())
            number = NumberEncoder([knots for _, knots in numbers.values()], indicators, EMBEDDING)
            self.encoder["number"], width = number, width + number.width
        if categories:
            category = CategoryEncoder(list(categories.values()), EMBEDDING)
            self.encoder["category"], width = category, width + category.width
        self.mix = nn.Sequential(nn.Linear(width, seen), nn.ReLU()) if width > seen else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.targets = dict(targets)
        self.heads = nn.ModuleList(nn.Linear(seen, classes or 1) for classes in targets.values())

    def forward(self, arrays: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """See the class."""
        hidden = self.dropout(self.mix(self._encode(arrays)))
        outputs: dict[str, Tensor] = {}
        for (name, classes), head in zip(self.targets.items(), self.heads, strict=True):
            found = head(hidden)
            if classes is None:
                outputs[f"{name}.value"] = found.squeeze(-1)
            else:
                outputs[f"{name}.logits"] = found
        return outputs, state

    def _encode(self, arrays: Mapping[str, Tensor]) -> Tensor:
        found = [self.encoder[module](arrays[name]) for name, module in self.pictures.items()]
        if "number" in self.encoder:
            found.append(self.encoder["number"](arrays["inputs.number"], arrays["inputs.number.position"]))
        if "category" in self.encoder:
            found.append(self.encoder["category"](arrays["inputs.category"]))
        return torch.cat(found, dim=1)


def module_name(column: str) -> str:
    """A column's name as torch and a bundle let a submodule be called: letters, digits, dashes; never empty, at most 100 long.

    Different columns get different names: what is not allowed is written as `_` and its code point in hex and `_`; a name
    that would be too long, or is taken, ends in a hash of the whole.
    """
    name = "".join(c if (c.isascii() and c.isalnum()) or c == "-" else f"_{ord(c):x}_" for c in column)
    if len(name) > 100 or name in ("", "number", "category") or hasattr(nn.ModuleDict(), name):
        name = f"{name[:60]}_{hashlib.sha256(column.encode()).hexdigest()[:16]}"
    return name
