"""Rows of the data inside a bundle: there exactly where the format says so, finite, bounded, and said by verify."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepwell.bundle import read as reading
from deepwell.bundle.contents import KEPT, Contents
from deepwell.bundle.read import read
from deepwell.bundle.verify import verify
from deepwell.bundle.write import seal
from deepwell.core.errors import BundleError, RunError
from deepwell.store import tensors

Forge = Callable[..., bytes]
ROWS = {"tail.values": np.linspace(0, 1, 12).reshape(3, 4), "tail.seen": np.ones((3, 4), np.uint8)}


@pytest.mark.parametrize("directory", [False, True])
def test_kept_arrays_come_back_as_they_were(tmp_path: Path, contents: Contents, directory: bool) -> None:
    path = tmp_path / "model.well"
    seal(path, replace(contents, kept=ROWS), directory=directory)
    found = read(path)
    assert found.format == 2
    assert {n: (a.dtype, a.tolist()) for n, a in found.kept.items()} == {
        n: (a.dtype, a.tolist()) for n, a in ROWS.items()
    }
    seen = dict(verify(path))
    assert seen["rows of the data"] == "2 arrays, 24 numbers, all finite"
    assert seen["format"].startswith("2;")
    assert "the 8 known ones" in seen["entries"]


def test_a_bundle_without_rows_can_be_read_by_older_programs(tmp_path: Path, contents: Contents) -> None:
    seal(tmp_path / "a", contents)
    assert read(tmp_path / "a").format == 1
    assert dict(verify(tmp_path / "a"))["rows of the data"] == "none is inside"


def test_rows_that_are_not_finite_are_not_sealed(tmp_path: Path, contents: Contents) -> None:
    with pytest.raises(RunError, match=r"kept\.safetensors: the tensor tail holds NaN"):
        seal(tmp_path / "a", replace(contents, kept={"tail": np.array([np.nan])}))
    assert not (tmp_path / "a").exists()


GOOD = tensors.write(ROWS)
REFUSED = {
    "of the old format": ({KEPT: GOOD}, 1, "does not list exactly"),
    "missing in the new": ({}, 2, "does not list exactly"),
    "empty": ({KEPT: tensors.write({})}, 2, "kept.safetensors: holds nothing"),
    "cut": ({KEPT: GOOD[:-1]}, 2, "kept.safetensors"),
    "NaN": ({KEPT: tensors.write({"a": np.array([np.inf])})}, 2, "the tensor a holds NaN or infinity"),
    "many arrays": (
        {KEPT: tensors.write({f"a{i}": np.ones(1) for i in range(1500)})},
        2,
        "a header of more than 65,536",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_rows_are_refused(tmp_path: Path, forge: Forge, name: str) -> None:
    entries, version, says = REFUSED[name]
    path = tmp_path / "model.well"
    path.write_bytes(forge(entries, format=version))
    with pytest.raises(BundleError) as found:
        read(path)
    assert says in str(found.value)


def test_too_many_bytes_are_refused(
    tmp_path: Path, contents: Contents, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**reading.LIMITS, KEPT: replace(reading.LIMITS[KEPT], bytes=100)}
    monkeypatch.setattr(reading, "LIMITS", small)
    (tmp_path / "model.well").write_bytes(forge({KEPT: GOOD}, format=2))
    with pytest.raises(BundleError, match="at most 100 are allowed"):
        read(tmp_path / "model.well")
    with pytest.raises(RunError, match="at most 100 are allowed"):
        seal(tmp_path / "other", replace(contents, kept=ROWS))
