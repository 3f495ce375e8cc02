"""The fingerprint of data: what counts in it, and text that no encoding has."""

from pathlib import Path

from deepwell.data.sources import read
from deepwell.runs.fingerprint import fingerprint


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
