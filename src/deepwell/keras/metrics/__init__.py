"""Metrics by Keras's names: objects with settings, functions, names as strings, and users' own functions and subclasses."""

from __future__ import annotations

# ruff: noqa: I001  (names in lines, not one a line)
from collections.abc import Mapping, Sequence
from typing import Any

from deepwell.core.errors import ConfigError, nearest
from deepwell.keras.absent import finder
from deepwell.keras.loss_base import Loss, snake
from deepwell.keras.loss_functions import (
    binary_crossentropy, categorical_crossentropy, categorical_hinge, hinge, kl_divergence, log_cosh,
    mean_absolute_error, mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error,
    poisson, sparse_categorical_crossentropy, squared_hinge,
)  # fmt: skip
from deepwell.keras.metrics.accuracy import (
    Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy, top_k_categorical_accuracy,
)  # fmt: skip
from deepwell.keras.metrics.base import Mean, MeanMetricWrapper, Metric, Sum
from deepwell.keras.metrics.confusion import (
    AUC, FalseNegatives, FalsePositives, Precision, PrecisionAtRecall, Recall, RecallAtPrecision,
    SensitivityAtSpecificity, SpecificityAtSensitivity, TrueNegatives, TruePositives,
)  # fmt: skip
from deepwell.keras.metrics.means import (
    BinaryCrossentropy, CategoricalCrossentropy, CategoricalHinge, CosineSimilarity, Hinge, KLDivergence,
    LogCoshError, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError,
    Poisson, R2Score, RootMeanSquaredError, SparseCategoricalCrossentropy, SquaredHinge,
)  # fmt: skip
from deepwell.keras.metrics.overlap import (
    BinaryIoU, F1Score, FBetaScore, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU,
)  # fmt: skip

__all__ = [
    "AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU", "CategoricalAccuracy",
    "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity", "F1Score", "FBetaScore",
    "FalseNegatives", "FalsePositives", "Hinge", "IoU", "KLDivergence", "LogCoshError", "Mean",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU", "MeanMetricWrapper", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "Metric", "OneHotIoU", "OneHotMeanIoU", "Poisson", "Precision",
    "PrecisionAtRecall", "R2Score", "Recall", "RecallAtPrecision", "RootMeanSquaredError",
    "SensitivityAtSpecificity", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy", "SpecificityAtSensitivity", "SquaredHinge", "Sum",
    "TopKCategoricalAccuracy", "TrueNegatives", "TruePositives", "binary_accuracy", "binary_crossentropy",
    "categorical_accuracy", "categorical_crossentropy", "categorical_hinge", "deserialize", "get", "hinge",
    "kl_divergence", "log_cosh", "mae", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "mse", "poisson", "resolved", "serialize",
    "sparse_categorical_accuracy", "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy",
    "squared_hinge", "top_k_categorical_accuracy",
]  # fmt: skip
__getattr__ = finder("metrics", __all__)

mse, mae = mean_squared_error, mean_absolute_error
CLASSES: dict[str, type[Metric]] = {
    kind.__name__: kind
    for kind in (
        Mean, Sum, AUC, Accuracy, BinaryAccuracy, BinaryCrossentropy, BinaryIoU, CategoricalAccuracy,
        CategoricalCrossentropy, CategoricalHinge, CosineSimilarity, F1Score, FBetaScore, FalseNegatives,
        FalsePositives, Hinge, IoU, KLDivergence, LogCoshError, MeanAbsoluteError, MeanAbsolutePercentageError,
        MeanIoU, MeanSquaredError, MeanSquaredLogarithmicError, OneHotIoU, OneHotMeanIoU, Poisson, Precision,
        PrecisionAtRecall, R2Score, Recall, RecallAtPrecision, RootMeanSquaredError, SensitivityAtSpecificity,
        SparseCategoricalAccuracy, SparseCategoricalCrossentropy, SparseTopKCategoricalAccuracy,
        SpecificityAtSensitivity, SquaredHinge, TopKCategoricalAccuracy, TrueNegatives, TruePositives,
    )
}  # fmt: skip
"""Name of a class -> the class."""
_NAMES: dict[str, str] = {
    **{snake(name): name for name in CLASSES},
    "mse": "MeanSquaredError", "mae": "MeanAbsoluteError", "mape": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError", "rmse": "RootMeanSquaredError", "bce": "BinaryCrossentropy", "kld": "KLDivergence",
    "auc": "AUC", "r2_score": "R2Score", "f1_score": "F1Score", "fbeta_score": "FBetaScore", "logcosh": "LogCoshError",
    "cosine_proximity": "CosineSimilarity", "acc": "Accuracy",
}  # fmt: skip
_NEEDING = ("MeanIoU", "IoU", "OneHotIoU", "OneHotMeanIoU", "PrecisionAtRecall", "RecallAtPrecision",
            "SensitivityAtSpecificity", "SpecificityAtSensitivity")  # fmt: skip
"""Classes that have no sense without an argument."""


def get(identifier: Any) -> Metric:
    """The metric of a name (`"mae"`, `"AUC"`), a configuration, a function, a loss, a class or an object.

    A metric of a name is called by that name; for "accuracy" see resolved. Raises ConfigError for an unknown name.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, Loss):
        return MeanMetricWrapper(identifier.call, identifier.name)
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        found = identifier if identifier in CLASSES else _NAMES.get(identifier.lower())
        if found is None:
            raise ConfigError(
                f"there is no metric {identifier!r}{nearest(identifier, [*_NAMES, *CLASSES, 'accuracy'])}"
            )
        if found in _NEEDING:
            raise ConfigError(f"the metric {found} needs an argument", repair=f"metrics=[keras.metrics.{found}(...)]")
        metric = CLASSES[found]()
        metric.name = identifier
        return metric
    if callable(identifier):
        return MeanMetricWrapper(identifier)
    raise ConfigError(f"a metric is a name, a function or a Metric; got {type(identifier).__name__}")


def resolved(identifier: Any, truth: Sequence[int | None], answer: Sequence[int | None]) -> Metric:
    """`get`, with "accuracy" and "acc" as Keras reads them from the shapes of targets and output, examples first.

    One unit: binary; targets with an axis less, or a last axis of 1: indices of classes; else one-hot.
    """
    if not isinstance(identifier, str) or identifier.lower() not in ("accuracy", "acc"):
        return get(identifier)
    if answer[-1] == 1:
        return BinaryAccuracy(name=identifier)
    if len(truth) < len(answer) or truth[-1] == 1:
        return SparseCategoricalAccuracy(name=identifier)
    return CategoricalAccuracy(name=identifier)


def serialize(metric: Metric) -> dict[str, Any]:
    """A metric as plain values: the name of its class and its arguments. Raises ConfigError for a user's own."""
    if type(metric) not in CLASSES.values():
        raise ConfigError(f"the metric {metric.name!r} is code of your own and cannot be written down as data")
    return {"class_name": type(metric).__name__, "config": metric.get_config()}


def deserialize(config: Mapping[str, Any]) -> Metric:
    """The metric that `serialize` wrote. Raises ConfigError for an unknown class."""
    name = str(config.get("class_name"))
    if name not in CLASSES:
        raise ConfigError(f"there is no metric {name!r}{nearest(name, CLASSES)}")
    return CLASSES[name].from_config(config.get("config", {}))
