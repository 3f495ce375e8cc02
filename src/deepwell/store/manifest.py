"""manifest.json: what belongs to a sealed set of files, with sizes and hashes, covering itself as well.

    {"facts": {...}, "files": {"name": {"bytes": 12, "sha256": "..."}}, "sha256": "..."}

Unusual: the last key is the SHA-256 of the manifest without that key, and the bytes must be exactly those that `write`
makes; so a flipped bit anywhere, the manifest included, is found. This layout stays in all later versions: a reader can
always tell that a file is whole and newer than itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepwell.core.errors import BundleError
from deepwell.core.text import quote
from deepwell.store import json

NAME = "manifest.json"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """facts: what the files are, free for the owner. files: name -> (bytes, SHA-256 in hexadecimal digits)."""

    facts: dict[str, Any]
    files: dict[str, tuple[int, str]]

    def check(self, name: str, data: bytes | memoryview) -> None:
        """Raise BundleError unless `data` are the bytes of the file `name`."""
        size, digest = self.files[name]
        if len(data) != size:
            raise BundleError(f"has {len(data):,} bytes; the manifest says {size:,}", where=name)
        if hashlib.sha256(data).hexdigest() != digest:
            raise BundleError("its SHA-256 is not the one in the manifest: it was damaged or changed", where=name)


def plain(name: str) -> bool:
    """Whether a name can be a file of a sealed set: no separator, no leading dot, ASCII, not the manifest's own."""
    return _PLAIN.fullmatch(name) is not None and name != NAME


def write(files: Mapping[str, bytes | memoryview], facts: Mapping[str, Any]) -> bytes:
    """The bytes of the manifest of these files."""
    listed = {n: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for n, data in files.items()}
    return _seal({"facts": dict(facts), "files": listed})


def read(data: bytes) -> Manifest:
    """The manifest in these bytes. Raises BundleError unless they are exactly what `write` makes."""
    value = json.read(data, NAME)
    if not isinstance(value, dict) or list(value) != ["facts", "files", "sha256"]:
        raise BundleError("is not a manifest: it needs facts, files and sha256", where=NAME)
    facts, files = value["facts"], value["files"]
    if not isinstance(facts, dict) or not isinstance(files, dict) or _seal({"facts": facts, "files": files}) != data:
        raise BundleError("its own SHA-256 does not match: it was damaged or changed", where=NAME)
    listed: dict[str, tuple[int, str]] = {}
    for name, entry in files.items():
        if not plain(name):
            raise BundleError(f"lists the file name {quote(name)}, which is not allowed", where=NAME)
        if not isinstance(entry, dict) or list(entry) != ["bytes", "sha256"]:
            raise BundleError(f"its entry {name} needs bytes and sha256", where=NAME)
        size, digest = entry["bytes"], entry["sha256"]
        if type(size) is not int or size < 0 or not isinstance(digest, str) or not _HASH.fullmatch(digest):
            raise BundleError(f"its entry {name} has no proper size and hash", where=NAME)
        listed[name] = (size, digest)
    return Manifest(facts, listed)


def _seal(value: dict[str, Any]) -> bytes:
    return json.write({**value, "sha256": hashlib.sha256(json.write(value)).hexdigest()})
