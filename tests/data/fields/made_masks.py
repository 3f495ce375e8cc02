"""Masks that tests make, and how they are fitted and encoded."""

import io

import numpy as np

from deepwell.core.fields import Field
from deepwell.data.fields import flat
from deepwell.data.fields.mask import Mask

FIELD = Field("mask", "mask", "target")


def objects(*values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def png(picture, form="PNG"):
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


def fitted(*cells, void=""):
    return Mask(void).fit(objects(*cells), FIELD, is_target=True)


def indices(kind, *cells):
    parts, problems = kind.encode(objects(*cells))
    assert not problems
    return [flat.unpack(parts[""], row) for row in range(len(cells))]


def numbers(*values):
    return np.array([values], np.uint8)
