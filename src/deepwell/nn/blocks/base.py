"""Block: a frozen description of a layer, which builds the module once shapes are known.

Blocks are the closed set of layers that a network written as JSON may have (nn/graph.py): plain values, no code. What is
computed stands in nn/layers. Fields have Keras's names, order and defaults (https://keras.io/api/layers). Axes are those of
Keras: examples first, channels last. A shape leaves out the axis of examples; None is a length that only the batch knows.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from deepwell.core.errors import ConfigError, nearest

Shape = tuple[int | None, ...]
Mask = Tensor | None
"""(size, length) bool, True where a step is there; None: all are."""

REFUSED: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "data_format": (("channels_last",), "the channels are the last axis"),
    "activity_regularizer": ((), "what a layer gives is not regularised; add it to the loss"),
    "kernel_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "bias_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "recurrent_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "depthwise_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "pointwise_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "embeddings_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "beta_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "gamma_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "alpha_constraint": ((), "weights are not constrained; a regulariser keeps them small"),
    "lora_rank": ((), "low-rank additions to a layer are not offered"),
    "lora_alpha": ((), "low-rank additions to a layer are not offered"),
    "quantization_config": ((), "layers are not quantised one by one"),
    "renorm": ((False,), "batch renormalisation is not offered"),
    "renorm_clipping": ((), "batch renormalisation is not offered"),
    "renorm_momentum": ((0.99,), "batch renormalisation is not offered"),
    "synchronized": ((False,), "statistics are those of each process"),
    "stateful": ((False,), "states are not kept from batch to batch; return_state and initial_state hand them on"),
    "unroll": ((False, True), ""),
    "use_cudnn": ((False, True, "auto"), ""),
    "flash_attention": ((False, True), ""),
    "attention_axes": ((), "attention is over the one axis between examples and channels"),
    "sliding_window": ((), "attention sees all places; give an attention_mask"),
    "use_gate": ((False,), "attention has no gate"),
}
"""Arguments that Keras has and blocks have not -> (values besides None that change nothing, why others are refused)."""


@dataclasses.dataclass(frozen=True)
class Block(ABC):
    """What a layer is; a subclass adds its fields, all with plain values (numbers, texts, tuples, Blocks, Initialisers).

    Attributes:
        values: how many values it takes at least and at most (None: any number).
        reads_mask: the module is called with `mask=`: that of its first value, or None.
        reads_masks: the module is called with `masks=`: those of all values.
        passes_mask: what comes out has the mask of what went in.
        arguments: what a call may say besides, with plain values, such as use_causal_mask.
    """

    values: ClassVar[tuple[int, int | None]] = (1, 1)
    reads_mask: ClassVar[bool] = False
    reads_masks: ClassVar[bool] = False
    passes_mask: ClassVar[bool] = True
    arguments: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def outcome(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of each value that comes out; usually one.

        Raises ConfigError for shapes that it cannot take: what was received and what must be, without the layer's name.
        """

    @abstractmethod
    def build(self, *shapes: Shape) -> nn.Module:
        """The module for these shapes, its weights drawn from torch's default generator.

        Called as `module(*values)` with tensors (size, *shape); gives a tensor, or a tuple where several values come out.
        """

    def reach(self, places: tuple[int, ...]) -> tuple[int, ...] | None:
        """How many places of each length of its one value, counted from the beginning, so many of what comes out depend on.

        None, the default: on all of them.
        """
        return None

    def called(self, arguments: Mapping[str, Any]) -> Block:
        """The layer whose `outcome` holds for a call with these arguments. Raises ConfigError for one that it does not take."""
        for name in arguments:
            if name not in self.arguments:
                raise ConfigError(f"a call takes no argument {name!r}{nearest(name, self.arguments)}")
        return self

    def mask(self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...]) -> Mask:
        """The mask of what comes out. Default: that of the first value which has one, if the layer passes masks on."""
        return next((mask for mask in masks if mask is not None), None) if self.passes_mask else None

    def run(
        self, module: nn.Module, values: tuple[Tensor, ...], masks: tuple[Mask, ...], arguments: Mapping[str, Any]
    ) -> tuple[tuple[Tensor, ...], tuple[Mask, ...]]:
        """One call: what comes out, and the mask of each. module: what `build` gave. Only the first value has a mask."""
        asked: dict[str, Any] = dict(arguments)
        if self.reads_mask:
            asked["mask"] = masks[0] if masks else None
        if self.reads_masks:
            asked["masks"] = masks
        given = module(*values, **asked)
        several = given if isinstance(given, tuple) else (given,)
        return several, (self.mask(module, values, masks), *[None] * (len(several) - 1))


class Activated(Protocol):
    """A module whose last act is an activation: `forward(*values) == activate(linear(*values))`.

    activation: its name. Where it is a softmax or sigmoid at a network's end, losses read what `linear` gives.
    """

    activation: str

    def linear(self, *values: Tensor) -> Tensor:
        """All but the activation."""
        ...

    def activate(self, logits: Tensor) -> Tensor:
        """The activation."""
        ...


def known(shape: Shape, axis: int, what: str) -> int:
    """The length of an axis that must be known. Raises ConfigError where it is None or missing."""
    if not shape or not -len(shape) <= axis < len(shape) or shape[axis] is None:
        raise ConfigError(f"{what} must be known before the layer is built; the shape received is {shown(shape)}")
    length = shape[axis]
    return 0 if length is None else length


def axes(shape: Shape, number: int) -> None:
    """Raise ConfigError unless a shape has so many axes besides that of the examples."""
    if len(shape) != number:
        raise ConfigError(f"it takes {number + 1} axes, examples included; the shape received is {shown(shape)}")


def place(axis: int, shape: Shape, what: str = "axis") -> int:
    """An axis counted as Keras does (examples 0, the last -1) as 1 to len(shape). Raises ConfigError for any other."""
    found = axis + len(shape) + 1 if axis < 0 else axis
    if not 1 <= found <= len(shape):
        raise ConfigError(f"{what} {axis} is none of the axes 1 to {len(shape)}; the shape received is {shown(shape)}")
    return found


def shown(shape: Shape) -> str:
    """A shape as users know it, with the axis of examples: `(None, 28, 28, 1)`."""
    return str((None, *shape))


# What the fields of blocks must be ----------------------------------------------------------------------------------
def among(value: str | None, name: str, *choices: str | None) -> None:
    """Raise ConfigError unless a field has one of some values."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def positive(value: int, name: str) -> None:
    """Raise ConfigError unless a field is a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} must be a whole number above 0; got {value!r}")


def fraction(value: float, name: str) -> None:
    """Raise ConfigError unless a field is at least 0 and below 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f"{name} must be at least 0 and below 1; got {value!r}")


def sides(value: int | tuple[int, ...], name: str, rank: int, least: int = 1) -> tuple[int, ...]:
    """A field as one whole number for each axis. Raises ConfigError for another number of them, or one below `least`."""
    found = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(found) != rank or any(isinstance(n, bool) or not isinstance(n, int) or n < least for n in found):
        wanted = "a whole number" if rank == 1 else f"a whole number or {rank} of them"
        raise ConfigError(f"{name} must be {wanted}, at least {least}; got {value!r}")
    return found


def settle(block: Block, name: str, value: Any) -> None:
    """Set a field of a new block to its one form, such as (3, 3) for 3."""
    object.__setattr__(block, name, value)
