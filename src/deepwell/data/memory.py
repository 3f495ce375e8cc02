"""How much memory the data of a run may take, and what is free.

Unusual: a container's limit (cgroup) counts, not only the machine's memory; file pages are not counted as taken, because the
system gives them back when they are needed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

SHARE = 0.5
"""Of the free memory, what the data may take unless the user says."""
TABLE_SHARE = 0.25
"""Of that, what the columns of a table may take: its parts take the same again."""
ENCODED_SHARE = 0.5
"""Of that, what encoded columns may take."""
OTHERWISE = 1 << 32
"""What counts as free where the system does not tell."""


def allowed(asked: int | None) -> int:
    """Bytes that the data may take: what was asked, else half of what is free."""
    return int(SHARE * available()) if asked is None else asked


def available(system: Path = Path("/")) -> int:
    """Bytes that are free for this process. system: where /proc and /sys lie."""
    found = [free for free in (_machine(system), _version_2(system), _version_1(system)) if free is not None]
    return max(0, min(found, default=OTHERWISE))


def _machine(system: Path) -> int | None:
    """What the machine has free, file pages that can be dropped included."""
    for line in _lines(system / "proc/meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


def _version_2(system: Path) -> int | None:
    """What is left of the limit of the process's group, version 2: the limit less the group's anonymous memory."""
    found = []
    for line in _lines(system / "proc/self/cgroup"):
        if line.startswith("0::"):
            folder = Path(line[3:].strip().lstrip("/"))
            for group in (folder, *folder.parents):  # the limit of every group around it holds, too
                at = system / "sys/fs/cgroup" / group
                limit = next(iter(_lines(at / "memory.max")), "max").strip()
                if limit.isdigit():
                    found.append(int(limit) - _figure(at / "memory.stat", "anon"))
    return min(found, default=None)


def _version_1(system: Path) -> int | None:
    """The same for version 1, where no limit is a very large number."""
    at = system / "sys/fs/cgroup/memory"
    limit = next(iter(_lines(at / "memory.limit_in_bytes")), "").strip()
    return int(limit) - _figure(at / "memory.stat", "total_rss") if limit.isdigit() else None


def _figure(path: Path, name: str) -> int:
    return next((int(line.split()[1]) for line in _lines(path) if line.split()[:1] == [name]), 0)


def _lines(path: Path) -> list[str]:
    """The lines of a file of the system; none where there is no such file."""
    with suppress(OSError):
        return path.read_text().splitlines()
    return []
