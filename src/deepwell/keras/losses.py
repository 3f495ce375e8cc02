"""Losses by Keras's names: objects with settings, functions, names as strings, and users' own functions and subclasses."""

from __future__ import annotations

# ruff: noqa: I001  (names in lines, not one a line)
from collections.abc import Mapping
from typing import Any

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.absent import finder
from deepwell.keras.loss_base import FunctionLoss, Loss
from deepwell.keras.loss_classes import (
    CLASSES, ENTRIES, BinaryCrossentropy, BinaryFocalCrossentropy, CategoricalCrossentropy, CategoricalFocalCrossentropy,
    CategoricalHinge, CosineSimilarity, Dice, Hinge, Huber, KLDivergence, LogCosh, MeanAbsoluteError,
    MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError, Poisson,
    SparseCategoricalCrossentropy, SquaredHinge, Tversky,
)  # fmt: skip
from deepwell.keras.loss_functions import (
    binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy, categorical_focal_crossentropy,
    categorical_hinge, cosine_similarity, dice, hinge, huber, kl_divergence, log_cosh, mean_absolute_error,
    mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error, poisson,
    sparse_categorical_crossentropy, squared_hinge, tversky,
)  # fmt: skip

__all__ = [
    "BCE", "KLD", "MAE", "MAPE", "MSE", "MSLE", "BinaryCrossentropy", "BinaryFocalCrossentropy",
    "CategoricalCrossentropy", "CategoricalFocalCrossentropy", "CategoricalHinge", "CosineSimilarity", "Dice",
    "Hinge", "Huber", "KLDivergence", "LogCosh", "Loss", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson", "SparseCategoricalCrossentropy",
    "SquaredHinge", "Tversky", "bce", "binary_crossentropy", "binary_focal_crossentropy",
    "categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge", "cosine_similarity",
    "deserialize", "dice", "get", "hinge", "huber", "kl_divergence", "kld", "kullback_leibler_divergence",
    "log_cosh", "logcosh", "mae", "mape", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "mse", "msle", "poisson", "serialize",
    "sparse_categorical_crossentropy", "squared_hinge", "tversky",
]  # fmt: skip
__getattr__ = finder("losses", __all__)

_ALIASES = {
    "mse": "mean_squared_error", "mae": "mean_absolute_error", "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error", "bce": "binary_crossentropy", "kld": "kl_divergence", "logcosh": "log_cosh",
    "kullback_leibler_divergence": "kl_divergence",
}  # fmt: skip
mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh


def get(identifier: Any) -> Loss | None:
    """The loss of a name (`"mse"`, `"MeanSquaredError"`), a configuration, a function or an object; None for None.

    Raises ConfigError for an unknown name, with the nearest.
    """
    if identifier is None or isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        if identifier in CLASSES:
            return CLASSES[identifier]()
        name = _ALIASES.get(identifier.lower(), identifier)
        if name in ENTRIES:
            return ENTRIES[name]()
        known = [*ENTRIES, *CLASSES, *_ALIASES]
        raise ConfigError(f"there is no loss {identifier!r}{nearest(identifier, known)}")
    if callable(identifier):
        name = getattr(identifier, "__name__", "")
        if name in ENTRIES and globals().get(name) is identifier:
            return ENTRIES[name]()
        return FunctionLoss(identifier)
    raise ConfigError(f"a loss is a name, a function or a Loss; got {type(identifier).__name__}")


def serialize(loss: Loss) -> dict[str, Any]:
    """A loss as plain values: the name of its class and its arguments. Raises ConfigError for a user's own."""
    if type(loss) not in CLASSES.values():
        raise ConfigError(f"the loss {loss.name!r} is code of your own and cannot be written down as data")
    return {"class_name": type(loss).__name__, "config": loss.get_config()}


def deserialize(config: Mapping[str, Any]) -> Loss:
    """The loss that `serialize` wrote. Raises ConfigError for an unknown class or setting."""
    name = str(config.get("class_name"))
    if name not in CLASSES:
        raise ConfigError(f"there is no loss {name!r}{nearest(name, CLASSES)}")
    return CLASSES[name](**config.get("config", {}))
