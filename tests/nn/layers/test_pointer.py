"""Pointer: what it says is the formula at the top of its file, word by word; and what it copies need not have been learnt."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepwell.nn.layers.pointer import BEGINNING, FOLLOWING, LONGEST, NOTHING, Pointer
from deepwell.nn.treatment import treatment

SIGNS, BEGIN, WIDTH, VOCABULARY = 8, 1, 6, 30


def pointer(awake=True):
    torch.manual_seed(0)
    made = Pointer(WIDTH, SIGNS, BEGIN)
    if awake:
        for parameter in made.parameters():
            nn.init.normal_(parameter)
    return made


def asked(seed, target, source, length):
    """hidden, tokens, read, source, inside: of one row."""
    g = torch.Generator().manual_seed(seed)
    hidden, read = torch.randn(1, len(target), WIDTH, generator=g), torch.randn(1, len(source), WIDTH, generator=g)
    inside = torch.arange(len(source))[None] < length
    return hidden, torch.tensor([target]), read, torch.tensor([source]), inside


def run(target, source, t, s):
    """How many of the tokens up to place t stand before place s, counted one by one."""
    for length in range(LONGEST):
        written = target[t - length] if t - length >= 0 else None
        place = s - 1 - length
        before = (
            BEGIN if place == -1 or (place >= 0 and source[place] < SIGNS) else source[place] if place >= 0 else NOTHING
        )
        if written != before:
            return length
    return LONGEST


words = st.lists(st.integers(0, 12), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(source=words, rest=words, length=st.integers(0, 9), seed=st.integers(0, 99))
def test_it_says_what_its_formula_says(source, rest, length, seed):
    model, target = pointer(), [BEGIN, *rest]
    hidden, tokens, read, told, inside = asked(seed, target, source, length)
    with torch.no_grad():
        found = model(hidden, tokens, model.remember(read, told, inside))
        bonus = torch.cat([torch.zeros(1), model.runs.weight[:, 0].cumsum(0)])
        copied = [s for s, token in enumerate(source) if s < length and token >= SIGNS]
        for t in range(len(target)):
            query = model.query(hidden[0, t])
            scores = {
                s: float(query @ model.keys(read[0, s])) / math.sqrt(WIDTH) + float(bonus[run(target, source, t, s)])
                for s in copied
            }
            whole = sum(math.exp(score) for score in scores.values())
            if not copied:
                assert found.own[0, t] == 0
                assert found.other[0, t] < -1e3
                continue
            odds = math.exp(float(model.gate(hidden[0, t]))) * whole / len(copied)
            assert math.exp(found.other[0, t]) == pytest.approx(odds / (1 + odds), rel=1e-4)
            assert math.exp(found.own[0, t]) == pytest.approx(1 / (1 + odds), rel=1e-4)
            for token in range(14):
                share = sum(math.exp(scores[s]) for s in copied if source[s] == token) / whole
                said = found.of(torch.full((1, len(target)), token))[0, t].exp()
                assert float(said) == pytest.approx(share, rel=1e-4, abs=1e-12)
        last = found.of_all(VOCABULARY)
        each = torch.stack([found.of(torch.full((1, len(target)), v))[:, -1] for v in range(VOCABULARY)], 1)
        if copied:
            torch.testing.assert_close(last.exp(), each.exp())


@settings(max_examples=30, deadline=None)
@given(source=words, rest=words, start=st.integers(0, 8), seed=st.integers(0, 99))
def test_a_step_needs_the_last_tokens_only(source, rest, start, seed):
    model, target = pointer(), [BEGIN, *rest]
    start = min(start, len(rest))
    hidden, tokens, read, told, inside = asked(seed, target, source, len(source))
    memory = model.remember(read, told, inside)
    whole = model(hidden, tokens, memory)
    recent = tokens[:, max(0, start - LONGEST + 1) : start + 1]
    step = model(hidden[:, start : start + 1], recent, memory)
    torch.testing.assert_close(step.shares, whole.shares[:, start : start + 1])
    torch.testing.assert_close(step.other, whole.other[:, start : start + 1])


def test_at_first_it_points_at_the_beginning_and_then_at_what_follows():
    model = pointer(awake=False)
    source = [10, 11, 12, 13, 11, 14]
    hidden, tokens, read, told, inside = asked(0, [BEGIN, 10, 11], source, 6)
    found = model(hidden, tokens, model.remember(read, told, inside))
    assert found.shares[0].argmax(1).tolist() == [0, 1, 2]  # after 10 11 comes 12, though 14 also stands behind 11
    # Three tokens before a place match: the beginning, 10 and 11; behind the second 11 only one.
    expected = torch.tensor([0, 0, 3 * FOLLOWING, 0, 0, FOLLOWING]).softmax(0)
    torch.testing.assert_close(found.shares[0, 2], expected)
    plain = Pointer(WIDTH, SIGNS, BEGIN)(hidden, torch.full((1, 3), 20), model.remember(read, told, inside))
    torch.testing.assert_close(plain.other, torch.full((1, 3), BEGINNING).sigmoid().log())


def test_a_text_of_several_fields_begins_with_each_of_them():
    model = pointer(awake=False)
    hidden, tokens, read, told, inside = asked(0, [BEGIN], [2, 10, 11, 3, 12, 13, 0], 7)
    shares = model(hidden, tokens, model.remember(read, told, inside)).shares[0, 0]
    assert shares.topk(2).indices.sort().values.tolist() == [1, 4]
    assert shares[[0, 3, 6]].tolist() == [0, 0, 0]  # signs are never copied


def test_gradients_are_finite_where_nothing_can_be_copied():
    model = pointer()
    hidden, tokens, read, told, inside = asked(0, [BEGIN, 9], [10, 0, 3], 0)
    hidden.requires_grad_()
    found = model(hidden, tokens, model.remember(read, told, inside))
    torch.logaddexp(found.own - 2.0, found.other + found.of(torch.tensor([[9, 10]]))).sum().backward()
    assert hidden.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_the_weights_of_gate_and_runs_move_fast_and_do_not_decay():
    told = {name: treatment(p) for name, p in pointer().named_parameters()}
    assert {n for n, t in told.items() if t.lr_scale > 1 and not t.decays} == {
        "gate.weight",
        "gate.bias",
        "runs.weight",
    }
