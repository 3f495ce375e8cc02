"""Estimator has scikit-learn's manners: its own suite of checks, clone, cross-validation, types of labels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import deepwell as dw
from deepwell.core.errors import ConfigError, DataError

# A constant target is refused everywhere in Deepwell: there is nothing to learn and nothing to prove.
REFUSED = {"check_classifiers_one_label": "a target with one class is refused"}


@pytest.mark.filterwarnings("ignore")  # the suite itself warns, e.g. of checks that it skips
@pytest.mark.parametrize("target", ["class", "number"])
def test_scikit_learns_own_checks(target: str) -> None:
    results = check_estimator(
        dw.Estimator("tabular", target=target, steps=60), on_fail=None, on_skip=None, expected_failed_checks=REFUSED
    )
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "failed"}
    assert failed == {}
    assert sum(r["status"] == "passed" for r in results) > 45


def test_iris_in_cross_validation() -> None:
    X, y = load_iris(return_X_y=True)
    scores = cross_val_score(dw.Estimator("tabular", epochs=30), X, y, cv=3)
    assert scores.mean() > 0.9


@pytest.mark.parametrize(
    "labels", [np.array(["setosa", "versicolor", "virginica"]), np.array([10, 20, 30]), np.array([1.0, 2.0, 3.0])]
)
def test_labels_keep_their_type(labels: np.ndarray) -> None:
    X, y = load_iris(return_X_y=True)
    model = dw.Estimator("tabular", target="class", epochs=20).fit(X, labels[y])
    np.testing.assert_array_equal(model.classes_, labels)
    assert model.predict(X[:2]).dtype == labels.dtype
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(1)], model.predict(X))


def test_numbers_have_no_probabilities() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = dw.Estimator("tabular", target="number", epochs=20).fit(X, y)
    assert not hasattr(model, "predict_proba")
    assert model.score(X, y) > 0.3


def test_clone_and_parameters() -> None:
    model = dw.Estimator("tabular", time="30s", set={"dropout": 0.2})
    assert clone(model).get_params() == model.get_params()
    assert repr(model) == "Estimator(task='tabular', time='30s', set={'dropout': 0.2})"
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        model.set_params(epoch=3)


def test_pictures_as_arrays_lists_and_paths(tmp_path: Path) -> None:
    digits = load_digits()
    images, labels = (digits.images * 15.9).astype(np.uint8)[:300], digits.target[:300]
    model = dw.Estimator("image_classification", size="tiny", epochs=15).fit(images, labels)
    assert model.score(images, labels) > 0.8
    np.testing.assert_array_equal(model.predict(list(images[:5])), model.predict(images[:5]))
    paths = []
    for i, image in enumerate(images[:5]):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(image).save(paths[-1])
    np.testing.assert_array_equal(model.predict(paths), model.predict(images[:5]))


def test_rows_that_cannot_be_answered_are_an_error_here() -> None:
    X, y = load_iris(return_X_y=True)
    model = dw.Estimator("tabular", epochs=5).fit(X, y)
    with pytest.raises(DataError, match="X has 3 features, but Estimator is expecting 4"):
        model.predict(X[:, :3])
