"""autoencoder: what it reads and answers, its likelihood against a model that is known exactly, its threshold, drawn rows."""

import numpy as np
import pytest

import deepwell as dw
from deepwell import tasks
from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.recognition import recognise
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


def test_codes_are_fewer_than_values_and_rows_come_back(run):
    rows = table(50, 1)
    answers = run.model.predict(rows)
    codes = [n for n in answers.table.names if n.startswith("code.")]
    assert len(codes) == 2
    written = {n: answers[f"{n}.written"] for n in rows.names}
    assert np.corrcoef(written["a"].astype(float), rows["a"])[0, 1] > 0.95
    assert (written["kind"] == rows["kind"]).mean() > 0.9


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
    assert list(run.scores) == ["error"]
    names = [e["name"] for e in run.events if e["event"] == "baseline"]
    assert names == ["every value by itself", "principal components"]
    trivial = next(e for e in run.events if e["event"] == "baseline")
    assert run.scores["error"].value < trivial["scores"][0]["value"]
    told = [e for e in run.events if e.get("what") == "augmentation"]
    assert bool(told) == (form == "denoising")


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
