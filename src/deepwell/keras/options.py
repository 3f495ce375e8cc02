"""The settings of compile and fit that are not given by place, each with its meaning; an unknown one is refused with the nearest.

Unusual: what Keras has and what makes no difference here is accepted and named as such, so that scripts run unchanged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from deepwell.core.errors import ConfigError, nearest

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Asked:
    """What compile was given, as it was given."""

    optimizer: Any
    loss: Any
    loss_weights: Any
    metrics: Any
    weighted_metrics: Any


@dataclasses.dataclass(frozen=True)
class CompileOptions:
    """Further settings of compile."""

    run_eagerly: bool = False
    """Changes nothing: there is one way of running, and `print` works in it."""
    steps_per_execution: int = 1
    """Changes nothing: steps are taken one after the other, and the host does not wait between them."""
    jit_compile: Any = "auto"
    """Changes nothing: whether compiling pays is measured where a training is long enough."""
    auto_scale_loss: bool = True
    """Changes nothing: bfloat16 needs no scaling."""
    plan: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """How this machine runs it, such as {"threads": 1, "precision": "float32"}; what is left out is chosen. Not in Keras."""


@dataclasses.dataclass(frozen=True)
class FitOptions:
    """Further settings of fit."""

    batch_size: int | None = None
    """Examples of a step; 32 by default."""
    epochs: int = 1
    """The number of the last epoch."""
    verbose: Any = "auto"
    """0: nothing, 1: a progress bar, 2: a line per epoch; "auto": 1."""
    callbacks: Any = None
    """A Callback, or a list of them."""
    validation_split: float = 0.0
    """The last share of the examples, before any shuffling, that is kept for validation."""
    validation_data: Any = None
    """(x, y) or (x, y, sample_weight)."""
    shuffle: bool = True
    """Whether each epoch has another order."""
    class_weight: Mapping[int, float] | None = None
    """Class -> how much its examples count."""
    sample_weight: Any = None
    """How much each example counts: (n,), or (n, steps)."""
    initial_epoch: int = 0
    """The epoch to begin with."""
    steps_per_epoch: int | None = None
    """Steps that make an epoch; by default all examples once."""
    validation_steps: int | None = None
    """Batches of the validation data that are looked at; by default all."""
    validation_batch_size: int | None = None
    """Examples of a validation batch."""
    validation_freq: Any = 1
    """Validate each so many epochs, or at the ends of the listed ones."""


def parsed(kind: type[T], options: Mapping[str, Any], call: str, others: Sequence[str] = ()) -> T:
    """The settings of a call. Raises ConfigError for an unknown name, with the nearest, and for values out of range.

    others: what the call takes besides.
    """
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in options:
        if name not in names:
            raise ConfigError(f"{call} has no argument {name!r}{nearest(name, [*names, *others])}")
    for name in ("batch_size", "validation_batch_size", "steps_per_epoch", "validation_steps", "epochs"):
        value = options.get(name)
        if value is not None and (isinstance(value, bool) or int(value) != value or value < 1):
            raise ConfigError(f"{name} must be a whole number of at least 1; got {value!r}")
    share = options.get("validation_split", 0.0) or 0.0
    if not 0.0 <= share < 1.0:
        raise ConfigError(f"validation_split must be a share from 0 to below 1; got {share!r}")
    return kind(**options)
