"""Estimator: scikit-learn's manners over the same run. __init__ stores, fit learns, learned names end in `_`.

scikit-learn itself is imported only where it asks for its tags. Everything that `deepwell.train` reads is accepted as X:
arrays, lists, data frames, paths.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
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
        """Learn from rows X and targets y (n,). X: array (n, features), list, frame,
        pictures (n, height, width[, channels]) or paths.

        y may be None where X is something that names its own target (a class folder). Returns self.
        Raises DataError (a ValueError) for data that cannot be used.
        """
        y = None if y is None else _target(y)
        if y is not None and hasattr(X, "__len__") and not isinstance(X, str | Path) and len(X) != len(y):
            raise DataError(f"X has {len(X)} rows and y has {len(y)}")
        self._remember_shape(X, fitting=True)
        kind = {"class": "category", "number": "number", None: None}
        if self.target not in kind:
            raise ConfigError(f"target must be 'class', 'number' or None; got {self.target!r}")
        named = TARGET if self.target and y is not None else None
        given = {
            "task": self.task, "time": self.time, "epochs": self.epochs, "steps": self.steps, "size": self.size,
            "seed": self.seed, "set": dict(self.set or {}), "max_rejected": 0.0,
            "kind": {named: kind[self.target]} if named else {},
        }  # fmt: skip
        data = (_plain(X), y) if y is not None else X
        self.model_ = _fit_model(data, given)
        self._target_dtype = None if y is None else y.dtype
        if self._learns_classes():
            self.classes_ = self._decoded_classes()
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The answer to each row of X, shape (n,): labels of the type that y had, or numbers."""
        model = self._model(X)
        answers = model.predict(_plain(X))
        problems = [f"row {i}: {p}" for i, p in enumerate(answers["problem"]) if p]
        if problems:
            raise DataError(f"{len(problems):,} of {len(answers):,} rows cannot be answered: {problems[0]}")
        values = answers[model.schema.targets[0].name]
        return values.astype(self._target_dtype) if self._target_dtype is not None else values

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Class probabilities, shape (n, classes), columns in the order of `classes_`."""
        model = self._model(X)
        probabilities = model.predict_proba(_plain(X))
        return probabilities[:, np.argsort(self._decoded(), kind="stable")]

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
        return self.target != "number" and (self.target == "class" or str(self.task).endswith("classification"))

    def _decoded(self) -> NDArray[Any]:
        """The classes as y had them, in the order of the model's outputs."""
        target = self.model_.schema.targets[0].name
        values = self.model_.pipeline.decode(target, np.arange(len(self.model_.classes)))
        return values.astype(self._target_dtype) if self._target_dtype is not None else values

    def _decoded_classes(self) -> NDArray[Any]:
        return np.sort(self._decoded())

    def _model(self, X: Any) -> Predictor:
        if not hasattr(self, "model_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit first")
        self._remember_shape(X, fitting=False)
        return self.model_

    def _remember_shape(self, X: Any, *, fitting: bool) -> None:
        """Learn, or compare with, the number and names of columns where X has them."""
        shape = getattr(X, "shape", None)
        names = getattr(X, "columns", None)
        if fitting:
            for learned in ("n_features_in_", "feature_names_in_"):
                if hasattr(self, learned):
                    delattr(self, learned)
            if shape is not None and len(shape) == 2:
                self.n_features_in_ = int(shape[1])
            if names is not None and all(isinstance(n, str) for n in names):
                self.feature_names_in_ = np.array(list(names), dtype=object)
        elif (
            shape is not None
            and len(shape) == 2
            and hasattr(self, "n_features_in_")
            and shape[1] != self.n_features_in_
        ):
            raise DataError(
                f"X has {shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features as input"
            )


def _plain(X: Any) -> Any:
    """Lists of rows of numbers as an array; everything else as it is."""
    if isinstance(X, list) and X and isinstance(X[0], list | tuple):
        return np.asarray(X)
    return X


def _target(y: Any) -> NDArray[Any]:
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"y must have one value per row; got the shape {values.shape}")
    return values


def _fit_model(data: Any, given: Mapping[str, Any]) -> Predictor:
    from deepwell.runs.fitting import fit_model
    from deepwell.runs.options import TrainOptions, parse

    return fit_model(data, parse(TrainOptions, given))
