"""Pictures with masks: images/ beside masks/, JPEGImages/ beside SegmentationClass/, train/ beside trainannot/, x.jpg beside
x_mask.png. Columns `image` (ImageFile), `mask` (MaskFile with the legend found beside them) and `split`.

Unusual: no layout is asked for. Each picture file is reduced to what it is about: words such as `images`, `masks`, `train` are
taken out of its folders, endings such as `_mask` and `_leftImg8bit` off its name; a picture and a mask about the same thing
belong together. Lists (ImageSets/Segmentation/val.txt) say parts where folders do not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from deepwell.core.errors import DataError
from deepwell.core.table import ImageFile, Legend, MaskFile, Rejected, Table
from deepwell.data.sources import files, legends, parts, pictures
from deepwell.data.sources.class_folders import walk
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions

READS = "pictures with masks (images/ beside masks/, JPEGImages/ beside SegmentationClass/, x.jpg beside x_mask.png)"

_WORDS = (
    r"masks?|label(s|ids|img|imgs)?|annot(ation)?s?|segmentation(s|class|masks?)?|seg(s|maps?|masks?)?|gt(s|fine|coarse)?"
    r"|ground[_ -]?truths?|targets?|((1st|2nd)_)?manual\d?|trimaps?"
)
MASK_FOLDER = re.compile(_WORDS)
IMAGE_FOLDER = re.compile(r"images?|imgs?|pics?|pictures?|photos?|jpegimages|leftimg8bit|rgb|inputs?|originals?|orig")
NO_CLASSES = re.compile(
    r"segmentationobject|instances?(_?ids?)?|overlays?|visuali[sz]ations?|preview|color(ed|_labels)?"
)
"""Folders of pictures that are neither pictures to learn from nor masks of classes."""
MASK_ENDING = re.compile(
    rf"(?P<stem>.+?)([_.\- ](gtfine_labelids|gtcoarse_labelids|labeltrainids|{_WORDS}|p|l))"
    r"|(masks?|labels?|gt|seg)[_-](?P<rest>.+)",
    re.IGNORECASE,
)
IMAGE_ENDING = re.compile(
    r"(?P<stem>.+?)([_.\- ](leftimg8bit|images?|img|sat|rgb|training|test|orig|input))|(images?|img|im|sat)[_-](?P<rest>.+)",
    re.IGNORECASE,
)
OTHER_ENDING = re.compile(
    r".+[_.\- ](instanceids|color|colors|polygons|overlay|instance|visuali[sz]ation)", re.IGNORECASE
)
ENOUGH = 0.5
LOOKED_AT = 400
"""Names that are looked at before all of a folder is listed."""

Key = tuple[str, tuple[str, ...], str]
"""Part, folders and stem of what a file is about, without the words that say picture or mask."""


@dataclass
class Found:
    """Picture files by what they are about. pairs: key -> picture, mask. Alone are those without partner, by key."""

    pairs: dict[Key, tuple[Path, Path]] = field(default_factory=dict)
    without_mask: dict[Key, Path] = field(default_factory=dict)
    without_picture: dict[Key, Path] = field(default_factory=dict)
    doubled: list[tuple[Path, Path]] = field(default_factory=list)


def claims(path: Path) -> float:
    """0.96 for a folder in which at least half of what is named like a mask has its picture.

    Where masks lie beside their pictures, at least half of the pictures must also have one: a copy of one photograph under
    another suffix is no mask.
    """
    if not path.is_dir() or not _may_hold_masks(path):
        return 0.0
    found = match(path)
    pairs, masks = len(found.pairs), len(found.pairs) + len(found.without_picture)
    beside = sum(picture.parent == mask.parent for picture, mask in found.pairs.values())
    pictured = pairs + len(found.without_mask) if beside >= ENOUGH * pairs else 0
    return 0.96 if pairs and pairs >= ENOUGH * max(masks, pictured) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """One row for each picture with a mask; those without are rejected.

    Where lists name the pictures of each part, pictures that no list names are no rows (as in Pascal VOC, where most have
    no mask). Raises DataError where nothing belongs together, where two folders hold masks of the same pictures, and for parts
    without train.
    """
    found = match(path)
    _one_mask_each(path, found)
    listed = _lists(path)
    said = found.pairs if not listed else {k: v for k, v in found.pairs.items() if k[2] in listed}
    if not said:
        raise DataError(
            "there is no picture with a mask here", where=str(path),
            repair="put pictures into images/ and masks of the same names into masks/, or call them x.jpg and x_mask.png",
        )  # fmt: skip
    rejected = [
        Rejected(str(picture), f"there is no mask for this picture: no mask is called like {key[2]!r}")
        for key, picture in found.without_mask.items()
        if not listed or key[2] in listed
    ]
    rejected += [
        Rejected(str(mask), f"there is no picture for this mask: no picture is called like {key[2]!r}")
        for key, mask in found.without_picture.items()
    ]
    rejected += [Rejected(str(one), f"{other} is about the same picture") for one, other in found.doubled]
    known = legends.find(_places(path, list(said.values())))
    table = _table(path, said, listed, known[0] if known else None, rejected)
    return table if known is None else replace(table, notes=(f"{known[1]} says what the pixels of masks mean",))


def _one_mask_each(path: Path, found: Found) -> None:
    """Raise DataError where two folders hold masks of the same picture: which of them is to be learnt, nobody said."""
    masks = {mask: picture for picture, mask in found.pairs.values()}
    for file, other in found.doubled:
        if other in masks and file.parent != other.parent:
            one, two = (str(p.parent.relative_to(path)) for p in (other, file))
            raise DataError(
                f"two folders hold masks of the same pictures: {one!r} and {two!r}, both of {masks[other].name}",
                where=str(path), repair="move the one that is not to be learnt out of this folder",
            )  # fmt: skip


def _table(
    path: Path,
    pairs: Mapping[Key, tuple[Path, Path]],
    listed: Mapping[str, str],
    legend: Legend | None,
    rejected: list[Rejected],
) -> Table:
    """The pairs that are no empty files, with their parts where these are said for all."""
    images: list[Path] = []
    masks: list[Path] = []
    said: list[str | None] = []
    for key, (picture, mask) in pairs.items():
        bad = next(((p, why) for p in (picture, mask) if (why := pictures.problem(p))), None)
        if bad is not None:
            rejected.append(Rejected(str(bad[0]), bad[1]))
            continue
        images.append(picture)
        masks.append(mask)
        said.append(key[0] or listed.get(key[2]))
    columns = {
        "image": objects(ImageFile(str(p)) for p in images),
        "mask": objects(MaskFile(str(p), legend) for p in masks),
    }
    split = set(said) - {None}
    if len(split) > 1:
        if None in said or "train" not in split:
            raise DataError(
                f"some pictures are of the parts {', '.join(sorted(map(str, split)))}, others of none or none of train",
                where=str(path), repair="put every picture under train, val or test",
            )  # fmt: skip
        columns[parts.SPLIT] = objects(said)
    return Table(columns, pictures.origin(images), tuple(rejected))


def match(path: Path) -> Found:
    """All picture files at any depth, put together."""
    found = Found()
    images: dict[Key, Path] = {}
    masks: dict[Key, Path] = {}
    files_ = [p for p in walk(path) if pictures.is_picture(p)]
    photographs = {p.with_suffix("") for p in files_ if p.suffix.lower() in (".jpg", ".jpeg")}
    beside = {p.with_suffix("") for p in files_}
    for file in files_:
        sort, key = _about(file, path, beside)
        if sort == "image" and file.suffix.lower() == ".png" and file.with_suffix("") in photographs:
            sort = "mask"  # x.jpg beside x.png
        if sort == "none":
            continue
        known = masks if sort == "mask" else images
        if key in known:
            found.doubled.append((file, known[key]))
        else:
            known[key] = file
    found.pairs = {key: (picture, masks[key]) for key, picture in images.items() if key in masks}
    found.without_mask = {key: picture for key, picture in images.items() if key not in masks}
    found.without_picture = {key: mask for key, mask in masks.items() if key not in images}
    return found


def _about(file: Path, root: Path, beside: Set[Path]) -> tuple[str, Key]:
    """Whether a file is an image, a mask or none of both, and what it is about. beside: all files without suffix."""
    part, mask, folders = "", False, list[str]()
    for name in file.parent.relative_to(root).parts:
        word, said = _part(name)
        part = said or part
        if NO_CLASSES.fullmatch(word):
            return "none", ("", (), "")
        if MASK_FOLDER.fullmatch(word):
            mask = True
        elif word and not IMAGE_FOLDER.fullmatch(word):
            folders.append(word)
    stem = file.stem
    if OTHER_ENDING.fullmatch(stem):
        return "none", ("", (), "")
    ending = MASK_ENDING.fullmatch(stem)
    if ending is not None and (mask or _has_picture(file, ending, beside)):
        mask, stem = True, _plain(ending)
    beginning = IMAGE_ENDING.fullmatch(stem)
    return ("mask" if mask else "image"), (part, tuple(folders), _plain(beginning) if beginning is not None else stem)


def _has_picture(file: Path, ending: re.Match[str], beside: Set[Path]) -> bool:
    """Whether beside a file that is called like a mask lies a picture without that ending, or with that of a picture."""
    stem = _plain(ending)
    begun = [stem, *(f"{stem}_{word}" for word in ("image", "img", "sat", "leftImg8bit", "training"))]
    return any(
        file.with_name(name) in beside for name in [*begun, *(f"{word}_{stem}" for word in ("image", "img", "im"))]
    )


def _plain(match: re.Match[str]) -> str:
    return match["stem"] or match["rest"]


def _part(folder: str) -> tuple[str, str]:
    """A folder's name in lower case without the word that says its part, and the part: `trainannot` -> annot, train."""
    name = folder.lower()
    for word, part in sorted(parts.WORDS.items(), key=lambda pair: -len(pair[0])):
        rest = re.fullmatch(
            rf"{word}[_\-. ]?(\d{{4}})?[_\-. ]?(?P<after>.*)|(?P<before>.+?)[_\-. ]{word}(\d{{4}})?", name
        )
        if rest is None:
            continue
        left = (rest["after"] if rest["after"] is not None else rest["before"]) or ""
        if not left or MASK_FOLDER.fullmatch(left) or IMAGE_FOLDER.fullmatch(left):
            return left, part
    return name, ""


def _lists(path: Path) -> dict[str, str]:
    """Stem -> part, by ImageSets/Segmentation/{train,val,test}.txt; empty where there are no such lists."""
    said: dict[str, str] = {}
    for folder in (path / "ImageSets" / "Segmentation", path / "ImageSets"):
        for file in files.entries(folder) if folder.is_dir() else ():
            part = parts.WORDS.get(file.stem.lower())
            if file.suffix.lower() != ".txt" or part is None:
                continue
            for line in files.read_bytes(file, limit=1 << 26).decode("utf-8", "replace").split("\n"):
                if line.strip():
                    said.setdefault(Path(line.split()[0]).stem, part)
        if said:
            return said
    return said


def _places(path: Path, pairs: Sequence[tuple[Path, Path]]) -> list[Path]:
    """Where a legend may lie: the folder that was given, and in it those of the masks and around them."""
    masks = Counter(mask.parent for _, mask in pairs)
    places = dict.fromkeys([path, *masks, *(folder.parent for folder in masks)])
    return [folder for folder in places if folder.is_relative_to(path)]


def _may_hold_masks(path: Path) -> bool:
    """Whether a name in a folder, or in one of its folders, is that of masks: listing everything may take long."""
    entries = files.entries(path)
    folders = [p for p in entries if p.is_dir()]
    inner = [q for p in folders[:LOOKED_AT] for q in islice((q for q in files.entries(p) if q.is_dir()), LOOKED_AT)]
    if any(MASK_FOLDER.fullmatch(_part(p.name)[0]) for p in [*folders, *inner]):
        return True
    names = [
        p for folder in (path, *folders[:8]) for p in islice(files.entries(folder), LOOKED_AT) if pictures.is_picture(p)
    ]
    beside = Counter(p.with_suffix("") for p in names)
    return any(MASK_ENDING.fullmatch(p.stem) for p in names) or any(count > 1 for count in beside.values())
