"""Two models side by side: paired on the same rows, refused where they do not fit, and players against each other."""

import json
from functools import partial

import numpy as np
import pytest

import deepwell as dw
from deepwell.core.errors import DataError
from deepwell.core.table import Table
from deepwell.runs import comparison

SMALL = {"games": "8", "simulations": "4", "search": "16", "depth": "1", "batch_size": "16", "capacity": "512"}


def rows(n=400, seed=0):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(n, 2))
    label = np.where(x[:, 0] + 0.3 * draws.normal(size=n) > 0, "yes", "no").astype(object)
    return Table({"a": x[:, 0], "b": x[:, 1], "label": label})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    out = str(tmp_path_factory.mktemp("runs"))
    good = dw.train(rows(), target="label", steps=120, device="cpu", out=out, sinks=())
    poor = dw.train(rows(), target="label", steps=1, set={"learning_rate": "1e-6"}, device="cpu", out=out, sinks=())
    return str(good.path), str(poor.path)


def test_the_better_of_two_models_is_found_on_the_same_rows(models):
    found = dw.compare(*models, rows(300, 5))
    assert found.rows == 300
    assert [s.name for s in found.first] == [s.name for s in found.second]
    accuracy = found.differences[0]
    assert accuracy.value == pytest.approx(found.first[0].value - found.second[0].value)
    assert accuracy.low > 0
    assert "the first is better" in repr(found)
    turned = dw.compare(models[1], models[0], rows(300, 5)).differences[0]
    assert turned.value == pytest.approx(-accuracy.value)


def test_a_model_is_not_distinguishable_from_itself(models):
    found = dw.compare(models[0], models[0], rows(100, 6))
    assert all(d.value == 0 and d.better == "neither" for d in found.differences)
    assert json.dumps(found.to_json())


def test_only_rows_that_both_can_use_count(models):
    odd = rows(50, 7)
    odd = odd.with_columns({"label": np.where(np.arange(50) < 5, "perhaps", odd["label"]).astype(object)})
    assert dw.compare(*models, odd).rows == 45


def test_judges_differ_by_more_than_rounding():
    judge = np.linspace(-1, 1, 9, dtype=np.float32)
    one = {"judge.w": judge, "w": judge}
    apart = partial(comparison._judged_apart, "judge.")
    assert not apart(one, {"judge.w": np.nextafter(judge, 2), "w": judge + 1})
    assert not apart({"w": judge}, {"w": judge + 1})
    assert apart(one, {"judge.w": judge + np.float32(0.01), "w": judge})
    assert apart(one, {"judge.w": judge[:4], "w": judge})
    assert apart(one, {"w": judge})
    assert not comparison._judged_apart("", one, {"w": judge})  # a task without a judge may call its weights so


def test_models_without_a_match_need_rows(models):
    with pytest.raises(DataError, match="compared on labelled rows"):
        dw.compare(*models)


@pytest.fixture(scope="module")
def players(tmp_path_factory):
    def train(steps, game):
        out = str(tmp_path_factory.mktemp("runs"))
        knobs = {**SMALL, "game": game}
        return str(dw.train(task="game_playing", steps=steps, device="cpu", out=out, set=knobs, sinks=()).path)

    return train(8, "tic_tac_toe"), train(1, "tic_tac_toe"), train(1, "connect_four")


def test_players_meet_at_the_board(players, models):
    found = dw.compare(players[0], players[1])
    again = dw.compare(players[1], players[0])
    assert found.rows == 200
    assert found.first[0].value + found.second[0].value == pytest.approx(1)
    assert found.first[0].value == pytest.approx(again.second[0].value, abs=0.05)
    assert "Elo stronger" in found.note
    with pytest.raises(DataError, match="different games"):
        dw.compare(players[0], players[2])
    with pytest.raises(DataError, match="different tasks"):
        dw.compare(players[0], models[0])


def test_test_rows_that_are_compared_on_are_counted_as_opened(tmp_path):
    table, path = rows(), tmp_path / "all.csv"
    lines = [f"{a},{b},{label}" for a, b, label in zip(table["a"], table["b"], table["label"], strict=True)]
    path.write_text("\n".join(["a,b,label", *lines]))
    made = [
        str(dw.train(str(path), target="label", steps=5, seed=s, device="cpu", out=str(tmp_path), sinks=()).path)
        for s in (0, 1)
    ]
    first, again = (dw.compare(*made, str(path)).note for _ in range(2))
    assert "test rows of the first, now opened 2 times" in first
    assert "the second was trained on some of these rows" in first
    assert "now opened 3 times" in again


def test_a_model_that_writes_needs_rows_too(tmp_path):
    words = Table({"text": np.array(["one two three four five six. " * 60] * 3, object)})
    model = dw.train(words, task="text_generation", steps=1, size="tiny", device="cpu", out=str(tmp_path), sinks=())
    with pytest.raises(DataError, match="compared on labelled rows"):
        dw.compare(str(model.path), str(model.path))
