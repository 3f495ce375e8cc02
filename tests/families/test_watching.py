"""Watched: it looks when it is time to, at the same codes, and what it saw goes on after an interruption."""

import numpy as np

from deepwell.core.batch import Encoded
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.families.watching import STEPS, Watched


def watched():
    pictures = np.arange(6 * 4, dtype=np.uint8).reshape(6, 1, 2, 2)
    return Watched(Encoded({"image": pictures}, np.arange(6)), {"noise": np.ones((2, 3), np.float32)}, (1, 2, 2))


def brightness(value):
    return NumpyRunner(
        {"forward": lambda arrays, state: ({"picture": np.full((len(arrays["noise"]), 1, 2, 2), value)}, state)}
    )


def test_it_looks_at_its_steps_and_at_no_other():
    examples = watched()
    for step in range(101):
        examples.advance(brightness(step + 0.4), step, Key(0))
    assert [step for step, _ in examples.strip()] == [0, 30, 100]
    assert all((look == step).all() for step, look in examples.strip())
    assert all(look.shape == (2, 1, 2, 2) for _, look in examples.strip())


def test_values_beyond_a_picture_are_cut_off():
    examples = watched()
    examples.advance(brightness(300.0), 0, Key(0))
    assert (examples.strip()[0][1] == 255).all()


def test_what_was_seen_is_restored():
    examples, again = watched(), watched()
    examples.advance(brightness(7), 0, Key(0))
    saved = examples.state()
    examples.advance(brightness(9), 30, Key(0))
    assert [step for step, _ in examples.strip()] == [0, 30]
    again.restore(saved)
    assert [step for step, _ in again.strip()] == [0]
    assert (again.strip()[0][1] == 7).all()
    assert len(again.state()["steps"]) == len(STEPS)


def test_they_are_the_rows_as_they_are():
    examples = watched()
    assert examples.count == 6
    assert np.array_equal(examples.take(np.array([4, 1]), Key(0)).arrays["image"], examples.columns["image"][[4, 1]])
