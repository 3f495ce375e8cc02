"""image_classification: what data it takes, how its network and augmentation follow from data, and that the demo is learned."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from deepwell.core.batch import Batch, Encoded
from deepwell.core.config import make
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Part, Table
from deepwell.core.task import Sizes
from deepwell.data.recognition import Edits, recognise
from deepwell.data.splits import split
from deepwell.evaluation.measure import measure
from deepwell.nn.runner import TorchRunner
from deepwell.tasks.image_classification import SIZES, ImageClassification, ImageConfig
from deepwell.training import budget, loop, plan

IMAGE, LABEL, AGE = Field("image", "image"), Field("label", "category", "target"), Field("age", "number")


@pytest.mark.parametrize(
    ("fields", "rank", "said"),
    [
        ((IMAGE, LABEL), 1, "pictures predict 'label'"),
        ((IMAGE, AGE, Field("site", "category"), LABEL), 1, "pictures and 2 columns beside them"),
        ((AGE, LABEL), 0, "no column holds pictures"),
        ((Field("image", "image", "ignore"), AGE, LABEL), 0, "no column holds pictures"),
        ((IMAGE, AGE), 0, "no column is the target"),
        ((IMAGE, Field("age", "number", "target")), 0, "'age' is no category but number"),
        ((IMAGE, Field("note", "text"), LABEL), 0, "'note' is of kind text"),
        ((), 0, "no column holds pictures"),
    ],
)
def test_it_says_what_it_takes(fields, rank, said):
    fit = ImageClassification.fits(Schema(fields))
    assert fit.rank == rank
    assert said in fit.reason


def task(fields=(IMAGE, LABEL), **knobs):
    return ImageClassification(Schema(fields), make(ImageConfig, knobs))


def network(examples, seconds=None, side=28, **knobs):
    return task(**knobs).network(Sizes({"image": (1, side, side), "label": (10,)}, examples, seconds))


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_size_is_one_dial_and_auto_grows_with_time_and_shrinks_with_work():
    sizes = [parameters(network(1000, size=size)) for size in SIZES]
    assert sizes == sorted(set(sizes))
    assert parameters(network(50_000, 15)) == sizes[0]
    assert parameters(network(50_000, 15)) < parameters(network(50_000, 300)) == parameters(network(50_000))
    assert parameters(network(1000, 15)) == sizes[2]
    assert parameters(network(1000, 15, side=128)) < parameters(network(1000, 300, side=128))


def test_the_network_follows_from_sizes_alone():
    shapes = {n: tuple(t.shape) for n, t in network(3000).state_dict().items()}
    with torch.device("meta"):
        assert {n: tuple(t.shape) for n, t in network(3000).state_dict().items()} == shapes
    assert all(name.startswith(("encoder.image.", "heads.")) for name in shapes)


class FakePipeline:
    """Only the sizes of a pipeline."""

    def sizes(self):
        return {"image": (1, 8, 8)}


def digits(count):
    found = load_digits()
    pictures = (found.images[:count] * 255 / 16).astype(np.uint8)[:, None]
    return RowExamples(Encoded({"image": pictures, "label": found.target[:count]}, np.arange(count)))


def test_digits_are_moved_and_turned_but_not_mirrored_and_it_says_why():
    chosen = task().augment(digits(800), FakePipeline())
    said = [c.what for c in chosen]
    assert "image: not mirrored" in said
    assert any("turned" in s for s in said)
    assert any("moved by up to 1 pixels" in s for s in said)
    assert all(c.why for c in chosen)
    batch = Batch({"image": torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8)}, np.arange(16))
    for transform in chosen:
        changed = transform(batch, Key(0))
        assert changed.arrays["image"].dtype == torch.uint8
        assert changed.arrays["image"].shape == batch.arrays["image"].shape


def test_augmentation_can_be_chosen():
    assert task(augment="none").augment(digits(50), FakePipeline()) == ()
    light, strong = (task(augment=a, mirror="yes").augment(digits(50), FakePipeline()) for a in ("light", "strong"))
    assert len(light) < len(strong)
    assert light[-1].what == "image: mirrored left to right"
    assert light[-1].why == "asked for"


def trained(table, steps, **knobs):
    """Task, pipeline, weights after some steps, and the test examples."""
    schema = recognise(table, Edits(target=("label",)))
    made = ImageClassification(
        schema.with_roles(ImageClassification.fits(schema).roles), make(ImageConfig, {"size": "tiny", **knobs})
    )
    parts = split(table, made.schema, made.split(), Key(0))
    pipeline = made.pipeline(None).fit(parts.train.rows)
    examples = made.examples(parts.train, pipeline)
    torch.manual_seed(0)
    module = made.network(Sizes(pipeline.sizes(), examples.count))
    job = loop.Job(
        network=module,
        examples=examples,
        loss=made.loss,
        recipe=made.config,
        budget=budget.Budget(steps=steps),
        plan=plan.choose(module, made.plan_hints(), examples=examples.count, batch_size=32),
        key=Key(0),
        transforms=made.augment(examples, pipeline),
    )
    module.load_state_dict(loop.fit(job).weights)
    return made, pipeline, module, made.examples(Part("test", parts.test.rows), pipeline)


def test_the_demo_is_learned():
    made, pipeline, module, test = trained(ImageClassification.demo(0), 120)
    columns = measure(made, TorchRunner(module), test, pipeline)
    assert made.metrics(pipeline)[0].value(columns) > 0.7


def test_the_demo_is_the_same_for_a_seed():
    first, again, other = (ImageClassification.demo(seed) for seed in (3, 3, 4))
    assert all(np.array_equal(first[n], again[n]) for n in first.names)
    assert not np.array_equal(first["image"], other["image"])
    assert sorted(set(first["label"])) == ["cross", "disc", "ring", "square"]


def test_columns_beside_the_pictures_are_read():
    draws = np.random.default_rng(0)
    dose = draws.normal(size=400)
    pictures = draws.integers(0, 256, (400, 8, 8)).astype(np.uint8)
    table = Table({"image": pictures, "dose": dose, "label": np.where(dose > 0, "high", "low").astype(object)})
    made, pipeline, module, test = trained(table, 100)
    columns = measure(made, TorchRunner(module), test, pipeline)
    assert made.metrics(pipeline)[0].value(columns) > 0.8
