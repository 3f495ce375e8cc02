"""Small data sets with marked objects, in the forms in which tools write them."""

import json
from pathlib import Path

from PIL import Image

OBJECT = (
    "<object><name>{0}</name><difficult>{5}</difficult><bndbox><xmin>{1}</xmin><ymin>{2}</ymin><xmax>{3}</xmax>"
    "<ymax>{4}</ymax></bndbox></object>"
)


def picture(path: Path, width: int = 60, height: int = 40) -> Path:
    """A real picture of this size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (90, 20, 20)).save(path)
    return path


def xml(path: Path, *objects: tuple, size=(60, 40), database: str = "Unknown", name: str = "") -> Path:
    """An annotation with objects (label, xmin, ymin, xmax, ymax[, difficult])."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = "".join(OBJECT.format(*(*one, 0)[:6]) for one in objects)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    path.write_text(
        f"<annotation><filename>{name}</filename><source><database>{database}</database></source>{sides}{made}</annotation>"
    )
    return path


def text(path: Path, content: str) -> Path:
    """A file with this content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def coco(path: Path, images: dict, categories=("cat", "dog"), **more) -> Path:
    """A COCO file. images: file name -> list of (category id, [left, top, width, height][, iscrowd])."""
    entries = [{"id": i, "file_name": n, "width": 60, "height": 40} for i, n in enumerate(images, 1)]
    notes = [
        {"id": 100 * i + k, "image_id": i, "category_id": one[0], "bbox": one[1], "iscrowd": one[2] if len(one) > 2 else 0,
         "area": 1.0, "segmentation": [[1, 2, 3.5, 4, 5e0, 6]]}
        for i, found in enumerate(images.values(), 1) for k, one in enumerate(found)
    ]  # fmt: skip
    names = [{"id": k, "name": n, "supercategory": "none"} for k, n in enumerate(categories, 1)]
    value = {"info": {"year": 2017}, "images": entries, "annotations": notes, "categories": names, **more}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def names(found) -> list[str]:
    """The file names of the pictures that were read."""
    return [Path(str(cell)).name for cell in found["image"]]


def reasons(found) -> dict[str, str]:
    """File name -> why it was rejected."""
    return {Path(r.where.split(",")[0]).name: r.reason for r in found.rejected}
