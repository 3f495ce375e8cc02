"""tabular: what data it takes, what its network is built from, and that the demo is learned beyond a linear model."""

import numpy as np
import pytest
import torch

from deepwell.core.config import make
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import CalibratedRunner
from deepwell.core.task import Sizes
from deepwell.data.recognition import Edits, recognise
from deepwell.data.splits import split
from deepwell.evaluation.measure import measure
from deepwell.nn.runner import TorchRunner
from deepwell.tasks.tabular import Tabular, TabularConfig
from deepwell.training import budget, loop, plan

A, K, Y = Field("a", "number"), Field("k", "category"), Field("y", "category", "target")


@pytest.mark.parametrize(
    ("fields", "rank", "said"),
    [
        ((A, K, Y), 1, "1 number and 1 category predict 'y'"),
        ((A, Field("y", "number", "target")), 1, "1 number predicts 'y'"),
        ((A, Y, Field("z", "number", "target")), 1, "'y', 'z'"),
        ((A, K), 0, "no column is the target"),
        ((Y,), 0, "no column is left to predict from"),
        ((Field("a", "number", "ignore"), Y), 0, "no column is left"),
        ((A, Field("photo", "image"), Y), 0, "'photo' is of kind image"),
        ((A, Field("y", "text", "target")), 0, "neither a category nor a number but text"),
        ((), 0, "no column is the target"),
    ],
)
def test_it_says_what_it_takes(fields, rank, said):
    fit = Tabular.fits(Schema(fields))
    assert fit.rank == rank
    assert said in fit.reason


def network(examples, seconds=None, **knobs):
    task = Tabular(Schema((A, K, Y)), make(TabularConfig, knobs))
    return task.network(Sizes({"a": (2, 20), "k": (5,), "y": (3,)}, examples, seconds))


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_size_is_one_dial_and_auto_grows_with_the_rows():
    sizes = [parameters(network(1000, size=size)) for size in ("tiny", "small", "base", "large")]
    assert sizes == sorted(set(sizes))
    assert parameters(network(500)) == sizes[1]
    assert parameters(network(50_000)) == sizes[2]


def test_auto_takes_a_smaller_network_where_the_time_would_not_do():
    sizes = [parameters(network(1000, size=size)) for size in ("tiny", "small", "base")]
    assert [parameters(network(100_000, seconds)) for seconds in (3, 10, 60)] == sizes


def test_the_network_follows_from_sizes_alone():
    shapes = {n: tuple(t.shape) for n, t in network(3000).state_dict().items()}
    with torch.device("meta"):
        assert {n: tuple(t.shape) for n, t in network(3000).state_dict().items()} == shapes
    assert all(name.startswith(("encoder.number.", "encoder.category.", "blocks.", "heads.")) for name in shapes)


def test_the_demo_is_the_same_for_a_seed_and_has_what_tables_have():
    table = Tabular.demo(3)
    again = Tabular.demo(3)
    assert all(np.array_equal(table[n], again[n], equal_nan=table[n].dtype.kind == "f") for n in table.names)
    assert np.isnan(table["water"]).any()
    assert not np.array_equal(table["light"], Tabular.demo(4)["light"])


def test_the_demo_is_learned_beyond_a_linear_model():
    table = Tabular.demo(0)
    task = Tabular(recognise(table, Edits()), make(TabularConfig, {"epochs": 12}))
    parts = split(table, task.schema, task.split(), Key(0))
    pipeline = task.pipeline(None).fit(parts.train.rows)
    examples = {name: task.examples(getattr(parts, name), pipeline) for name in ("train", "calibrate", "test")}
    torch.manual_seed(0)
    net = task.network(Sizes(pipeline.sizes(), examples["train"].count))
    trained = loop.fit(
        loop.Job(
            network=net, examples=examples["train"], loss=task.loss, recipe=task.config, budget=budget.Budget(),
            plan=plan.choose(net, user={"threads": 1}, examples=examples["train"].count), key=Key(0),
        )
    )  # fmt: skip
    net.load_state_dict(trained.weights)
    runner = TorchRunner(net)
    numbers = task.calibrate(measure(task, runner, examples["calibrate"], pipeline), pipeline)
    columns = measure(task, CalibratedRunner(runner, numbers), examples["test"], pipeline)
    linear = next(b for b in task.baselines() if b.name == "linear").fit(examples["train"], pipeline, Key(0))
    primary = task.metrics(pipeline)[0]
    theirs = primary.value(measure(task, linear, examples["test"], pipeline))
    assert primary.name == "accuracy"
    assert primary.value(columns) > max(0.85, theirs + 0.1)
