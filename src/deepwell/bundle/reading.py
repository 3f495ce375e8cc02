"""What a bundle keeps of how its data were to be read, so that files with questions are read alike.

Only what the user had to say at training, because no file says it itself: the raw form, the character between cells, the
encoding, and the words that mean missing. They are words for our own readers; none of them names a file or code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deepwell.core.errors import BundleError

WORDS = 1000
LONGEST = 200
_TEXTS = {
    "form": re.compile("[a-z_]{1,40}"),
    "delimiter": re.compile(".{1,16}", re.DOTALL),
    "encoding": re.compile("[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}"),
}


def said(form: str | None, delimiter: str | None, encoding: str | None, missing: tuple[str, ...]) -> dict[str, Any]:
    """What is kept of reading options, as JSON values; empty where nothing had to be said."""
    given = {"form": form, "delimiter": delimiter, "encoding": encoding, "missing": list(missing)}
    return {name: value for name, value in given.items() if value}


def checked(value: Mapping[str, Any]) -> dict[str, Any]:
    """What `said` gave. Raises BundleError for anything else: the value comes from a file."""
    for name, given in value.items():
        if name == "missing":
            fits = isinstance(given, list) and 1 <= len(given) <= WORDS
            fits = fits and all(isinstance(word, str) and len(word) <= LONGEST for word in given)
        else:
            fits = name in _TEXTS and isinstance(given, str) and _TEXTS[name].fullmatch(given) is not None
        if not fits:
            raise BundleError(
                "its reading is not made of form, delimiter, encoding (short texts) and missing (a list of words)",
                where="config.json",
            )
    return dict(value)
