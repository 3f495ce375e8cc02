"""The game of the probe self_made: one piece and its goal on a square board, rows of (x, y, goal x, goal y)."""

import numpy as np

SIDE, MOVES = 7, np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])
STARTS = np.stack(np.meshgrid(*[np.arange(SIDE)] * 4), -1).reshape(-1, 4)  # every position and goal on the board
STARTS = STARTS[(STARTS[:, :2] != STARTS[:, 2:]).any(1)]


def view(places):
    return {"view": ((places[:, 2:] - places[:, :2]) / SIDE).astype(np.float32)}


def moved(places, choice):
    return np.concatenate([np.clip(places[:, :2] + MOVES[choice], 0, SIDE - 1), places[:, 2:]], 1)


def distance(places):
    return np.abs(places[:, :2] - places[:, 2:]).sum(1)
