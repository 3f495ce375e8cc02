"""The losses of the closed table as classes, by Keras's names and settings; losses/named.py says what each computes.

Unusual: settings are fields of a dataclass. `reduction`, `name` and `dtype` are given by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepwell.keras.loss_base import Loss, NamedLossObject


@dataclass(eq=False)
class MeanSquaredError(NamedLossObject):
    """The mean of `mean_squared_error` over examples."""

    entry = "mean_squared_error"


@dataclass(eq=False)
class MeanAbsoluteError(NamedLossObject):
    """The mean of `mean_absolute_error` over examples."""

    entry = "mean_absolute_error"


@dataclass(eq=False)
class MeanAbsolutePercentageError(NamedLossObject):
    """The mean of `mean_absolute_percentage_error` over examples."""

    entry = "mean_absolute_percentage_error"


@dataclass(eq=False)
class MeanSquaredLogarithmicError(NamedLossObject):
    """The mean of `mean_squared_logarithmic_error` over examples."""

    entry = "mean_squared_logarithmic_error"


@dataclass(eq=False)
class Huber(NamedLossObject):
    """The mean of `huber` over examples."""

    entry = "huber"
    delta: float = 1.0


@dataclass(eq=False)
class LogCosh(NamedLossObject):
    """The mean of `log_cosh` over examples."""

    entry = "log_cosh"


@dataclass(eq=False)
class Poisson(NamedLossObject):
    """The mean of `poisson` over examples."""

    entry = "poisson"


@dataclass(eq=False)
class CosineSimilarity(NamedLossObject):
    """The mean of `cosine_similarity` over examples."""

    entry = "cosine_similarity"
    axis: int = -1


@dataclass(eq=False)
class Hinge(NamedLossObject):
    """The mean of `hinge` over examples."""

    entry = "hinge"


@dataclass(eq=False)
class SquaredHinge(NamedLossObject):
    """The mean of `squared_hinge` over examples."""

    entry = "squared_hinge"


@dataclass(eq=False)
class CategoricalHinge(NamedLossObject):
    """The mean of `categorical_hinge` over examples."""

    entry = "categorical_hinge"


@dataclass(eq=False)
class KLDivergence(NamedLossObject):
    """The mean of `kl_divergence` over examples."""

    entry = "kl_divergence"


@dataclass(eq=False)
class CategoricalCrossentropy(NamedLossObject):
    """The mean of `categorical_crossentropy` over examples."""

    entry = "categorical_crossentropy"
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class CategoricalFocalCrossentropy(NamedLossObject):
    """The mean of `categorical_focal_crossentropy` over examples."""

    entry = "categorical_focal_crossentropy"
    alpha: float | Sequence[float] = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class SparseCategoricalCrossentropy(NamedLossObject):
    """The mean of `sparse_categorical_crossentropy` over examples."""

    entry = "sparse_categorical_crossentropy"
    from_logits: bool = False
    ignore_class: int | None = None
    axis: int = -1


@dataclass(eq=False)
class BinaryCrossentropy(NamedLossObject):
    """The mean of `binary_crossentropy` over examples."""

    entry = "binary_crossentropy"
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class BinaryFocalCrossentropy(NamedLossObject):
    """The mean of `binary_focal_crossentropy` over examples."""

    entry = "binary_focal_crossentropy"
    apply_class_balancing: bool = False
    alpha: float = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0


@dataclass(eq=False)
class Dice(NamedLossObject):
    """The mean of `dice` over examples."""

    entry = "dice"
    axis: Sequence[int] | int | None = None


@dataclass(eq=False)
class Tversky(NamedLossObject):
    """The mean of `tversky` over examples."""

    entry = "tversky"
    alpha: float = 0.5
    beta: float = 0.5
    axis: Sequence[int] | int | None = None


CLASSES: dict[str, type[Loss]] = {kind.__name__: kind for kind in NamedLossObject.__subclasses__()}
"""Name of a class -> the class."""
ENTRIES: dict[str, type[Loss]] = {kind.entry: kind for kind in NamedLossObject.__subclasses__()}
"""Name in the table -> the class."""
