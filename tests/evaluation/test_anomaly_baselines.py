"""Baselines of anomaly detection against the libraries they come from, and by hand."""

import numpy as np
import pytest
from sklearn.covariance import MinCovDet
from sklearn.ensemble import IsolationForest

from deepwell.core.batch import Encoded
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Table
from deepwell.data.pipeline import FieldPipeline
from deepwell.evaluation import anomaly_baselines as known
from deepwell.families.graded import Graded

KEY = Key(0)


def prepared(columns):
    schema = Schema(tuple(Field(name, "number") for name in columns))
    pipeline = FieldPipeline(schema, {name: Graded() for name in columns}).fit(Table(columns))
    encoded = pipeline.encode(Table(columns))
    arrays = {"inputs.number": np.stack([encoded.columns[n] for n in columns], axis=1)}
    return RowExamples(Encoded(arrays, encoded.rows)), pipeline, arrays


def cloud(n=400, seed=0):
    draws = np.random.default_rng(seed)
    a = draws.normal(10, 2, n)
    return {"a": a, "b": 3 * a + draws.normal(0, 1, n), "c": draws.normal(size=n)}


def scores(baseline, columns):
    examples, pipeline, arrays = prepared(columns)
    return baseline.fit(examples, pipeline, KEY).run("forward", arrays)[0]["score"]


def test_one_score_for_all():
    assert scores(known.same(), cloud()).tolist() == [0.0] * 400


def test_the_isolation_forest_is_scikit_learns_on_the_numbers_themselves():
    columns = cloud()
    ours = scores(known.isolation_forest(list(columns)), columns)
    matrix = np.stack(list(columns.values()), axis=1)
    theirs = -IsolationForest(random_state=KEY.fold("forest").seed % 2**31).fit(matrix).score_samples(matrix)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.995  # places hold values to float32


def test_the_robust_distance_is_that_of_scikit_learn_and_does_not_turn_with_the_axes():
    columns = cloud()
    _, _, arrays = prepared(columns)
    ours = scores(known.robust_distance(list(columns)), columns)
    theirs = MinCovDet(random_state=0).fit(arrays["inputs.number"].astype(float)).mahalanobis(arrays["inputs.number"])
    assert np.corrcoef(np.argsort(np.argsort(ours)), np.argsort(np.argsort(theirs)))[0, 1] > 0.98


def test_each_value_by_itself_counts_the_shares_beyond_it():
    columns = {"a": np.arange(9.0)}
    found = scores(known.apart(), columns)
    assert found[0] == found[8] == pytest.approx(-np.log(1.5 / 10))
    assert found[4] == pytest.approx(-np.log(5.5 / 10))
    levels = {"inputs.category": np.array([[1]] * 8 + [[2]] * 2)}
    examples = RowExamples(Encoded(levels, np.arange(10)))
    asked = {"inputs.category": np.array([[1], [2], [7]])}
    told = known.apart().fit(examples, None, KEY).run("forward", asked)[0]["score"]
    assert told == pytest.approx([-np.log(8.5 / 11), -np.log(2.5 / 11), -np.log(0.5 / 11)])


@pytest.mark.parametrize(
    "baseline", [known.isolation_forest(["a", "b"]), known.robust_distance(["a", "b"]), known.apart()]
)
def test_gaps_constants_and_huge_numbers_do_no_harm(baseline):
    holes = np.random.default_rng(0).normal(size=60)
    holes[::3], holes[1] = np.nan, 1e30
    assert np.isfinite(scores(baseline, {"a": holes, "b": np.ones(60)})).all()
    assert np.isfinite(scores(baseline, {"a": np.ones(60), "b": np.full(60, np.nan)})).all()


def test_pictures_are_read_by_their_small_pixels():
    draws = np.random.default_rng(0)
    pictures = np.full((80, 1, 16, 16), 100, np.uint8) + draws.integers(0, 9, (80, 1, 16, 16)).astype(np.uint8)
    pictures[7, :, 4:12, 4:12] = 255
    examples = RowExamples(Encoded({"photo": pictures}, np.arange(80)))
    for baseline in (known.isolation_forest((), "photo"), known.robust_distance((), "photo")):
        found = baseline.fit(examples, None, KEY).run("forward", {"photo": pictures})[0]["score"]
        assert found.argmax() == 7


def test_a_third_of_rows_far_from_the_others_is_said():
    columns = cloud(900)
    wild = np.arange(900) % 3 == 0
    columns["b"] = np.where(wild, np.random.default_rng(1).uniform(-60, 120, 900), columns["b"])
    examples, pipeline, _ = prepared(columns)
    (note,) = known.robust_distance(list(columns)).fit(examples, pipeline, KEY).notes
    assert "robust distances of the training rows fall into two heaps, of which the upper holds 3" in note
    assert "--set contamination=0.3" in note
    examples, pipeline, _ = prepared(cloud(900))
    assert known.robust_distance(["a", "b", "c"]).fit(examples, pipeline, KEY).notes == ()
