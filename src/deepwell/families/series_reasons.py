"""Why a row of a series is unusual, in words: which number, by which statistic, and what was expected of it.

Unusual: a usual row has no reason, whatever its largest part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Batch
from deepwell.core.runner import Arrays
from deepwell.data.series.row_pipeline import RowPipeline
from deepwell.families.odd_reasons import NOTHING

WORDS: Mapping[str, str] = {
    "level": "{name} is {value}, far from what it was before",
    "spread": "{name} changes more than before; it is {value}",
    "flatness": "{name} stands still more than before; it is {value}",
    "forecast": "{name} is {value}; {expected} was expected",
    "": "{name} is {value}; {expected} is usual",
}
"""Statistic of nn/networks/series_judge.py, in the order of its REASONS -> what is said; the last for others."""
FIGURES = 4
STANDS_OUT = 2.0
"""Deviations from which a part is told; where values spread normally, one in 20 is further from their mean."""


def because(outputs: Arrays, batch: Batch, pipeline: RowPipeline, alarming: float = np.inf) -> NDArray[np.object_]:
    """(n,) a sentence for each row: the column and the statistic that made its score.

    outputs: `parts` (n, T, R), `expected` (n, T) of a judge. batch: RowWindows' arrays. alarming: the score above which a row is
    alarming, and has a reason in any case.
    """
    parts, arrays = outputs["parts"], batch.arrays
    forms = list(WORDS.values())[:-1] if parts.shape[2] == len(WORDS) - 1 else [WORDS[""]] * parts.shape[2]
    largest = parts.reshape(len(parts), -1).argmax(axis=1)
    column, statistic = np.divmod(largest, parts.shape[2])
    rows = np.arange(len(parts))
    offset, factor = (arrays[name][rows, column] for name in ("offset", "factor"))
    value, expected = (
        x * factor + offset for x in (arrays["window"][rows, -1, column], outputs["expected"][rows, column])
    )
    missing = arrays["window.seen"][rows, -1, column] == 0
    said = np.empty(len(parts), object)
    names = [f.name for f in pipeline.numbers]
    said[:] = [
        forms[s].format(name=names[c], value="missing" if lacks else _number(v), expected=_number(e))
        for s, c, v, e, lacks in zip(statistic, column, value, expected, missing, strict=True)
    ]
    score = parts.reshape(len(parts), -1).max(axis=1)
    said[(score < STANDS_OUT) & ~(score > alarming)] = NOTHING
    return said


def shares(outputs: Arrays) -> NDArray[np.float64]:
    """(n, T) how much each column makes of a score: its largest part; shares of odds, which add up to 1."""
    each = np.asarray(outputs["parts"], np.float64).max(axis=2)
    odds = np.exp(each - each.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return found


def _number(value: Any) -> str:
    return f"{float(value):.{FIGURES}g}"
