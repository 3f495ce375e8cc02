"""The whole way on real data: baselines on Adult's official parts, measured, compared, judged."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from deepwell.core.batch import Encoded
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.evaluation import baselines, intervals
from deepwell.evaluation.measure import measure
from deepwell.evaluation.verdict import verdict
from deepwell.metrics.classification import accuracy, area_under_curve

DATA = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared/data")) / "tabular/adult_census"
KEY = Key(0)


@pytest.fixture(scope="module")
def parts():
    """Train and test examples, numbers scaled by the training part, levels numbered from 1."""
    if not (DATA / "adult-train.csv").exists():
        pytest.skip(f"the Adult data set is not at {DATA}; set DEEPWELL_DATA")
    import pandas

    frames = [
        pandas.read_csv(DATA / f"adult-{part}.csv", header=None, skipinitialspace=True, na_values="?")
        for part in ("train", "test")
    ]
    categories, numbers = [1, 3, 5, 6, 7, 8, 9, 13], [0, 2, 4, 10, 11, 12]
    levels = {c: {v: i + 1 for i, v in enumerate(sorted(frames[0][c].dropna().unique()))} for c in categories}
    found = []
    for frame in frames:
        codes = np.stack([frame[c].map(levels[c]).fillna(0).astype(np.int32) for c in categories], 1)
        number = (frame[numbers] - frames[0][numbers].mean()) / frames[0][numbers].std()
        truth = frame[14].str.startswith(">").to_numpy().astype(np.int64)
        columns = {"inputs.number": number.to_numpy(np.float32), "inputs.category": codes, "income": truth}
        found.append(RowExamples(Encoded(columns, np.arange(len(frame)))))
    return found


def measured(runner, batch, pipeline):
    """As the prediction family measures."""
    logits = runner.run("forward", batch.arrays)[0]["income.logits"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return {"t.truth": batch.arrays["income"], "t.answer": shares.argmax(1), "t.probabilities": shares}


def test_figures_of_the_literature_and_the_verdict_on_them(parts):
    train, test = parts
    schema = Schema((Field("income", "category", "target"),))
    pipeline = SimpleNamespace(schema=schema, classes=lambda name: ["<=50K", ">50K"])
    metrics = [accuracy("t"), area_under_curve("t", positive=1)]
    found = {}
    for baseline in (
        baselines.majority("income"),
        baselines.linear("income", "category"),
        baselines.boosting("income", "category"),
    ):
        runner = baseline.fit(train, pipeline, KEY)
        columns = measure(SimpleNamespace(measure=measured), runner, test, pipeline, 4096)
        found[baseline.name] = intervals.replicate(metrics, columns, None, KEY)
    scores = {name: [intervals.interval(r) for r in by_metric.values()] for name, by_metric in found.items()}
    assert scores["majority"][0].value == pytest.approx(0.7638, abs=1e-4)  # adult.names
    assert scores["majority"][1].value == 0.5
    assert scores["linear"][0].value == pytest.approx(0.853, abs=0.004)  # scikit-learn and others: 0.850 to 0.853
    assert scores["linear"][1].value == pytest.approx(0.905, abs=0.004)
    assert scores["boosting"][0].value == pytest.approx(0.8741, abs=0.006)  # default XGBoost: 0.8741, 0.9265
    assert scores["boosting"][1].value == pytest.approx(0.9265, abs=0.004)
    differences = {
        name: intervals.difference(found["linear"]["accuracy"], found[name]["accuracy"])
        for name in ("majority", "boosting")
    }
    assert [d.better for d in differences.values()] == ["network", "baseline"]
    assert verdict(scores["linear"][0], differences, ["majority"]).winner == "boosting"
