"""tasks: the applications, and the knobs of one."""

from __future__ import annotations

from deepwell import tasks as found
from deepwell.core.task import Task


def tasks(name: str | None = None) -> dict[str, type[Task]]:
    """Name -> class of every application, or of the one named (also a file). Raises ConfigError for an unknown name."""
    if name is not None:
        task = found.find(name)
        return {task.name(): task}
    return {n: found.find(n) for n in found.names()}
