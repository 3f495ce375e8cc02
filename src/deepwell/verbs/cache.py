"""cache: what earlier runs have kept on disk, so that later ones need not read or decode it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from deepwell.store.arrays import ArrayCache, Entry, default_root
from deepwell.tracking.text import plural, size, visible


@dataclass(frozen=True)
class Kept:
    """root: the directory. entries: what is in it, least recently used first. freed: bytes that were removed just now."""

    root: Path
    entries: list[Entry]
    freed: int

    def __repr__(self) -> str:
        lines = [f"removed {size(self.freed)}"] if self.freed else []
        for entry in self.entries:
            used = datetime.fromtimestamp(entry.used).isoformat(" ", "minutes")
            lines.append(f"  {used}  {size(entry.bytes):>8}  {visible(entry.what or entry.key, 100)}")
        total = size(sum(entry.bytes for entry in self.entries))
        lines.append(f"{plural(len(self.entries), 'set')} of arrays, {total} in {visible(str(self.root))}")
        return "\n".join(lines)


def cache(clear: bool = False) -> Kept:
    """The cache of this user. clear: first remove all of it but what a run is using now."""
    kept = ArrayCache(default_root())
    freed = kept.clear() if clear else 0
    return Kept(kept.root, kept.entries(), freed)
