"""The benchmark of made pictures: the same few of each class, and pictures that come back from a folder as they were written."""

import numpy as np
from benchmarks.made_pictures import few, read_back, together, whole
from PIL import Image


def test_the_first_of_each_class_are_taken_in_their_order():
    labels = np.array([1, 0, 1, 1, 0, 0])
    found = few(np.arange(6)[:, None, None].astype(np.uint8), labels, 2)
    assert found["label"].tolist() == [1, 0, 1, 0]
    assert found["image"].ravel().tolist() == [0, 1, 2, 4]


def test_pictures_come_back_from_class_folders_and_are_added(tmp_path):
    for label, value in ((0, 9), (7, 200)):
        (tmp_path / str(label)).mkdir()
        Image.fromarray(np.full((3, 4), value, np.uint8)).save(tmp_path / str(label) / "1.png")
    found = read_back(tmp_path)
    assert found["label"].tolist() == [0, 7]
    assert found["image"][:, 0, 0].tolist() == [9, 200]
    assert together(found, found)["image"].shape == (4, 3, 4)


def test_brightness_becomes_bytes():
    assert whole(np.array([[[[0.0, 0.5, 1.0]]]], np.float32)).tolist() == [[[0, 128, 255]]]
