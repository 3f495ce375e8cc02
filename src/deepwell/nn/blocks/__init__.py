"""Blocks: the closed set of layers that a network written as data may have. See base.py."""

from typing import Any

from deepwell.nn.blocks import attention, convolution, dense, merging, noise, normalising, pooling, recurrent, shaping
from deepwell.nn.blocks.base import Block
from deepwell.nn.initialisers import INITIALISERS
from deepwell.nn.regularisers import L1L2

BLOCKS: dict[str, type[Block]] = {
    name: found
    for module in (dense, convolution, pooling, shaping, normalising, noise, merging, recurrent, attention)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, Block) and found is not Block and not name.startswith("_")
}
"""Class name -> layer."""
DESCRIBED: dict[str, type[Any]] = {**BLOCKS, **INITIALISERS, "L1L2": L1L2}
"""Class name -> anything that may stand in a description."""
