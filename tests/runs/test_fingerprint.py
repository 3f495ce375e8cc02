"""The fingerprint of data: what counts in it, and text that no encoding has."""

from pathlib import Path

import numpy as np
from PIL import Image

from deepwell.core.table import MaskFile, Table
from deepwell.data.sources import read
from deepwell.data.sources.columns import objects
from deepwell.runs.fingerprint import file_parts, fingerprint


def test_every_side_of_parallel_files_counts(tmp_path: Path) -> None:
    for side, line in (("en", "a house"), ("de", "ein Haus")):
        (tmp_path / f"train.{side}").write_text(f"{line}\n" * 3)
    before = fingerprint(read(tmp_path))
    assert sorted(Path(file["path"]).name for file in before["files"]) == ["train.de", "train.en"]
    for side in ("en", "de"):
        (tmp_path / f"train.{side}").write_text("another\n" * 3)
        after = fingerprint(read(tmp_path))
        assert after["sha256"] != before["sha256"]
        before = after


def test_half_a_surrogate_pair_counts_like_any_text() -> None:
    found = [fingerprint(read({"x\ud800": [text]}))["sha256"] for text in ("\udc00", "\udc01", "?", "\udc00")]
    assert found[0] == found[3]
    assert len(set(found)) == 3


def test_masks_count_like_pictures(tmp_path: Path) -> None:
    """As files by their bytes, as arrays of several sizes by every pixel."""
    path = tmp_path / "mask.png"
    found = []
    for value in (1, 2):
        Image.new("L", (4, 4), value).save(path)
        found.append(fingerprint(Table({"mask": objects([MaskFile(str(path))])})))
    assert [f["file_count"] for f in found] == [1, 1]
    assert found[0]["sha256"] != found[1]["sha256"]
    large = [np.zeros((90, 90), np.uint8), np.zeros((80, 80), np.uint8)]
    before = fingerprint(Table({"mask": objects(large)}))["sha256"]
    large[0][45, 45] = 1  # numpy's own text of a large array leaves its middle out
    assert fingerprint(Table({"mask": objects(large)}))["sha256"] != before


def test_rows_in_no_part_are_in_no_part(tmp_path: Path) -> None:
    """What lies after the end of the test is not counted as tested on."""
    (tmp_path / "a.csv").write_text("x\n1\n2\n3\n")
    parts = file_parts(read(tmp_path / "a.csv"), np.array([0, 0, -1], np.int8))
    assert [file.parts for file in parts.values()] == [["train"]]
