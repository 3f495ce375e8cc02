"""The seven turns and mirrorings of a square board, for games on one. Not a game itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepwell.core.game import Actions


def turns(side: int) -> Iterator[tuple[str, Actions]]:
    """(name, source): the piece of cell source[i], cells counted in rows, comes to cell i."""
    cells = np.arange(side * side).reshape(side, side)
    for quarter in range(4):
        for mirrored in (False, True):
            if quarter or mirrored:
                turned = np.rot90(cells, quarter)
                source = np.ascontiguousarray(turned[:, ::-1] if mirrored else turned).reshape(-1)
                yield f"{90 * quarter} degrees{', mirrored' if mirrored else ''}", source
