"""Self-play: a network that learns a game from nothing but its rules, by playing against itself (AlphaZero).

What tasks of this family share: all but the rules. A tree search (decoding/tree.py) looks ahead with the network, and what it
finds, the better policy and who won in the end, is what the network learns. A game of your own is a task file with one class
that brings `rules`.

    arrays in    view (n, planes, height, width)    what the side to move sees
                 legal (n, A) bool, policy (n, A)    moves, and how often the search would play each
                 result (n,)                         1 won, 0 drawn, -1 lost in the end; mixed with the search's own value
    arrays out   policy (n, A) logits, chances (n, 3) logits of win, draw, loss, value (n,)
    of the test  opening (n, ...), first (n,)       a position, and whether the network makes the first move
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch, Encoded
from deepwell.core.config import Knob
from deepwell.core.errors import DataError
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.game import TROUBLE, Actions, Game, States, contradiction, played_on
from deepwell.core.keys import Key
from deepwell.core.runner import Emit, Runner
from deepwell.core.scores import Columns, Metric
from deepwell.core.table import Part, Table
from deepwell.core.task import Baseline, Fit, Loss, Pipeline, Sizes, Task
from deepwell.decoding.tree import Planning, search
from deepwell.families.self_played import SelfPlayConfig, SelfPlayed, blind, judge_of, scattered, whole

if TYPE_CHECKING:
    import torch

    from deepwell.evaluation.players import Player

SIZES: Mapping[str, tuple[int, int]] = {"tiny": (16, 2), "small": (32, 3), "base": (64, 4), "large": (96, 8)}
"""size -> channels and residual pairs."""
OPENINGS = 100
PAST_OPENINGS = 5
"""Past selves, who look as far ahead as the model and so take longest, are met from every so many-th opening."""
LEAST_SEARCH = 100
"""Simulations for an answer on small boards at the least; large ones get three for each cell."""
CHECK = Key(0).fold("rules")


@dataclass(frozen=True)
class Question:
    """A position, told by the moves that led to it."""

    moves: Annotated[str, Knob("moves so far from the start, with spaces between them; empty: the start")] = ""
    simulations: Annotated[int, Knob("positions looked at before the move; 0: as the model was made", "", 0, 65536)] = 0


class SelfPlay(Task):
    """See the top of this file. A task of the family is final and brings `rules`; Config may have more knobs."""

    Config, Request, watch, asks_rows, continues = SelfPlayConfig, Question, None, False, "moves"

    @abstractmethod
    def rules(self) -> Game:
        """The game."""

    @property
    def knobs(self) -> SelfPlayConfig:
        """The config, as the family's type."""
        return cast(SelfPlayConfig, self.config)

    _made: SelfPlayed | None = None
    """The training examples, where this task made them: they know what the network was earlier in the run."""

    @functools.cached_property
    def game(self) -> Game:
        """The game, once its rules were found to keep their word. Raises DataError for rules that contradict themselves."""
        try:
            game = self.rules()
        except TROUBLE as error:  # such as a method that is missing
            raise DataError(f"the rules of {self.name()} cannot be made: {type(error).__name__}: {error}") from error
        if not isinstance(game, Game):
            raise DataError(f"the rules of {self.name()} are a {type(game).__name__}, not a Game")
        wrong = contradiction(game, CHECK)
        if wrong:
            raise DataError(f"the rules of {type(game).__name__} contradict themselves: {wrong}")
        return game

    # data ------------------------------------------------------------------------------------------------------------
    @classmethod
    def fits(cls, schema: Schema) -> Fit:
        """Only where there are no data at all, and it is asked for by name."""
        if schema.fields:
            return Fit(0, reason="makes its own data")
        return Fit(0.1, reason="learns by playing against itself")

    @classmethod
    def demo(cls, seed: int) -> Table | None:
        """It makes its own data."""
        return None

    def examples(self, part: Part, pipeline: Pipeline) -> Examples:
        """Training: what self-play makes. Test: random openings, each with both colours. The other parts are empty.

        A unit is an opening: games that begin alike are no news to each other.
        """
        if part.name == "train":
            self._made = SelfPlayed(self.game, self.knobs)
            return self._made
        count = OPENINGS if part.name == "test" else 0
        opening = self._openings(count)
        first = np.repeat([True, False], count)
        different = len(np.unique(opening, axis=0))
        units = np.tile(np.arange(count) % max(different, 1), 2)
        arrays = {"opening": whole(np.concatenate([opening, opening])), "first": first}
        return RowExamples(Encoded(arrays, np.arange(2 * count)), units)

    def _openings(self, count: int) -> States:
        """Different positions after Game.opening random plies in which the game goes on; where there are fewer, they come again.

        Where no game goes on after so many plies, they are fewer.
        """
        going = self.game.start(0)
        for plies in range(self.game.opening, -1, -1):
            made = played_on(self.game, self.game.start(16 * count), CHECK.fold("openings"), plies)
            going = made[np.isnan(self.game.outcome(made))]
            if len(going) or not count:
                break
        if not len(going):
            return going
        _, places = np.unique(going.reshape(len(going), -1), axis=0, return_index=True)
        different = going[np.sort(places)]
        return np.resize(different, (count, *different.shape[1:]))

    # network ---------------------------------------------------------------------------------------------------------
    def size(self, sizes: Sizes) -> str:
        """For `auto` by the time: what is too large for it learns from too few games."""
        if self.config.size != "auto":
            return self.config.size
        seconds = 300.0 if sizes.seconds is None else sizes.seconds
        cells = self.game.height * self.game.width
        return "tiny" if cells <= 16 or seconds < 240 else "small" if seconds < 1800 else "base"

    def network(self, sizes: Sizes) -> torch.nn.Module:
        """A BoardNetwork for this board."""
        from deepwell.nn.networks.board import BoardNetwork

        game = self.game
        return BoardNetwork((game.planes, game.height, game.width), game.actions, *SIZES[self.size(sizes)])

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Key) -> Loss:
        """Cross-entropy in nats of the search's policy, and of the result as chances to win, to draw and to lose."""
        arrays = batch.arrays
        outputs, _ = network(arrays)
        logits = outputs["policy"].float().masked_fill(~arrays["legal"], -1e4)
        policy = -(arrays["policy"] * logits.log_softmax(1)).sum()
        result = arrays["result"]
        won, lost = result.clamp(min=0), (-result).clamp(min=0)
        chances = outputs["chances"].float().log_softmax(1)
        value = -(won * chances[:, 0] + lost * chances[:, 2] + (1 - won - lost) * chances[:, 1]).sum()
        return Loss(policy + value, float(len(batch)), {"policy": policy, "value": value})

    def plan_hints(self) -> Mapping[str, Any]:
        """Convolutions gain from channels-last and bfloat16."""
        return {"convolutional": True}

    # answers ---------------------------------------------------------------------------------------------------------
    def answers(self, pipeline: Pipeline) -> Schema:
        """The move, what it is worth, and the board after it."""
        return Schema(
            (
                Field("moves", "text", "target", "the moves so far, and the answer"),
                Field("move", "category", "target", "the answer"),
                Field("value", "number", "target", "of the position before it: 1 won, 0 even, -1 lost"),
                Field("board", "text", "target", "after the move"),
            )
        )

    def predict(
        self, runner: Runner, batch: Batch, pipeline: Pipeline, request: Any, emit: Emit | None = None
    ) -> Table:
        """The best move after the moves so far. Raises DataError for a forbidden move, and where the game is over."""
        states = self._after(request.moves)
        planning = self._planning(request.simulations)
        found = search(self.game, states, judge_of(runner), planning)
        name = self.game.name_of(int(found.actions[0]))
        after = self.game.apply(states, found.actions)
        cells = {"moves": f"{request.moves} {name}".strip(), "move": name, "value": float(found.value[0])}
        columns: dict[str, NDArray[Any]] = {
            n: np.array([v], object if n != "value" else float) for n, v in cells.items()
        }
        return Table({**columns, "board": np.array([self.game.text(after)], object)})

    def _planning(self, simulations: int = 0) -> Planning:
        """How the model looks ahead when it is measured or asked."""
        most = simulations or self.knobs.search or max(LEAST_SEARCH, 3 * self.game.height * self.game.width)
        return Planning(most, min(self.knobs.considered, most))

    def _after(self, moves: str) -> States:
        states = self.game.start(1)
        for number, word in enumerate(moves.replace(",", " ").split(), 1):
            if not np.isnan(self.game.outcome(states)[0]):
                raise DataError(f"the game is over after {number - 1} moves; got {word!r} as move {number}")
            allowed = np.flatnonzero(self.game.legal(states)[0])
            action = self.game.move(word)
            if action is None or action not in allowed:
                names = ", ".join(self.game.name_of(int(a)) for a in allowed)
                raise DataError(f"move {number}, {word!r}, is not one of the legal moves {names}")
            states = self.game.apply(states, np.array([action]))
        outcome = self.game.outcome(states)[0]
        if not np.isnan(outcome):
            raise DataError(f"the game is over: {'a draw' if outcome == 0 else 'the side that moved last has won'}")
        return states

    # proof -----------------------------------------------------------------------------------------------------------
    def metrics(self, pipeline: Pipeline) -> Sequence[Metric]:
        """The share of points against each opponent, the strongest first, and how many games against that one were won."""
        names = list(reversed(self._opponents()))
        return (*(_points(name) for name in names), _wins(names[0]))

    def _opponents(self) -> dict[str, Any]:
        from deepwell.evaluation import players

        deep = {f"minimax_{self.knobs.depth}": players.minimax(self.game, self.knobs.depth)}
        return {"random": players.random_moves(self.game), "greedy": players.minimax(self.game, 1), **deep}

    def measure(self, runner: Runner, batch: Batch, pipeline: Pipeline) -> dict[str, NDArray[Any]]:
        """One game from each opening against every opponent: `points.NAME` (n,), 1 a win, 1/2 a draw, 0 a loss.

        Where the network was trained just now it also meets its past selves, from some openings (NaN: from the others). The
        strongest opponent of the others is met with the search of an answer, the rest with that of self-play, which is short.
        """
        quick = self.knobs.simulations
        columns = {}
        for name, theirs in self._opponents().items():
            ours = self.player(runner, 0 if name.startswith("minimax") else quick)
            columns[f"points.{name}"] = self._played(batch, ours, theirs, CHECK.fold(name))
        some = np.arange(0, len(batch), PAST_OPENINGS)
        fewer = Batch({name: array[some] for name, array in batch.arrays.items()}, batch.examples[some])
        for step, then in ({} if self._made is None else self._made.past.runners(runner)).items():
            points = np.full(len(batch), np.nan)
            points[some] = self._played(fewer, self.player(runner, quick), self.player(then, quick), CHECK.fold("past"))
            columns[f"points.after_{step}"] = points
        return columns

    def figures(self, columns: Mapping[str, NDArray[Any]], pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
        """How many points of Elo the model is stronger than each opponent, its past selves among them."""
        from deepwell.evaluation.players import elo

        labels, values = [], []
        for name, points in columns.items():
            kind, _, opponent = name.partition(".")
            played = points[~np.isnan(points)] if kind == "points" else points[:0]
            if len(played):
                labels.append(_called(opponent))
                values.append(round(elo(float(played.mean()), len(played)), 1))
        title = "Points of Elo that the model is stronger than its opponents (every game won: as much as their number can show)"
        return [
            {
                "event": "figure",
                "kind": "bars",
                "target": "",
                "title": title,
                "data": {"labels": labels, "values": values},
            }
        ]

    def player(self, runner: Runner, simulations: int = 0) -> Player:
        """The model as a player: the best move of its search, always the same. simulations: 0: as many as for an answer."""
        planning = self._planning(simulations)

        def choose(states: States, draws: np.random.Generator) -> Actions:
            different, where = np.unique(states, axis=0, return_inverse=True)  # games side by side often meet
            return search(self.game, different, judge_of(runner), planning).actions[where.ravel()]

        return choose

    def _played(self, batch: Batch, ours: Player, theirs: Player, key: Key) -> NDArray[np.float64]:
        """(n,) points of one game from each opening, `ours` to move first where the batch says so."""
        from deepwell.evaluation import players

        states = batch.arrays["opening"].astype(self.game.start(1).dtype)
        first = np.asarray(batch.arrays["first"], np.bool_)
        points = np.zeros(len(states))
        for side in (True, False):
            some = np.flatnonzero(first == side)
            one, two = (ours, theirs) if side else (theirs, ours)
            found = players.play(self.game, states[some], one, two, key.fold(int(side)))
            points[some] = found if side else 1 - found
        return points

    def match(
        self, runner: Runner, other: Runner, batch: Batch, pipeline: Pipeline, theirs: Task
    ) -> NDArray[np.float64]:
        """One game from each opening with either colour. Raises DataError for different games."""
        if not isinstance(theirs, SelfPlay) or type(theirs.game) is not type(self.game):
            raise DataError("these models play different games")
        return self._played(batch, self.player(runner), theirs.player(other), CHECK.fold("match"))

    def baselines(self) -> Sequence[Baseline]:
        """Random moves, and the same search without a network."""
        return (
            Baseline("random moves", "trivial", lambda examples, pipeline, key: scattered(self.game.actions)),
            Baseline("search without a network", "classical", lambda examples, pipeline, key: blind(self.game.actions)),
        )


def _points(opponent: str) -> Metric:
    column = f"points.{opponent}"

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((weights @ columns[column]) / weights.sum(axis=1))

    return Metric(f"points_{opponent}", "share", "higher", finish, trials=lambda columns: float(len(columns[column])))


def _wins(opponent: str) -> Metric:
    """Draws count nothing."""
    column = f"points.{opponent}"

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((weights @ (columns[column] == 1)) / weights.sum(axis=1))

    return Metric(f"wins_{opponent}", "share", "higher", finish, trials=lambda columns: float(len(columns[column])))


def _called(opponent: str) -> str:
    """An opponent's name for people: "minimax 4", "itself after 1,024 steps"."""
    kind, _, number = opponent.rpartition("_")
    return f"itself after {int(number):,} steps" if kind == "after" else opponent.replace("_", " ")
