"""game_playing: rules alone -> a player. Tic-tac-toe, Connect Four, Othello on 6 x 6; see families/self_play.py for how.

The rules of these games stand in tasks/games. A game of your own is a file with one class derived from SelfPlay that brings its
rules, named by `--task my_lab/nim.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

from deepwell.core.config import Knob
from deepwell.core.game import Game
from deepwell.families.self_play import SelfPlay
from deepwell.families.self_played import SelfPlayConfig
from deepwell.tasks.games.connect_four import ConnectFour
from deepwell.tasks.games.othello import Othello
from deepwell.tasks.games.tic_tac_toe import TicTacToe

GAMES: Mapping[str, type[Game]] = {"tic_tac_toe": TicTacToe, "connect_four": ConnectFour, "othello": Othello}


@dataclass(frozen=True)
class GameConfig(SelfPlayConfig):
    """Which game, and the knobs of self-play."""

    game: Annotated[str, Knob("what is played", choices=tuple(GAMES))] = "tic_tac_toe"


class GamePlaying(SelfPlay):
    """Learn to play a game by playing against yourself."""

    Config = GameConfig

    def rules(self) -> Game:
        """The game that was asked for."""
        return GAMES[cast(GameConfig, self.config).game]()
