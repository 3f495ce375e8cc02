"""Does a loss fit the end of the network and the targets? Asked once before training, on the host.

Unusual: what would train in silence towards nothing is refused here: a cross-entropy of answers that are no probabilities, a
softmax over one unit, labels that no class has. What is only uncommon is let through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import ConfigError, DataError
from deepwell.losses.named import NamedLoss, repair

UNBOUNDED = (
    "linear",
    "relu",
    "tanh",
    "elu",
    "selu",
    "leaky_relu",
    "softplus",
    "softsign",
    "gelu",
    "silu",
    "swish",
    "exponential",
)
"""Activations whose values are no probabilities."""


def check_end(
    loss: NamedLoss, settings: Mapping[str, Any], activation: str | None, width: int | None, where: str
) -> None:
    """Raise ConfigError where the loss cannot teach an output that ends so.

    activation: the last one's name, None where it is not known. width: units of the last axis, None where not known. where:
    the layer, in words.
    """
    if loss.ends is None or activation is None:
        return
    from_logits = settings.get("from_logits", False)
    if from_logits and activation in ("softmax", "sigmoid"):
        raise ConfigError(
            f"{loss.name} with from_logits=True would take a {loss.ends} of what is a {activation} already",
            where=where,
            repair="leave from_logits out (the exact logits are used anyway), or end the layer without activation",
        )
    if activation == "softmax" and width == 1:
        raise ConfigError(
            f"a softmax over one unit is always 1, so {loss.name} has nothing to learn",
            where=where,
            repair="activation='sigmoid' for a yes/no question; as many units as classes for a softmax",
        )
    if not from_logits and activation in UNBOUNDED:
        raise ConfigError(
            f"{loss.name} needs probabilities; the layer ends in {activation!r}, whose values are none",
            where=where,
            repair=f"activation={loss.ends!r} in the last layer, or from_logits=True in the loss",
        )
    if loss.ends == "softmax" and width == 1:
        raise ConfigError(
            f"{loss.name} needs one unit for each class; the layer has 1",
            where=where,
            repair="binary_crossentropy for a yes/no question of one unit; more units for more classes",
        )


def check_targets(
    loss: NamedLoss, settings: Mapping[str, Any], targets: NDArray[Any], width: int | None, where: str
) -> None:
    """Raise DataError for targets that the loss cannot mean, naming the first bad row; ConfigError for another shape.

    targets: (n, ...) numbers. width: units of the last axis of the output, None where not known.
    """
    if targets.size == 0 or targets.dtype.kind not in "biuf":
        return
    may_lack = width in (None, 1) or (targets.ndim > 2 and targets.shape[-1] == 1)  # as NamedLoss.fitted lets through
    if loss.truth == "numbers" and width is not None and not may_lack and targets.shape[1:][-1:] != (width,):
        raise ConfigError(
            f"{loss.name}: targets of shape {targets.shape} do not fit an output of {width} units",
            where=where,
            repair=repair(loss, targets.shape, width),
        )
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        _refuse(f"{loss.name} takes finite targets", targets, ~np.isfinite(targets), where, "remove or fill such rows")
    if loss.truth == "classes":
        _check_indices(loss, settings, targets, width, where)
    elif loss.ends is not None:
        bad = (targets < 0) | (targets > 1)
        if bad.any():
            softmax = loss.ends == "softmax"
            mend = f"to_categorical(y, {width}) makes one-hot targets" if softmax else "give 0 for no and 1 for yes"
            _refuse(f"{loss.name} takes targets from 0 to 1", targets, bad, where, mend)


def _check_indices(
    loss: NamedLoss, settings: Mapping[str, Any], targets: NDArray[Any], width: int | None, where: str
) -> None:
    ignored = settings.get("ignore_class")
    counts = np.ones(targets.shape, bool) if ignored is None else targets != ignored
    if targets.dtype.kind == "f" and (bad := counts & (targets != np.floor(targets))).any():
        mend = "labels are whole numbers; one-hot or soft targets need categorical_crossentropy"
        _refuse(f"{loss.name} takes the index of a class", targets, bad, where, mend)
    if width is None:
        return
    if width > 1 and targets.ndim > 1 and targets.shape[-1] == width and _one_hot(targets):
        raise ConfigError(
            f"{loss.name} takes the index of a class; targets of shape {targets.shape} are one-hot",
            where=where,
            repair=repair(loss, targets.shape, width),
        )
    bad = counts & ((targets < 0) | (targets >= width))
    if bad.any():
        most = int(targets[counts].max())
        mend = (
            f"give the last layer {most + 1} units, or number the classes from 0"
            if most >= width
            else "number the classes from 0"
        )
        _refuse(f"{loss.name} takes labels from 0 to {width - 1}, one for each unit", targets, bad, where, mend)


def _one_hot(targets: NDArray[Any]) -> bool:
    return bool(((targets == 0) | (targets == 1)).all() and (targets.sum(-1) == 1).all())


def _refuse(rule: str, targets: NDArray[Any], bad: NDArray[np.bool_], where: str, mend: str) -> None:
    place = np.argwhere(bad)[0] if targets.ndim else np.zeros(1, int)
    value = targets[tuple(place)] if targets.ndim else targets[()]
    raise DataError(f"{rule}; row {int(place[0])} holds {value.item()!r}", where=where, repair=mend)
