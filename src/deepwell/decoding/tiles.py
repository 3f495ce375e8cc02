"""Tiles: a network's answer about a large picture, put together from answers about windows that overlap.

Unusual: nothing of the size of all classes times the whole picture is ever held. Windows are asked row by row from the top, and
as soon as no later window reaches a line, the line is finished and handed on; what is held is one row of windows. Where
windows overlap, their answers are averaged with weights that fall towards a window's border, because a network knows least
about what lies beside a border; so no seams show (Ronneberger et al. 2015, arXiv:1505.04597, overlap-tile; Isensee et al.
2021, nnU-Net, weighted). Weights are relative, so along the border of the picture itself nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import ConfigError

Ask = Callable[[list[tuple[int, int]]], NDArray[np.floating]]
"""The (top, left) corners of the windows of one row -> (windows, K, window height, window width)."""


def starts(length: int, window: int, overlap: int) -> list[int]:
    """Where windows along one axis begin: as few as cover `length` pixels with neighbours sharing at least `overlap`.

    Evenly spaced; the first begins at 0, the last ends at `length`. A length within one window has one. Raises ConfigError
    where the overlap leaves a window nothing of its own.
    """
    if window < 1 or not 0 <= overlap < window:
        raise ConfigError(
            f"windows of {window} pixels cannot overlap by {overlap}", repair="the overlap must be smaller"
        )
    if length <= window:
        return [0]
    count = math.ceil((length - overlap) / (window - overlap))
    return [round(i * (length - window) / (count - 1)) for i in range(count)]


def fading(window: int, overlap: int) -> NDArray[np.float32]:
    """(window,) weights: 1 inside, falling over `overlap` pixels towards either border on a straight line, never 0."""
    inside = np.minimum(np.arange(window), np.arange(window)[::-1]) + 1.0
    return np.minimum(inside / (overlap + 1.0), 1.0).astype(np.float32)


def stripes(
    size: tuple[int, int], window: tuple[int, int], overlap: int, ask: Ask
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The whole answer from the top down: (first line, values (K, lines, width)), every line once.

    size: (height, width) of the picture. window: (height, width) of a window; where the picture is smaller, the picture's.
    overlap: pixels that neighbours share at least, on both axes; at most half of a side of the window is used. ask: gets the
    windows of one row and answers numbers that may be averaged, such as probabilities.

    Memory: K * window height * picture width float32, and what `ask` gives for one row.
    """
    high, wide = (min(w, s) for w, s in zip(window, size, strict=True))
    shared = [min(overlap, side // 2) for side in (high, wide)]
    tops, lefts = starts(size[0], high, shared[0]), starts(size[1], wide, shared[1])
    if len(tops) == len(lefts) == 1:
        yield 0, np.asarray(ask([(0, 0)])[0], np.float32)
        return
    weight = fading(high, shared[0])[:, None] * fading(wide, shared[1])
    total = np.zeros((high, size[1]), np.float32)
    values = np.zeros((0, high, size[1]), np.float32)
    for top, below in zip(tops, [*tops[1:], size[0]], strict=True):
        found = ask([(top, left) for left in lefts])
        if not len(values):
            values = np.zeros((found.shape[1], high, size[1]), np.float32)
        for left, one in zip(lefts, found, strict=True):
            values[:, :, left : left + wide] += weight * one
            total[:, left : left + wide] += weight
        done = below - top
        yield top, values[:, :done] / total[:done]
        values, total = _next(values, done), _next(total, done)


def _next(held: NDArray[np.float32], done: int) -> NDArray[np.float32]:
    """What is held (..., lines, width) without its first `done` lines, and as many empty ones below."""
    moved = np.zeros_like(held)
    lines = held.shape[-2]
    moved[..., : lines - done, :] = held[..., done:, :]
    return moved
