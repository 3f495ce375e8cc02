"""Estimator: scikit-learn's manners over the same run. __init__ stores, fit learns, learned names end in `_`.

scikit-learn itself is imported only where it asks for its tags. Everything that `deepwell.train` reads is accepted as X:
arrays, lists, data frames, paths.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from deepwell.runtime.predictor import Predictor

TARGET = "target"
"""The column that y becomes beside an array of rows."""


class Estimator:
    """A model with fit, predict and score.

    Args:
        task: the application, e.g. "tabular"; None: found out from the data.
        target: kind of the target: "class", "number", or None to have it found out from y.
        time: limit of fit in seconds (or text such as "60s"); None: what pays, at most 5 minutes.
        epochs, steps: exact lengths of training, instead of a time.
        size: of the network.
        seed: of all draws.
        set: further knobs of the task, name -> value.
    Learned: `model_` (the Predictor), `classes_` (for classes), `n_features_in_` (for arrays and frames).
    """

    def __init__(
        self,
        task: str | None = None,
        *,
        target: str | None = None,
        time: float | str | None = None,
        epochs: float | None = None,
        steps: int | None = None,
        size: str | None = None,
        seed: int = 0,
        set: Mapping[str, Any] | None = None,
    ) -> None:
        self.task = task
        self.target = target
        self.time = time
        self.epochs = epochs
        self.steps = steps
        self.size = size
        self.seed = seed
        self.set = set

    # scikit-learn's manners ------------------------------------------------------------------------------------------
    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, name -> value."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **parameters: Any) -> Estimator:
        """Change constructor arguments; returns self. Raises ConfigError for an unknown name, with the nearest."""
        for name, value in parameters.items():
            if name not in self._names():
                raise ConfigError(f"there is no parameter {name!r}{nearest(name, self._names())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [f"{n}={getattr(self, n)!r}" for n in self._names() if getattr(self, n) is not defaults[n].default]
        return f"Estimator({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's description of this estimator."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        classes = self._learns_classes()
        return Tags(
            estimator_type="classifier" if classes else "regressor",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if classes else None,
            regressor_tags=None if classes else RegressorTags(poor_score=True),
            input_tags=InputTags(allow_nan=True, string=True, categorical=True),
            non_deterministic=False,
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    # learning and answering ------------------------------------------------------------------------------------------
    def fit(self, X: Any, y: Any = None) -> Estimator:
        """Learn from rows X and targets y (n,).

        X: array or list (n, features), data frame, pictures (n, height, width[, channels]) or paths. y may be None where X
        names its own target (a class folder). Returns self. Raises DataError (a ValueError) for data that cannot be used.
        """
        kinds = {"class": "category", "number": "number", None: None}
        if self.target not in kinds:
            raise ConfigError(f"target must be 'class', 'number' or None; got {self.target!r}")
        rows = _rows(X, least=2)
        if y is None and isinstance(rows, np.ndarray):
            raise DataError("Estimator.fit requires y to be passed, but the target y is None")
        truth = None if y is None else self._checked_target(y)
        if truth is not None and _length(rows) not in (None, len(truth)):
            raise DataError(f"X has {_length(rows)} rows and y has {len(truth)}: inconsistent numbers of samples")
        self._learn_shape(rows)
        kind = kinds[self.target] if truth is not None else None
        given = {
            "task": self.task, "time": self.time, "epochs": self.epochs, "steps": self.steps, "size": self.size,
            "seed": self.seed, "set": dict(self.set or {}), "max_rejected": 0.0, "kind": {TARGET: kind} if kind else {},
        }  # fmt: skip
        self.model_ = _fit_model(rows if truth is None else (rows, truth), given)
        self._target_dtype = None if truth is None else truth.dtype
        if self._learns_classes():
            self.classes_ = np.sort(self._decoded())
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The answer to each row of X, shape (n,): labels of the type that y had, or numbers."""
        model, rows = self._asked(X)
        answers = model.predict(rows)
        problems = [f"row {i}: {p}" for i, p in enumerate(answers["problem"]) if p]
        if problems:
            raise DataError(f"{len(problems):,} of {len(answers):,} rows cannot be answered: {problems[0]}")
        values = answers[model.schema.targets[0].name]
        if self._learns_classes() and self._target_dtype is not None:
            return values.astype(self._target_dtype)
        return values

    @property
    def predict_proba(self) -> Callable[[Any], NDArray[np.float64]]:
        """Class probabilities of rows, shape (n, classes), columns in the order of `classes_`.

        An attribute that exists for classes only, as scikit-learn asks `hasattr(estimator, "predict_proba")`.
        """
        if not self._learns_classes():
            raise AttributeError("numbers have no class probabilities")
        return self._probabilities

    def _probabilities(self, X: Any) -> NDArray[np.float64]:
        model, rows = self._asked(X)
        return model.predict_proba(rows)[:, np.argsort(self._decoded(), kind="stable")]

    def score(self, X: Any, y: Any) -> float:
        """Accuracy for classes, R squared for numbers, as scikit-learn's estimators have it."""
        truth, answer = np.asarray(y), self.predict(X)
        if self._learns_classes():
            return float(np.mean(truth == answer))
        truth = truth.astype(float)
        return float(1.0 - np.sum((truth - answer) ** 2) / np.sum((truth - truth.mean()) ** 2))

    def _learns_classes(self) -> bool:
        if hasattr(self, "model_"):
            targets = self.model_.schema.targets
            return len(targets) == 1 and targets[0].kind == "category"
        # Unknown until fitted. "Classifier" is the safe guess: cross-validation then keeps classes together in each fold,
        # and takes plain folds all the same where y turns out to hold continuous numbers.
        return self.target != "number"

    def _decoded(self) -> NDArray[Any]:
        """The classes as y had them, in the order of the model's outputs."""
        target = self.model_.schema.targets[0].name
        values = self.model_.pipeline.decode(target, np.arange(len(self.model_.classes)))
        return values.astype(self._target_dtype) if self._target_dtype is not None else values

    def _asked(self, X: Any) -> tuple[Predictor, Any]:
        """The model, and rows that have the shape of those it was fitted on."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        rows = _rows(X, least=1)
        width = getattr(self, "n_features_in_", None)
        shape: tuple[int, ...] = getattr(rows, "shape", ())
        if width is not None and len(shape) == 2 and shape[1] != width:
            raise DataError(f"X has {shape[1]} features, but Estimator is expecting {width} features as input")
        return self.model_, rows

    def _learn_shape(self, rows: Any) -> None:
        """Number and names of columns, where the rows have them."""
        for learned in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, learned):
                delattr(self, learned)
        shape: tuple[int, ...] = getattr(rows, "shape", ())
        names = getattr(rows, "columns", None)
        if len(shape) == 2:
            self.n_features_in_ = int(shape[1])
        if names is not None and all(isinstance(n, str) for n in names):
            self.feature_names_in_ = np.array(list(names), dtype=object)

    def _checked_target(self, y: Any) -> NDArray[Any]:
        """y as an array (n,). Raises ValueError for more columns, for missing values, for numbers that are no classes."""
        from sklearn.utils.multiclass import check_classification_targets
        from sklearn.utils.validation import column_or_1d

        values: NDArray[Any] = column_or_1d(y, warn=True)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError("Input y contains NaN or infinity", repair="leave these rows out")
        if self.target == "class":
            check_classification_targets(values)
        return values


def _rows(X: Any, least: int) -> Any:
    """X, with arrays and lists of rows checked as scikit-learn does; frames, paths, pictures and their lists as they are.

    least: rows. Raises ValueError for sparse, complex, one-dimensional or empty arrays.
    """
    listed = isinstance(X, list) and bool(X) and isinstance(X[0], list | tuple | int | float | np.number)
    if hasattr(X, "columns") or not (listed or hasattr(X, "__array__") or hasattr(X, "tocsr")):
        return X
    if isinstance(X, np.ndarray) and X.ndim > 2:
        return X
    from sklearn.utils.validation import check_array

    return check_array(X, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=least, estimator="Estimator")


def _length(rows: Any) -> int | None:
    """How many rows there are; None where only reading tells."""
    return len(rows) if hasattr(rows, "__len__") and not isinstance(rows, str | Path) else None


def _fit_model(data: Any, given: Mapping[str, Any]) -> Predictor:
    from deepwell.runs.fitting import fit_model
    from deepwell.runs.options import TrainOptions, parse

    return fit_model(data, parse(TrainOptions, given))
