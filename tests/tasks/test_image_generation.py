"""image_generation: what it fits, its two updates, answers by class and seed, strips, and what is refused."""

import numpy as np
import pytest
import torch

import deepwell as dw
from deepwell.core.batch import Batch
from deepwell.core.errors import ConfigError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.families.judging import judge
from deepwell.nn.networks.adversaries import Adversaries
from deepwell.tasks.image_generation import MARK, Asked, GenerationConfig, ImageGeneration

SCHEMA = Schema((Field("image", "image"), Field("label", "category", "target")))
SIZE = (1, 12, 12)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = str(tmp_path_factory.mktemp("runs"))
    return dw.train(task="image_generation", demo=True, steps=12, device="cpu", out=out, sinks=())


def parts(marked=False):
    torch.manual_seed(0)
    network = Adversaries(SIZE, 64, 8, 2, judge(SIZE, 2))
    arrays = {"image": torch.randint(0, 256, (6, *SIZE), dtype=torch.uint8), "label": torch.tensor([0, 1, 0, 1, 0, 1])}
    batch = Batch({**arrays, **({MARK: torch.ones(6)} if marked else {})}, np.arange(6))
    return ImageGeneration(SCHEMA, GenerationConfig()), network, batch


def test_pictures_are_only_made_where_it_is_asked_for_by_name():
    assert 0 < ImageGeneration.fits(SCHEMA).rank < 0.1
    assert ImageGeneration.fits(Schema((Field("a", "number"),))).rank == 0
    beside = ImageGeneration.fits(Schema((*SCHEMA.fields, Field("age", "number"))))
    assert beside.roles == {"age": "ignore"}


@pytest.mark.parametrize("marked", [False, True])
def test_each_update_moves_only_its_own_network(marked):
    task, network, batch = parts(marked)
    critic, generator = task.updates()
    assert (critic.parameters, generator.parameters) == ("critic.*", "generator.*")
    critic.loss(network, batch, Key(0)).total.backward()
    moved = {name.partition(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert moved == {"critic"}
    network.zero_grad(set_to_none=True)
    generator.loss(network, batch, Key(0)).total.backward()
    moved = {n.partition(".")[0] for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert "generator" in moved
    assert "judge" not in moved


def test_losses_are_sums_over_pictures():
    task, network, batch = parts()
    loss = task.updates()[0].loss(network, batch, Key(0))
    assert loss.units == 6
    assert set(loss.parts) == {"critic", "penalty"}
    assert loss.total.item() == pytest.approx(sum(p.item() for p in loss.parts.values()), rel=1e-5)


def test_pictures_are_made_by_class_and_seed(run):
    model = run.model
    made = model.predict(None, Asked(n=5, label="down", seed=3))
    assert list(made["label"]) == ["down"] * 5
    assert made["image"][0].shape == (12, 12)
    again, other = (model.predict(None, Asked(n=5, label="down", seed=s)) for s in (3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(made["image"], again["image"], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(made["image"], other["image"], strict=True))
    assert list(model.predict(None, Asked(n=4))["label"]) == ["across", "down", "across", "down"]


def test_a_class_that_does_not_exist_is_refused_with_the_nearest(run):
    with pytest.raises(ConfigError, match="there is no class 'dwon'; did you mean 'down'"):
        run.model.predict(None, Asked(label="dwon"))


def test_a_strip_goes_from_each_picture_to_the_next(run):
    ends = run.model.predict(None, Asked(n=3, label="down", seed=1))["image"]
    strip = run.model.predict(None, Asked(n=3, label="down", seed=1, between=4))["image"]
    assert len(strip) == 2 * 4 + 1
    for end, place in zip(ends, (0, 4, 8), strict=True):
        assert np.abs(end.astype(int) - strip[place].astype(int)).max() <= 1


def test_the_record_has_distances_and_made_pictures_beside_their_nearest(run):
    assert list(run.scores) == ["frechet_distance", "precision", "recall"]
    names = [e["name"] for e in run.events if e["event"] == "baseline"]
    assert len(names) == 2
    assert "moved by a pixel" in names[1]
    shown = next(e for e in run.events if e["event"] == "examples")
    assert [c["name"] for c in shown["columns"]] == ["made", "most like it of the training pictures"]
    assert all("png" in cell for row in shown["rows"] for cell in row)
