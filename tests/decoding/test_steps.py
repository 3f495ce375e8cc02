"""Generation over a Runner with a cache: greedy is the argmax chain, sampling has the stated distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.decoding.steps import Cut, generate, greedy, repelled, sample

STOP = 0


def counting(vocabulary: int = 6) -> NumpyRunner:
    """Says the sum of all tokens so far (its cache) modulo V, most likely."""

    def step(arrays, state):
        total = arrays["token"] + (0 if state is None else state["total"])
        return {"logits": 5.0 * np.eye(vocabulary)[total % vocabulary]}, {"total": total}

    return NumpyRunner({"step": step})


def test_greedy_follows_the_cache():
    # From 1: 1, then 1+1=2, then 4, then 8 % 6 = 2, ...
    tokens = generate(counting(), "step", {"token": np.array([1, 2])}, None, 4, greedy)
    assert tokens.tolist() == [[1, 2, 4, 2], [2, 4, 2, 4]]


def test_a_row_that_stops_is_filled_and_all_stopping_ends_the_loop():
    # From 3: 3, then 6 % 6 = 0 = stop. From 1 it never stops within 6 steps.
    runner = counting()
    tokens = generate(runner, "step", {"token": np.array([3, 1])}, None, 6, greedy, stop=STOP)
    assert tokens[0].tolist() == [3, 0, 0, 0, 0, 0]
    assert 0 not in tokens[1]
    assert generate(runner, "step", {"token": np.array([3, 3])}, None, 6, greedy, stop=STOP).shape == (2, 2)
    assert generate(runner, "step", {"token": np.array([3])}, None, 0, greedy).shape == (1, 0)


def test_other_arrays_go_to_every_call_and_inputs_stay():
    seen = []

    def step(arrays, state):
        seen.append(arrays["bias"].copy())
        return {"logits": arrays["bias"]}, state

    arrays = {"token": np.zeros(1, int), "bias": np.array([[0.0, 1.0]])}
    generate(NumpyRunner({"step": step}), "step", arrays, None, 3, greedy)
    assert len(seen) == 3
    assert arrays["token"].tolist() == [0]


def test_copies_go_on_from_what_is_run_once():
    asked = []

    def step(arrays, state):
        asked.append(len(arrays["token"]))
        total = arrays["token"] + arrays["more"] + (0 if state is None else state["total"])
        return {"logits": 5.0 * np.eye(6)[total % 6]}, {"total": total}

    runner, chosen = NumpyRunner({"step": step}), []

    def choose(logits, step):
        chosen.append(len(logits))
        return (greedy(logits) + np.arange(4)) % 6 if step == 0 else greedy(logits)  # copies part ways

    arrays = {"token": np.array([1, 2]), "more": np.array([0, 3])}
    tokens = generate(runner, "step", arrays, None, 3, choose, copies=2)
    assert (asked, chosen) == ([2, 4, 4], [4, 4, 4])
    # Row 0: total 1 -> 1 and 2; row 1: total 5 -> 5 + 2 and 5 + 3. Then total + token + more, modulo 6.
    assert tokens.tolist() == [[1, 2, 4], [2, 3, 0], [1, 3, 3], [2, 4, 5]]
    assert arrays["token"].tolist() == [1, 2]


def test_samples_have_the_probabilities_of_the_softmax():
    logits = np.log([0.5, 0.3, 0.15, 0.05])
    drawn = sample(np.tile(logits, (20_000, 1)), Key(1))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20_000, [0.5, 0.3, 0.15, 0.05], atol=0.012)
    cold = sample(np.tile(logits, (20_000, 1)), Key(1), temperature=0.5)
    expected = np.array([0.5, 0.3, 0.15, 0.05]) ** 2
    np.testing.assert_allclose(np.bincount(cold, minlength=4) / 20_000, expected / expected.sum(), atol=0.012)


@pytest.mark.parametrize(
    ("cut", "kept"),
    [(Cut(top_k=2), {0, 1}), (Cut(top_p=0.5), {0}), (Cut(top_p=0.51), {0, 1}), (Cut(top_p=0.0), {0}),
     (Cut(top_k=3, top_p=0.99), {0, 1, 2}), (Cut(min_p=0.4), {0, 1}), (Cut(min_p=0.2, top_k=2), {0, 1}),
     (Cut(min_p=0.2), {0, 1, 2}), (Cut(min_p=1.0), {0})],
)  # fmt: skip
def test_only_the_most_likely_are_kept(cut, kept):
    logits = np.log([[0.5, 0.3, 0.15, 0.05]]).repeat(2000, axis=0)
    assert set(sample(logits, Key(2), cut=cut).tolist()) == kept


def test_without_temperature_the_most_likely_is_taken():
    assert set(sample(np.log([[0.3, 0.5, 0.2]]).repeat(50, axis=0), Key(2), temperature=0).tolist()) == {1}


def test_what_was_seen_has_its_odds_divided():
    logits = np.log([[0.5, 0.3, 0.2]]) + 7.0  # a constant in the scores means nothing
    odds = np.exp(repelled(logits, np.array([[True, False, False]]), 2.0))
    np.testing.assert_allclose(odds / odds.sum(), [[0.25 / 0.75, 0.3 / 0.75, 0.2 / 0.75]])
    np.testing.assert_array_equal(repelled(logits, np.ones((1, 3), bool), 1.0), logits)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(2, 10))
def test_a_row_draws_the_same_whoever_stands_beside_it(seed, n, vocabulary):
    logits = np.random.default_rng(seed).normal(size=(n, vocabulary)) * 3
    order = np.random.default_rng(seed + 1).permutation(n)
    drawn = sample(logits, Key(seed), rows=np.arange(n))
    assert (sample(logits[order], Key(seed), rows=order) == drawn[order]).all()


def test_forbidden_tokens_are_never_drawn():
    logits = np.tile([0.0, -np.inf, 0.0], (500, 1))
    assert 1 not in sample(logits, Key(3))


def test_torch_and_numpy_runners_give_the_same_tokens():
    import torch

    from deepwell.decoding.beam import Search, beam_search
    from deepwell.nn.runner import TorchRunner

    class Counting(torch.nn.Module):
        """The same rule as `counting`, with the cache as a tensor."""

        calls = ("step",)

        def step(self, arrays, state=None):
            total = arrays["token"] + (0 if state is None else state["total"])
            return {"logits": 5.0 * torch.nn.functional.one_hot(total % 6, 6).float()}, {"total": total}

    arrays = {"token": np.array([1, 2, 5])}
    runners = (TorchRunner(Counting()), counting())
    ours, fake = (generate(r, "step", arrays, None, 5, greedy, stop=STOP) for r in runners)
    assert (ours == fake).all()
    wide, narrow = (beam_search(r, "step", arrays, None, 5, STOP, Search(3, wanted=1)) for r in runners)
    assert (wide.tokens == narrow.tokens).all()
    np.testing.assert_allclose(wide.scores, narrow.scores, atol=1e-5)
