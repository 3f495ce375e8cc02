"""`deepwell cache`: lists what is kept, removes what nobody uses."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import CommandLine

from deepwell.store.arrays import ArrayCache


def keep(root: Path, what: str) -> np.ndarray:
    with ArrayCache(root).write(hashlib.sha256(what.encode()).hexdigest(), what) as writer:
        writer.array("a", (5_000_000,), np.uint8)
    return writer.arrays["a"]


def test_entries_are_listed_and_removed(deepwell: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "kept"))
    assert deepwell("cache").out == f"0 sets of arrays, 0 B in {tmp_path / 'kept'}\n"
    keep(tmp_path / "kept", "900 rows of 'image'")
    used = keep(tmp_path / "kept", "7 rows of '\x1b[31mred'")
    said = deepwell("cache")
    assert said.code == 0
    assert "5.0 MB  900 rows of 'image'" in said.out
    assert "\x1b" not in said.out
    assert f"2 sets of arrays, 10.0 MB in {tmp_path / 'kept'}" in said.out
    said = deepwell("cache", "--clear")
    assert said.out.startswith("removed 5.0 MB\n")
    assert "1 set of arrays" in said.out
    assert len(used) == 5_000_000
    del used
    assert "0 sets of arrays" in deepwell("cache", "--clear").out
    assert list((tmp_path / "kept").iterdir()) == []
