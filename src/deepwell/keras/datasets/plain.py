"""A strict reader of the pickles inside old data sets: numbers, texts, lists, dicts and numpy arrays, and nothing else.

Unusual: nothing is unpickled. The few operations that such files are made of are carried out here, and any other one, any name of
a function or class among them, is refused; so a file can hold wrong data at worst, never code. Long runs of small integers, of
which word lists consist, are read a run at a time.

The operations are those of protocols 2 to 4: https://peps.python.org/pep-0307 and pep-3154.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from deepwell.core.errors import DataError

_RUN = re.compile(rb"(?:K.|M..|J....)++", re.DOTALL)
_ONE = re.compile(rb"K.|M..|J....", re.DOTALL)
_NUMBERS = re.compile(r"[biuf][1248]")
_MARK = object()
_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "kind",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "bytes",
    ("__builtin__", "bytes"): "no bytes",
}
"""The names that such files hold, and what stands for them here."""


@dataclass(frozen=True)
class _Name:
    """A function or class that the file names; only its word is known here."""

    word: str


class _Dtype:
    """A type of numbers, or of Python values ("O")."""

    def __init__(self, text: str) -> None:
        self.text, self.order = text, "|"


class _Array:
    """An array: numbers, or a list where the type is "O"."""

    value: Any = None


class _Numbers(dict[bytes, int]):
    """Operation -> the integer that it pushes; found once for each."""

    def __missing__(self, operation: bytes) -> int:
        number = int.from_bytes(operation[1:], "little", signed=operation[:1] == b"J")
        self[operation] = number
        return number


def read(data: bytes) -> Any:
    """What a pickle of plain values holds. Texts of Python 2 are bytes; arrays of Python values are lists.

    Raises DataError for every other pickle, naming what it holds.
    """
    try:
        return _plain(_Machine(data).run())
    except DataError:
        raise
    except (IndexError, struct.error, TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"the pickle is damaged or of a form that is not read here ({type(error).__name__})") from None


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, _Name | _Dtype) or value is _MARK:
        raise DataError("the pickle holds no values")
    return value


class _Machine:
    """The stack of a pickle under way."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._numbers = _Numbers()

    def run(self) -> Any:
        """Carry out all operations up to STOP."""
        data, stack, numbers = self._data, self._stack, self._numbers
        while True:
            operation = data[self._at]
            if operation in b"KMJ":
                run = _RUN.match(data, self._at)
                if run is None:
                    raise ValueError("cut short")
                stack.extend([numbers[one] for one in _ONE.findall(run.group())])
                self._at = run.end()
                continue
            self._at += 1
            if operation == 0x2E:  # STOP
                return stack.pop()
            carry_out = self.OPERATIONS.get(operation)
            if carry_out is None:
                raise DataError(
                    f"the pickle holds the operation {bytes([operation])!r}, which plain values do not need"
                )
            carry_out(self)

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise ValueError("cut short")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def _number(self, form: str) -> int:
        size = struct.calcsize(form)
        return int(struct.unpack(form, self._take(size))[0])

    def _line(self) -> str:
        end = self._data.index(b"\n", self._at)
        return self._take(end + 1 - self._at)[:-1].decode("ascii")

    def _marked(self) -> list[Any]:
        """What lies above the last mark, which is taken away with it."""
        place = next((i for i in range(len(self._stack) - 1, -1, -1) if self._stack[i] is _MARK), None)
        if place is None:
            raise ValueError("no mark")
        found = self._stack[place + 1 :]
        del self._stack[place:]
        return found

    # operations ------------------------------------------------------------------------------------------------------
    def _skip(self, count: int) -> None:
        self._take(count)

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _put(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def _tuple(self, count: int) -> None:
        found = tuple(self._stack[len(self._stack) - count :])
        if len(found) < count or _MARK in found:
            raise ValueError("too few values")
        del self._stack[len(self._stack) - count :]
        self._stack.append(found)

    def _append(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise TypeError("no list")
        target.extend(values)

    def _set(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise TypeError("no dict")
        target.update(zip(values[::2], values[1::2], strict=True))

    def _name(self, module: str, name: str) -> None:
        word = _NAMES.get((module, name))
        if word is None:
            raise DataError(f"the pickle names {module}.{name}; only numbers, texts, lists and arrays are read")
        self._stack.append(_Name(word))

    def _reduce(self) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, _Name) or type(arguments) is not tuple:
            raise TypeError("not a name and its arguments")
        if name.word == "dtype":
            self._stack.append(_Dtype(_text(arguments[0])))
        elif name.word == "bytes" and arguments[1:] == ("latin1",):
            self._stack.append(str(arguments[0]).encode("latin1"))
        elif name.word == "no bytes" and arguments == ():
            self._stack.append(b"")
        elif name.word == "array" and arguments[0] == _Name("kind"):
            self._stack.append(_Array())
        else:
            raise TypeError("not an array")

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, _Dtype):
            target.order = _text(state[1])
        elif isinstance(target, _Array):
            target.value = _array(*state[1:])
        else:
            raise TypeError("neither an array nor its type")

    OPERATIONS: ClassVar[dict[int, Callable[[_Machine], Any]]] = {
        ord(code): carry_out
        for code, carry_out in {
            "\x80": lambda m: m._skip(1),
            "\x95": lambda m: m._skip(8),
            "(": lambda m: m._push(_MARK),
            "N": lambda m: m._push(None),
            "\x88": lambda m: m._push(True),
            "\x89": lambda m: m._push(False),
            "G": lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
            "\x8a": lambda m: m._push(int.from_bytes(m._take(m._number("<B")), "little", signed=True)),
            "U": lambda m: m._push(m._take(m._number("<B"))),
            "T": lambda m: m._push(m._take(m._number("<i"))),
            "C": lambda m: m._push(m._take(m._number("<B"))),
            "B": lambda m: m._push(m._take(m._number("<I"))),
            "\x8e": lambda m: m._push(m._take(m._number("<Q"))),
            "X": lambda m: m._push(m._take(m._number("<I")).decode("utf-8", "surrogatepass")),
            "\x8c": lambda m: m._push(m._take(m._number("<B")).decode("utf-8", "surrogatepass")),
            "]": lambda m: m._push([]),
            "}": lambda m: m._push({}),
            ")": lambda m: m._push(()),
            "a": lambda m: m._append([m._stack.pop()]),
            "e": lambda m: m._append(m._marked()),
            "s": lambda m: m._set([m._stack.pop(-2), m._stack.pop()]),
            "u": lambda m: m._set(m._marked()),
            "t": lambda m: m._push(tuple(m._marked())),
            "\x85": lambda m: m._tuple(1),
            "\x86": lambda m: m._tuple(2),
            "\x87": lambda m: m._tuple(3),
            "q": lambda m: m._put(m._number("<B")),
            "r": lambda m: m._put(m._number("<I")),
            "\x94": lambda m: m._put(len(m._memo)),
            "h": lambda m: m._push(m._memo[m._number("<B")]),
            "j": lambda m: m._push(m._memo[m._number("<I")]),
            "c": lambda m: m._name(m._line(), m._line()),
            "\x93": lambda m: m._name(m._stack.pop(-2), m._stack.pop()),
            "R": lambda m: m._reduce(),
            "b": lambda m: m._build(),
        }.items()
    }
    """Byte -> what it does."""


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def _array(shape: tuple[int, ...], dtype: _Dtype, by_columns: bool, content: Any) -> Any:
    """An array of numbers, or the list of an array of Python values on one axis."""
    if dtype.text[:1] == "O":
        if type(content) is not list or len(shape) != 1 or shape[0] != len(content):
            raise TypeError("not a list")
        return content
    if not _NUMBERS.fullmatch(dtype.text) or not isinstance(content, bytes):
        raise TypeError("not numbers")
    numbers = np.dtype(f"{dtype.order if dtype.order in ('<', '>') else '='}{dtype.text}")
    if len(content) != prod(shape) * numbers.itemsize:
        raise ValueError("cut short")
    array = np.frombuffer(content, numbers).reshape(shape, order="F" if by_columns else "C")
    return array.astype(numbers.newbyteorder("="))
