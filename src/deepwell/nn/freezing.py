"""Freezing: layers that do not learn.

As in Keras, batch normalisation that does not learn also stops following the batches: it normalises by its running statistics.
"""

from __future__ import annotations

from torch import nn

from deepwell.nn.layers.batch_normalisation import BatchNorm


def freeze(module: nn.Module, frozen: bool = True) -> None:
    """Let a module and all within it learn no more, or again."""
    module.requires_grad_(not frozen)
    for part in module.modules():
        if isinstance(part, BatchNorm):
            part.frozen = frozen
