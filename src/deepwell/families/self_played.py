"""SelfPlayed: positions that a network makes by playing against itself, and the Runners that stand in for a network.

Unusual: games go on across steps, hundreds side by side. Before each step just so many plies are played that positions are used
`reuse` times on average. Steps draw from a window of the latest positions that grows more slowly than their number, so that what
the first, weak networks played is soon forgotten (Wu 2019, arXiv:1902.10565, section 3). All that changes is in `state()`: the
positions that are remembered, the games under way and the past selves, so that a resumed run goes on with the same games.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, IntArray
from deepwell.core.config import Knob, Recipe
from deepwell.core.examples import Examples
from deepwell.core.game import Floats, Game, States, played_on
from deepwell.core.keys import Key
from deepwell.core.runner import Arrays, NumpyRunner, Runner, State
from deepwell.decoding.tree import Judge, Planning, search
from deepwell.families.self_play_past import PastSelves

WARM = 4
"""Batches that are there before the first step."""
WINDOW, GROWTH, SHARE = 20_000, 0.75, 0.4
"""The window holds the first so many positions whole; then it grows by a power of their number, and at first by this share."""
SCATTERED = 1e5
"""Logits so far apart that no value counts beside them."""


@dataclass(frozen=True)
class SelfPlayConfig(Recipe):
    """The knobs of self-play, after those of the engine."""

    epochs: Annotated[float, Knob("not used: self-made data has no end", "epochs", 0.01, 1e6, True)] = 1e6
    batch_size: Annotated[int, Knob("positions of a step", "positions", 1, 65536, True)] = 256
    learning_rate: Annotated[float, Knob("peak step size", "", 1e-6, 10.0, True)] = 3e-3
    weight_decay: Annotated[float, Knob("decay of weight matrices towards 0", "", 0.0, 10.0)] = 0.01
    simulations: Annotated[int, Knob("positions looked at before each move of self-play", "", 2, 4096, True)] = 24
    considered: Annotated[int, Knob("moves tried at the root", "moves", 2, 512, True)] = 8
    search: Annotated[
        int,
        Knob(
            "positions looked at before a move that is asked for or measured; 0: three for each cell, at least 100",
            "",
            0,
            65536,
        ),
    ] = 0
    games: Annotated[int, Knob("games played side by side", "games", 1, 4096, True)] = 128
    capacity: Annotated[int, Knob("positions that are remembered", "positions", 256, 10_000_000, True)] = 150_000
    reuse: Annotated[float, Knob("how often a position is trained on, on average", "", 0.1, 1000.0, True)] = 6.0
    searched: Annotated[float, Knob("share of the search's value in what positions are worth", "share", 0.0, 1.0)] = 0.5
    depth: Annotated[int, Knob("plies that the strongest opponent, minimax, looks ahead", "plies", 1, 12)] = 4


class SelfPlayed(Examples):
    """Endless positions with the search's policy and the game's result. See the top of this file.

    Each game begins with up to Game.opening random plies, so that the network also meets positions that it would avoid.
    past: what the network was earlier.
    """

    def __init__(self, game: Game, knobs: SelfPlayConfig) -> None:
        self._game, self._knobs = game, knobs
        self._planning = Planning(knobs.simulations, min(knobs.considered, knobs.simulations))
        self._symmetries = [None, *game.symmetries()]
        cell = game.start(1)
        games, longest, most = knobs.games, game.longest, knobs.capacity
        self._kept = {
            "states": np.zeros((most, *cell.shape[1:]), cell.dtype),
            "policies": np.zeros((most, game.actions), np.float16),
            "results": np.zeros(most, np.float16),
        }
        self._live = {
            "now": game.start(games),
            "states": np.zeros((games, longest, *cell.shape[1:]), cell.dtype),
            "policies": np.zeros((games, longest, game.actions), np.float16),
            "values": np.zeros((games, longest), np.float16),
            "plies": np.zeros(games, np.int64),
        }
        self.past = PastSelves()
        self._made, self._begun = 0, 0
        """Positions of finished games so far, and games begun."""

    def advance(self, runner: Runner, step: int, key: Key) -> None:
        """Play until enough positions are there for this step."""
        knobs = self._knobs
        self.past.meet(runner, step)
        judge = judge_of(runner)
        if not self._begun:
            self._begin(np.arange(knobs.games), key.fold("begin"))
        ply = 0
        while self._made < (WARM + step / knobs.reuse) * knobs.batch_size:
            self._ply(judge, key.fold("ply", ply))
            ply += 1

    def _ply(self, judge: Judge, key: Key) -> None:
        """One move in every game; games that end are remembered, and new ones begin in their places."""
        live, game = self._live, self._game
        found = search(game, live["now"], judge, self._planning, key.fold("gumbel").numpy())
        rows, at = np.arange(len(live["now"])), live["plies"]
        live["states"][rows, at], live["policies"][rows, at] = live["now"], found.policy
        live["values"][rows, at] = found.average
        live["now"] = game.apply(live["now"], found.actions)
        live["plies"] = at + 1
        outcome = game.outcome(live["now"])
        ended = np.flatnonzero(~np.isnan(outcome))
        for row in ended:
            self._remember(int(row), float(outcome[row]))
        if len(ended):
            self._begin(ended, key.fold("begin"))

    def _remember(self, row: int, outcome: float) -> None:
        """A finished game's positions. outcome: of the side to move at its end; sides take turns."""
        live, plies = self._live, int(self._live["plies"][row])
        signs = (-1.0) ** (plies - np.arange(plies))
        share = self._knobs.searched
        places = (self._made + np.arange(plies)) % len(self._kept["results"])
        self._kept["states"][places] = live["states"][row, :plies]
        self._kept["policies"][places] = live["policies"][row, :plies]
        self._kept["results"][places] = (1 - share) * outcome * signs + share * live["values"][row, :plies]
        self._made += plies

    def _begin(self, rows: IntArray, key: Key) -> None:
        """New games in the given places, after 0 to Game.opening random plies each."""
        draws = key.numpy()
        plies = draws.integers(self._game.opening + 1, size=len(rows))
        states = self._game.start(len(rows))
        for count in range(1, self._game.opening + 1):
            longer = np.flatnonzero(plies >= count)
            states[longer] = played_on(self._game, states[longer], key.fold("opening", count), 1)
        over = ~np.isnan(self._game.outcome(states))
        states[over] = self._game.start(int(over.sum()))
        self._live["now"][rows], self._live["plies"][rows] = states, 0
        self._begun += len(rows)

    def take(self, index: IntArray, key: Key) -> Batch:
        """Remembered positions drawn at random, all seen under one symmetry drawn for the batch."""
        draws = key.fold("take", int(index[0])).numpy()
        window = min(window_of(self._made), len(self._kept["results"]))
        rows = (self._made - 1 - draws.integers(window, size=len(index))) % len(self._kept["results"])
        states, policies = self._kept["states"][rows], self._kept["policies"][rows].astype(np.float32)
        symmetry = self._symmetries[int(draws.integers(len(self._symmetries)))]
        if symmetry is not None:
            turned = np.empty_like(policies)
            turned[:, symmetry.moves] = policies
            states, policies = symmetry.turn(states), turned
        arrays = {"view": self._game.view(states), "legal": self._game.legal(states), "policy": policies}
        return Batch({**arrays, "result": self._kept["results"][rows].astype(np.float32)}, index)

    def state(self) -> dict[str, NDArray[Any]]:
        """Positions, games under way, the two counts, and past selves where there are any."""
        kept = {f"kept.{name}": whole(array).copy() for name, array in self._kept.items()}
        live = {f"live.{name}": whole(array).copy() for name, array in self._live.items()}
        return {**kept, **live, "counts": np.array([self._made, self._begun], np.int64), **self.past.state()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See Examples."""
        for prefix, arrays in (("kept", self._kept), ("live", self._live)):
            for name, array in arrays.items():
                stored = np.array(state[f"{prefix}.{name}"])
                arrays[name] = stored.view(array.dtype) if stored.dtype != array.dtype else stored
        self._made, self._begun = (int(count) for count in state["counts"])
        self.past.restore(state)


def window_of(made: int) -> int:
    """How many of the latest positions steps draw from, once so many were made: w (1 + b ((n / w)^a - 1) / a), at most n.

    The rule of Wu 2019 (appendix C), with a window w for short runs.
    """
    grown = WINDOW * (1 + SHARE * ((made / WINDOW) ** GROWTH - 1) / GROWTH)
    return made if made <= WINDOW else int(grown)


def whole(states: States) -> NDArray[Any]:
    """States as arrays that every file and library knows: 64 bits without sign are read as with one."""
    return states.view(np.int64) if states.dtype == np.uint64 else states


def judge_of(runner: Runner) -> Judge:
    """A network as the tree search asks it."""

    def judge(view: Floats) -> tuple[Floats, Floats]:
        outputs, _ = runner.run("forward", {"view": view})
        return outputs["policy"], outputs["value"]

    return judge


def blind(actions: int) -> NumpyRunner:
    """Knows nothing: all moves and positions alike, so that a search with it sees wins and losses and nothing else."""
    return _runner(lambda view: np.zeros((len(view), actions), np.float32))


def scattered(actions: int) -> NumpyRunner:
    """Random moves, always the same ones in the same position, whatever a search finds."""
    weights = Key(0).fold("scattered").numpy()

    def logits(view: Floats) -> Floats:
        flat = view.reshape(len(view), -1)
        mixed = np.sin(flat @ table(flat.shape[1]) * 1e3)
        return np.asarray(SCATTERED * mixed, np.float32)

    tables: dict[int, Floats] = {}

    def table(width: int) -> Floats:
        if width not in tables:
            tables[width] = weights.normal(size=(width, actions)).astype(np.float32)
        return tables[width]

    return _runner(logits)


def _runner(logits: Any) -> NumpyRunner:
    def forward(arrays: Arrays, state: State) -> tuple[dict[str, NDArray[Any]], State]:
        view = arrays["view"]
        return {"policy": logits(view), "value": np.zeros(len(view), np.float32)}, state

    return NumpyRunner({"forward": forward})
