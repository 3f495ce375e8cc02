"""forecasting: what data it takes, how far it looks, what its answers and scores are, and a run from file to forecast."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deepwell
from deepwell.core.config import make
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.table import Part, Table
from deepwell.core.task import Sizes
from deepwell.data.recognition import recognise
from deepwell.data.series.frequency import Frequency
from deepwell.data.splits import split
from deepwell.evaluation.measure import measure
from deepwell.nn.networks import forecaster
from deepwell.tasks import choose
from deepwell.tasks.forecasting import LEVELS, Ahead, Forecasting, ForecastingConfig, ends_of, rounded
from deepwell.tasks.tabular import Tabular

SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data"))
CLASSIC = SHARED / "time-series" / "classic_univariate"
DAILY = {"frequency": Frequency("second", 86_400).to_json(), "steps": 365}
T = Field("t", "time", "order", "", DAILY)
Y = Field("y", "number", "target")


def task_of(table, **knobs):
    return Forecasting(recognise(table), make(ForecastingConfig, knobs))


def prepared(table, **knobs):
    """Task, fitted pipeline, and the windows of each part."""
    task = task_of(table, **knobs)
    parts = split(table, task.schema, task.split(), Key(0))
    pipeline = task.pipeline(None).fit(parts.train.rows)
    windows = {n: task.examples(getattr(parts, n), pipeline) for n in ("train", "select", "calibrate", "test")}
    return task, pipeline, windows


def series(days=120, seed=0):
    draws = np.random.default_rng(seed)
    dates = np.datetime_as_string(np.datetime64("2024-01-01") + np.arange(days)).astype(object)
    return Table({"day": dates, "sold": 50 + 10 * np.sin(2 * np.pi * np.arange(days) / 7) + draws.normal(0, 1, days)})


@pytest.mark.parametrize(
    ("fields", "rank", "said"),
    [
        ((T, Y), 1, "'y', daily by 't', is to be forecast"),
        ((T, Y, Field("s", "category", "group"), Field("x", "category")), 1, "of the series of 's'"),
        ((Y,), 0, "no column holds regular times"),
        ((T,), 0, "no column is the target"),
        ((T, Field("y", "category", "target")), 0, "no number but of kind category"),
        ((Field("t", "time", "order", "because"), Y), 0, "have no frequency: because"),
        ((T, Y, Field("photo", "image")), 0, "'photo' is of kind image"),
        ((), 0, "no column holds regular times"),
    ],
)
def test_it_says_what_it_takes(fields, rank, said):
    fit = Forecasting.fits(Schema(fields))
    assert fit.rank == rank
    assert said in fit.reason


def test_series_come_before_tables_and_tables_with_dates_stay_tables():
    assert choose(recognise(series()))[0] is Forecasting
    draws = np.random.default_rng(0)
    days = np.datetime_as_string(np.datetime64("2024-01-01") + draws.integers(0, 300, 200)).astype(object)
    sales = Table({"day": days, "size": draws.normal(size=200), "target": draws.normal(size=200)})
    assert choose(recognise(sales))[0] is Tabular


def test_the_horizon_is_usual_for_the_frequency_and_short_for_short_series():
    assert task_of(series(365)).horizon == 14
    assert task_of(series(50)).horizon == 5
    assert task_of(series(50), horizon=9).horizon == 9
    with pytest.raises(ConfigError, match="give --horizon"):
        _ = Forecasting(Schema((Y,)), ForecastingConfig()).horizon
    rule = task_of(series(), horizon=9, split="2024-04-01").split()
    assert (rule.kind, rule.cuts, rule.least) == ("time", "2024-04-01", 9)


def test_levels_are_those_of_the_network_and_intervals_lie_between_them():
    assert LEVELS == forecaster.LEVELS
    quantiles = np.broadcast_to(np.array(LEVELS, np.float32) * 10, (2, 3, 1, len(LEVELS)))
    low, high = ends_of(quantiles, 0.8)
    assert low[0, 0, 0] == pytest.approx(1)
    assert high[0, 0, 0] == pytest.approx(9)
    low, high = ends_of(quantiles, 0.6)
    assert low[0, 0, 0] == pytest.approx(2)
    assert high[0, 0, 0] == pytest.approx(8)


@given(st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1, max_size=40))
def test_numbers_are_rounded_to_six_digits_wherever_they_stand(values):
    found = rounded(np.array(values))
    assert found.tolist() == [rounded(np.array([value]))[0] for value in values]
    for value, short in zip(values, found.tolist(), strict=True):
        assert short == pytest.approx(value, rel=5.1e-6, abs=1e-17)
        if 1e-3 < abs(value) < 1e6:
            assert len(repr(abs(short)).strip("0").replace(".", "").lstrip("0")) <= 6


def test_the_network_is_built_from_the_sizes_alone():
    task, pipeline, windows = prepared(Forecasting.demo(0))
    sizes = Sizes(dict(pipeline.sizes()), windows["train"].count)
    network = task.network(Sizes.from_json(sizes.to_json()))
    batch = windows["train"].take(np.arange(3), Key(0))
    import torch

    arrays = {n: torch.from_numpy(a) for n, a in batch.arrays.items() if a.dtype.kind != "U"}
    outputs, _ = network(arrays)
    assert outputs["future.value"].shape == (3, 12, 1)
    task.prime(network, pipeline)
    assert not torch.equal(outputs["future.value"], network(arrays)[0]["future.value"])
    assert float(task.loss(network, type(batch)(arrays, batch.examples), Key(0)).units) == 36


def constant(value):
    """A runner that answers one standardised value, with an interval of 2 around it."""

    def forward(arrays, state):
        shape = (len(arrays["past"]), 14 if "future.seen" not in arrays else 0, arrays["past"].shape[2])
        assert "future" not in arrays  # no truth is shown
        middle = np.full(shape, value, np.float32)
        spread = np.array([-1.2, -1.0, -0.5, 0, 0.5, 1.0, 1.2], np.float32)
        return {"future.value": middle, "future.quantiles": middle[..., None] + spread}, state

    return NumpyRunner({"forward": forward})


def test_answers_have_dates_units_and_intervals():
    task, pipeline, windows = prepared(series(200), horizon=14)
    asked = task.examples(Part("predict", series(200)), pipeline)
    answers = task.predict(constant(0.5), asked.take(np.arange(1), Key(0)), pipeline, Ahead(horizon=2))
    assert answers.names == [f.name for f in task.answers(pipeline).fields]
    assert answers["day"].tolist() == ["2024-07-19", "2024-07-20"]
    assert answers["origin"].tolist() == ["2024-07-18"] * 2
    mean, deviation = pipeline.offset_[0, 0], pipeline.factor_[0, 0]
    np.testing.assert_allclose(answers["sold"], mean + 0.5 * deviation, rtol=1e-5)
    np.testing.assert_allclose(answers["sold.low"], mean - 0.5 * deviation, rtol=1e-5)
    np.testing.assert_allclose(answers["sold.high"], mean + 1.5 * deviation, rtol=1e-5)
    test = task.predict(constant(0.5), windows["test"].take(np.arange(1), Key(0)), pipeline, Ahead())
    np.testing.assert_allclose(test["sold.truth"], series(200)["sold"][-40:-26], rtol=1e-5)
    with pytest.raises(ConfigError, match="trained to forecast 14 steps; asked are 15"):
        task.predict(constant(0.5), asked.take(np.arange(1), Key(0)), pipeline, Ahead(horizon=15))


@pytest.mark.parametrize(
    "names", [("origin", "sold", "sold.low"), ("step", "sold", "sold.truth"), ("s", "a", "a.high")]
)
def test_columns_of_answers_have_names_of_their_own(names):
    group, first, second = names
    data = series(120)
    shop = np.full(120, "here", object)
    table = Table({"day": data["day"], group: shop, first: data["sold"], second: data["sold"] + 1.0})
    fields = {f.name: f for f in recognise(data).fields}
    schema = Schema((
        fields["day"], Field(group, "category", "group"), Field(first, "number", "target"),
        Field(second, "number", "target"),
    ))  # fmt: skip
    task = Forecasting(schema, ForecastingConfig(horizon=14))
    parts = split(table, schema, task.split(), Key(0))
    pipeline = task.pipeline(None).fit(parts.train.rows)
    one = task.examples(parts.test, pipeline).take(np.arange(1), Key(0))
    answers = task.predict(constant(0.0), one, pipeline, Ahead())
    assert {f.name for f in task.answers(pipeline).fields} <= set(answers.names)
    assert len(answers.names) == 4 + 2 * 3 + 1  # the last time, two ends and the truth of both targets
    assert set(answers[group].tolist()) == {"here"}
    mean = pipeline.offset_[0]
    np.testing.assert_allclose([answers[first][0], answers[second][0]], mean, rtol=1e-5)


def test_scores_are_those_of_a_plain_calculation():
    table = series(200)
    task, pipeline, windows = prepared(table, horizon=14)
    columns = measure(task, constant(0.0), windows["test"], pipeline)
    scores = {m.name: m.value(columns) for m in task.metrics(pipeline)}
    truth = np.lib.stride_tricks.sliding_window_view(table["sold"][-40:], 14)
    mean, deviation = pipeline.offset_[0, 0], pipeline.factor_[0, 0]
    z = (truth - mean) / deviation
    assert windows["test"].count == 27
    assert scores["mse"] == pytest.approx((z**2).mean(), rel=1e-4)
    assert scores["mae sold"] == pytest.approx(np.abs(truth - mean).mean(), rel=1e-4)
    assert scores["coverage_80"] == pytest.approx((np.abs(z) <= 1).mean(), abs=1e-3)
    naive = np.abs(table["sold"][7:] - table["sold"][:-7])[: len(table) - 80 - 7]
    assert scores["mase"] == pytest.approx(np.abs(truth - mean).mean() / naive.mean(), rel=0.1)
    fans = [f for f in task.figures(columns, pipeline) if f["kind"] == "fan"]
    assert fans[0]["data"]["labels"][-1] >= "2024-06"
    numbers = task.calibrate(
        {**columns, "future.linear": columns["future.answer"], "future.patches": z[..., None] * 0}, pipeline
    )
    width = numbers["future.quantiles.width"]
    calibrated = (np.abs(z) <= width).mean()
    assert 0.75 <= calibrated <= 0.85


def test_a_run_from_file_to_forecast(tmp_path):
    path = tmp_path / "sold.csv"
    table = series(150)
    path.write_text("day,sold\n" + "".join(f"{d},{v:.2f}\n" for d, v in zip(table["day"], table["sold"], strict=True)))
    options = {"horizon": 7, "steps": 5, "out": str(tmp_path), "plan": {"threads": "1", "precision": "float32"}}
    run = deepwell.train(str(path), **options)
    answers = run.model.predict()
    assert answers["day"].tolist() == [f"2024-05-{day:02}" for day in (30, 31)] + [
        f"2024-06-0{day}" for day in range(1, 6)
    ]
    assert (answers["sold.low"] < answers["sold"]).all()
    assert not any(answers["problem"])
    nothing = Table({"day": np.empty(0, object), "sold": np.empty(0)})
    assert len(run.model.predict(nothing)["day"]) == 0
    with pytest.raises(DataError, match=r"the series has 9 steps; .* are needed: .* to look back on and 7 to forecast"):
        run.model.score(series(9))
    private = deepwell.train(str(path), no_tail=True, **options)
    with pytest.raises(DataError, match="keeps no rows"):
        private.model.predict()
    again = private.model.predict(str(path))
    np.testing.assert_allclose(again["sold"], answers["sold"], rtol=1e-4)


@pytest.mark.skipif(not CLASSIC.is_dir(), reason=f"no data sets at {SHARED} (set DEEPWELL_DATA)")
@pytest.mark.parametrize(
    ("name", "words", "season", "parts"),
    [
        ("airline-passengers", "monthly", 12, {"train": 99, "select": 20, "calibrate": 13, "test": 12}),
        ("shampoo", "monthly", 12, {"train": 18, "select": 5, "calibrate": 4, "test": 9}),
        ("daily-min-temperatures", "daily", 365, {"train": 2190, "select": 365, "calibrate": 365, "test": 730}),
        ("monthly-sunspots", "monthly", 127, {"train": 1692, "select": 282, "calibrate": 282, "test": 564}),
    ],
)
def test_classic_series_are_read_as_they_are(name, words, season, parts):
    from deepwell.data import sources

    table = sources.read(str(CLASSIC / f"{name}.csv"))
    task = task_of(table, split="1960-01" if name == "airline-passengers" else "")
    cut = split(table, task.schema, task.split(), Key(0))
    assert cut.counts == parts
    pipeline = task.pipeline(None).fit(cut.train.rows)
    assert (pipeline.frequency_.words, pipeline.season_) == (words, season)
    assert task.examples(cut.train, pipeline).count > 0


def test_rows_after_the_end_of_the_test_are_not_counted_as_used(tmp_path):
    table = series(200)
    run = deepwell.train(
        table, split="100/40/40 rows", horizon=7, steps=2, device="cpu", out=str(tmp_path), sinks=(), task="forecasting"
    )
    counted = next(e for e in run.events if e["event"] == "rejected")
    assert (counted["read"], counted["used"]) == (200, 180)
