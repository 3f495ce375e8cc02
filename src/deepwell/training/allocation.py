"""Allocation: memory that a training step frees is kept for the next step, instead of being handed back to the system.

Unusual: it turns two knobs of the C library (glibc's mallopt). By default a tensor of more than 32 MB, and whatever lies at
the end of the heap, goes back to the system when it is freed; the next step gets new pages, each of which the kernel clears
at the first touch. A convolutional network on pictures of 128 pixels was seen to spend two thirds of its time on that. The
price is room between tensors that is not used: the peak of the same network was seen to rise by 2%. Afterwards everything
that is free is given back. With another C library nothing happens.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# From malloc.h of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_NEVER = -1
_LARGE = 32 << 20
"""The largest size from which glibc maps; what its own rule comes to once tensors of that size have been freed."""
_MOST_MAPPINGS = 65_536
"""glibc's default."""
_kept: list[bool] = []
"""Holds one entry inside."""


@contextmanager
def kept() -> Iterator[bool]:
    """Freed memory stays with the process inside; whether the C library could be told so."""
    library = _glibc()
    if library is None or _kept:  # within another, which gives everything back at its end
        yield library is not None
        return
    _kept.append(True)
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield True
    finally:
        _kept.clear()
        library.mallopt(_MMAP_MAX, _MOST_MAPPINGS)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGE)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
