"""Training that begins from another model: what is copied, what stays frozen, what is refused, and that it can be resumed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import CommandLine

import deepwell as dw
from deepwell.bundle.read import read
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.task import Sizes
from deepwell.runs import transfer
from deepwell.runs.options import TrainOptions, parse, to_json
from deepwell.runs.prepare import prepare
from deepwell.runs.run import Run

SIDE, ROWS = 20, 120
TASK = "image_classification"
PLAIN = {"plan": {"threads": 1, "precision": "float32"}, "set": {"batch_size": 32, "augment": "none", "mirror": "no"}}


def pictures(seed: int, channels: int = 3) -> np.ndarray[Any, Any]:
    shape = (ROWS, SIDE, SIDE) if channels == 1 else (ROWS, SIDE, SIDE, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def data(seed: int, names: str, channels: int = 3, beside: str = "") -> dict[str, Any]:
    """Noise with labels: weights move, and nothing is learnt."""
    labels = [names[i % len(names)] for i in range(ROWS)]
    column = {beside: [("x", "y", "z")[i % 3] for i in range(ROWS)]} if beside else {}
    return {"image": pictures(seed, channels), **column, "label": labels}


def train(out: Path, rows: Any, **options: Any) -> Run:
    return dw.train(rows, target="label", task=TASK, out=str(out), device="cpu", **{**PLAIN, **options})


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("first"), data(1, "ab", beside="kind"), steps=4, size="small")


def weights(run: Run, part: str = "encoder.image") -> dict[str, Any]:
    return {n: np.array(w) for n, w in read(run.directory.model).weights.items() if n.startswith(part)}


def decided(run: Run, what: str) -> dict[str, Any]:
    return next(e for e in run.events if e["event"] == "decision" and e["what"] == what)


def test_a_frozen_encoder_stays_bit_for_bit_and_the_head_moves(first: Run, tmp_path: Path) -> None:
    run = train(tmp_path, data(2, "cde"), steps=5, from_=str(first.path), freeze=["encoder"])
    old, new = weights(first), weights(run)
    assert any("running_mean" in name for name in new)
    assert set(new) == set(old)
    assert all(np.array_equal(old[n], new[n]) for n in old)
    assert weights(run, "heads.0.weight")["heads.0.weight"].shape[0] == 3
    said = decided(run, "first weights")
    assert said["value"] == f"{len(old)} of {len(weights(first, 'encoder'))} tensors of encoder.image"
    assert "encoder.category" in said["why"]
    assert str(first.directory.model) in said["why"]
    assert decided(run, "frozen")["value"].startswith(
        f"encoder: {len([n for n in old if 'running' not in n and 'num_b' not in n])} "
    )


def test_training_begins_where_the_model_ended(first: Run, tmp_path: Path) -> None:
    slow = {**PLAIN["set"], "learning_rate": 1e-6, "ema": 0.0, "warmup": 0.0}
    run = train(tmp_path, data(2, "cde"), steps=1, from_=str(first.directory.model), set=slow)
    old, new = weights(first), weights(run)
    moving = [n for n in old if n.endswith("weight")]
    assert 0 < max(np.abs(old[n] - new[n]).max() for n in moving) < 1e-5
    assert read(run.directory.model).config["size"] == "small"


def test_columns_beside_keep_their_levels(first: Run, tmp_path: Path) -> None:
    """The embedding of `kind` means to the network what it meant, also where a level is missing and another is new."""
    rows = data(3, "ab", beside="kind")
    rows["kind"] = [("z", "y", "new")[i % 3] for i in range(ROWS)]
    run = train(tmp_path, rows, steps=2, from_=str(first.path), freeze=["encoder"])
    levels = [read(r.directory.model).pipeline["kind"]["state"]["levels"] for r in (first, run)]
    assert levels[0] == levels[1] == ["x", "y", "z"]
    old, new = weights(first, "encoder.category"), weights(run, "encoder.category")
    assert old.keys() == new.keys()
    assert old
    assert all(np.array_equal(old[n], new[n]) for n in old)


def test_grey_pictures_are_read_in_the_colours_of_the_model(first: Run) -> None:
    asked = {"target": "label", "from_": str(first.path), "task": TASK}
    assert prepare(data(4, "ab", 1), parse(TrainOptions, asked)).pipeline.sizes()["image"] == (3, SIDE, SIDE)
    assert (
        prepare(data(4, "ab", 1), parse(TrainOptions, {"target": "label", "task": TASK})).pipeline.sizes()["image"][0]
        == 1
    )


@pytest.mark.parametrize("task", ["object_detection", "segmentation"])
def test_other_answers_about_pictures_begin_with_the_same_encoder(first: Run, task: str) -> None:
    asked = {"task": task, "demo": True, "from_": str(first.path), "freeze": "encoder"}
    prepared = prepare(None, parse(TrainOptions, asked))
    assert prepared.start is not None
    assert prepared.task.config.size == "small"
    network = prepared.task.network(Sizes(prepared.pipeline.sizes(), 100))
    taken = transfer.copy(network, prepared.pipeline, prepared.schema, prepared.start)
    old, new = weights(first), network.state_dict()
    assert "encoder.image.stem.conv.weight" in taken.taken
    assert all(np.array_equal(old[name], new[name].numpy()) for name in taken.taken)
    assert not set(taken.taken) & set(taken.left)
    assert {*taken.taken, *taken.left} == set(weights(first, "encoder"))


def test_what_begins_afresh_is_never_frozen() -> None:
    """A frozen weight that is still random would only harm."""
    network = torch.nn.ModuleDict({"encoder": torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))})
    taken = ["encoder.0.weight", "encoder.0.bias"]
    assert transfer.frozen(network, ["encoder"], taken) == taken
    assert [n for n, p in network.named_parameters() if not p.requires_grad] == taken
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        transfer.frozen(network, ["*"], [n for n, _ in network.named_parameters()])


def refused(rows: Any, **asked: Any) -> str:
    with pytest.raises(ConfigError) as found:
        prepare(rows, parse(TrainOptions, {"target": "label", "task": TASK if "image" in rows else "tabular", **asked}))
    return str(found.value)


def test_what_cannot_begin_is_refused_before_training(first: Run, trained: Path) -> None:
    model = str(first.path)
    table = {"age": np.random.default_rng(0).normal(size=60).tolist(), "label": ["a", "b"] * 30}
    assert "no weight of" in refused(table, from_=model)
    assert "encoder.image." in refused(table, from_=model)
    wider = refused(data(2, "ab"), from_=model, size="tiny")
    assert "no weight of" in wider
    assert "of shape (48,), here (32,)" in wider
    assert "give --from MODEL" in refused(data(2, "ab"), freeze=["encoder"])
    assert "--freeze 'encodr' names no parameter" in refused(data(2, "ab"), from_=model, freeze=["encodr"])
    assert "begin afresh, and must learn" in refused(data(2, "ab"), from_=model, freeze=["heads"])
    assert "no weight of" in refused(data(2, "ab"), from_=str(trained))


def test_the_command_line_and_the_record_name_the_model(deepwell: CommandLine, first: Run, tmp_path: Path) -> None:
    options = parse(TrainOptions, {"from_": str(first.path), "freeze": "encoder"})
    assert parse(TrainOptions, to_json(options)) == options
    said = deepwell("train", "--task", TASK, "--demo", "--steps", 2, "--from", first.path,
                    "--freeze", "encoder", "--out", tmp_path, "--quiet")  # fmt: skip
    assert said.code == 0, said.err
    said = deepwell("train", "--task", TASK, "--demo", "--from", tmp_path / "nothing.well")
    assert said.code == 2


def test_a_replay_repeats_it_and_notices_another_model(first: Run, tmp_path: Path) -> None:
    copy = tmp_path / "start.well"
    copy.write_bytes(first.directory.model.read_bytes())
    said = ["deepwell", "train"]
    words = {"task": TASK, "demo": True, "device": "cpu", "out": str(tmp_path / "runs"), "command": said}
    run = dw.train(**words, **PLAIN, steps=3, from_=str(copy), freeze="encoder.image.stem")
    again = dw.train(replay=run.path, out=str(tmp_path / "runs"))
    assert {n: w.tobytes() for n, w in weights(run, "").items()} == {
        n: w.tobytes() for n, w in weights(again, "").items()
    }
    copy.write_bytes(run.directory.model.read_bytes())
    with pytest.raises(DataError, match="the file of --from has changed since the run began"):
        dw.train(replay=run.path, out=str(tmp_path / "runs"))
