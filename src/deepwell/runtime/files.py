"""Answers as files: a CSV, a JSON, or a folder with a CSV and, where answers are boxes, masks or pictures, one for each row.

    answers.csv (or any other name) lists, boxes and the pixels of pictures as JSON, a mask as the share of each class; in a
                                    folder masks and pictures as the names of their files
    answers.json                    one object per row; where a column holds boxes, the form of COCO results with pictures and
                                    classes beside them (annotations with bbox as x, y, width, height)
    folder/ (or, where answers are boxes, masks or pictures, a name without a suffix)
                                    answers.csv; boxes: NAME.png, the picture with them; masks: NAME.png, class indices with a
                                    palette in the picture's own size, and NAME_overlay.png, its colours over the picture;
                                    pictures: NAME.png; of several such columns NAME_COLUMN.png
    grid.png, folder/               pictures that a model made without a question: see galleries.py

Unusual: nothing is written where a file of the question or another's picture would be overwritten, and no drawn picture into a
folder that is asked about, since it would be one of its pictures from then on; each file appears whole or not at all, and
answers.csv is the last of a folder, so that a folder which has it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError, RunError, UsageError
from deepwell.core.fields import Field
from deepwell.core.table import Column, ImageFile
from deepwell.data import drawing
from deepwell.data.fields import pictures
from deepwell.data.sources.pictures import SUFFIXES
from deepwell.runtime import galleries
from deepwell.runtime.answers import PROBLEM, ROW, Answers
from deepwell.runtime.wording import as_json
from deepwell.store.files import write_file

CSV = "answers.csv"
DRAWN = ("boxes", "mask")
"""Kinds of answers that are drawn."""


def write(path: str | Path, answers: Answers, question: Any = None) -> None:
    """Write answers to a `.json` file, to a folder, made pictures to a `.png` file, else as CSV.

    A folder is one that exists, a path that ends in a slash, and, where answers are boxes, masks or pictures, a name without a
    suffix that is no file yet.

    question: what was asked about, as it was given: a path, several, or data in memory. Raises UsageError where a file of it
    would be overwritten, or a folder be written into it, and for a picture's name that no picture can be written to; RunError
    where the disk does not take it.
    """
    target = Path(path)
    pictures_made = galleries.made(answers)
    drawn = pictures_made is not None or any(_of_kind(answers, kind) for kind in DRAWN)
    named = str(path).endswith(("/", "\\")) or (drawn and not target.suffix and not target.exists())
    if pictures_made is not None and answers.asked is None and (target.is_dir() or named):
        galleries.folder(target, answers, pictures_made)
    elif pictures_made is not None and target.suffix.lower() == ".png":
        _spare_questions([target], answers, _paths(question))
        write_file(target, galleries.grid(answers, pictures_made))
    elif target.is_dir() or named:
        _folder(target, answers, _paths(question))
    elif target.suffix.lower() in SUFFIXES:
        shown = (
            "pictures are written as .png" if pictures_made is not None else "these answers are no pictures in one file"
        )
        raise UsageError(f"{str(target)!r} is named like a picture, and {shown}", repair=_instead(pictures_made, drawn))
    elif target.suffix.lower() == ".json":
        _spare_questions([target], answers, _paths(question))
        write_file(target, _as_json(answers).encode())
    else:
        _spare_questions([target], answers, _paths(question))
        write_file(target, answers.csv().encode())


def _instead(pictures_made: Field | None, drawn: bool) -> str:
    """What to name instead of a picture of another form."""
    if pictures_made is not None:
        return "name an --out that ends in .png, or a folder"
    return "name a folder, or a .csv or .json file" if drawn else "name a .csv or .json file"


# JSON ------------------------------------------------------------------------------------------------------------------
def _as_json(answers: Answers) -> str:
    boxes = _of_kind(answers, "boxes")
    if boxes:
        return json.dumps(coco(answers, boxes[0])) + "\n"
    return "[\n" + ",\n".join(as_json(answers)) + "\n]\n"


def coco(answers: Answers, field: Field) -> dict[str, Any]:
    """Boxes of a column as COCO has them: images, categories, annotations with scores; ids count from 1.

    Rows without an answer stand under `problems` with their reason. A box ends at its right and lower edge.
    """
    names = _names(answers)
    classes = _classes(answers, field)
    category = {label: number for number, label in enumerate(classes, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    problems: list[dict[str, str]] = []
    for row, (cell, why) in enumerate(zip(answers[field.name], answers[PROBLEM], strict=True)):
        if why:
            problems.append({"file_name": names[row], "problem": why})
            continue
        images.append({"id": row + 1, "file_name": names[row], **_size(answers, row)})
        for box in cell or ():
            left, top, right, bottom = box["box"]
            wide, high = round(right - left, 6), round(bottom - top, 6)  # without the noise of subtracting decimals
            annotations.append({
                "id": len(annotations) + 1, "image_id": row + 1, "category_id": category[box["label"]],
                "bbox": [left, top, wide, high], "area": round(wide * high, 6), "iscrowd": 0,
                **({"score": box["score"]} if "score" in box else {}),
            })  # fmt: skip
    listed = [{"id": number, "name": label} for label, number in category.items()]
    found: dict[str, Any] = {"images": images, "categories": listed, "annotations": annotations}
    return {**found, "problems": problems} if problems else found


def _classes(answers: Answers, field: Field) -> list[str]:
    """The classes of boxes in order: those that the model knows, where its answers say so, else those that occur."""
    known = [str(label) for label in field.facts.get("classes", ())]
    seen = {str(box["label"]) for cell in answers[field.name] for box in cell or ()}
    return [*known, *sorted(seen - set(known))]


def _size(answers: Answers, row: int) -> dict[str, int]:
    column = _picture(answers)
    if column is None:
        return {}
    try:
        height, width = pictures.measure(column[row])
    except DataError:
        return {}
    return {"width": width, "height": height}


# a folder --------------------------------------------------------------------------------------------------------------
def _folder(target: Path, answers: Answers, question: Sequence[Path]) -> None:
    fields = [*(field for kind in DRAWN for field in _of_kind(answers, kind)), *galleries.all_made(answers)]
    stems = _unique([Path(name).stem or name for name in _names(answers)])
    ends = {f.name: f"_{_plain(f.name)}" if len(fields) > 1 else "" for f in fields}
    named: dict[str, list[str]] = {f.name: [f"{stem}{ends[f.name]}.png" for stem in stems] for f in fields}
    planned = [target / CSV, *(target / name for names in named.values() for name in names)]
    _spare_questions(planned, answers, question)
    _spare_folders(target, planned, question)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"the folder cannot be made: {error.strerror}", where=str(target)) from error
    column = _picture(answers)
    cells: dict[str, Column] = {}
    for field in fields:
        names = np.array(named[field.name], object)
        for row in range(len(answers)):
            if answers[PROBLEM][row] or (field.kind == "image" and answers[field.name][row] is None):
                names[row] = None
            elif field.kind == "image":
                write_file(target / names[row], galleries.png(answers[field.name][row]))
            elif field.kind == "mask":
                _write_mask(target / names[row], answers, field, row, column)
            elif column is not None:
                classes = _classes(answers, field)
                drawn = drawing.with_boxes(column[row], answers[field.name][row] or (), classes)
                write_file(target / names[row], drawing.png(drawn))
        if field.kind != "boxes":
            cells[field.name] = names
    write_file(target / CSV, answers.with_cells(cells).csv().encode())


def _write_mask(path: Path, answers: Answers, field: Field, row: int, column: Column | None) -> None:
    indices, colours = answers[field.name][row], list(field.facts.get("colours", ()))
    write_file(path, drawing.png(drawing.mask(indices, colours)))
    if column is not None:
        over = drawing.overlay(column[row], indices, colours)
        write_file(path.with_name(f"{path.stem}_overlay.png"), drawing.png(over))


def _paths(question: Any) -> list[Path]:
    """The files and folders that a question was given as; none for data in memory."""
    given = question if isinstance(question, list | tuple) else [question]
    return [Path(one).resolve() for one in given if isinstance(one, str | Path)]


def _spare_questions(planned: Sequence[Path], answers: Answers, question: Sequence[Path]) -> None:
    """Raise UsageError where a file of the question is among those to be written, their overlays included."""
    rows = {path.resolve() for path in _files(answers) if path is not None}
    asked = {*question, *rows, *(Path(file).resolve() for file in answers.files)}
    for made in _with_overlays(planned):
        if made.resolve() in asked:
            raise UsageError(
                f"{str(made)!r} is a file of the question, and would be overwritten",
                repair="give --out another name",
            )


def _with_overlays(planned: Sequence[Path]) -> list[Path]:
    """The files to be written, each followed by what its overlay is called."""
    return [made for path in planned for made in (path, path.with_name(f"{path.stem}_overlay{path.suffix}"))]


def _spare_folders(target: Path, planned: Sequence[Path], question: Sequence[Path]) -> None:
    """Raise UsageError for a folder inside one that is asked about, and where it holds a picture that no answers made."""
    inside = next((one for one in question if one.is_dir() and target.resolve().is_relative_to(one)), None)
    if inside is not None:
        raise UsageError(
            f"{str(target)!r} lies in {str(inside)!r}, which is asked about: the drawn pictures would become some of its own",
            repair="name an --out folder elsewhere",
        )
    there = next((path for path in _with_overlays(planned) if path.name != CSV and path.exists()), None)
    if there is not None and not (target / CSV).exists():
        raise UsageError(
            f"{str(there)!r} is there already, and no {CSV} beside it: it is not of earlier answers",
            repair="name another --out folder",
        )


# names -----------------------------------------------------------------------------------------------------------------
def _of_kind(answers: Answers, kind: str) -> list[Field]:
    """The answer columns of a kind; the truth beside them is none."""
    return [f for f in answers.schema.fields if f.kind == kind and not f.name.endswith(".truth")]


def _picture(answers: Answers) -> Column | None:
    """The first column of the question that holds pictures, line by line."""
    for column in {} if answers.asked is None else answers.asked.columns.values():
        if column.dtype == np.uint8 and column.ndim in (3, 4):
            return column
        if column.dtype == object and any(pictures.is_picture(cell) for cell in column):
            return column
    return None


def _names(answers: Answers) -> list[str]:
    """What each row is called: its file's path below the folder that all share; its number where it is of no file."""
    paths = _files(answers)
    folders = [path.parent.parts for path in paths if path is not None]
    shared = 0
    while folders and all(len(f) > shared and f[shared] == folders[0][shared] for f in folders):
        shared += 1
    return [f"row_{i:06d}" if path is None else str(Path(*path.parts[shared:])) for i, path in enumerate(paths)]


def _files(answers: Answers) -> list[Path | None]:
    """The file of each row: that of its picture, else, as where it could not be read, what its column `row` names."""
    column, named = _picture(answers), answers.table.columns.get(ROW)
    found: list[Path | None] = [None] * len(answers)
    for row in range(len(answers)):
        cell = None if column is None else column[row]
        if isinstance(cell, ImageFile):
            found[row] = Path(cell.path)
        elif cell is None and named is not None and named[row]:
            found[row] = Path(named[row])
    return found


def _unique(stems: Sequence[str]) -> list[str]:
    """The names with a number behind those that came before; also such as differ in case only, which some disks take for one."""
    seen: set[str] = set()
    found = []
    for stem in stems:
        name, number = stem, 1
        while name.lower() in seen:
            number += 1
            name = f"{stem}_{number}"
        seen |= {name.lower(), f"{name.lower()}_overlay"}
        found.append(name)
    return found


def _plain(name: str) -> str:
    """A column's name as part of a file's."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:40]


__all__ = ["coco", "write"]
