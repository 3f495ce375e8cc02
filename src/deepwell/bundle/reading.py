"""What a bundle keeps of how its data were to be read, so that files with questions are read alike.

The raw form that the files of training had; and what the user had to say, because no file says it itself: the character
between cells, the encoding, and the words that mean missing. They are words for our own readers; none of them names a file or
code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from deepwell.core.errors import BundleError
from deepwell.data.sources.text import is_encoding

WORDS = 1000
LONGEST = 200
_FITS: Mapping[str, Callable[[str], object]] = {
    "form": re.compile("[a-z_]{1,40}").fullmatch,
    "delimiter": re.compile(".{1,16}", re.DOTALL).fullmatch,
    "encoding": is_encoding,
}


def said(form: str | None, delimiter: str | None, encoding: str | None, missing: tuple[str, ...]) -> dict[str, Any]:
    """What is kept of reading options, as JSON values; empty where there is nothing to keep."""
    given = {"form": form, "delimiter": delimiter, "encoding": encoding, "missing": list(missing)}
    return {name: value for name, value in given.items() if value}


def checked(value: Mapping[str, Any]) -> dict[str, Any]:
    """What `said` gave. Raises BundleError for anything else: the value comes from a file."""
    for name, given in value.items():
        if name == "missing":
            fits = isinstance(given, list) and 1 <= len(given) <= WORDS
            fits = fits and all(isinstance(word, str) and len(word) <= LONGEST for word in given)
        else:
            fits = name in _FITS and isinstance(given, str) and bool(_FITS[name](given))
        if not fits:
            raise BundleError(
                "its reading is not made of form, delimiter, encoding (short texts) and missing (a list of words)",
                where="config.json",
            )
    return dict(value)
