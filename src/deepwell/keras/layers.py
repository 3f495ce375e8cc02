"""layers: every Block as a layer, and `Layer`, `Lambda`, `TorchLayer` and `Input` for what is one's own.

Unusual: the classes are made from deepwell.nn.blocks when they are first asked for; there is no second list.
"""

from __future__ import annotations

from typing import Any

from deepwell.core.errors import nearest
from deepwell.keras.described import BlockLayer, face
from deepwell.keras.functional import Input as Input
from deepwell.keras.functional import InputLayer as InputLayer
from deepwell.keras.layer import Layer as Layer
from deepwell.keras.own import Lambda as Lambda
from deepwell.keras.own import TorchLayer as TorchLayer
from deepwell.nn.blocks import BLOCKS

__all__ = sorted([*BLOCKS, "BlockLayer", "Input", "InputLayer", "Lambda", "Layer", "TorchLayer"])

_ALIASES = {
    "MaxPool1D": "MaxPooling1D", "MaxPool2D": "MaxPooling2D", "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D", "GlobalMaxPool1D": "GlobalMaxPooling1D", "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D", "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution2DTranspose": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
}  # fmt: skip
"""Keras's second names."""
_made: dict[str, type[BlockLayer]] = {}
# The functions of merging: add([x, y]) is Add()([x, y]).
_MERGING = {
    n.lower(): n for n in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")
}


def __getattr__(name: str) -> Any:
    block = _ALIASES.get(name, name)
    if block in BLOCKS:
        if block not in _made:
            _made[block] = face(BLOCKS[block])
        return _made[block]
    if name in _MERGING:
        return _merging(_MERGING[name])
    raise AttributeError(f"there is no layer {name!r}{nearest(name, __all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _merging(name: str) -> Any:
    def merge(inputs: Any, **options: Any) -> Any:
        return __getattr__(name)(**options)(inputs)

    merge.__name__ = name.lower()
    return merge
