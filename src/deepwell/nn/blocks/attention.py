"""Attention: with several heads and weights of its own, and the plain forms."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks.base import Block, Mask, Shape, among, axes, fraction, known, positive, shown
from deepwell.nn.initialisers import GlorotUniform, Initialiser, Ones, Zeros
from deepwell.nn.layers.dot_attention import Attend
from deepwell.nn.layers.heads import MultiHead, Projection
from deepwell.nn.regularisers import L1L2


@dataclass(frozen=True)
class MultiHeadAttention(Block):
    """query (T, inputs), value (S, inputs) and key, if it is another, -> (T, inputs or output_shape) (arXiv:1706.03762).

    A call may say: use_causal_mask: place i sees 0 to i. attention_mask: the last value says which places see which, (T, S) or
    (heads, T, S). return_attention_scores: the weights (heads, T, S) come out too. value_dim None: key_dim.
    """

    values: ClassVar[tuple[int, int | None]] = (2, 4)
    reads_masks: ClassVar[bool] = True
    arguments: ClassVar[tuple[str, ...]] = ("use_causal_mask", "attention_mask", "return_attention_scores")

    num_heads: int
    key_dim: int
    value_dim: int | None = None
    dropout: float = 0.0
    use_bias: bool = True
    output_shape: int | None = None
    kernel_initializer: Initialiser = field(default_factory=GlorotUniform)
    bias_initializer: Initialiser = field(default_factory=Zeros)
    kernel_regularizer: L1L2 | None = None
    bias_regularizer: L1L2 | None = None

    def __post_init__(self) -> None:
        for name in ("num_heads", "key_dim", "value_dim", "output_shape"):
            if getattr(self, name) is not None:
                positive(getattr(self, name), name)
        fraction(self.dropout, "dropout")

    def called(self, arguments: Mapping[str, Any]) -> Block:
        """See Block."""
        super().called(arguments)
        return _Called(self, bool(arguments.get("return_attention_scores")), bool(arguments.get("attention_mask")))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        for shape in shapes[:3]:
            axes(shape, 2)
            known(shape, -1, "the number of channels")
        if len(shapes) > 2 and None not in (shapes[1][0], shapes[2][0]) and shapes[1][0] != shapes[2][0]:
            raise ConfigError(f"value and key must be equally long; got {shown(shapes[1])} and {shown(shapes[2])}")
        return ((shapes[0][0], self.output_shape or shapes[0][1]),)

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block. The shapes of query, value and key; a mask's shape is none of them."""
        query, value = (known(shape, -1, "the number of channels") for shape in shapes[:2])
        key = known(shapes[2], -1, "the number of channels") if len(shapes) > 2 else value
        wide = self.value_dim or self.key_dim
        maps = (
            self._map(query, self.key_dim),
            self._map(key, self.key_dim),
            self._map(value, wide),
            self._last(wide, self.output_shape or query),
        )
        return MultiHead(maps, self.dropout, (self.kernel_regularizer, self.bias_regularizer))

    def _map(self, inputs: int, wide: int) -> Projection:
        """One of query, key and value; drawn as one dense map to all heads."""
        kernel = self.kernel_initializer.draw((inputs, self.num_heads * wide)).view(inputs, self.num_heads, wide)
        bias = (
            self.bias_initializer.draw((self.num_heads * wide,)).view(self.num_heads, wide) if self.use_bias else None
        )
        return Projection(kernel, bias)

    def _last(self, wide: int, outputs: int) -> Projection:
        kernel = self.kernel_initializer.draw((self.num_heads * wide, outputs)).view(self.num_heads, wide, outputs)
        return Projection(kernel, self.bias_initializer.draw((outputs,)) if self.use_bias else None)


@dataclass(frozen=True)
class _Attention(Block, ABC):
    """query (T, d), value (S, e) and key (S, d), if it is another, -> (T, e). A call may say what MultiHeadAttention's may."""

    values: ClassVar[tuple[int, int | None]] = (2, 3)
    reads_masks: ClassVar[bool] = True
    arguments: ClassVar[tuple[str, ...]] = ("use_causal_mask", "return_attention_scores")

    def called(self, arguments: Mapping[str, Any]) -> Block:
        """See Block."""
        super().called(arguments)
        return _Called(self, bool(arguments.get("return_attention_scores")))

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        for shape in shapes:
            axes(shape, 2)
        key = shapes[2] if len(shapes) > 2 else shapes[1]
        if None not in (shapes[0][1], key[1]) and shapes[0][1] != key[1]:
            raise ConfigError(f"query and key must be equally wide; got {shown(shapes[0])} and {shown(key)}")
        return ((shapes[0][0], shapes[1][1]),)

    def mask(self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> Mask:
        """That of the query."""
        return masks[0]


@dataclass(frozen=True)
class Attention(_Attention):
    """Attention by inner products (Luong et al. 2015, arXiv:1508.04025); use_scale: they have a trained scale.

    score_mode "concat": by the sum of tanh(query + key) instead.
    """

    use_scale: bool = False
    score_mode: str = "dot"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        among(self.score_mode, "score_mode", "dot", "concat")
        fraction(self.dropout, "dropout")

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        scale = Ones().draw(()) if self.use_scale else None
        return Attend(self.score_mode, scale, Ones().draw(()) if self.score_mode == "concat" else None, self.dropout)


@dataclass(frozen=True)
class AdditiveAttention(_Attention):
    """Attention by sum(scale tanh(query + key)) (Bahdanau et al. 2014, arXiv:1409.0473)."""

    use_scale: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        fraction(self.dropout, "dropout")

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        wide = known(shapes[0], -1, "the number of channels")
        return Attend("additive", GlorotUniform().draw((wide,)) if self.use_scale else None, None, self.dropout)


@dataclass(frozen=True)
class _Called(Block):
    """Attention as one call asks for it. scores: its weights come out too. masked: the last value is a mask."""

    layer: Block
    scores: bool
    masked: bool = False

    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """See Block."""
        inputs = shapes[:-1] if self.masked else shapes
        found = self.layer.outcome(*inputs)
        if not self.scores:
            return found
        heads = (self.layer.num_heads,) if isinstance(self.layer, MultiHeadAttention) else ()
        return (*found, (*heads, inputs[0][0], inputs[1][0]))

    def build(self, *shapes: Shape) -> nn.Module:
        """See Block."""
        return self.layer.build(*(shapes[:-1] if self.masked else shapes))
