"""Answers as files: CSV, JSON, COCO results, and folders with drawn boxes and masks. Nothing of the user is overwritten."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepwell.core.errors import UsageError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import ImageFile, Origin, Rejected, Table
from deepwell.data import drawing
from deepwell.runtime.answers import PROBLEM, Answers, align, in_place
from deepwell.runtime.files import write
from deepwell.runtime.wording import as_json, words

HEIGHT, WIDTH = 30, 40
BOXES = Field("objects", "boxes", "target", facts={"classes": ["cat", "dog"]})
MASK = Field(
    "mask", "mask", "target", facts={"classes": ["sky", "road", "car"], "colours": ["#000000", "#ff0000", "#0000ff"]}
)


def objects(cells: list[object]) -> np.ndarray:
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two pictures of the same name in two folders, and one more."""
    paths = [tmp_path / "in" / name for name in ("a/x.png", "b/x.png", "b/y.png")]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (number * 40, 100, 200)).save(path)
    return paths


def boxes(photos: list[Path]) -> Answers:
    cells = [
        [
            {"label": "dog", "box": [4.0, 5.5, 24.0, 25.5], "score": 0.75},
            {"label": "cat", "box": [0, 0, 10, 8], "score": 0.5},
        ],
        [],
        None,
    ]
    table = Table({"objects": objects(cells), PROBLEM: objects(["", "", "it is damaged"])})
    asked = Table({"image": objects([ImageFile(str(p)) for p in photos])})
    return Answers(table, Schema((BOXES, Field(PROBLEM, "text"))), asked=asked)


def masks(photos: list[Path]) -> Answers:
    one = np.zeros((HEIGHT, WIDTH), np.uint8)
    one[:15] = 1
    one[20:, 30:] = 2
    cells: list[object] = [one, np.full((HEIGHT, WIDTH), 2, np.uint8), None]
    table = Table({"mask": objects(cells), PROBLEM: objects(["", "", "it is damaged"])})
    asked = Table({"image": objects([ImageFile(str(p)) for p in photos])})
    return Answers(table, Schema((MASK, Field(PROBLEM, "text"))), asked=asked)


def test_boxes_as_coco(tmp_path: Path, photos: list[Path]) -> None:
    write(tmp_path / "out.json", boxes(photos))
    found = json.loads((tmp_path / "out.json").read_text())
    size = {"width": WIDTH, "height": HEIGHT}
    assert found["images"] == [{"id": 1, "file_name": "a/x.png", **size}, {"id": 2, "file_name": "b/x.png", **size}]
    assert found["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert [(a["image_id"], a["category_id"], a["bbox"], a["area"], a["score"]) for a in found["annotations"]] == [
        (1, 2, [4.0, 5.5, 20.0, 20.0], 400.0, 0.75), (1, 1, [0, 0, 10, 8], 80, 0.5),
    ]  # fmt: skip
    assert found["problems"] == [{"file_name": "b/y.png", "problem": "it is damaged"}]


def test_coco_is_what_the_evaluator_reads(tmp_path: Path, photos: list[Path]) -> None:
    """Answers taken for the truth score 1 against themselves."""
    coco = pytest.importorskip("faster_coco_eval")
    answers = boxes(photos)
    write(tmp_path / "out.json", answers)
    truth = coco.COCO(str(tmp_path / "out.json"))
    results = [{k: a[k] for k in ("image_id", "category_id", "bbox", "score")} for a in truth.dataset["annotations"]]
    evaluator = coco.COCOeval_faster(truth, truth.loadRes(results), "bbox")
    evaluator.run()
    assert evaluator.stats[0] == pytest.approx(1.0)


def test_other_answers_as_json(tmp_path: Path) -> None:
    table = Table({"y": np.array([1.5, np.nan]), PROBLEM: objects(["", "no"])})
    write(tmp_path / "out.JSON", Answers(table, Schema((Field("y", "number"), Field(PROBLEM, "text")))))
    assert json.loads((tmp_path / "out.JSON").read_text()) == [{"y": 1.5, "problem": ""}, {"y": None, "problem": "no"}]


def test_a_folder_of_boxes(tmp_path: Path, photos: list[Path]) -> None:
    write(str(tmp_path / "out") + "/", boxes(photos))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["answers.csv", "x.png", "x_2.png"]
    with (tmp_path / "out" / "answers.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert json.loads(lines[0]["objects"])[0]["box"] == [4.0, 5.5, 24.0, 25.5]
    assert lines[2] == {"objects": "", "problem": "it is damaged"}
    drawn = np.asarray(Image.open(tmp_path / "out" / "x.png"))
    times = 8
    assert drawn.shape == (HEIGHT * times, WIDTH * times, 3)
    # The frame runs just inside the box's edges, in the colour of the second class; above it stands the label.
    assert tuple(drawn[round(25.5 * times) - 1, 14 * times]) == drawing.colour(1)
    assert tuple(drawn[15 * times, 24 * times - 1]) == drawing.colour(1)
    assert tuple(drawn[15 * times, 24 * times]) == (0, 100, 200)
    plain = np.asarray(Image.open(tmp_path / "out" / "x_2.png"))
    assert (plain == plain[0, 0]).all()


def test_a_folder_of_masks(tmp_path: Path, photos: list[Path]) -> None:
    answers = masks(photos)
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", answers)
    names = ["answers.csv", "x.png", "x_2.png", "x_2_overlay.png", "x_overlay.png"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    image = Image.open(tmp_path / "out" / "x.png")
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), answers["mask"][0])
    assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    over = np.asarray(Image.open(tmp_path / "out" / "x_overlay.png"))
    assert over.shape == (HEIGHT, WIDTH, 3)
    assert tuple(over[0, 0]) == (128, 50, 100)  # half of (0, 100, 200), half of red
    assert tuple(over[17, 5]) == (0, 100, 200)  # black is background
    assert (tmp_path / "out" / "answers.csv").read_text() == "mask,problem\nx.png,\nx_2.png,\n,it is damaged\n"


def test_a_name_without_suffix_is_a_folder_where_answers_are_drawn(tmp_path: Path, photos: list[Path]) -> None:
    for name, answers in (("masks", masks(photos)), ("boxes", boxes(photos))):
        write(tmp_path / name, answers)
        assert (tmp_path / name / "x_2.png").is_file()
    (tmp_path / "list").write_text("old")
    write(tmp_path / "list", boxes(photos))
    assert (tmp_path / "list").read_text().startswith("objects,problem\n")
    numbers = Answers(Table({"n": np.zeros(1), PROBLEM: objects([""])}), Schema((Field("n", "number"),)))
    write(tmp_path / "plain", numbers)
    assert (tmp_path / "plain").is_file()


def test_pictures_of_rows_are_files_of_a_folder_and_pixels_in_a_csv(tmp_path: Path, photos: list[Path]) -> None:
    """Such as what an autoencoder wrote again, or where a picture is odd."""
    made = [np.full((4, 5), 10, np.uint8), np.full((4, 5), 20, np.uint8), None]
    schema = Schema(
        (Field("again", "image"), Field("drawn", "image"), Field("score", "number"), Field(PROBLEM, "text"))
    )
    table = Table({"again": objects(made), "score": np.array([1.5, 2, np.nan]), PROBLEM: objects(["", "", "damaged"])})
    answers = Answers(table, schema, asked=Table({"image": objects([ImageFile(str(p)) for p in photos])}))
    write(tmp_path / "out", answers)
    assert (
        tmp_path / "out" / "answers.csv"
    ).read_text() == "again,score,problem\nx.png,1.5,\nx_2.png,2.0,\n,,damaged\n"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["answers.csv", "x.png", "x_2.png"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "x_2.png")), made[1])
    write(tmp_path / "out.csv", answers)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert json.loads(next(csv.DictReader(file))["again"]) == [[10] * 5] * 4
    two = Table({**table.columns, "drawn": objects(made)})
    write(f"{tmp_path}/two/", Answers(two, schema, asked=answers.asked))
    assert sorted(p.name for p in (tmp_path / "two").iterdir())[1:3] == ["x_2_again.png", "x_2_drawn.png"]


def test_masks_in_a_single_file_are_told_by_their_classes(tmp_path: Path, photos: list[Path]) -> None:
    answers = masks(photos)
    write(tmp_path / "out.csv", answers)
    with (tmp_path / "out.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert json.loads(lines[0]["mask"]) == {
        "sky": pytest.approx(1 / 2 - 1 / 12, abs=1e-6),
        "road": 0.5,
        "car": pytest.approx(1 / 12, abs=1e-6),
    }
    assert json.loads(as_json(answers)[1])["mask"] == {"car": 1.0}
    assert words(answers)[1] == 'mask: {"car": 1.0}'


def test_pictures_of_the_question_are_never_overwritten(tmp_path: Path, photos: list[Path]) -> None:
    before = photos[0].read_bytes()
    for made in (boxes(photos), masks(photos)):
        with pytest.raises(UsageError, match="is a file of the question, and would be overwritten"):
            write(photos[0].parent, made)
    over = photos[0].with_name("x_overlay.png")
    over.write_bytes(before)
    asked = Table({"image": objects([ImageFile(str(p)) for p in (over, *photos[1:])])})
    with pytest.raises(UsageError, match="overwritten"):
        write(tmp_path / "in" / "a", Answers(masks(photos).table, masks(photos).schema, asked=asked))
    assert photos[0].read_bytes() == before
    assert sorted(p.name for p in photos[0].parent.iterdir()) == ["x.png", "x_overlay.png"]


def test_a_picture_that_could_not_be_read_leaves_the_others_their_names(tmp_path: Path, photos: list[Path]) -> None:
    read = [str(photos[0]), str(photos[2])]
    origin = Origin(tuple(read), np.array([0, 1], np.int32), np.zeros(2, np.int64))
    asked = Table({"image": objects([ImageFile(p) for p in read])}, origin, [Rejected(str(photos[1]), "it is empty")])
    given = align(Table({"objects": objects([[], []])}), np.arange(2), {}, 2)
    answers = in_place(Answers(given, Schema((BOXES, Field(PROBLEM, "text")))), asked)
    write(tmp_path / "out.json", answers)
    found = json.loads((tmp_path / "out.json").read_text())
    assert [image["file_name"] for image in found["images"]] == ["a/x.png", "b/y.png"]
    assert found["problems"] == [{"file_name": "b/x.png", "problem": "it is empty"}]
    write(f"{tmp_path}/out/", answers)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["answers.csv", "x.png", "y.png"]
    with pytest.raises(UsageError, match="would be overwritten"):  # a damaged picture is one of the question too
        write(photos[1].parent, answers)


def test_no_file_of_the_question_and_no_other_picture_is_overwritten(tmp_path: Path, photos: list[Path]) -> None:
    table = tmp_path / "questions.csv"
    table.write_text("x\n1\n")
    plain = Table({"y": np.zeros(1), PROBLEM: objects([""])})
    schema = Schema((Field("y", "number"), Field(PROBLEM, "text")))
    for answers, question in ((Answers(plain, schema, files=(str(table),)), None), (Answers(plain, schema), table)):
        with pytest.raises(UsageError, match="is a file of the question"):
            write(table, answers, question)
    assert table.read_text() == "x\n1\n"
    other = tmp_path / "holiday"
    other.mkdir()
    (other / "x.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"is there already, and no answers.csv beside it"):
        write(other, boxes(photos))
    assert (other / "x.png").read_bytes() == b"mine"
    for _ in range(2):  # earlier answers are replaced
        write(f"{tmp_path}/answers/", boxes(photos))


def test_drawn_answers_do_not_come_among_the_pictures_asked_about(tmp_path: Path, photos: list[Path]) -> None:
    for out in ("in", "in/new", "in/a"):
        with pytest.raises(UsageError, match="which is asked about"):
            write(f"{tmp_path}/{out}/", boxes([tmp_path / "in" / "c.jpg"] * 3), str(tmp_path / "in"))
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == ["a", "b"]
    write(tmp_path / "in" / "list.csv", boxes(photos), tmp_path / "in")


def test_answers_of_pictures_in_memory_are_numbered(tmp_path: Path) -> None:
    table = Table({"objects": objects([[], []]), PROBLEM: objects(["", ""])})
    asked = Table({"image": np.zeros((2, HEIGHT, WIDTH), np.uint8)})
    write(f"{tmp_path}/new/folder/", Answers(table, Schema((BOXES, Field(PROBLEM, "text"))), asked=asked))
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == [
        "answers.csv",
        "row_000000.png",
        "row_000001.png",
    ]


def test_questions_stand_line_by_line_beside_their_answers() -> None:
    """Also where a file could not be read, so that a picture is drawn with its own answer."""
    asked = Table(
        {"image": objects([ImageFile("a.png"), ImageFile("c.png")])},
        Origin(("a.png", "c.png"), np.array([0, 1], np.int32), np.array([0, 0])),
        [Rejected("b.png", "it is empty")],
    )
    given = align(Table({"objects": objects([[], []])}), np.arange(2), {}, 2)
    found = in_place(Answers(given, Schema((BOXES, Field(PROBLEM, "text")))), asked)
    assert found.asked is not None
    assert [str(cell) for cell in found.asked["image"]] == ["a.png", "None", "c.png"]
    assert found[PROBLEM].tolist() == ["", "it is empty", ""]
