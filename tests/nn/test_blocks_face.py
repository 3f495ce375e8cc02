"""Blocks look as Keras's layers do: names, order and defaults of the arguments, and shapes with lengths that are not known."""

import dataclasses
import inspect

import pytest
import torch
from tests.nn.parity import keras, layers

from deepwell.core.errors import ConfigError, DataError
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.blocks.base import REFUSED
from deepwell.nn.initialisers import Initialiser

NEEDED = {
    "units": 3, "filters": 4, "kernel_size": 2, "input_dim": 5, "output_dim": 2, "activation": "relu", "target_shape": (-1,),
    "dims": (1,), "n": 2, "rate": 0.5, "stddev": 0.5, "factor": 0.1, "height_factor": 0.1, "width_factor": 0.1, "scale": 2.0,
    "axes": 1, "num_heads": 2, "key_dim": 2, "height": 4, "width": 4,
}  # fmt: skip
OF_ALL = {"name", "dtype", "trainable", "kwargs", "seed", "weights"}
"""Arguments of every layer, which the door itself reads; `seed`: draws follow the seed of the run."""
LESS = {
    "Resizing": {"crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode", "fill_value", "antialias"},
    "TimeDistributed": set(),
}
"""What of Keras's is not offered, and refused as an unknown argument."""


def made(name):
    fields = [f for f in dataclasses.fields(BLOCKS[name]) if f.default is f.default_factory]
    if name in ("Bidirectional", "TimeDistributed"):
        return BLOCKS[name](BLOCKS["LSTM"](3))
    return BLOCKS[name](**{f.name: NEEDED[f.name] for f in fields})


def snake(value):
    return str(value).replace("_", "").lower()


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_arguments_are_those_of_keras(name):
    theirs = list(inspect.signature(getattr(layers, name).__init__).parameters)[1:]
    ours = [f.name for f in dataclasses.fields(BLOCKS[name])]
    assert not set(ours) - set(theirs), "an argument that Keras does not have"
    left = set(theirs) - set(ours) - OF_ALL - set(REFUSED) - LESS.get(name, set())
    assert not left, "an argument of Keras that is neither offered nor refused in words"
    placed = [f.name for f in dataclasses.fields(BLOCKS[name]) if not f.kw_only]
    shared = [n for n in theirs if n in placed]
    if name not in ("GRU", "LSTM"):
        assert placed == shared, "positional arguments come in Keras's order"


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_defaults_are_those_of_keras(name):
    block, signature = made(name), inspect.signature(getattr(layers, name).__init__).parameters
    for field in dataclasses.fields(BLOCKS[name]):
        default, value = signature[field.name].default, getattr(block, field.name)
        if default is inspect.Parameter.empty or (field.name, default) == ("strides", None):
            continue
        if isinstance(value, Initialiser):
            wanted = type(keras.initializers.get(default)).__name__
            assert type(value).__name__ == wanted, field.name
        elif default is None and field.name == "activation":
            assert value == "linear"
        elif default is None and field.name == "width_factor":
            assert value is None
        elif isinstance(value, tuple):
            assert dataclasses.replace(block, **{field.name: default}) == block, field.name
        elif isinstance(default, str):
            assert snake(value) == snake(default), field.name
        else:
            assert value == default, field.name


OPEN = [
    ("Conv2D", (4, 3), {"strides": 2, "padding": "same"}, (None, None, None, 3)),
    ("Conv2D", (4, 3), {"dilation_rate": 2}, (None, 9, None, 3)),
    ("Conv1D", (4, 3), {"padding": "causal"}, (None, None, 3)),
    ("Conv2DTranspose", (4, 3), {"strides": 2, "padding": "same"}, (None, None, 5, 3)),
    ("DepthwiseConv2D", (3,), {"depth_multiplier": 2}, (None, None, 5, 3)),
    ("SeparableConv1D", (4, 3), {}, (None, None, 3)),
    ("MaxPooling2D", (3,), {"strides": 2, "padding": "same"}, (None, None, 7, 3)),
    ("AveragePooling1D", (3,), {}, (None, None, 3)),
    ("GlobalAveragePooling2D", (), {"keepdims": True}, (None, None, None, 3)),
    ("ZeroPadding2D", (1,), {}, (None, None, 5, 3)),
    ("Cropping1D", (1,), {}, (None, None, 3)),
    ("UpSampling2D", (2,), {}, (None, None, 5, 3)),
    ("Permute", ((2, 1),), {}, (None, None, 3)),
    ("Reshape", ((-1, 3),), {}, (None, None, 3)),
    ("LSTM", (4,), {"return_sequences": True}, (None, None, 3)),
    ("LSTM", (4,), {"return_state": True}, (None, None, 3)),
    ("Embedding", (5, 2), {}, (None, None)),
    ("Dense", (4,), {}, (None, None, 3)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), OPEN)
def test_lengths_that_are_not_known_stay_so(name, args, options, shape):
    theirs = getattr(layers, name)(*args, **options).compute_output_shape(shape)
    several = theirs if isinstance(theirs[0], tuple) else (theirs,)
    assert [(None, *found) for found in BLOCKS[name](*args, **options).outcome(shape[1:])] == [
        tuple(s) for s in several
    ]


def test_numbers_beyond_an_embedding_are_named():
    module = BLOCKS["Embedding"](5, 2).build((3,))
    with pytest.raises(DataError, match="rows for the numbers 0 to 4; got numbers from 1 to 5") as error:
        module(torch.tensor([[1, 5]]))
    assert "input_dim" in error.value.repair


def test_what_keras_has_and_blocks_have_not_is_explained():
    for name, (taken, reason) in REFUSED.items():
        assert reason or taken, name
    with pytest.raises(ConfigError, match="a call takes no argument 'mask'"):
        BLOCKS["Dense"](3).called({"mask": 1})
