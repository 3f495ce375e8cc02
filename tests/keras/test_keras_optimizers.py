"""Optimizers of the door against real Keras: twenty steps on the same gradients; schedules, settings, refusals."""

import numpy as np
import pytest
import torch
from torch import nn

from deepwell.core.batch import Batch
from deepwell.core.config import Recipe
from deepwell.core.config import make as make_config
from deepwell.core.errors import ConfigError
from deepwell.core.keys import Key
from deepwell.core.task import Loss, Update
from deepwell.keras import optimizers as ours
from deepwell.keras.optimizers import schedules
from deepwell.training.optimisers import make
from deepwell.training.plan import Plan
from deepwell.training.updates import Updater

keras = pytest.importorskip("keras", reason='real Keras is not installed: pip install "deepwell[dev]"')

CASES = {
    "sgd": ("SGD", {}),
    "sgd momentum": ("SGD", {"momentum": 0.9}),
    "sgd nesterov": ("SGD", {"momentum": 0.8, "nesterov": True, "learning_rate": 0.05}),
    "sgd decay": ("SGD", {"weight_decay": 0.1}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop momentum": ("RMSprop", {"momentum": 0.5, "rho": 0.8}),
    "rmsprop centered": ("RMSprop", {"centered": True, "momentum": 0.3}),
    "adam": ("Adam", {}),
    "adam settings": ("Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "learning_rate": 0.02}),
    "adam amsgrad": ("Adam", {"amsgrad": True, "beta_2": 0.9}),
    "adam decay": ("Adam", {"weight_decay": 0.05}),
    "adam clipnorm": ("Adam", {"clipnorm": 0.5}),
    "adam clipvalue": ("Adam", {"clipvalue": 0.2}),
    "sgd global_clipnorm": ("SGD", {"global_clipnorm": 0.7}),
    "adamw": ("AdamW", {}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adamax": ("Adamax", {}),
    "nadam": ("Nadam", {}),
    "lion": ("Lion", {}),
}
SHAPES = [(3, 4), (4,), (2, 2, 2)]


def start():
    draws = np.random.default_rng(0)
    return [draws.normal(size=shape).astype("float32") for shape in SHAPES]


def gradients(step):
    """Of unequal sizes, some tiny, so that the place of epsilon shows."""
    draws = np.random.default_rng(100 + step)
    sizes = (1.0, 1e-4, 1e-6)
    return [(draws.normal(size=s) * size).astype("float32") for s, size in zip(SHAPES, sizes, strict=True)]


def keras_weights(optimizer, steps):
    variables = [keras.Variable(value) for value in start()]
    for step in range(steps):
        optimizer.apply([torch.tensor(g) for g in gradients(step)], variables)
    return [keras.ops.convert_to_numpy(v) for v in variables]


class Three(nn.Module):
    """Three weights."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.tensor(value)) for value in start()])


def trained(optimizer, steps, fused, reads_flag=True):
    """Through the optimiser of the training, as the engine has it."""
    network = Three()
    made = optimizer.make(network, [n for n, _ in network.named_parameters()], fused)
    made.reads_flag = reads_flag
    for step in range(steps):
        for parameter, gradient in zip(network.weights, gradients(step), strict=True):
            parameter.grad = torch.tensor(gradient) * 64.0
        made.step(optimizer.rate(step), torch.tensor(64.0), torch.tensor(0.0))
    return [p.detach().numpy() for p in network.weights]


@pytest.mark.parametrize("way", ["fused", "lists", "device"])
@pytest.mark.parametrize("case", [c for c in CASES if "global" not in c])
def test_twenty_steps_are_those_of_keras(case, way):
    name, settings = CASES[case]
    wanted = keras_weights(getattr(keras.optimizers, name)(**settings), 20)
    found = trained(getattr(ours, name)(**settings), 20, way == "fused", way != "device")
    for mine, theirs, before in zip(found, wanted, start(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)
        np.testing.assert_allclose(mine - before, theirs - before, rtol=2e-2, atol=3e-7)  # tiny moves are not 0


@pytest.mark.parametrize("case", CASES)
def test_loops_of_ones_own_take_the_same_steps(case):
    name, settings = CASES[case]
    wanted = keras_weights(getattr(keras.optimizers, name)(**settings), 5)
    optimizer, variables = getattr(ours, name)(**settings), [nn.Parameter(torch.tensor(v)) for v in start()]
    for step in range(5):
        optimizer.apply([torch.tensor(g) for g in gradients(step)], variables if step == 0 else None)
    assert optimizer.iterations == 5
    for mine, theirs in zip(variables, wanted, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_a_rate_that_changes_is_as_in_keras(name):
    arguments = {"momentum": 0.9} if name == "SGD" else {}
    schedule = ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5})
    theirs = getattr(keras.optimizers.schedules, schedule[0])(**schedule[1])
    mine = getattr(schedules, schedule[0])(**schedule[1])
    wanted = keras_weights(getattr(keras.optimizers, name)(learning_rate=theirs, **arguments), 12)
    found = trained(getattr(ours, name)(learning_rate=mine, **arguments), 12, True)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)  # of moves of 0.5; Keras's correction is float32


SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.9}),
    ("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.9, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 5, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 5, "decay_rate": 0.5, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 10], "values": [0.5, 0.2, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 9, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 9, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 20, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 20, "warmup_target": 0.4, "warmup_steps": 6}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.3, "first_decay_steps": 4, "m_mul": 0.8, "alpha": 0.05}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.3, "first_decay_steps": 5, "t_mul": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), SCHEDULES)
def test_schedules_are_those_of_keras(name, arguments):
    mine, theirs = getattr(schedules, name)(**arguments), getattr(keras.optimizers.schedules, name)(**arguments)
    steps = [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 13, 19, 25, 30]
    assert [mine(s) for s in steps] == pytest.approx([float(theirs(s)) for s in steps], rel=2e-4, abs=1e-6)
    assert schedules.deserialize(schedules.serialize(mine)) == mine


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam", "Lion"])
def test_settings_and_defaults_are_those_of_keras(name):
    mine, theirs = getattr(ours, name)().get_config(), getattr(keras.optimizers, name)().get_config()
    for key, value in ((k, v) for k, v in mine.items() if k != "name"):  # which Keras numbers
        assert theirs[key] == pytest.approx(value), key
    again = ours.deserialize(ours.serialize(getattr(ours, name)(learning_rate=0.5, clipnorm=1.0)))
    assert again.get_config()["learning_rate"] == 0.5
    assert again.clipnorm == 1.0
    assert type(ours.get(name.lower())) is getattr(ours, name)


def test_the_learning_rate_can_be_set_in_every_way():
    adam = ours.Adam()
    assert adam.learning_rate == 0.001
    adam.learning_rate = 0.1
    adam.learning_rate.assign(adam.learning_rate * 0.5)
    assert adam.rate(7) == pytest.approx(0.05)
    assert adam.lr == pytest.approx(0.05)
    adam.lr = 1e-4
    assert adam.learning_rate.numpy() == np.float32(1e-4)
    assert f"{adam.learning_rate:.4f}" == "0.0001"
    assert adam.recipe_fields()["learning_rate"] == 1e-4


def test_a_schedule_shows_the_rate_of_now():
    adam = ours.Adam(schedules.PiecewiseConstantDecay([1, 3], [0.3, 0.2, 0.1]))
    seen = []
    for iterations in range(5):
        adam.iterations = iterations
        seen.append(adam.learning_rate)
    assert seen == [0.3, 0.3, 0.2, 0.2, 0.1]
    assert ours.deserialize(ours.serialize(adam)).rate(4) == 0.1

    class Own(schedules.LearningRateSchedule):
        def __call__(self, step):
            return torch.tensor(0.5) / (step + 1)

    assert ours.SGD(Own()).rate(1) == 0.25
    with pytest.raises(ConfigError, match="code of your own"):
        ours.serialize(ours.SGD(Own()))


def test_a_second_training_goes_on_where_the_first_ended():
    whole = trained(ours.Adam(0.01), 6, True)
    adam, network = ours.Adam(0.01), Three()
    names = [n for n, _ in network.named_parameters()]
    for begin in (0, 3):
        made = adam.make(network, names, True)
        for step in range(begin, begin + 3):
            for parameter, gradient in zip(network.weights, gradients(step), strict=True):
                parameter.grad = torch.tensor(gradient)
            made.step(0.01, torch.tensor(1.0), torch.tensor(0.0))
    for mine, theirs in zip(network.weights, whole, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=0, atol=1e-7)


@pytest.mark.parametrize("optimizer", [ours.Adam(0.01), ours.Muon(0.01)], ids=["adam", "muon"])
def test_another_model_begins_anew(optimizer):
    def moved():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
        names = [n for n, _ in network.named_parameters()]
        for _ in range(2):
            made = optimizer.make(network, names)
            for parameter in network.parameters():
                parameter.grad = torch.full_like(parameter, 0.1)
            made.step(0.01, torch.tensor(1.0), torch.tensor(0.0))
        return [p.detach().clone() for p in network.parameters()], made.state()

    (first, remembered), (second, again) = moved(), moved()
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(remembered[key], again[key]) for key in remembered)
    assert {float(count) for key, count in again.items() if key.startswith("step.")} == {2.0}


@pytest.mark.parametrize("reads_flag", [True, False])
@pytest.mark.parametrize("case", [c for c in CASES if "global" not in c])
def test_a_bad_step_changes_no_bit(case, reads_flag):
    name, settings = CASES[case]

    def after(steps, bad=frozenset()):
        network, optimizer = Three(), getattr(ours, name)(**settings)
        made = optimizer.make(network, [n for n, _ in network.named_parameters()], False)
        made.reads_flag = reads_flag
        for step in steps:
            for number, (parameter, gradient) in enumerate(zip(network.weights, gradients(step), strict=True)):
                parameter.grad = torch.tensor(gradient) * (torch.nan if step in bad and number == 0 else 1.0)
            made.step(0.1, torch.tensor(1.0), torch.tensor(float(step in bad)))
        return list(network.weights), made.state()

    for bad in ({0}, {1, 2}):
        (mine, state), (wanted, other) = after(range(4), bad), after([s for s in range(4) if s not in bad])
        assert all(torch.equal(a, b) for a, b in zip(mine, wanted, strict=True))
        assert all(torch.equal(state[key], other[key]) for key in other)


def test_decay_leaves_out_what_is_excluded():
    network = nn.Linear(2, 2)
    nn.init.ones_(network.bias)
    sgd = ours.SGD(0.1, weight_decay=0.5)
    sgd.exclude_from_weight_decay(var_names=["bias"])
    before = network.weight.detach().clone()
    made = sgd.make(network, ["weight", "bias"], True)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.step(0.1, torch.tensor(1.0), torch.tensor(0.0))
    torch.testing.assert_close(network.weight.detach(), 0.95 * before)
    assert network.bias.tolist() == [1.0, 1.0]


def test_muon_is_the_training_s_own():
    torch.manual_seed(0)
    network, other = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    other.load_state_dict(network.state_dict())
    names = [n for n, _ in network.named_parameters()]
    mine = ours.get("muon").make(network, names)
    theirs = make(other, names, Recipe(optimiser="muon"), True)
    for net, made in ((network, mine), (other, theirs)):
        for i, parameter in enumerate(net.parameters()):
            parameter.grad = torch.full_like(parameter, 0.1 * (i + 1))
        made.step(0.01, torch.tensor(1.0), torch.tensor(0.0))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("clip", ["global_clipnorm", "clipnorm", "clipvalue"])
def test_an_update_of_the_training_takes_keras_s_step(clip):
    """Through core.task.Update and training.updates, in two micro-batches: sums, units and clipping included."""
    rows, target = start()[0], np.ones((3, 4), "float32")
    mine, theirs = ours.Adam(0.1, **{clip: 0.3}), keras.optimizers.Adam(0.1, **{clip: 0.3})
    network = nn.Linear(4, 4, bias=False)
    nn.init.eye_(network.weight)
    weight = keras.Variable(np.eye(4, dtype="float32"))

    def loss(network, batch, draw):
        x, y = batch.arrays["x"], batch.arrays["y"]
        return Loss(((network(x) - y) ** 2).sum(), len(x))

    updater = Updater(network, Update(optimiser=mine.make), loss, Recipe(**mine.recipe_fields()), Plan())
    for step in range(3):
        updater.begin()
        sums = None
        for part in (slice(0, 1), slice(1, 3)):
            arrays = {"x": torch.tensor(rows[part]), "y": torch.tensor(target[part])}
            sums = updater.micro_step(Batch(arrays, np.arange(3)[part]), Key(0), sums)
        updater.finish(sums, mine.rate(step))
        tensor = torch.tensor(keras.ops.convert_to_numpy(weight), requires_grad=True)
        ((torch.tensor(rows) @ tensor.T - torch.tensor(target)) ** 2).sum().div(3).backward()
        theirs.apply([tensor.grad], [weight])
    np.testing.assert_allclose(network.weight.detach().numpy(), keras.ops.convert_to_numpy(weight), atol=1e-5)


def test_a_recipe_says_what_it_can():
    assert set(ours.SGD(momentum=0.5, global_clipnorm=2.0).recipe_fields().items()) >= {
        ("optimiser", "sgd"), ("momentum", 0.5), ("nesterov", False), ("clip", 2.0), ("schedule", "constant"),
    }  # fmt: skip
    for kind in ours.CLASSES.values():
        made = make_config(Recipe, kind().recipe_fields())
        assert made.learning_rate == kind().learning_rate


@pytest.mark.parametrize(
    ("make_it", "text"),
    [
        (lambda: ours.get("adm"), "there is no optimizer 'adm'; did you mean 'adam'?"),
        (lambda: ours.get(3), "an optimizer is a name or an Optimizer; got int"),
        (lambda: ours.Adam("fast"), "learning_rate must be a number of at least 0"),
        (lambda: ours.Adam(-1.0), "got -1.0"),
        (lambda: ours.Adam(clipnorm=1.0, clipvalue=1.0), "only one of clipnorm, clipvalue and global_clipnorm"),
        (lambda: ours.Adam(use_ema=True), "Adam has no argument 'use_ema'\n  repair: train() averages weights"),
        (lambda: ours.SGD(lr=0.1), "SGD has no argument 'lr'; did you mean 'learning_rate'?"),
        (lambda: ours.SGD(0.1, decay=1e-6), "schedules.InverseTimeDecay(rate, 1, decay)"),
        (lambda: ours.Adam(gradient_accumulation_steps=4), "micro-batches"),
        (lambda: ours.SGD(momentum=2.0), "momentum must be a number from 0 to 1"),
        (lambda: ours.Adam.from_config({"beta1": 0.9}), "Adam has no argument 'beta1'; did you mean 'beta_1'?"),
        (lambda: ours.Muon(clipnorm=1.0), "Muon sizes its moves by itself"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.9), "decay_steps must be above 0"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1]), "one value more than boundaries"),
        (lambda: ours.SGD().apply([torch.zeros(1)]), "apply needs a weight for each gradient"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(make_it, text):
    with pytest.raises(ConfigError) as caught:
        make_it()
    assert text in str(caught.value)
