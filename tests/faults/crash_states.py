"""What a disk may hold after a power cut: every state that the calls so far allow, under a model that promises little.

Unusual: what was not synced may be there or not, each call by itself: the bytes of a file that were written after its last
fsync may be missing from any place on, and a name that was made, moved or removed after the last fsync of its directory may be
as before. Real file systems keep more order than that. Calls are recorded while they really happen; `everything` must then be
what lies on the disk, which shows that no call escaped the recording.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

State = dict[str, bytes]
"""Path below the root -> bytes of a file; directories are not listed by themselves."""


@dataclass
class Call:
    """One call: `write` adds data to a file, `sync` has a file or the names in a directory on the disk, `name` puts node
    `node` at a place (None: takes it away) in directory node `directory`."""

    kind: str
    node: int | None
    directory: int = -1
    name: str = ""
    data: bytes = b""


@dataclass
class Recording:
    """The calls below a root, and which node stands for which path. Node 0 is the root."""

    root: Path
    calls: list[Call] = field(default_factory=list)
    nodes: dict[str, int] = field(default_factory=lambda: {"": 0})
    kinds: list[str] = field(default_factory=lambda: ["directory"])
    open: dict[int, str] = field(default_factory=dict)

    def relative(self, path: Any, directory: int | None = None) -> str | None:
        """The path below the root; None for one elsewhere."""
        base = self.root if directory is None else self.root / self.open.get(directory, "/")
        full = os.path.abspath(os.path.join(base, os.fspath(path)))
        below = os.path.relpath(full, self.root)
        return None if below.startswith("..") else "" if below == "." else below

    def put(self, path: str, kind: str) -> None:
        """A new file or directory."""
        self.kinds.append(kind)
        self.nodes[path] = len(self.kinds) - 1
        self._name(path, self.nodes[path])

    def move(self, old: str, new: str) -> None:
        """A rename, with all that lies below."""
        for path in [p for p in self.nodes if p == old or p.startswith(old + "/")]:
            self.nodes[new + path[len(old) :]] = self.nodes.pop(path)
        node, directory = self.nodes[new], self.nodes[os.path.dirname(old)]
        assert directory == self.nodes[os.path.dirname(new)]
        self.calls.append(Call("name", node, directory, os.path.basename(old) + "\0" + os.path.basename(new)))

    def take(self, path: str) -> None:
        """A removal."""
        del self.nodes[path]
        self._name(path, None)

    def _name(self, path: str, node: int | None) -> None:
        self.calls.append(Call("name", node, self.nodes[os.path.dirname(path)], os.path.basename(path)))

    def state(self, kept: list[Call]) -> State:
        """The tree that these calls make."""
        names: dict[int, dict[str, int]] = {}
        data: dict[int, bytes] = {}
        for call in kept:
            if call.kind == "write":
                data[call.node or 0] = data.get(call.node or 0, b"") + call.data
            elif call.kind == "name":
                entries = names.setdefault(call.directory, {})
                old, _, new = call.name.partition("\0")
                if call.node is None or new:
                    entries.pop(old, None)
                if call.node is not None:
                    entries[new or old] = call.node
        found: State = {}
        places = [("", 0)]
        while places:
            path, node = places.pop()
            if self.kinds[node] == "file":
                found[path] = data.get(node, b"")
            places += [(f"{path}/{name}".lstrip("/"), inner) for name, inner in names.get(node, {}).items()]
        return found

    def everything(self) -> State:
        """What lies there when nothing is lost."""
        return self.state(self.calls)

    def after(self, count: int, draw: np.random.Generator, samples: int) -> Iterator[State]:
        """States after the first `count` calls: all kept, all that may be lost lost, each alone lost or kept, and others."""
        calls = self.calls[:count]
        sure, loose = [], []
        for place, call in enumerate(calls):
            where = call.node if call.kind == "write" else call.directory
            synced = any(c.kind == "sync" and c.node == where for c in calls[place + 1 :])
            if call.kind != "sync":
                (sure if synced else loose).append(place)
        yield self.state(calls)
        choices = [set(loose), set(), *({p} for p in loose), *(set(loose) - {p} for p in loose)]
        choices += [{p for p in loose if draw.random() < 0.5} for _ in range(samples)]
        for choice in choices:
            kept, torn = [], dict[int | None, bool]()
            for place in sorted({*sure, *choice}):
                call = calls[place]
                if call.kind == "write" and place in choice:
                    # The first loose write to a file may end anywhere; what follows it is gone then.
                    if torn.get(call.node):
                        continue
                    length = int(draw.integers(0, len(call.data) + 1)) if draw.random() < 0.5 else len(call.data)
                    torn[call.node] = length < len(call.data)
                    call = Call("write", call.node, data=call.data[:length])
                kept.append(call)
            yield self.state(kept)


@contextmanager
def recording(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """Record what happens below `root`."""
    log = Recording(root)
    real = {n: getattr(os, n) for n in ("open", "write", "fdopen", "fsync", "mkdir", "rename", "unlink", "rmdir")}

    def open_(path: Any, flags: int, *words: Any, dir_fd: int | None = None) -> int:
        descriptor: int = real["open"](path, flags, *words, dir_fd=dir_fd)
        below = log.relative(path, dir_fd)
        if below is not None:
            log.open[descriptor] = below
            if flags & os.O_CREAT and below not in log.nodes:
                log.put(below, "file")
        return descriptor

    def write(descriptor: int, data: Any) -> int:
        done: int = real["write"](descriptor, data)
        if log.open.get(descriptor) in log.nodes:
            log.calls.append(Call("write", log.nodes[log.open[descriptor]], data=bytes(data[:done])))
        return done

    def fdopen(descriptor: int, *words: Any) -> Any:
        file = real["fdopen"](descriptor, *words)
        return _Heard(file, descriptor, log)

    def fsync(descriptor: int) -> None:
        real["fsync"](descriptor)
        if log.open.get(descriptor) in log.nodes:
            log.calls.append(Call("sync", log.nodes[log.open[descriptor]]))

    def mkdir(path: Any, *words: Any, **named: Any) -> None:
        real["mkdir"](path, *words, **named)
        below = log.relative(path)
        if below:
            log.put(below, "directory")

    def rename(old: Any, new: Any) -> None:
        real["rename"](old, new)
        one, two = log.relative(old), log.relative(new)
        if one and two:
            log.move(one, two)

    def remove(name: str) -> Any:
        def removed(path: Any, *, dir_fd: int | None = None) -> None:
            below = log.relative(path, dir_fd)
            real[name](path, dir_fd=dir_fd)
            if below:
                log.take(below)

        return removed

    patches = {"open": open_, "write": write, "fdopen": fdopen, "fsync": fsync, "mkdir": mkdir, "rename": rename}
    with monkeypatch.context() as patch:
        for name, function in {**patches, "unlink": remove("unlink"), "rmdir": remove("rmdir")}.items():
            patch.setattr(os, name, function)
        yield log


class _Heard:
    """A file whose writes are recorded, in full, when they are made."""

    def __init__(self, file: Any, descriptor: int, log: Recording) -> None:
        self._file, self._descriptor, self._log = file, descriptor, log

    def __enter__(self) -> _Heard:
        return self

    def __exit__(self, *words: object) -> None:
        self._file.close()

    def write(self, data: Any) -> None:
        """Write, and tell."""
        self._file.write(data)
        path = self._log.open.get(self._descriptor)
        if path in self._log.nodes:
            self._log.calls.append(Call("write", self._log.nodes[path], data=bytes(data)))

    def flush(self) -> None:
        """As of a file."""
        self._file.flush()

    def fileno(self) -> int:
        """As of a file."""
        return int(self._file.fileno())


def lay_out(state: State, root: Path) -> None:
    """Write a state to an empty directory."""
    for path, data in state.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
