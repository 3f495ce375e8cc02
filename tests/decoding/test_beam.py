"""Beam search against enumeration of every sequence of a tiny vocabulary."""

import itertools

import numpy as np
import pytest

from deepwell.core.runner import NumpyRunner
from deepwell.decoding.beam import beam_search
from deepwell.decoding.steps import generate, greedy

V, STEPS, STOP = 3, 4, 0


def tables(seed: int) -> np.ndarray:
    """Log probabilities (row, step, last token, next token)."""
    raw = np.random.default_rng(seed).normal(size=(2, STEPS, V, V)) * 1.5
    return raw - np.log(np.exp(raw).sum(-1, keepdims=True))


def markov(logp: np.ndarray) -> NumpyRunner:
    """A chain whose cache counts the steps of each row."""

    def step(arrays, state):
        position = np.zeros(len(arrays["token"]), int) if state is None else state["position"]
        logits = logp[arrays["row"], position, arrays["token"]] + 7.0  # logits are free up to a constant
        return {"logits": logits}, {"position": position + 1}

    return NumpyRunner({"step": step})


def enumerated(logp: np.ndarray, penalty: float) -> list[tuple[float, tuple[int, ...]]]:
    """Every sequence that ends with the stop or the last step, best first."""
    found = []
    for length in range(1, STEPS + 1):
        for middle in itertools.product(range(1, V), repeat=length - 1):
            for last in range(V) if length == STEPS else [STOP]:
                tokens = (*middle, last)
                total = sum(logp[i, a, b] for i, (a, b) in enumerate(itertools.pairwise((1, *tokens))))
                found.append((total / ((5 + length) / 6) ** penalty, tokens))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 0.8])
@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_best_sequences_exactly(seed, penalty):
    logp = tables(seed)
    arrays = {"token": np.array([1, 1]), "row": np.array([0, 1])}
    width = 60  # more than there are sequences
    found = beam_search(markov(logp), "step", arrays, None, STEPS, STOP, width, penalty)
    for row in range(2):
        expected = enumerated(logp[row], penalty)
        scores = found.scores[row][np.isfinite(found.scores[row])]
        np.testing.assert_allclose(scores, [s for s, _ in expected], atol=1e-9)
        for place, (_, tokens) in enumerate(expected[:5]):
            assert found.lengths[row, place] == len(tokens)
            assert tuple(found.tokens[row, place, : len(tokens)]) == tokens
            assert (found.tokens[row, place, len(tokens) :] == STOP).all()


def test_a_beam_of_one_is_greedy():
    logp = tables(9)
    arrays = {"token": np.array([1, 2]), "row": np.array([0, 1])}
    beam = beam_search(markov(logp), "step", arrays, None, STEPS, STOP, 1)
    steps = generate(markov(logp), "step", arrays, None, STEPS, greedy, stop=STOP)
    assert (beam.tokens[:, 0, : steps.shape[1]] == steps).all()


def test_a_wider_beam_is_never_worse_at_the_width_that_covers_all():
    logp = tables(4)
    arrays = {"token": np.array([1, 1]), "row": np.array([0, 1])}
    best = [enumerated(logp[row], 0.0)[0][0] for row in range(2)]
    narrow = beam_search(markov(logp), "step", arrays, None, STEPS, STOP, 2)
    assert (narrow.scores[:, 0] <= np.array(best) + 1e-9).all()
    assert (np.diff(narrow.scores, axis=1) <= 1e-12).all()


def test_a_state_given_at_the_start_is_shared_out():
    logp = tables(2)
    arrays = {"token": np.array([1, 1]), "row": np.array([0, 1])}
    given = {"position": np.zeros(2, int)}
    with_state = beam_search(markov(logp), "step", arrays, given, STEPS, STOP, 4)
    without = beam_search(markov(logp), "step", arrays, None, STEPS, STOP, 4)
    assert (with_state.tokens == without.tokens).all()
    assert given["position"].tolist() == [0, 0]
