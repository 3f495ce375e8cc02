"""Reasons: why a row is odd, in words, from what networks of odd rows say beside the score.

    score 21.3, because "width 9.12 (1 in 6,400; about 3.1 is usual here); kind 'round' (1 in 45; 'long' is usual here)"

Unusual: a field is only named where it makes much of the score and its value is rare in itself, so that a usual row
has no reason. Numbers are known as places on a scale alone, so that one at its end is told as beyond it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from deepwell.core.fields import Field, Schema
from deepwell.core.runner import Arrays
from deepwell.core.table import Column
from deepwell.core.task import Pipeline
from deepwell.families.graded import MISSING, STEPS

MOST_NAMED = 3
RARE = math.log(20)
"""A value is named where one at most this odd occurs once in 20 rows or less..."""
PART = 0.2
"""... and makes this part of the score."""
NOTHING = "nothing stands out"
END, BLURRED = 1e-5, 3e-3
"""Steps from the ends of a scale within which all values are the same; and within which float32 blurs their four figures."""
MAP_LEVEL = 0.5
"""The place of a picture that is named: where its map is above this share of its highest value."""


def fields_because(schema: Schema, outputs: Arrays, arrays: Arrays, pipeline: Pipeline, odds: bool) -> Column:
    """(n,) texts. odds: whether shares are -log of how often a value is as odd, and expected values are known."""
    fields = [f for kind in ("number", "category") for f in schema.of("input", kind)]
    share = np.asarray(outputs["share"], np.float64)
    values, usual = _told(fields, arrays, np.asarray(outputs["expected"]), pipeline)
    texts = np.empty(len(share), object)
    for row, shares in enumerate(share):
        least = max(PART * shares.sum(), RARE if odds else 0.0)
        named = [
            int(f) for f in np.argsort(-shares, kind="stable")[:MOST_NAMED] if shares[f] >= least and shares[f] > 0
        ]
        parts = []
        for f in named:
            ending = f"{shares[f] / shares.sum():.0%} of the score"
            if odds:
                here = "" if usual[f][row] == values[f][row] else f"; {usual[f][row]} is usual here"
                ending = f"1 in {math.exp(shares[f]):,.0f}{here}"
            parts.append(f"{fields[f].name} {values[f][row]} ({ending})")
        texts[row] = "; ".join(parts) or NOTHING
    return texts


def _told(
    fields: list[Field], arrays: Arrays, expected: NDArray[np.float64], pipeline: Pipeline
) -> tuple[list[list[str]], list[list[str]]]:
    """For each field the value of each row, and the one that was expected, in words."""
    values, usual, seen = [], [], {"number": 0, "category": 0}
    for place, field in enumerate(fields):
        given = arrays[f"inputs.{field.kind}"][:, seen[field.kind]]
        seen[field.kind] += 1
        if field.kind == "number":
            steps = np.where(expected[:, place] >= STEPS, MISSING, expected[:, place]).astype(np.float32)
            values.append(_numbers(pipeline.decode(field.name, given), given))
            usual.append(_numbers(pipeline.decode(field.name, steps), steps, "about "))
        else:
            levels = expected[:, place].astype(np.int64)
            values.append([_level(v) for v in pipeline.decode(field.name, given)])
            usual.append([_level(v) for v in pipeline.decode(field.name, levels)])
    return values, usual


def _numbers(values: Column, places: NDArray[np.float32], about: str = "") -> list[str]:
    """Values and their places on the scale -> words."""
    return [_number(float(v), float(p), about) for v, p in zip(values, places, strict=True)]


def _number(value: float, place: float, about: str) -> str:
    if math.isnan(value):
        return "missing"
    room = min(place, STEPS - 1 - place)
    if room < END:
        return f"{'below' if place < 1 else 'above'} {value:.2g}"
    return f"about {value:.2g}" if room < BLURRED else f"{about}{value:.4g}"


def _level(value: object) -> str:
    gone = value is None or (isinstance(value, float) and math.isnan(value))
    return "of a rare, unknown or missing value" if gone else repr(value) if isinstance(value, str) else str(value)


def picture_because(maps: NDArray[np.float32]) -> tuple[Column, Column]:
    """(n,) texts that say where, and (n,) the maps (h, w) as pictures, white where a map is highest."""
    texts, shown = np.empty(len(maps), object), np.empty(len(maps), object)
    for row, where in enumerate(maps):
        highest = float(where.max())
        shown[row] = (where / max(highest, 1e-12) * 255.0).clip(0, 255).round().astype(np.uint8)
        tall, wide = np.nonzero(where >= MAP_LEVEL * highest)
        if highest <= 0 or not len(tall):
            texts[row] = NOTHING
            continue
        height, width = where.shape
        middle = (float(np.median(tall)) + 0.5) / height, (float(np.median(wide)) + 0.5) / width
        down = "top" if middle[0] < 1 / 3 else "bottom" if middle[0] > 2 / 3 else "middle"
        across = "left" if middle[1] < 1 / 3 else "right" if middle[1] > 2 / 3 else "centre"
        part = where[tall.min() : tall.max() + 1, wide.min() : wide.max() + 1].sum() / max(float(where.sum()), 1e-12)
        box = f"rows {tall.min() + 1} to {tall.max() + 1}, columns {wide.min() + 1} to {wide.max() + 1} of {height} x {width}"
        texts[row] = f"{down} {across}: {box} ({part:.0%} of the score)"
    return texts, shown
