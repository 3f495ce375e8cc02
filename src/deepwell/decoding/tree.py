"""Tree search for many positions side by side, guided by a network: Gumbel AlphaZero (Danihelka et al. 2022, ICLR, "Policy
improvement by planning with Gumbel").

At the root some moves are drawn by the network's policy without repeats (Gumbel top-k), and sequential halving spends the visits
on the best of them; below it the tree follows the improved policy as nearly as visits can. It improves on the policy also with as
few as two simulations, where the rule of AlphaZero does not, and without noise it plays deterministically.

Unusual: each position has a tree of its own in arrays of one fixed size, and every operation is one over all trees: a simulation
walks down all trees together, asks the network for all new leaves at once, and walks up again. With n positions the network
is called once per simulation on up to n boards, not n times on one.

Legend: n positions, m nodes of a tree (one per simulation, and the root), A moves. Values are of the side to move at a node.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deepwell.core.game import Actions, Floats, Game, States

Judge = Callable[[Floats], tuple[Floats, Floats]]
"""What boards (n, planes, height, width) promise: logits (n, A) of moves, and values (n,) from -1 to 1."""
NEVER = np.float32(-1e9)
ROOT = 0


@dataclass(frozen=True)
class Planning:
    """How to search.

    simulations: leaves that are looked at. considered: most moves that are tried at the root. visit, scale: how much values
    count beside the policy, sigma(q) = (visit + most visits of a move) * scale * q, with q from 0 to 1 (appendix of the paper).
    """

    simulations: int = 32
    considered: int = 16
    visit: float = 50.0
    scale: float = 1.0


@dataclass(frozen=True)
class Found:
    """What a search found. actions: (n,) the move to play. policy: (n, A) the improved policy, what a network is trained to.

    value: (n,) of the positions, by what was seen after the move to play: what an answer says. average: (n,) by all that was
    seen, many visits to worse moves among them, so that it is no estimate of the value under best play: what self-play mixes
    into the results that it learns. visits: (n, A).
    """

    actions: Actions
    policy: Floats
    value: Floats
    average: Floats
    visits: NDArray[np.int32]


def search(
    game: Game, states: States, judge: Judge, planning: Planning, draws: np.random.Generator | None = None
) -> Found:
    """Look ahead from positions in which the game goes on. draws: of the Gumbel noise; None: without, always the same moves."""
    tree = _Tree(game, states, judge, planning)
    noise = np.zeros_like(tree.logits[:, ROOT])
    if draws is not None:
        noise = draws.gumbel(size=noise.shape).astype(np.float32)
    legal = tree.logits[:, ROOT] > NEVER / 2
    order = np.array([_order(min(int(k), planning.considered), planning.simulations) for k in legal.sum(axis=1)])
    for simulation in range(planning.simulations):
        tree.simulate(tree.at_root(noise, order[:, simulation]), simulation + 1)
    visits = tree.visits[:, ROOT]
    improved = tree.improved(np.arange(len(states)), np.zeros(len(states), np.int64))
    tried = np.where(visits == visits.max(axis=1, keepdims=True), noise + improved, NEVER)
    policy = _softmax(improved)
    actions, rows, totals = tried.argmax(axis=1), np.arange(len(states)), tree.totals[:, ROOT]
    value = totals[rows, actions] / visits[rows, actions]
    average = (totals.sum(axis=1) + tree.values[:, ROOT]) / (1 + visits.sum(axis=1))
    return Found(actions, policy, value, average, visits)


class _Tree:
    """n trees of m nodes. See the top of this file.

    states (n, m, ...), logits (n, m, A) with NEVER for moves that the rules forbid, values (n, m), over (n, m) bool, children
    (n, m, A) with 0 where there is none yet, visits and totals (n, m, A): of each move, by the side that makes it.
    """

    def __init__(self, game: Game, states: States, judge: Judge, planning: Planning) -> None:
        n, m = len(states), planning.simulations + 1
        self.game, self.judge, self.planning = game, judge, planning
        self.states = np.zeros((n, m, *states.shape[1:]), states.dtype)
        self.logits = np.full((n, m, game.actions), NEVER, np.float32)
        self.values = np.zeros((n, m), np.float32)
        self.over = np.zeros((n, m), np.bool_)
        self.children = np.zeros((n, m, game.actions), np.int32)
        self.visits = np.zeros((n, m, game.actions), np.int32)
        self.totals = np.zeros((n, m, game.actions), np.float32)
        self._add(np.arange(n), np.full(n, ROOT), states)

    def _add(self, trees: Actions, nodes: Actions, states: States) -> None:
        """New nodes, one in each of some trees, judged by the rules or by the network."""
        self.states[trees, nodes] = states
        outcome = self.game.outcome(states)
        over = ~np.isnan(outcome)
        self.over[trees, nodes] = over
        self.values[trees[over], nodes[over]] = outcome[over]
        going = np.flatnonzero(~over)
        if len(going):
            logits, values = self.judge(self.game.view(states[going]))
            allowed = self.game.legal(states[going])
            logits = np.where(allowed, logits - logits.max(axis=1, keepdims=True), NEVER)
            self.logits[trees[going], nodes[going]] = logits
            self.values[trees[going], nodes[going]] = np.clip(values, -1.0, 1.0)

    def at_root(self, noise: Floats, visited: Actions) -> Actions:
        """(n,) the move that sequential halving tries next: the best of those with so many visits. visited: (n,)."""
        n = len(noise)
        scores = noise + self.improved(np.arange(n), np.zeros(n, np.int64))
        return np.asarray(np.where(self.visits[:, ROOT] == visited[:, None], scores, 2 * NEVER).argmax(axis=1))

    def simulate(self, first: Actions, new: int) -> None:
        """One leaf more in every tree. first: (n,) moves at the roots; new: the number of the node that is made."""
        n = len(first)
        trees, nodes, actions = np.arange(n), np.zeros(n, np.int64), first
        path: list[tuple[Actions, Actions, Actions]] = []
        leaf, parents, last = np.full(n, new), np.zeros(n, np.int64), np.zeros(n, np.int64)
        while len(trees):
            path.append((trees, nodes, actions))
            below = self.children[trees, nodes, actions].astype(np.int64)
            fresh, over = below == 0, self.over[trees, below]
            parents[trees], last[trees] = nodes, actions
            leaf[trees[over]] = below[over]
            on = ~(fresh | over)
            trees, nodes = trees[on], below[on]
            actions = self._inside(trees, nodes)
        grown = np.flatnonzero(leaf == new)
        if len(grown):
            self.children[grown, parents[grown], last[grown]] = new
            ahead = self.game.apply(self.states[grown, parents[grown]], last[grown])
            self._add(grown, np.full(len(grown), new), ahead)
        value = self.values[np.arange(n), leaf]
        for trees, nodes, actions in reversed(path):
            value[trees] = -value[trees]  # of the side that made the move
            self.visits[trees, nodes, actions] += 1
            self.totals[trees, nodes, actions] += value[trees]

    def _inside(self, trees: Actions, nodes: Actions) -> Actions:
        """The moves below the root: those that visits lag behind the improved policy the most (equation 14 of the paper)."""
        if not len(trees):
            return np.zeros(0, np.int64)
        visits = self.visits[trees, nodes]
        lag = _softmax(self.improved(trees, nodes)) - visits / (1.0 + visits.sum(axis=1, keepdims=True))
        lag[self.logits[trees, nodes] <= NEVER / 2] = -2.0
        return np.asarray(lag.argmax(axis=1))

    def improved(self, trees: Actions, nodes: Actions) -> Floats:
        """(k, A) logits + sigma(completed q): moves not yet tried count as much as the node itself (equations 10, 11, 33)."""
        logits, visits = self.logits[trees, nodes], self.visits[trees, nodes]
        q = self.totals[trees, nodes] / np.maximum(visits, 1)
        priors = np.where(visits > 0, _softmax(logits), np.float32(0))
        tried, count = priors.sum(axis=1), visits.sum(axis=1)
        known = (priors * q).sum(axis=1) / np.maximum(tried, np.float32(1e-12))
        mixed = (self.values[trees, nodes] + count * known) / (1 + count)
        q = np.where(visits > 0, q, mixed[:, None])
        weight = (self.planning.visit + visits.max(axis=1, keepdims=True)) * self.planning.scale
        return np.asarray(np.where(logits > NEVER / 2, logits + weight * (q + 1) / 2, NEVER), np.float32)


@lru_cache(maxsize=4096)
def _order(considered: int, simulations: int) -> tuple[int, ...]:
    """How many visits the move has that is tried at each simulation: sequential halving among so many moves, told in advance.

    In each of log2(considered) rounds every move that is left gets as many visits; then the worse half leaves.
    """
    if considered <= 1:
        return tuple(range(simulations))
    rounds = math.ceil(math.log2(considered))
    visits, left = [0] * considered, considered
    order: list[int] = []
    while len(order) < simulations:
        for _ in range(max(1, simulations // (rounds * left))):
            order += visits[:left]
            visits[:left] = [count + 1 for count in visits[:left]]
        left = max(2, left // 2)
    return tuple(order[:simulations])


def _softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
