"""Made pictures as files: a grid whose places are known, a folder that is read back as class folders, and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from deepwell.core.errors import DataError, UsageError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data import sources
from deepwell.runtime import galleries
from deepwell.runtime.answers import PROBLEM, Answers
from deepwell.runtime.files import write
from deepwell.runtime.wording import words

PICTURE = Field("image", "image", "target")


def answers(n=6, labels=None, strips=None, side=(4, 5)):
    cells = np.empty(n, object)
    cells[:] = [np.full(side, 10 * i, np.uint8) for i in range(n)]
    columns, fields = {"image": cells}, [PICTURE]
    if labels is not None:
        columns["kind"] = np.array(labels, object)
        fields.append(Field("kind", "category", "target"))
    if strips is not None:
        columns["strip"] = np.array(strips)
    columns[PROBLEM] = np.full(n, "", object)
    return Answers(Table(columns), Schema((*fields, Field(PROBLEM, "text"))))


def shape(found):
    """(lines, columns) of a grid of pictures of 4 x 5, each enlarged four times with gaps of two pixels."""
    image = Image.open(io.BytesIO(galleries.grid(found, PICTURE)))
    return (image.height // 4 - 2) // 6, (image.width // 4 - 2) // 7


def test_pictures_stand_in_a_square_row_by_row():
    assert shape(answers(6)) == (2, 3)
    image = np.array(Image.open(io.BytesIO(galleries.grid(answers(6), PICTURE))))
    assert image[8 + 4, 8 + 4] == 0
    assert image[8 + 4, 8 + 7 * 4 + 4] == 10
    assert image[8 + 6 * 4 + 4, 8 + 4] == 30
    assert image[0, 0] == 128


def test_classes_in_turn_stand_in_columns_and_strips_in_rows():
    assert shape(answers(6, labels=["a", "b"] * 3)) == (3, 2)
    assert shape(answers(6, labels=["a"] * 6)) == (2, 3)
    assert shape(answers(8, labels=["a"] * 8, strips=[1, 1, 1, 1, 2, 2, 2, 2])) == (2, 4)


def test_a_grid_is_written_by_its_ending(tmp_path):
    write(tmp_path / "grid.png", answers(4))
    with Image.open(tmp_path / "grid.png") as image:
        assert image.size == ((2 * 7 + 2) * 4, (2 * 6 + 2) * 4)


def test_colour_pictures_stay_in_colour():
    found = answers(2, side=(4, 5, 3))
    assert Image.open(io.BytesIO(galleries.grid(found, PICTURE))).mode == "RGB"


def test_a_folder_is_read_back_as_class_folders(tmp_path):
    target = tmp_path / "made"
    write(f"{target}/", answers(6, labels=["a", "b/c", "a", "a", "b/c", "b_c"]))
    assert sorted(p.name for p in target.iterdir()) == ["a", "b_c", "b_c_2"]
    table = sources.read(str(target))
    assert sorted(table["label"]) == ["a", "a", "a", "b_c", "b_c", "b_c_2"]
    with Image.open(target / "a" / "000003.png") as image:
        assert np.array_equal(np.array(image), np.full((4, 5), 20))


def test_made_pictures_go_to_a_folder_where_the_name_has_no_suffix(tmp_path):
    write(tmp_path / "gg", answers(3))
    assert sorted(p.name for p in (tmp_path / "gg").iterdir()) == ["000001.png", "000002.png", "000003.png"]


def test_pictures_without_classes_lie_in_the_folder_itself(tmp_path):
    write(f"{tmp_path}/made/", answers(3))
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == ["000001.png", "000002.png", "000003.png"]


def test_a_class_that_is_missing_has_a_folder_of_its_own(tmp_path):
    write(f"{tmp_path}/made/", answers(2, labels=["a", None]))
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == ["a", "unlabelled"]


def test_a_folder_that_holds_anything_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        write(tmp_path, answers(2))
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_too_many_pictures_for_one_file_are_refused():
    cells = np.empty(3, object)
    cells[:] = [np.zeros((6000, 6000), np.uint8)] * 3
    columns = {"image": cells, PROBLEM: np.full(3, "", object)}
    many = Answers(Table(columns), Schema((PICTURE, Field(PROBLEM, "text"))))
    with pytest.raises(DataError, match="3 pictures are too many for one") as error:
        galleries.grid(many, PICTURE)
    assert "--out folder/" in error.value.repair


def test_in_words_a_picture_is_told_by_its_size():
    assert words(answers(1)) == ["image: 5 x 4 pixels (`deepwell predict` with --out x.png writes it)"]


@pytest.mark.parametrize("name", ["x.jpg", "x.JPEG", "x.webp", "x.tif"])
def test_pictures_are_not_written_in_another_form(tmp_path, name):
    with pytest.raises(UsageError, match=r"pictures are written as \.png") as error:
        write(tmp_path / name, answers(2))
    assert ".png" in error.value.repair
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_numbers_are_not_written_under_the_name_of_a_picture(tmp_path, name):
    fields = (Field("y", "number"), Field(PROBLEM, "text"))
    numbers = Answers(Table({"y": np.zeros(2), PROBLEM: np.full(2, "", object)}), Schema(fields))
    with pytest.raises(UsageError, match="these answers are no pictures") as error:
        write(tmp_path / name, numbers)
    assert error.value.repair == "name a .csv or .json file"
    assert not list(tmp_path.iterdir())
    write(tmp_path / "x", numbers)
    assert (tmp_path / "x").read_text().startswith("y")


def test_answers_without_pictures_have_no_gallery():
    assert galleries.made(Answers(Table({"y": np.zeros(2)}), Schema((Field("y", "number"),)))) is None
