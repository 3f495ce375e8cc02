"""The readers of the benchmarks' data, on small files written here."""

import gzip
from pathlib import Path

import numpy as np

from benchmarks import datasets

LINE = (
    "{age}, Private, 1000, HS-grad, {years}, Never-married, Sales, Husband, White, {sex}, 0, 0, 40, {land}, {income}\n"
)


def test_adult_rows_are_numbers_by_the_training_part(tmp_path: Path) -> None:
    train = [
        LINE.format(age=20, years=9, sex="Male", land="Cuba", income="<=50K"),
        LINE.format(age=40, years=11, sex="Female", land="France", income=">50K"),
    ]
    test = [LINE.format(age=60, years=9, sex="Male", land="Peru", income=">50K.")]
    (tmp_path / "adult-train.csv").write_text("".join(train) + "\n")
    (tmp_path / "adult-test.csv").write_text("|1x3 Cross validator\n" + "".join(test))
    with np.errstate(invalid="ignore"):  # numbers that never vary
        found = datasets.adult(tmp_path)
    assert found.x.shape == (2, 6 + 6 + 2 + 2)
    assert found.x[:, 0].tolist() == [-1.0, 1.0]  # ages 20 and 40: mean 30, deviation 10
    assert found.held_x[0, 0] == 3.0
    assert found.x[:, -2:].tolist() == [[1, 0], [0, 1]]
    assert found.held_x[0, -2:].tolist() == [0, 0]  # a country that training never saw
    assert (found.y.tolist(), found.held_y.tolist()) == ([0, 1], [1])


def test_mnist_files_become_pictures(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("t10k", 2)):
        images, labels = bytes(16) + bytes([255]) * (784 * count), bytes(8) + bytes(range(count))
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    found = datasets.mnist(tmp_path)
    assert found.x.shape == (3, 1, 28, 28)
    assert found.x.dtype == np.float32
    assert found.x.min() == found.x.max() == 1.0
    assert found.y.tolist() == [0, 1, 2]
    assert found.held_y.tolist() == [0, 1]


def test_characters_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "input.txt"
    path.write_bytes(bytes(65 + i % 26 for i in range(20 * 128 + 1)))
    found = datasets.shakespeare(path)
    assert (found.x.shape, found.held_x.shape, found.classes) == ((18, 128), (2, 128), 26)
    assert ((found.x + 1) % 26 == found.y).all()
    assert found.x[1, 0] == found.y[0, -1]
