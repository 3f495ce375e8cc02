"""JSON as Deepwell stores it: a reader that trusts nothing, and a writer whose bytes are a function of the value.

Unusual: size, nesting, number of values and length of texts are counted on the bytes *before* Python's recursive parser
sees them, so a hostile file costs a scan and no more. What the standard parser lets through and this one refuses:
duplicate keys, NaN and Infinity, numbers that overflow, integers beyond 2^53 (other readers round them), lone surrogates,
a byte order mark.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from deepwell.core.errors import BundleError, DeepwellError, RunError
from deepwell.core.text import quote

DEPTH = 32
"""Most arrays and objects inside each other."""
TEXT = 64 * 1024
"""Most bytes between the quotes of one text, as written."""
INTEGER = 2**53
"""Largest integer, either sign: beyond it a float64 reader sees another number."""
DIGITS = 64
"""Most characters of one number."""


@dataclass(frozen=True)
class Limit:
    """How large one file may be. values: keys and values together, what bounds the memory of the parsed result."""

    bytes: int = 1 << 20
    values: int = 100_000


DEFAULT = Limit()

# From an opening quote to its closing one, or to the end of the file where there is none: so no byte is looked at twice.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))


class _Refused(ValueError):
    """Why a file is not read, as the rest of a sentence."""


def read(data: bytes, what: str, error: type[DeepwellError] = BundleError, limit: Limit = DEFAULT) -> Any:
    """The value that the bytes hold.

    what: the file's name, for error texts. error: raised for everything that is wrong, saying what and where.
    """
    try:
        return json.loads(
            _scan(data, limit), parse_int=_integer, parse_float=_number, parse_constant=_constant,
            object_pairs_hook=_object,
        )  # fmt: skip
    except json.JSONDecodeError as found:
        problem = f"is not JSON: {found.msg} (line {found.lineno}, column {found.colno})"
    except _Refused as found:
        problem = str(found)
    raise error(problem, where=what)


def write(value: Any, indent: int | None = None, what: str = "value") -> bytes:
    """The value as UTF-8 JSON. Keys keep their order of insertion; `indent` spreads it over lines for people to read.

    what: the value's name in error texts.
    Raises RunError naming the first value that JSON cannot hold or `read` would refuse (NaN: write None instead).
    """
    _check(value, what, DEPTH)
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators).encode()


def _scan(data: bytes, limit: Limit) -> str:
    """The bytes as text, once their size, texts, values and nesting are within limits."""
    if len(data) > limit.bytes:
        raise _Refused(f"has {len(data):,} bytes; at most {limit.bytes:,} are allowed")
    if data.startswith(b"\xef\xbb\xbf"):
        raise _Refused("begins with a byte order mark; write it as plain UTF-8")
    structure, end = [], 0
    for found in _TEXT.finditer(data):
        start, stop = found.span()
        if stop - start - 2 > TEXT:
            raise _Refused(f"holds a text of more than {TEXT:,} bytes (at byte {start:,})")
        if rb"\u" in found[0]:
            _check_surrogates(found[0], start)
        structure.append(data[end:start])
        if len(structure) > limit.values:
            raise _Refused(f"holds more than {limit.values:,} keys and values")
        end = stop
    outside = b"".join([*structure, data[end:]])
    if 1 + sum(outside.count(mark) for mark in (b",", b":", b"[", b"{")) > limit.values:
        raise _Refused(f"holds more than {limit.values:,} keys and values")
    depth = 0
    for bracket in outside.translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH:
            raise _Refused(f"is nested deeper than {DEPTH} levels")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as found:
        raise _Refused(f"is not UTF-8 at byte {found.start:,}") from None


def _check_surrogates(text: bytes, start: int) -> None:
    """Refuse half a surrogate pair, which no file, terminal or hash can encode again."""
    try:
        json.loads(text).encode("utf-8")
    except UnicodeEncodeError:
        raise _Refused(f"holds half a surrogate pair (at byte {start:,})") from None
    except ValueError:
        return  # Not a text at all: the parser says so with line and column.


def _integer(digits: str) -> int:
    if len(digits) > DIGITS or abs(int(digits)) > INTEGER:
        raise _Refused(f"holds the integer {quote(digits, 24)}; at most 2^53 is allowed")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits) if len(digits) <= DIGITS else math.inf
    if not math.isfinite(value):
        raise _Refused(f"holds the number {quote(digits, 24)}, which is too large or too long")
    return value


def _constant(word: str) -> float:
    raise _Refused(f"holds {word}; JSON has finite numbers only")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        doubled = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f"has the key {quote(doubled)} twice in one object")
    return made


def _check(value: Any, path: str, depth: int) -> None:
    """Raise RunError where `write` and then `read` would not give `value` back (tuples become lists)."""
    if value is None or type(value) is bool:
        return
    if isinstance(value, str):
        if not value.isascii() and len(value.encode("utf-8", "replace")) != len(value.encode("utf-8", "surrogatepass")):
            raise RunError(f"{path} holds half a surrogate pair and cannot be written as JSON")
    elif type(value) is int:
        if abs(value) > INTEGER:
            raise RunError(f"{path} is {value}; the largest integer in a file is 2^53")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise RunError(f"{path} is {value}; JSON has finite numbers only")
    elif not isinstance(value, dict | list | tuple):
        raise RunError(f"{path} is a {type(value).__qualname__}, which JSON cannot hold")
    elif depth == 0:
        raise RunError(f"{path} is nested deeper than {DEPTH} levels")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise RunError(f"{path} has the key {key!r}; keys in JSON are texts")
            _check(item, f"{path}.{key}", depth - 1)
    else:
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth - 1)
