"""Keyed draws: every random number in Deepwell is a pure function of a key, so there is no generator state to save.

`Key(seed).fold("epoch", 3).fold("example", 17)` names one stream. The same names give the same numbers in every process,
tier and resumed run. Folding hashes with BLAKE2b; numpy streams are Philox (Salmon et al. 2011), which is counter-based.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Key:
    """One named stream of random numbers; `value` is an unsigned 64-bit integer."""

    value: int

    def fold(self, *parts: str | int) -> Key:
        """The key below this one for the given names and numbers (order matters)."""
        text = "\x1f".join([str(self.value), *(f"{type(part).__name__}:{part}" for part in parts)])
        return Key(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))

    def numpy(self) -> np.random.Generator:
        """A fresh numpy generator for this key; two calls give the same numbers."""
        return np.random.Generator(np.random.Philox(key=self.value))

    @property
    def seed(self) -> int:
        """A non-negative 63-bit integer, as `torch.manual_seed` takes it."""
        return self.value >> 1


def permutation(count: int, key: Key) -> NDArray[np.int64]:
    """The order of `count` examples under `key`: shape (count,), a pure function of both."""
    return key.numpy().permutation(count)
