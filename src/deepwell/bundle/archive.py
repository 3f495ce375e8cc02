"""The ZIP file of a bundle, so plain that all its bytes beside the entries follow from their names, sizes and checksums.

Unusual: the reader does not interpret a foreign archive. It rebuilds each header as the writer would have made it and
compares bytes. Compression, encryption, data descriptors, ZIP64, comments, extra fields, other orders, duplicates, bytes
before, between or behind entries, and a directory that disagrees with its entries all differ, and are refused alike.
Any ZIP program can list and unpack the file. Format: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO

from deepwell.core.errors import BundleError, RunError
from deepwell.core.text import quote
from deepwell.store.files import Bytes, read_exactly

LARGEST = 2**32 - 2
"""Most bytes of the file: above, a ZIP needs its 64-bit extension, which is refused. A directory has no such limit."""

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_FIELDS = (
    "signature", "version needed", "flags", "compression", "time", "date", "checksum", "packed size", "size",
    "length of the name", "length of extra fields",
)  # fmt: skip
_VERSION, _STORED, _1980 = 10, 0, 0x21
_REPAIR = "it was damaged, changed, or packed by another program; copy it again from where it was made"


def pieces(entries: Mapping[str, Bytes]) -> Iterator[Bytes]:
    """The bytes of the archive in order. Raises RunError where it would be larger than LARGEST."""
    total = sum(len(data) + 200 for data in entries.values())
    if total > LARGEST:
        raise RunError(f"the model has about {total:,} bytes, too many for one file", repair="seal it as a directory")
    listed = []
    for name, data in entries.items():
        listed.append((name, zlib.crc32(data), len(data)))
        yield _local(*listed[-1])
        yield data
    yield _directory(listed)


def read(file: FileIO, size: int, names: Iterable[str], limits: Mapping[str, int]) -> Iterator[tuple[str, memoryview]]:
    """Name and bytes of each entry, in the order of `names`, which must be all there are.

    names: asked for one by one, so that an entry may tell which follow it. file: unbuffered, at its start; every byte is read
    once. size: of the file. limits: name -> most bytes.
    Raises BundleError as soon as one byte is not as `pieces` would have written it.
    """
    left = size
    listed: list[tuple[str, int, int]] = []
    for name in names:
        head, left = _take(file, _LOCAL.size, left, name)
        fields = _LOCAL.unpack(head)
        _check_signature(fields, first=not listed)
        found, left = _take(file, min(fields[9], 128), left, name)
        if bytes(found) != name.encode():
            raise BundleError(f"has the entry {quote(bytes(found).decode('latin-1'))} where {name} must stand")
        checksum, length = fields[6], fields[8]
        for what, is_, must in zip(_FIELDS, fields, _LOCAL.unpack_from(_local(name, checksum, length)), strict=True):
            if is_ != must:
                raise BundleError(f"the header of {name} has {what} {is_!r}; only {must!r} is allowed", repair=_REPAIR)
        if length > limits.get(name, LARGEST):
            raise BundleError(f"has {length:,} bytes; at most {limits[name]:,} are allowed", where=name)
        data, left = _take(file, length, left, name)
        if zlib.crc32(data) != checksum:
            raise BundleError("its checksum does not match", where=name, repair=_REPAIR)
        listed.append((name, checksum, length))
        yield name, data
    expected = _directory(listed)
    rest, left = _take(file, len(expected), left, "the list of entries")
    if left or bytes(rest) != expected or file.read(1):
        raise BundleError("the list of entries at its end is not as Deepwell writes it", repair=_REPAIR)


def _take(file: FileIO, count: int, left: int, what: str) -> tuple[memoryview, int]:
    """The next `count` bytes, and how many are left after them; memory is taken only for bytes that are there."""
    if count > left:
        raise BundleError(f"ends inside {what}, {count - left:,} bytes too early", repair=_REPAIR)
    return read_exactly(file, count), left - count


def _check_signature(fields: tuple[object, ...], *, first: bool) -> None:
    if fields[0] == b"PK\x03\x04":
        return
    if first:
        raise BundleError("is not a model file", repair="give a model.well that Deepwell wrote")
    raise BundleError("an entry is missing, or bytes stand between two of them", repair=_REPAIR)


def _local(name: str, checksum: int, size: int) -> bytes:
    fields = (_VERSION, 0, _STORED, 0, _1980, checksum, size, size, len(name), 0)
    return _LOCAL.pack(b"PK\x03\x04", *fields) + name.encode()


def _directory(listed: Sequence[tuple[str, int, int]]) -> bytes:
    """The central directory and the record that ends the file."""
    made, offset = [], 0
    for name, checksum, size in listed:
        fields = (_VERSION, _VERSION, 0, _STORED, 0, _1980, checksum, size, size, len(name), 0, 0, 0, 0, 0, offset)
        made.append(_CENTRAL.pack(b"PK\x01\x02", *fields) + name.encode())
        offset += _LOCAL.size + len(name) + size
    directory = b"".join(made)
    return directory + _END.pack(b"PK\x05\x06", 0, 0, len(made), len(made), len(directory), offset, 0)
