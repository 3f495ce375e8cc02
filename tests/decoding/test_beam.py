"""Beam search against enumeration of every sequence of a tiny vocabulary."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.runner import NumpyRunner
from deepwell.decoding.beam import Search, beam_search, most_likely
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
    found = beam_search(markov(logp), "step", arrays, None, STEPS, STOP, Search(width, penalty))
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
    beam = beam_search(markov(logp), "step", arrays, None, STEPS, STOP, Search(1))
    steps = generate(markov(logp), "step", arrays, None, STEPS, greedy, stop=STOP)
    assert (beam.tokens[:, 0, : steps.shape[1]] == steps).all()


def test_a_wider_beam_is_never_worse_at_the_width_that_covers_all():
    logp = tables(4)
    arrays = {"token": np.array([1, 1]), "row": np.array([0, 1])}
    best = [enumerated(logp[row], 0.0)[0][0] for row in range(2)]
    narrow = beam_search(markov(logp), "step", arrays, None, STEPS, STOP, Search(2))
    assert (narrow.scores[:, 0] <= np.array(best) + 1e-9).all()
    assert (np.diff(narrow.scores, axis=1) <= 1e-12).all()


def test_a_state_given_at_the_start_is_shared_out():
    logp = tables(2)
    arrays = {"token": np.array([1, 1]), "row": np.array([0, 1])}
    given = {"position": np.zeros(2, int)}
    with_state = beam_search(markov(logp), "step", arrays, given, STEPS, STOP, Search(4))
    without = beam_search(markov(logp), "step", arrays, None, STEPS, STOP, Search(4))
    assert (with_state.tokens == without.tokens).all()
    assert given["position"].tolist() == [0, 0]


@pytest.mark.parametrize("penalty", [0.0, 0.8])
@pytest.mark.parametrize("wanted", [1, 3])
def test_fewer_answers_are_the_first_of_all(penalty, wanted):
    for seed in range(8):
        logp = tables(seed)
        arrays = {"token": np.array([1, 1]), "row": np.array([0, 1])}
        all_, few = (
            beam_search(markov(logp), "step", arrays, None, STEPS, STOP, Search(60, penalty, wanted=n))
            for n in (None, wanted)
        )
        assert few.tokens.shape == (2, wanted, STEPS)
        assert (few.tokens == all_.tokens[:, :wanted]).all()
        np.testing.assert_allclose(few.scores, all_.scores[:, :wanted])


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.0, 0.7, 1.5]), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_a_row_is_answered_alike_alone_and_beside_others(seed, width, penalty, wanted):
    draws = np.random.default_rng(seed)
    logp = tables(seed)
    rows, limits = draws.integers(0, 2, 6), draws.integers(1, STEPS + 1, 6)
    arrays = {"token": draws.integers(1, V, 6), "row": rows}
    search = Search(width, penalty, wanted)
    together = beam_search(markov(logp), "step", arrays, None, limits, STOP, search)
    for i in range(6):
        one = {name: array[i : i + 1] for name, array in arrays.items()}
        alone = beam_search(markov(logp), "step", one, None, int(limits[i]), STOP, search)
        assert (alone.tokens[0] == together.tokens[i, :, : limits[i]]).all()
        assert (together.tokens[i, :, limits[i] :] == STOP).all()
        np.testing.assert_allclose(alone.scores[0], together.scores[i])
        assert (together.lengths[i] <= limits[i]).all()


def test_rows_that_are_answered_leave_the_batch():
    sizes = []

    def step(arrays, state):
        sizes.append(len(arrays["token"]))
        place = np.zeros(len(arrays["token"]), int) if state is None else state["place"]
        over = place + 1 >= arrays["last"]
        logits = np.where(over[:, None], [9.0, 0.0, -9.0], [-9.0, 9.0, 0.0])
        return {"logits": logits}, {"place": place + 1}

    arrays = {"token": np.array([1, 1, 1]), "last": np.array([1, 3, 6])}
    found = beam_search(NumpyRunner({"step": step}), "step", arrays, None, 20, STOP, Search(2, 0.0, wanted=1))
    assert found.lengths[:, 0].tolist() == [1, 3, 6]
    assert sizes == [3, 4, 4, 2, 2, 2]  # one beam each at first, then two of each row that is not answered


def test_forbidden_tokens_are_never_said():
    def step(arrays, state):
        return {"logits": np.array([[-np.inf, 1.0, -np.inf, 0.0]]).repeat(len(arrays["token"]), 0)}, state

    found = beam_search(NumpyRunner({"step": step}), "step", {"token": np.array([1])}, None, 3, STOP, Search(12))
    said = found.tokens[0][np.isfinite(found.scores[0])]
    assert len(said) == 8  # every sequence of the two tokens that are left
    assert set(said.ravel().tolist()) == {1, 3}


def test_no_rows_give_no_answers():
    found = beam_search(markov(tables(0)), "step", {"token": np.zeros(0, int)}, None, 5, STOP, Search(3))
    assert found.tokens.shape[:2] == (0, 3)


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_the_most_likely_tokens_are_those_of_a_sort(seed, count, size):
    logits = np.random.default_rng(seed).normal(size=(4, size)).astype(np.float32)
    tokens, chances = most_likely(logits, count)
    expected = np.sort(logits - np.log(np.exp(logits.astype(np.float64)).sum(1, keepdims=True)), axis=1)[:, ::-1][
        :, :count
    ]
    np.testing.assert_allclose(np.sort(chances, axis=1)[:, ::-1], expected, atol=1e-5)
    assert all(len(set(row)) == min(count, size) for row in tokens.tolist())
