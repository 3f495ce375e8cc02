"""autoencoder: what it reads and answers, its likelihood against a model that is known exactly, its threshold, drawn rows."""

import numpy as np
import pytest

import deepwell as dw
from deepwell import tasks
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Part, Table
from deepwell.data.recognition import recognise
from deepwell.evaluation.measure import measure
from deepwell.tasks.autoencoder import Asked, Autoencoder, AutoencoderConfig


def table(n=600, seed=0):
    draws = np.random.default_rng(seed)
    cause = draws.normal(size=n)
    return Table({
        "a": cause + draws.normal(0, 0.1, n), "b": -2 * cause + draws.normal(0, 0.1, n),
        "c": draws.normal(size=n), "kind": np.where(cause > 0, "up", "down").astype(object),
    })  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = str(tmp_path_factory.mktemp("runs"))
    return dw.train(table(), task="autoencoder", steps=600, device="cpu", out=out, set={"samples": "50"}, sinks=())


def test_data_without_a_target_are_only_taken_by_name():
    schema = recognise(table())
    assert Autoencoder.fits(schema).rank > 0
    with pytest.raises(DataError, match="autoencoder: 4 columns are written again"):
        tasks.choose(schema)


def test_a_target_is_kept_to_compare_by_and_not_read():
    schema = Schema((Field("a", "number"), Field("label", "category", "target")))
    fit = Autoencoder.fits(schema)
    assert fit.roles == {"label": "slice"}
    assert "'label' only to compare by" in fit.reason
    assert Autoencoder.fits(Schema((Field("words", "text"),))).rank == 0


def test_a_column_that_nobody_named_as_target_is_a_column_like_others(tmp_path):
    for y, role in ((np.arange(600) * 0.5, "input"), (np.full(600, 2), "slice")):
        found = dw.train(
            table().with_columns({"y": y}), task="autoencoder", steps=2, device="cpu", out=str(tmp_path), sinks=()
        )
        fields = next(e for e in found.events if e["event"] == "schema")["fields"]
        assert {f["name"]: f["role"] for f in fields}["y"] == role


def test_codes_are_fewer_than_values_and_rows_come_back(run):
    rows = table(50, 1)
    answers = run.model.predict(rows)
    codes = [n for n in answers.table.names if n.startswith("code.")]
    assert len(codes) == 2
    written = {n: answers[f"{n}.written"] for n in rows.names}
    assert np.corrcoef(written["a"].astype(float), rows["a"])[0, 1] > 0.95
    assert (written["kind"] == rows["kind"]).mean() > 0.9


def test_a_row_of_which_nothing_is_known_is_not_judged(run):
    empty = Table(
        {"a": np.array([np.nan, 0.0]), "b": np.full(2, np.nan), "c": np.full(2, np.nan), "kind": np.array([None] * 2)}
    )
    answers = run.model.predict(empty)
    assert answers["problem"].tolist() == ["nothing of the row is known: 'a', 'b', 'c', 'kind'", ""]
    assert np.isnan(answers["score"]).tolist() == [True, False]
    assert answers["unlikely"][0] is None


@pytest.mark.parametrize("name", ["score", "unlikely", "code.1", "b.written", "problem"])
def test_a_column_called_as_an_answer_is_refused_before_the_training(name, tmp_path):
    data = Table({name: table()["a"], "b": table()["b"], "c": table()["c"]})
    with pytest.raises(DataError, match=rf"the column '{name}'(.|\n)*--role {name}=ignore"):
        dw.train(data, task="autoencoder", steps=1, device="cpu", out=str(tmp_path), sinks=())
    assert not list(tmp_path.iterdir())  # no run was begun


def test_unlikely_rows_are_found(run):
    odd = Table(
        {
            "a": np.array([2.0, 2.0]),
            "b": np.array([-4.0, 4.0]),
            "c": np.zeros(2),
            "kind": np.array(["up", "down"], object),
        }
    )
    answers = run.model.predict(odd)
    assert answers["score"][1] > answers["score"][0] + 5
    assert list(answers["unlikely"]) == ["no", "yes"]


def test_rows_are_drawn_with_what_holds_between_columns(run):
    drawn = run.model.predict(None, Asked(n=300, seed=1))
    assert len(drawn) == 300
    assert set(table().names) <= set(drawn.table.names)
    a, b = (drawn[n].astype(float) for n in "ab")
    assert np.corrcoef(a, b)[0, 1] < -0.9
    again = run.model.predict(None, Asked(n=300, seed=1))
    assert again.csv() == drawn.csv() != run.model.predict(None, Asked(n=300, seed=2)).csv()


def test_missing_and_unknown_values_are_answered(run):
    rows = table(3, 2)
    holes = rows.with_columns({"a": np.array([np.nan, 0.0, 1.0]), "kind": np.array([None, "sideways", "up"], object)})
    answers = run.model.predict(holes)
    assert not any(answers["problem"])
    assert np.isfinite(answers["score"].astype(float)).all()


def test_the_likelihood_is_no_better_than_that_of_the_true_model(run):
    # c is standard normal and a follows cause closely: the entropy of the true distribution bounds what any model reaches.
    scores = run.scores
    assert set(scores) == {"nats", "error"}
    baseline = next(e for e in run.events if e["event"] == "baseline" and e["name"] == "every value by itself")
    assert scores["nats"].value < baseline["scores"][0]["value"] - 1


@pytest.mark.parametrize("form", ["plain", "denoising"])
def test_plain_ones_are_measured_by_their_error_beside_principal_components(form, tmp_path):
    run = dw.train(
        table(), task="autoencoder", steps=600, device="cpu", out=str(tmp_path), set={"form": form}, sinks=()
    )
    assert list(run.scores) == (["cleaned", "error"] if form == "denoising" else ["error"])
    names = [e["name"] for e in run.events if e["event"] == "baseline"]
    assert names == ["every value by itself", "principal components"]
    trivial = next(e for e in run.events if e["event"] == "baseline")
    assert run.scores["error"].value < trivial["scores"][0]["value"]
    told = [e for e in run.events if e.get("what") == "augmentation"]
    assert bool(told) == (form == "denoising")
    with pytest.raises(ConfigError, match=r"--set form=variational"):
        run.model.predict(None, Asked(n=3))
    if form == "denoising":
        assert np.isnan(run.model.score(table(1))[0].value)  # there is no other row to spoil a single one by
        alone, together = (_measured(run.model, table(30), size, "cleaned") for size in (1, 30))
        assert np.allclose(alone, together, rtol=1e-3)  # whatever the batch, also of one row
        assert (alone > _measured(run.model, table(30), 30, "error")).mean() > 0.8


def _measured(model, rows, size, column):
    examples = model.task.examples(Part("test", rows), model.pipeline)
    return measure(model.task, model.runner, examples, model.pipeline, size)[column]


def bars(n, seed=0):
    """Pictures of one bright bar, upright or lying."""
    draws = np.random.default_rng(seed)
    pictures = np.zeros((n, 8, 8, 1), np.uint8)
    for picture, upright, place in zip(pictures, draws.random(n) < 0.5, draws.integers(0, 8, n), strict=True):
        (picture.swapaxes(0, 1) if upright else picture)[place] = 255
    return pictures


def test_a_denoising_one_cleans_pictures(tmp_path):
    table = Table({"image": bars(600), "way": np.array(["a", "b"] * 300, object)})
    knobs = {"form": "denoising", "size": "tiny"}
    run = dw.train(
        table, task="autoencoder", target="way", steps=400, device="cpu", out=str(tmp_path), set=knobs, sinks=()
    )
    clean = bars(100, 1)
    noisy = np.where(np.random.default_rng(2).random(clean.shape) < 0.15, 255 - clean, clean)
    written = np.stack(list(run.model.predict(Table({"image": noisy}))["image.written"])).reshape(clean.shape)

    def off(pictures):
        return np.abs(pictures.astype(float) - clean).mean()

    assert off(written) < 0.5 * off(noisy)
    shown = [e for e in run.events if e["event"] == "examples"]
    assert [e["title"].split(":")[0] for e in shown][::2] == ["Written again worst", "Written again best"]
    assert all({"png"} == set(cell) for row in shown[0]["rows"] for cell in row[2:4])
    plane = next(e for e in run.events if e["event"] == "figure")
    assert set(plane["data"]["label"]) == {"a", "b"}
    assert "coloured by way" in plane["title"]


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """A run on a series: a wave of 12 hours and twice its height, in little noise."""
    out = str(tmp_path_factory.mktemp("waves"))
    knobs = {"samples": "20", "window": "12"}
    return dw.train(series(), task="autoencoder", steps=500, device="cpu", out=out, set=knobs, sinks=())


def series(n=900, start=0):
    hours = np.datetime64("2021-01-01T00") + np.arange(start, start + n)
    wave = 20 + 5 * np.sin(2 * np.pi * np.arange(start, start + n) / 12)
    draws = np.random.default_rng(start)
    return Table(
        {
            "hour": hours.astype("datetime64[m]").astype(str).astype(object),
            "a": wave + draws.normal(0, 0.2, n),
            "b": 2 * wave,
        }
    )


def test_series_are_reduced_window_by_window(waves):
    assert Autoencoder.fits(recognise(series())).roles == {"a": "input", "b": "input"}
    rows = series(200, 900)
    answers = waves.model.predict(rows)
    assert len(answers) == 200
    for name in "ab":
        written = answers[f"{name}.written"].astype(float)
        assert np.corrcoef(written[12:], rows[name][12:])[0, 1] > 0.95
    spoilt = rows["a"].copy()
    spoilt[100] += 15
    scores = [waves.model.predict(rows.with_columns({"a": a}))["score"].astype(float) for a in (rows["a"], spoilt)]
    assert np.array_equal(scores[0][:100], scores[1][:100])  # a row is judged by itself and its past alone
    assert scores[1][100] > scores[0][100] + 20
    (lines, *_) = [e for e in waves.events if e["event"] == "figure" and e["kind"] == "lines"]
    assert [s["name"] for s in lines["data"]["series"]] == ["as it was", "written again"]


@pytest.mark.parametrize("name", ["window", "step"])
def test_numbers_called_as_what_counts_drawn_windows_are_refused_where_windows_can_be_drawn(name, tmp_path):
    data = Table({"hour": series(200)["hour"], name: series(200)["a"]})
    asked = {"task": "autoencoder", "steps": 1, "device": "cpu", "out": str(tmp_path), "sinks": ()}
    with pytest.raises(DataError, match=f"the column '{name}' is called as an answer"):
        dw.train(data, **asked)
    assert dw.train(data, set={"form": "plain"}, **asked).model.predict(data)[f"{name}.written"] is not None


def test_windows_of_series_are_drawn_in_their_unit(waves):
    drawn = waves.model.predict(None, Asked(n=40, seed=3))
    assert len(drawn) == 40 * 12
    a, b = (drawn[n].astype(float) for n in "ab")
    assert abs(a.mean() - 20) < 2
    assert np.corrcoef(a, b)[0, 1] > 0.9


def test_black_and_white_is_drawn_by_brightness_and_always_alike():
    from deepwell.tasks.autoencoder import _drawn

    grey = np.full((200, 1, 8, 8), 64, np.uint8)
    drawn = _drawn(grey, np.arange(200))
    assert set(np.unique(drawn)) == {0, 255}
    assert abs((drawn > 0).mean() - 64 / 255) < 0.02
    assert np.array_equal(drawn[5:9], _drawn(grey[5:9], np.arange(5, 9)))


def test_requests_say_whether_rows_are_given():
    task = Autoencoder(Schema((Field("a", "number"),)), AutoencoderConfig())
    assert task.asks(Asked())
    assert not task.asks(Asked(n=2))


def test_nats_are_the_log_of_the_mean_weight_over_all_draws():
    from deepwell.core.runner import NumpyRunner
    from deepwell.tasks.autoencoder import _nats

    def forward(arrays, state):
        return {"log_weight": arrays["rows"][:, None] + arrays["noise"][0, :, 0]}, state

    draws = (
        np.random.default_rng(0).normal(size=(130, 2)).astype(np.float32)
    )  # more than are taken at once, and no multiple
    rows = np.array([-1000.0, 0.0, 3.0])
    found = _nats(NumpyRunner({"forward": forward}), {"rows": rows}, draws)
    assert np.allclose(found, -(rows + np.log(np.exp(draws[:, 0].astype(float)).mean())), rtol=1e-6)
    exact = NumpyRunner({"forward": lambda arrays, state: ({"log_weight": arrays["rows"][:, None]}, state)})
    assert _nats(exact, {"rows": rows}, draws).tolist() == [1000.0, 0.0, -3.0]


def test_large_pictures_take_fewer_samples_unless_asked():
    """Each takes thousands of times longer than that of a row of numbers."""
    from deepwell.tasks import autoencoder

    small, large = (
        Table({"image": np.random.default_rng(0).integers(0, 255, (8, s, s, 3)).astype(np.uint8)}) for s in (8, 40)
    )
    for table, samples in ((small, autoencoder.SAMPLES), (large, autoencoder.FEWER_SAMPLES)):
        asked = _samples_asked(table, AutoencoderConfig())
        assert asked == samples
        assert _samples_asked(table, AutoencoderConfig(samples=7)) == 7


def _samples_asked(table, config):
    """How many draws a measurement asks its runner for."""
    from deepwell.core.keys import Key

    task = Autoencoder(Schema((Field("image", "image"),)), config)
    pipeline = task.pipeline(None).fit(table)
    batch = task.examples(Part("test", table), pipeline).take(np.arange(1), Key(0))
    counted = []

    class Counting:
        def run(self, call, arrays, state=None):
            n, draws = 1, arrays["noise"].shape[1]
            counted.append(draws)
            size = pipeline.sizes()["image"]
            shown = {"codes": np.zeros((n, 50)), "image": np.zeros((n, *size)), "divergence": np.zeros(n)}
            return {**shown, "log_likelihood": np.zeros((n, draws)), "log_weight": np.zeros((n, draws))}, state

    task.measure(Counting(), batch, pipeline)
    return sum(counted[1:])
