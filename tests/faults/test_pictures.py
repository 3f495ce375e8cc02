"""Bad pictures and folders of pictures."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.faults.conftest import Refused, Train


def folder(root: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 30) -> Path:
    """Class folders of dark and bright 12x12 pictures."""
    draw = np.random.default_rng(0)
    for brightness, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(each):
            pixels = draw.integers(0, 120, (12, 12, 3)) + 120 * brightness
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i:03d}.png")
    return root


def png(width: int, height: int) -> bytes:
    """A PNG that says it is so large and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


BAD = {
    "empty": (b"", "the file is empty (0 bytes)"),
    "truncated": (None, "the picture is damaged"),
    "text": (b"hello, this is text", "this is no picture in one of the formats"),
    "huge": (png(20_000, 10_000), "a 200-megapixel image; at most 25 megapixels are read"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_named_with_its_reason(kind: str, tmp_path: Path, refused: Refused) -> None:
    data, reason = BAD[kind]
    broken = folder(tmp_path / "data") / "cat" / "x.jpg"
    whole = (broken.parent / "000.png").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2] if data is None else data)
    said = refused(tmp_path / "data")
    assert "1 of 61 rows cannot be used (1.6%; allowed is 1.0%)" in said
    assert reason in said
    assert str(broken) in said


def test_bad_pictures_among_good_ones_are_left_out_and_listed(tmp_path: Path, train: Train) -> None:
    data = folder(tmp_path / "data", ("größe a", "空 白"))
    for name, (content, _) in BAD.items():
        if content is not None:
            (data / "空 白" / f"{name}.jpg").write_bytes(content)
    assert train(data, "--max-rejected", "0.1").code == 0
    run = tmp_path / "runs" / "image_classification" / "001"
    rejected = [json.loads(line) for line in (run / "rejected.jsonl").read_text().splitlines()]
    assert {Path(r["where"]).name for r in rejected} == {"empty.jpg", "text.jpg", "huge.jpg"}


def test_a_folder_with_one_class_is_refused(tmp_path: Path, refused: Refused) -> None:
    said = refused(folder(tmp_path / "data", ("cat",)))
    assert "the target column 'label' has the same value 'cat' in all 30 rows" in said
    assert "--role label=ignore" in said
    assert str(tmp_path / "data") in said


def test_a_class_with_one_picture_is_refused(tmp_path: Path, refused: Refused) -> None:
    data = folder(tmp_path / "data")
    (data / "bird").mkdir()
    (data / "bird" / "1.png").write_bytes((data / "cat" / "000.png").read_bytes())
    assert "the class 'bird' of 'label' has one row only, in" in refused(data)


def test_a_dangling_link_is_a_rejected_row(tmp_path: Path, refused: Refused) -> None:
    data = folder(tmp_path / "data")
    (data / "cat" / "gone.png").symlink_to(data / "nowhere.png")
    assert "the link points to no file" in refused(data)


def test_an_empty_class_folder_and_links_back_do_no_harm(tmp_path: Path, train: Train) -> None:
    """A link to a folder around it would otherwise give every picture a second label."""
    data = folder(tmp_path / "data")
    (data / "bird").mkdir()
    (data / "cat" / "self").symlink_to(data)
    (data / "again").symlink_to(data)
    (data / "dog" / "round.png").symlink_to(data / "dog" / "round.png")
    assert train(data, "--max-rejected", "0.1").code == 0
    run = tmp_path / "runs" / "image_classification" / "001"
    record = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    label = next(c for e in record if e["event"] == "columns" for c in e["columns"] if c["name"] == "label")
    assert sorted(label["top"]) == [["cat", 30], ["dog", 30]]
