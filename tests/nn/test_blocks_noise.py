"""What happens in training only: how often, how much, and that nothing happens at prediction."""

import numpy as np
import pytest
import torch
from tests.nn.parity import back_and_forth, layers, noise

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks import BLOCKS

SHAPED = {
    "Dropout": (BLOCKS["Dropout"](0.5), (20, 30)),
    "SpatialDropout1D": (BLOCKS["SpatialDropout1D"](0.5), (20, 30)),
    "SpatialDropout2D": (BLOCKS["SpatialDropout2D"](0.5), (4, 5, 30)),
    "GaussianNoise": (BLOCKS["GaussianNoise"](0.5), (20, 30)),
    "GaussianDropout": (BLOCKS["GaussianDropout"](0.2), (20, 30)),
    "RandomFlip": (BLOCKS["RandomFlip"](), (4, 5, 3)),
    "RandomRotation": (BLOCKS["RandomRotation"](0.2), (4, 5, 3)),
    "RandomTranslation": (BLOCKS["RandomTranslation"](0.2, 0.1), (4, 5, 3)),
    "RandomZoom": (BLOCKS["RandomZoom"](0.2), (4, 5, 3)),
}


@pytest.mark.parametrize("name", SHAPED)
def test_nothing_happens_at_prediction_and_something_in_training(name):
    block, shape = SHAPED[name]
    assert back_and_forth(block, [shape]).layers["layer"] == block
    module, x = block.build(shape), noise(6, *shape)
    assert torch.equal(module.eval()(x), x)
    torch.manual_seed(0)
    once = module.train()(x)
    assert once.shape == x.shape
    assert not torch.equal(once, x)
    torch.manual_seed(0)
    assert torch.equal(module(x), once)


@pytest.mark.parametrize(
    "name", ["Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout"]
)
def test_noise_has_the_moments_of_keras(name):
    block, shape = SHAPED[name]
    options = {"stddev": 0.5} if name == "GaussianNoise" else {"rate": 0.2 if name == "GaussianDropout" else 0.5}
    x = torch.ones(200, *shape)
    torch.manual_seed(1)
    ours = block.build(shape).train()(x)
    theirs = getattr(layers, name)(**options, seed=1)(x, training=True)
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=0.02)
    assert float(ours.std()) == pytest.approx(float(theirs.std()), abs=0.02)


@pytest.mark.parametrize("rate", [0.001, 0.07, 0.3, 0.996])
def test_any_rate_is_kept_to(rate):
    torch.manual_seed(0)
    found = BLOCKS["Dropout"](rate).build((1000,)).train()(torch.ones(2000, 1000))
    assert float(found.eq(0).float().mean()) == pytest.approx(rate, rel=0.03)
    assert float(found.mean()) == pytest.approx(1, rel=0.03)


def test_values_are_dropped_together():
    x = torch.ones(8, 4, 5, 16)
    found = BLOCKS["SpatialDropout2D"](0.5).build((4, 5, 16)).train()(x)
    assert (found.amax((1, 2)) == found.amin((1, 2))).all()
    found = BLOCKS["Dropout"](0.5, (None, 1, None, None)).build((4, 5, 16)).train()(x)
    assert (found.amax(1) == found.amin(1)).all()
    assert not (found.amax(2) == found.amin(2)).all()


def test_every_picture_draws_for_itself():
    x = noise(1, 6, 6, 1).expand(64, -1, -1, -1)
    found = BLOCKS["RandomFlip"]("horizontal").build((6, 6, 1)).train()(x)
    kinds = {tuple(picture.flatten().tolist()) for picture in found}
    assert kinds == {tuple(x[0].flatten().tolist()), tuple(x[0].flip(1).flatten().tolist())}
    found = BLOCKS["RandomFlip"]().build((6, 6, 1)).train()(x)
    assert len({tuple(picture.flatten().tolist()) for picture in found}) == 4


def test_a_quarter_turn_is_counter_clockwise():
    x = noise(2, 5, 5, 3)
    found = BLOCKS["RandomRotation"]((0.25, 0.25)).build((5, 5, 3)).train()(x)
    np.testing.assert_allclose(found.numpy(), np.rot90(x.numpy(), axes=(1, 2)), atol=1e-4)


def test_pictures_move_down_and_right():
    x = noise(2, 4, 4, 1)
    module = BLOCKS["RandomTranslation"]((0.25, 0.25), (0.5, 0.5), "constant", fill_value=7.0).build((4, 4, 1)).train()
    found = module(x)
    torch.testing.assert_close(found[:, 1:, 2:], x[:, :-1, :-2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[:, 0], torch.full((2, 4, 1), 7.0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fill", ["reflect", "nearest", "constant"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_what_lies_beyond_the_edges_is_as_in_keras(fill, interpolation):
    """Fixed factors leave nothing to chance."""
    x = noise(2, 6, 8, 2)
    options = {"fill_mode": fill, "interpolation": interpolation, "fill_value": 0.5}
    for name, factors in (
        ("RandomRotation", [(0.07, 0.07)]),
        ("RandomTranslation", [(0.2, 0.2), (-0.3, -0.3)]),
        ("RandomZoom", [(0.3, 0.3), (-0.2, -0.2)]),
    ):
        ours = BLOCKS[name](*factors, **options).build((6, 8, 2)).train()(x)
        theirs = getattr(layers, name)(*factors, **options)(x, training=True)
        if fill == "constant":  # Keras fades into the value from the last pixel on, torch half a pixel later
            ours, theirs = ours[:, 2:-2, 3:-3], theirs[:, 2:-2, 3:-3]
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: BLOCKS["Dropout"](1.0), "rate must be at least 0 and below 1; got 1.0"),
        (lambda: BLOCKS["Dropout"]("0.5"), "rate must be at least 0 and below 1; got '0.5'"),
        (lambda: BLOCKS["GaussianNoise"](-1.0), "stddev must not be negative"),
        (lambda: BLOCKS["RandomFlip"]("up"), "mode must be one of 'horizontal', 'vertical'"),
        (lambda: BLOCKS["RandomRotation"](0.1, "wrap"), "fill_mode must be one of 'reflect', 'nearest', 'constant'"),
        (lambda: BLOCKS["RandomZoom"]((0.3, 0.1)), "height_factor must be a number or (least, most)"),
        (lambda: BLOCKS["SpatialDropout2D"](0.5).outcome((4, 5)), "it takes 4 axes"),
        (lambda: BLOCKS["Dropout"](0.5, (None, 1)).outcome((4, 5)), "must have 3 axes"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(make, text):
    with pytest.raises(ConfigError) as error:
        make()
    assert text in str(error.value)
