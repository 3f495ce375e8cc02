"""Folders: classes, parts, metadata beside pictures, tables; and what lies about in real folders besides the data."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from deepwell.core.errors import DataError
from deepwell.core.table import ImageFile
from deepwell.data.sources import ReadOptions, files, find, read


def picture(path: Path) -> Path:
    """A small real picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2)).save(path)
    return path


def text(path: Path, content: str) -> Path:
    """A file with this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def names(found, column="image"):
    """The file names of a column of pictures."""
    return [Path(str(v)).name for v in found[column]]


def test_class_folders_with_everything_that_lies_about(tmp_path):
    root = tmp_path / "my flowers"
    for name in ("rose/b.jpg", "rose/a.JPG", "rote Tülpe/deep/er/ü x.png"):
        picture(root / name)
    for name in (
        "README.md",
        "rose/Thumbs.db",
        "rose/.DS_Store",
        "rose/notes.txt",
        "__MACOSX/rose/._a.jpg",
        ".git/x.png",
    ):
        text(root / name, "x")
    text(root / "rose" / "empty.jpg", "")
    text(root / "rose" / "phone.heic", "x")
    picture(root / "stray.png")
    (root / "rose" / "broken.png").symlink_to(root / "nowhere.png")
    (root / "rote Tülpe" / "loop").symlink_to(root)
    found = read(root)
    assert found.names == ["image", "label"]
    assert isinstance(found["image"][0], ImageFile)
    assert list(zip(names(found), found["label"], strict=True))[:3] == [
        ("a.JPG", "rose"), ("b.jpg", "rose"), ("ü x.png", "rote Tülpe"),
    ]  # fmt: skip
    reasons = {Path(r.where).name: r.reason for r in found.rejected}
    assert "outside the class folders" in reasons["stray.png"]
    assert "0 bytes" in reasons["empty.jpg"]
    assert ".heic" in reasons["phone.heic"]
    assert "points to no file" in reasons["broken.png"]
    assert found.where(0) == str(root / "rose" / "a.JPG")


def test_a_link_to_a_class_folder_is_followed_and_loops_end(tmp_path):
    picture(tmp_path / "store" / "rose" / "a.png")
    picture(tmp_path / "data" / "tulip" / "b.png")
    (tmp_path / "data" / "rose").symlink_to(tmp_path / "store" / "rose")
    (tmp_path / "data" / "tulip" / "again").symlink_to(tmp_path / "data" / "tulip")
    found = read(tmp_path / "data")
    assert list(found["label"]) == ["rose", "tulip"]
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "loop").symlink_to(tmp_path / "a" / "b")
    with pytest.raises(DataError, match="nothing in this folder that can be read"):
        read(tmp_path / "a")


def test_folders_that_wrap_the_data_are_unwrapped_but_a_single_class_is_not(tmp_path):
    picture(tmp_path / "download" / "flowers" / "rose" / "a.png")
    assert list(read(tmp_path / "download")["label"]) == ["rose"]
    picture(tmp_path / "download" / "flowers" / "tulip" / "a.png")
    assert list(read(tmp_path)["label"]) == ["rose", "tulip"]


@pytest.mark.parametrize("word", ["val", "valid", "Validation", "dev"])
def test_part_folders(tmp_path, word):
    for name in (f"{word}/rose/v.png", "train/rose/a.png", "train/tulip/b.png", "test/rose/c.png"):
        picture(tmp_path / name)
    text(tmp_path / "README.md", "x")
    text(tmp_path / "docs" / "README.md", "x")
    found = read(tmp_path)
    assert list(found["split"]) == ["train", "train", "select", "test"]
    assert list(found["label"]) == ["rose", "tulip", "rose", "rose"]


def test_classes_that_are_called_like_a_part_stay_classes(tmp_path):
    for name in ("train/a.png", "car/b.png", "bus/c.png"):
        picture(tmp_path / name)
    assert list(read(tmp_path)["label"]) == ["bus", "car", "train"]
    picture(tmp_path / "test" / "d.png")
    with pytest.raises(
        DataError, match=r"beside it are the parts train and test, but this folder holds data"
    ) as caught:
        read(tmp_path)
    assert str(tmp_path / "bus") in str(caught.value)


def test_folders_named_after_what_they_hold_are_no_classes(tmp_path):
    """As where the annotations beside them cannot be read."""
    for name in ("JPEGImages", "images/train2017"):
        picture(tmp_path / "a" / name / "x.png")
    assert read(tmp_path / "a").names == ["image"]
    for name in ("images", "roses"):
        picture(tmp_path / "b" / name / "x.png")
    assert list(read(tmp_path / "b")["label"]) == ["images", "roses"]


def test_a_part_said_twice_or_without_labels(tmp_path):
    for name in ("train/rose/a.png", "test/c.png"):
        picture(tmp_path / name)
    with pytest.raises(DataError, match="there is no column 'label'"):
        read(tmp_path)
    for name in ("val/rose/a.png", "valid/rose/a.png"):
        picture(tmp_path / name)
    with pytest.raises(DataError, match="are both the part 'select'"):
        read(tmp_path)


def test_pictures_alone(tmp_path):
    paths = [picture(tmp_path / n) for n in ("b.png", "a.png")]
    assert names(read(tmp_path)) == ["a.png", "b.png"]
    assert names(read([str(p) for p in paths])) == ["b.png", "a.png"]
    assert names(read(paths[0])) == ["b.png"]


def test_metadata_beside_pictures(tmp_path):
    for name in ("images/1001.png", "images/1002.png", "images/1003.png"):
        picture(tmp_path / name)
    text(tmp_path / "labels.csv", "id,kind\n1001,rose\n1002,tulip\n1009,rose\n1003,\n")
    found = read(tmp_path)
    assert found.names == ["id", "kind"]
    assert names(found, "id") == ["1001.png", "1002.png", "1003.png"]
    assert list(found["kind"]) == ["rose", "tulip", None]
    assert found.where(2).endswith("labels.csv, line 5")
    assert [(r.where.rsplit(", ")[-1], r.reason) for r in found.rejected] == [
        ("line 4", "picture '1009': there is no such file")
    ]


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("metadata.csv", "file_name,label\nimages/a.png,x\nimages/b.png,y\n"),
        ("captions.txt", "image,caption\na.png,one\na.png,two\nb.png,one\n"),
        ("list.csv", "a,x\nb,y\n"),
        ("metadata.jsonl", '{"file_name": "a.png", "label": 1}\n{"file_name": "b.png", "label": 2}\n'),
    ],
)
def test_the_column_that_names_the_pictures_is_found(tmp_path, table, content):
    for name in ("images/a.png", "images/b.png"):
        picture(tmp_path / name)
    text(tmp_path / table, content)
    text(tmp_path / "README.txt", "a.png is the first picture\n")
    text(tmp_path / "classes.csv", "code,name\n1,rose\n2,tulip\n")
    found = read(tmp_path)
    assert all(isinstance(v, ImageFile) for v in found[found.names[0]])


def test_metadata_in_parts_and_twice(tmp_path):
    for name in ("images/a.png", "images/b.png"):
        picture(tmp_path / name)
    text(tmp_path / "train.csv", "file,label\na.png,x\n")
    text(tmp_path / "test.csv", "file,label\nb.png,y\n")
    assert list(read(tmp_path)["split"]) == ["train", "test"]
    text(tmp_path / "more.csv", "file,label\nb.png,y\n")
    with pytest.raises(DataError, match=r"several tables here name the pictures: more.csv, test.csv, train.csv"):
        read(tmp_path)


def test_the_same_file_name_in_two_folders_is_not_guessed(tmp_path):
    for name in ("x/a.png", "y/a.png", "x/b.png"):
        picture(tmp_path / name)
    text(tmp_path / "metadata.csv", "file,label\na.png,1\nb.png,2\nx/a.png,3\n")
    found = read(tmp_path)
    assert found["label"].tolist() == [2, 3]
    assert "several files have this name" in found.rejected[0].reason


def test_a_folder_of_tables(tmp_path):
    text(tmp_path / "a.csv", "x,y\n1,u\n")
    text(tmp_path / "b.csv", "y,x\nv,2.5\n")
    text(tmp_path / "README.txt", "hello, world\n")
    text(tmp_path / "a.names", "hello\n")
    text(tmp_path / "notes.txt", "hello\nworld\n")
    found = read(tmp_path)
    assert found["x"].tolist() == [1.0, 2.5]
    assert list(found["y"]) == ["u", "v"]
    assert [found.where(i) for i in (0, 1)] == [f"{tmp_path / n}, line 2" for n in ("a.csv", "b.csv")]
    text(tmp_path / "c.csv", "x,z\n1,u\n")
    with pytest.raises(DataError, match=r"c.csv: there is no column 'y', which .*a.csv has"):
        read(tmp_path)


def test_files_called_train_and_test(tmp_path):
    text(tmp_path / "adult-train.csv", "age,pay\n1,low\n2,high\n")
    text(tmp_path / "adult.valid.csv", "age,pay\n3,low\n")
    text(tmp_path / "adult_test.csv", "age,pay\nx,low\n")
    found = read(tmp_path)
    assert list(found["split"]) == ["train", "train", "select", "test"]
    assert list(found["age"]) == ["1", "2", "3", "x"]
    assert list(read([tmp_path / "adult_test.csv", tmp_path / "adult-train.csv"])["split"]) == [
        "train",
        "train",
        "test",
    ]
    text(tmp_path / "extra.csv", "age,pay\n4,low\n")
    with pytest.raises(DataError, match=r"extra.csv: other files beside it are called train and test"):
        read(tmp_path)


def test_one_part_alone_is_no_part(tmp_path):
    text(tmp_path / "test.csv", "age,pay\n1,low\n")
    assert "split" not in read(tmp_path)


def test_files_without_header_that_fit_only_by_width_are_refused(tmp_path):
    text(tmp_path / "dialogues.csv", "Hello there.\nGood bye now.\nHello there.\n")
    text(tmp_path / "topics.csv", "1\n2\n1\n")
    with pytest.raises(DataError, match="column 'column_1' is numbers in one and words in the other"):
        read(tmp_path)


def test_test_file_and_the_data_s_own_split(tmp_path):
    train = text(tmp_path / "a.csv", "age,pay\n1,low\n2,high\n")
    test = text(tmp_path / "b.csv", "age,pay\n3,low\n")
    found = read(train, ReadOptions(test=test))
    assert list(found["split"]) == ["train", "train", "test"]
    assert found.where(2) == f"{test}, line 2"
    own = text(tmp_path / "own.csv", "age,Split\n1,train\n2,test\n")
    assert list(read(own)["Split"]) == ["train", "test"]
    with pytest.raises(DataError, match="already says what the test part is"):
        read(own, ReadOptions(test=own))
    with pytest.raises(DataError, match=r"has its own column 'Split', and files, folders or --test say a part"):
        read(train, ReadOptions(test=own))
    headless = text(tmp_path / "c.csv", "3,low\n4,low\n")
    with pytest.raises(DataError, match="does one of the files lack its header"):
        read(train, ReadOptions(test=headless))


def test_folders_with_train_and_val_take_a_test_besides(tmp_path):
    for name in ("data/train/rose/a.png", "data/val/rose/b.png", "more/rose/c.png"):
        picture(tmp_path / name)
    found = read(tmp_path / "data", ReadOptions(test=tmp_path / "more"))
    assert list(found["split"]) == ["train", "select", "test"]
    with pytest.raises(DataError, match="already says what the test part is"):
        read(found, ReadOptions(test=tmp_path / "more"))


def test_missing_files_and_unknown_kinds_teach(tmp_path):
    text(tmp_path / "adult-train.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"there is no file or folder .*; did you mean 'adult-train.csv'\?"):
        read(tmp_path / "adult_train.csv")
    with pytest.raises(DataError, match="nor is the folder"):
        read(tmp_path / "no" / "such.csv")
    for name, hint in (
        ("book.xlsx", "CSV"),
        ("data.zip", "unpack"),
        ("net.pt", "can run code"),
        ("x.bin", "convert it to CSV"),
    ):
        (tmp_path / name).write_bytes(b"PK\x03\x04\0\1\2")
        with pytest.raises(DataError, match="cannot be read; what can be read: ") as caught:
            read(tmp_path / name)
        assert hint in caught.value.repair
    with pytest.raises(DataError, match=r"neither a regular file nor a folder"):
        read("/dev/null")


def test_empty_folders_and_folders_of_something_else(tmp_path):
    with pytest.raises(DataError, match="it is empty"):
        read(tmp_path)
    for name in ("a.wav", "b.wav", "c.wav", "README.md"):
        text(tmp_path / "sounds" / name, "x")
    text(tmp_path / "README.md", "x")
    with pytest.raises(
        DataError, match=r"nothing in this folder that can be read \(3 .wav, 2 .md; folders in it: sounds\)"
    ):
        read(tmp_path)


def test_files_that_may_not_be_read(tmp_path, monkeypatch):
    path = text(tmp_path / "secret.csv", "a,b\n1,2\n")

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        DataError, match=r"secret.csv: cannot be read: Permission denied\n  repair: check its permissions"
    ):
        read(path)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    import gzip

    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000))
    monkeypatch.setattr(files, "memory_limit", lambda: 1_000_000)
    with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
        read(path)


def test_a_new_form_is_one_new_file(tmp_path, monkeypatch):
    """No list is edited: a module with claims and read beside the others is a form."""
    package = tmp_path / "sources"
    shutil.copytree(Path(find.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "lengths.py").write_text(
        "import numpy as np\nfrom deepwell.core.table import Table\nREADS = 'lengths'\n"
        "def claims(path):\n    return 1.0 if path.suffix == '.len' else 0.0\n"
        "def read(path, options):\n    return Table({'length': np.array([path.stat().st_size])})\n"
    )
    import deepwell.data.sources as sources

    monkeypatch.setattr(sources, "__path__", [os.fspath(package)])
    find.forms.cache_clear()
    try:
        assert read(text(tmp_path / "x.len", "12345"))["length"].tolist() == [5]
    finally:
        find.forms.cache_clear()
