"""image_generation: what it fits, its two updates, answers by class and seed, strips, what is judged by whom, what is refused."""

import numpy as np
import pytest
import torch

import deepwell as dw
from deepwell.core import config as knobs
from deepwell.core.batch import Batch
from deepwell.core.errors import ConfigError, DataError, UsageError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part
from deepwell.core.task import Sizes
from deepwell.families.judging import judge
from deepwell.families.watching import NEVER
from deepwell.nn.networks.adversaries import Adversaries
from deepwell.runtime.wording import words
from deepwell.tasks.image_generation import FEW, MARK, Asked, GenerationConfig, ImageGeneration

TARGET = Schema((Field("image", "image"), Field("label", "category", "target")))
SCHEMA = Schema((Field("image", "image"), Field("label", "category")))
SIZE = (1, 12, 12)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = str(tmp_path_factory.mktemp("runs"))
    return dw.train(task="image_generation", demo=True, steps=35, device="cpu", out=out, sinks=())


def parts(marked=False):
    torch.manual_seed(0)
    network = Adversaries(SIZE, 32, 8, 3, judge((*SIZE, 16, 1, 3)))
    arrays = {"image": torch.randint(0, 256, (6, *SIZE), dtype=torch.uint8), "label": torch.tensor([0, 1, 2, 1, 0, 1])}
    batch = Batch({**arrays, **({MARK: torch.ones(6)} if marked else {})}, np.arange(6))
    return ImageGeneration(SCHEMA, GenerationConfig()), network, batch


def pictures(n, side=12):
    return np.random.default_rng(0).integers(0, 256, (n, side, side), dtype=np.uint8)


def test_pictures_are_only_made_where_it_is_asked_for_by_name_and_classes_become_an_input():
    fit = ImageGeneration.fits(TARGET)
    assert 0 < fit.rank < 0.1
    assert fit.roles == {"label": "input"}
    assert ImageGeneration.fits(Schema((Field("a", "number"),))).rank == 0
    beside = ImageGeneration.fits(Schema((*TARGET.fields, Field("age", "number"))))
    assert beside.roles == {"age": "ignore", "label": "input"}


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


def test_the_penalty_of_a_known_critic_counts_for_the_whole_batch():
    task, network, batch = parts()

    class Linear(torch.nn.Module):
        def forward(self, x, labels):
            return 3.0 * x[:, 0, 0, 0]

    network.critic = Linear()
    # Each of six real and six made pictures has a gradient of 3, so of length 9; half of it counts.
    assert task.updates()[0].loss(network, batch, Key(0)).parts["penalty"].item() == pytest.approx(
        0.5 * task.knobs.penalty * 9 * 12
    )


def test_the_network_is_larger_where_the_time_allows_it():
    task, _, _ = parts()

    def size(side, seconds):
        return task.size(
            Sizes({"image": (1, side, side), "label": (3,), "image.judge": (1, side, side, 16, 1, 3)}, 100, seconds)
        )

    assert [size(12, 1e5), size(28, 60.0), size(28, None)] == ["tiny", "tiny", "tiny"]
    assert [size(28, 1800.0), size(28, 7200.0)] == ["small", "base"]


def test_few_pictures_are_changed_for_the_critic():
    task, _, _ = parts()
    for count, wanted in ((FEW - 1, True), (FEW, False)):
        (chosen,) = task.augment(type("Some", (), {"count": count})(), None)
        assert (chosen.transform is not None) is wanted


def test_pictures_are_made_by_class_and_seed(run):
    model = run.model
    made = model.predict(None, Asked(n=5, label="down", seed=3))
    assert list(made["label"]) == ["down"] * 5
    assert made["image"][0].shape == (12, 12)
    again, other = (model.predict(None, Asked(n=5, label="down", seed=s)) for s in (3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(made["image"], again["image"], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(made["image"], other["image"], strict=True))
    assert list(model.predict(None, Asked(n=4))["label"]) == ["across", "down", "across", "down"]


def test_more_pictures_begin_with_the_same_ones(run):
    few, many = (run.model.predict(None, Asked(n=n, label="down"))["image"] for n in (3, 300))
    assert len(many) == 300
    for one, other in zip(few, many[:3], strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1  # another batch, another order of sums


def test_in_words_a_picture_is_told_with_its_class_where_that_was_not_asked_for(run):
    told = words(run.model.predict(None, Asked(n=2)))
    assert [lines.splitlines()[1] for lines in told] == ["label: across", "label: down"]
    assert "label" not in words(run.model.predict(None, Asked(n=1, label="down")))[0]


def test_models_of_different_judges_are_not_compared(run, tmp_path):
    demo = ImageGeneration.demo(1)
    options = {"task": "image_generation", "target": "label", "steps": 1, "device": "cpu", "sinks": ()}
    other = dw.train(demo.take(np.arange(200)), **options, out=str(tmp_path))
    rows = demo.take(np.arange(40))
    with pytest.raises(DataError, match="judged by different networks"):
        dw.compare(str(run.path), str(other.path), rows)
    same = dw.compare(str(run.path), str(run.path), rows)
    assert same.differences[0].value == 0


def test_what_cannot_be_asked_for_is_refused(run):
    with pytest.raises(ConfigError, match="there is no class 'dwon'; did you mean 'down'") as error:
        run.model.predict(None, Asked(label="dwon"))
    assert error.value.repair == "the classes are across, down"
    with pytest.raises(ConfigError, match="at least 2; got between 1"):
        run.model.predict(None, Asked(between=1))
    with pytest.raises(ConfigError, match="10,000,000 pictures at once are too many; at most 100,000 can be made"):
        run.model.predict(None, Asked(n=100_000, between=100))
    with pytest.raises(ConfigError, match="n must be a whole number from 1 to 100000; got 0"):
        knobs.make(Asked, {"n": 0})


def test_a_strip_goes_from_one_picture_to_another(run):
    ends = run.model.predict(None, Asked(n=3, label="down", seed=1))
    strips = run.model.predict(None, Asked(n=3, label="down", seed=1, between=4))
    assert list(strips["strip"]) == [1] * 4 + [2] * 4 + [3] * 4
    assert "strip" not in ends.table.names
    for end, place in zip(ends["image"], (0, 4, 8), strict=True):
        assert np.abs(end.astype(int) - strips["image"][place].astype(int)).max() <= 1
    assert not np.array_equal(strips["image"][0], strips["image"][3])


def test_the_record_has_distances_nearest_pictures_and_the_same_codes_over_time(run):
    assert list(run.scores) == ["frechet_distance", "precision", "recall"]
    names = [e["name"] for e in run.events if e["event"] == "baseline"]
    assert len(names) == 2
    assert "moved by a pixel" in names[1]
    kinds = [e["kind"] for e in run.events if e["event"] == "baseline"]
    assert kinds == ["trivial", "reference"]
    assert "moved by a pixel" not in run.verdict  # training pictures are not worth using instead
    near, grown = (e for e in run.events if e["event"] == "examples")
    assert [c["name"] for c in near["columns"]] == ["made", "most like it of 1,280 training pictures"]
    assert [c["name"] for c in grown["columns"]] == ["step 0", "step 30", "in the end, averaged"]
    assert all("png" in cell for event in (near, grown) for row in event["rows"] for cell in row)


def test_without_classes_pictures_are_made_and_none_can_be_asked_for(tmp_path):
    demo = ImageGeneration.demo(0).take(np.arange(200))
    run = dw.train(
        {"image": demo["image"]}, task="image_generation", steps=2, device="cpu", out=str(tmp_path), sinks=()
    )
    assert len(run.model.predict(None, Asked(n=3))["image"]) == 3
    with pytest.raises(ConfigError, match="knows no classes; got 'down'"):
        run.model.predict(None, Asked(label="down"))


def test_data_that_nothing_can_be_learnt_from_are_refused(tmp_path):
    options = {"task": "image_generation", "steps": 1, "device": "cpu", "out": str(tmp_path), "sinks": ()}
    for count, why in ((3, "3 rows are too few to train on"), (30, "pictures are too few to learn from")):
        with pytest.raises(DataError, match=why):
            dw.train({"image": pictures(count)}, **options)
    with pytest.raises(DataError, match="all pictures are alike"):
        dw.train({"image": np.full((100, 12, 12), 9, np.uint8)}, **options)
    with pytest.raises(UsageError, match="no run"):
        dw.train({"image": pictures(100)}, set={"judge": "nowhere/at.well"}, **options)


def test_looks_over_time_are_part_of_the_state():
    task = ImageGeneration(SCHEMA, GenerationConfig())
    demo = ImageGeneration.demo(0).take(np.arange(120))
    pipeline = task.pipeline(None).fit(demo)
    examples = task.examples(Part("train", demo), pipeline)
    assert (examples.state()["steps"] == NEVER).all()
    assert pipeline.watched_ is examples
