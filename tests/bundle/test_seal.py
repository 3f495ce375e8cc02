"""Sealing and reading: exact round trips, bytes that are a function of the contents, and refusals before anything is written."""

import math
import os
import subprocess
import sys
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepwell.bundle import archive
from deepwell.bundle.contents import LIMITS, Contents
from deepwell.bundle.read import match, read
from deepwell.bundle.verify import verify
from deepwell.bundle.write import seal
from deepwell.core.errors import BundleError, RunError
from deepwell.store import files, json


def _same(a: Contents, b: Contents) -> bool:
    plain = [f.name for f in fields(Contents) if f.name not in ("weights", "versions")]
    return all(getattr(a, name) == getattr(b, name) for name in plain) and _bits(a) == _bits(b)


def _bits(contents: Contents) -> dict[str, tuple[Any, ...]]:
    return {n: (w.dtype, w.shape, w.tobytes()) for n, w in contents.weights.items()}


@pytest.mark.parametrize("directory", [False, True])
def test_round_trip_is_exact(tmp_path: Path, contents: Contents, directory: bool) -> None:
    path = tmp_path / "model.well"
    seal(path, contents, directory=directory)
    found = read(path)
    assert _same(found, contents)
    assert found.versions["torch"] == "2.13.0"
    assert not any(w.flags.writeable for w in found.weights.values())
    assert all(w.flags.aligned for w in found.weights.values())
    assert os.listdir(tmp_path) == ["model.well"]


def test_the_bytes_are_a_function_of_the_contents(tmp_path: Path, contents: Contents) -> None:
    shuffled = replace(contents, weights=dict(reversed(contents.weights.items())))
    for name, made in {"a": contents, "b": shuffled}.items():
        seal(tmp_path / name, made)
    seal(tmp_path / "c", read(tmp_path / "a"))
    seal(tmp_path / "d", contents, directory=True)
    seal(tmp_path / "e", read(tmp_path / "d"))
    assert len({(tmp_path / name).read_bytes() for name in "abce"}) == 1


def test_file_and_directory_hold_the_same_entries_and_any_zip_program_reads_them(
    tmp_path: Path, contents: Contents
) -> None:
    seal(tmp_path / "f", contents)
    seal(tmp_path / "d", contents, directory=True)
    with zipfile.ZipFile(tmp_path / "f") as archived:
        assert archived.testzip() is None
        assert {i.compress_type for i in archived.infolist()} == {zipfile.ZIP_STORED}
        assert {n: archived.read(n) for n in archived.namelist()} == {
            p.name: p.read_bytes() for p in (tmp_path / "d").iterdir()
        }


def test_an_old_bundle_is_replaced_and_a_directory_is_not(tmp_path: Path, contents: Contents) -> None:
    for card in ("one", "two"):
        seal(tmp_path / "f", replace(contents, card=card))
    assert read(tmp_path / "f").card == "two"
    seal(tmp_path / "d", contents, directory=True)
    with pytest.raises(RunError, match="already there"):
        seal(tmp_path / "d", contents, directory=True)


UNSEALABLE = {
    "NaN weight": ({"weights": {"w": np.array([1, np.nan], "f4")}}, "the tensor w holds NaN or infinity"),
    "infinite half": ({"weights": {"h": np.array([np.inf], "f2")}}, "the tensor h holds NaN"),
    "complex weight": ({"weights": {"w": np.ones(1, "c8")}}, "the tensor w is complex64"),
    "weight name": ({"weights": {"a b": np.ones(1)}}, "cannot be called 'a b'"),
    "NaN in evidence": ({"evidence": {"auc": math.nan}}, "evidence.auc is nan"),
    "NaN in calibration": ({"calibration": {"x": math.inf}}, "calibration.x is inf"),
    "long text": ({"pipeline": {"x": "y" * 70_000}}, "pipeline.json: holds a text of more than 65,536 bytes"),
    "many values": ({"evidence": {"x": [0] * 60_000}}, "evidence.json: holds more than 50,000"),
    "large card": ({"card": "x" * (1 << 20) + "y"}, "card.md: has 1,048,577 bytes"),
    "task": ({"task": "../x"}, "names no task"),
}


@pytest.mark.parametrize("name", UNSEALABLE)
def test_what_could_not_be_read_is_not_sealed(tmp_path: Path, contents: Contents, name: str) -> None:
    path = tmp_path / "model.well"
    path.write_bytes(b"the previous model")
    change, says = UNSEALABLE[name]
    with pytest.raises(RunError) as found:
        seal(path, replace(contents, **change))
    assert says in str(found.value)
    assert path.read_bytes() == b"the previous model"
    assert os.listdir(tmp_path) == ["model.well"]


def test_too_large_for_a_zip_says_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1000)
    with pytest.raises(RunError, match="seal it as a directory"):
        list(archive.pieces({"a": bytes(900)}))


def test_death_while_sealing_keeps_the_previous_bundle(tmp_path: Path, contents: Contents) -> None:
    path = tmp_path / "model.well"
    seal(path, contents)
    code = (
        "import sys; from dataclasses import replace; from deepwell.bundle.read import read;"
        "from deepwell.bundle.write import seal; seal(sys.argv[1], replace(read(sys.argv[1]), card='new'))"
    )
    for point, card in {"file.write": contents.card, "file.sync": contents.card, "file.rename": contents.card,
                        "file.sync-parent": "new"}.items():  # fmt: skip
        environment = {**os.environ, "DEEPWELL_FAIL_AT": point}
        assert subprocess.run([sys.executable, "-c", code, str(path)], env=environment, check=False).returncode == 137
        assert read(path).card == card


def test_match_names_the_tensor() -> None:
    weights = {"a": np.ones((2, 3), "f4"), "b": np.ones((), "i8")}
    match(weights, {"a": ((2, 3), "float32"), "b": ((), "int64")})
    for expected, says in [
        ({"a": ((2, 3), "float32")}, "tensor 'b' is not part of its network"),
        ({"a": ((2, 3), "float32"), "b": ((), "int64"), "c": ((), "int64")}, "tensor 'c' is missing"),
        ({"a": ((3, 2), "float32"), "b": ((), "int64")}, r"tensor a is float32 of shape \(2, 3\); its network needs"),
        ({"a": ((2, 3), "float64"), "b": ((), "int64")}, "needs float64"),
    ]:
        with pytest.raises(BundleError, match=says):
            match(weights, expected)


def test_verify_says_what_was_seen(tmp_path: Path, contents: Contents) -> None:
    path = tmp_path / "model.well"
    seal(path, contents)
    seen = dict(verify(path))
    assert seen["weights"] == "5 tensors, 18 numbers, all finite"
    assert seen["schema"] == "columns by kind: 1 number, 1 category"
    assert seen["sha256"].startswith(files.sha256(path))
    assert "torch 2.13.0" in seen["format"]
    seal(tmp_path / "d", contents, directory=True)
    assert dict(verify(tmp_path / "d"))["form"] == "a directory, no links"


def test_the_limits_in_the_security_page_are_those_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "SECURITY.md").read_text()
    for name, limit in {"manifest.json": json.DEFAULT, **LIMITS}.items():
        values = f"{limit.values:,} " if name.endswith(".json") else ""
        assert f"| {name} | {limit.bytes >> 20} MiB | {values}|" in page
