"""What `deepwell verify` prints: each check of a bundle and what was seen. A check that fails is the BundleError of `read`."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

from deepwell.bundle.contents import Contents, entries_of
from deepwell.bundle.read import read
from deepwell.core.text import escape_terminal
from deepwell.store import files, manifest


def verify(path: str | os.PathLike[str], limit_bytes: int | None = None) -> list[tuple[str, str]]:
    """(check, what was seen) of every check, in the order in which they were made. Raises BundleError where one fails.

    All texts are safe to print.
    """
    contents = read(path, limit_bytes)
    place = Path(path)
    is_directory = stat.S_ISDIR(place.lstat().st_mode)
    sealed = place / manifest.NAME if is_directory else place
    versions = ", ".join(f"{name} {version}" for name, version in sorted(contents.versions.items()))
    kinds = Counter(field.kind for field in contents.schema.fields)
    numbers = sum(array.size for array in contents.weights.values())
    columns = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    entries = entries_of(contents.format)
    seen = [
        ("form", "a directory, no links" if is_directory else f"one regular file of {place.lstat().st_size:,} bytes"),
        ("entries", f"manifest.json and the {len(entries)} known ones, stored, nothing else"),
        ("sizes and hashes", f"all {len(entries)} match the manifest, and the manifest matches itself"),
        ("format", f"{contents.format}; made with {versions}"),
        ("task", f"{contents.task}, version {contents.task_version}"),
        ("schema", f"columns by kind: {columns or 'none'}"),
        ("weights", f"{len(contents.weights):,} tensors, {numbers:,} numbers, all finite"),
        ("rows of the data", _inside(contents)),
        ("sha256", f"{files.sha256(sealed)} of {sealed.name}"),
    ]
    return [(check, escape_terminal(text)) for check, text in seen]


def _inside(contents: Contents) -> str:
    """What of the data itself is inside, in words."""
    if not contents.kept:
        return "none is inside"
    numbers = sum(array.size for array in contents.kept.values())
    return f"{len(contents.kept):,} array{'s' * (len(contents.kept) > 1)}, {numbers:,} numbers, all finite"
