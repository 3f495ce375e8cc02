"""`python -m benchmarks.places_pictures [--pairs 5]`: pictures a second of a detector's training, ours and an idiomatic loop.

Same network, same loss, same augmentation, same optimiser and batch; what differs is how they are carried out. The other side is
the way of the public repositories of FCOS, YOLOX and RTMDet: a Dataset decodes, resizes and augments one picture at a time, a
DataLoader collates them with a list of targets, the network runs in float32 and NCHW, targets are assigned picture by picture
with a dense table of overlaps of every object with every place, and the loss is read at each step. Ours decodes once, augments
whole batches, assigns flat lists of pairs, and runs in bfloat16, channels last.

Unusual: the pictures are files, made up here, since reading them is a part of what such a loop does.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.language import Side, compare
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import ImageFile, Part, Table
from deepwell.core.task import Sizes
from deepwell.losses.boxes import box_loss, overlap
from deepwell.losses.focal import quality_focal
from deepwell.nn.layers.pyramid import places
from deepwell.tasks.object_detection import ANSWERING, BOX_WEIGHT, DetectionConfig, ObjectDetection
from deepwell.training.allocation import kept
from deepwell.training.budget import Budget
from deepwell.training.job import Job
from deepwell.training.loop import fit
from deepwell.training.plan import Plan

SCHEMA = Schema((Field("image", "image"), Field("objects", "boxes", "target")))
STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Case:
    """How much there is: pictures of `width` x `height`, trained on at `side`; batches of 8, `steps` of them."""

    pictures: int = 64
    height: int = 480
    width: int = 640
    side: int = 320
    objects: int = 12
    steps: int = 24
    threads: int = 2


def scenes(case: Case, folder: Path) -> Table:
    """Files with discs of two colours on noise, and their boxes."""
    draws = np.random.default_rng(0)
    row, column = np.mgrid[: case.height, : case.width]
    pictures, objects = np.empty(case.pictures, object), np.empty(case.pictures, object)
    for i in range(case.pictures):
        drawn = draws.normal(200, 20, (case.height // 8, case.width // 8, 3)).clip(0, 255).astype(np.uint8)
        canvas = np.asarray(Image.fromarray(drawn).resize((case.width, case.height))).copy()
        objects[i] = []
        for _ in range(case.objects):
            radius, label = draws.uniform(0.03, 0.1) * case.width, int(draws.integers(2))
            x, y = draws.uniform(radius, case.width - radius), draws.uniform(radius, case.height - radius)
            canvas[np.hypot(column - x, row - y) < radius] = ((200, 60, 60), (80, 60, 160))[label]
            objects[i].append({"label": "ab"[label], "box": [x - radius, y - radius, x + radius, y + radius]})
        path = folder / f"{i}.jpg"
        Image.fromarray(canvas).save(path, quality=90)
        pictures[i] = ImageFile(str(path))
    return Table({"image": pictures, "objects": objects})


def built(task: ObjectDetection, size: tuple[int, ...], seconds: float = 1.0) -> nn.Module:
    """The task's own network for pictures of a size, the same weights each time."""
    torch.manual_seed(0)
    return task.network(Sizes({"image": size, "objects": (2,)}, 64, seconds))


def ours(case: Case, table: Table, precision: str = "bfloat16") -> Side:
    """The engine as `deepwell train` drives it, with the plan that it chooses on machines with bfloat16."""
    task = ObjectDetection(
        SCHEMA, DetectionConfig(size="tiny", side=case.side, mirror="sides", optimiser="adamw", learning_rate=3e-3)
    )
    pipeline = task.pipeline(None).fit(table)
    examples = task.examples(Part("train", table), pipeline)

    def side() -> float:
        plan = Plan(threads=case.threads, precision=precision, channels_last=True, batch_size=task.knobs.batch_size)
        job = Job(
            network=built(task, pipeline.sizes()["image"]), examples=examples, loss=task.loss, recipe=task.config,
            budget=Budget(steps=case.steps), plan=plan, key=Key(0), transforms=task.augment(examples, pipeline),
        )  # fmt: skip
        fit(job)
        return case.steps * task.knobs.batch_size

    return side


Target = dict[str, Tensor]


class Pictures(Dataset[tuple[Tensor, Target]]):
    """One picture at a time: decoded, resized, changed in light and contrast, mirrored, zoomed; and its boxes."""

    def __init__(self, case: Case, table: Table) -> None:
        self.table = table
        self.size = (round(case.side * case.height / case.width), case.side)

    def __len__(self) -> int:
        """All pictures."""
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        """(3, h, w) float32, and its boxes (m, 4) with labels (m,)."""
        height, width = self.size
        with Image.open(str(self.table["image"][index])) as file:
            factor = torch.tensor([width / file.width, height / file.height]).repeat(2)
            array = np.asarray(file.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
        picture = torch.from_numpy(array.copy()).permute(2, 0, 1).float()
        cells = self.table["objects"][index]
        boxes = torch.tensor([one["box"] for one in cells]).reshape(-1, 4) * factor
        labels = torch.tensor(["ab".index(one["label"]) for one in cells])
        if torch.rand(()) < 0.5:
            picture, boxes = (
                picture.flip(2),
                torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1),
            )
        by = 0.7 * 2.0 ** float(torch.rand(()))
        offset = torch.rand(2) * torch.tensor([width, height]) * (1 - by)
        picture, boxes = _zoomed(picture, by, offset), boxes * by + offset.repeat(2)
        light, contrast, saturation = (float(torch.rand(())) * 2 - 1 for _ in range(3))
        grey = picture.mean(0, keepdim=True)
        picture = grey + (picture - grey) * (1 + 0.2 * saturation)
        picture = (picture - picture.mean()) * (1 + 0.2 * contrast) + picture.mean() + 0.15 * 255 * light
        limits = torch.tensor([width, height, width, height])
        clipped = torch.minimum(boxes.clamp(min=0), limits)
        keep = (clipped[:, 2:] - clipped[:, :2]).prod(1) > 0.3 * (boxes[:, 2:] - boxes[:, :2]).prod(1)
        return picture.clamp(0, 255), {"boxes": clipped[keep], "labels": labels[keep]}


def _zoomed(picture: Tensor, by: float, offset: Tensor) -> Tensor:
    side = torch.tensor([picture.shape[2], picture.shape[1]])
    shift = (1 - 2 * offset / side) / by - 1
    theta = torch.tensor([[1 / by, 0, float(shift[0])], [0, 1 / by, float(shift[1])]]).unsqueeze(0)
    grid = functional.affine_grid(theta, [1, *picture.shape], align_corners=False)
    return functional.grid_sample(picture.unsqueeze(0), grid, align_corners=False)[0]


def collate(items: Sequence[tuple[Tensor, Target]]) -> tuple[Tensor, list[Target]]:
    """Pictures stacked, targets listed."""
    return torch.stack([picture for picture, _ in items]), [target for _, target in items]


@torch.no_grad()
def assigned(boxes: Tensor, logits: Tensor, where: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor]:
    """Of one picture, by dense tables (objects, places): which places answer, for which object, and the quality asked."""
    true = target["boxes"]
    middle, half = (true[:, :2] + true[:, 2:]) / 2, ((true[:, 2:] - true[:, :2]) / 2).clamp(min=STRIDES[0] / 2)
    inside = ((where[None, :, :2] - middle[:, None]).abs() <= half[:, None]).all(-1)
    fit_ = overlap(boxes[None], true[:, None])
    measure = logits.sigmoid().T[target["labels"]] * fit_**6 * inside
    chosen = torch.zeros_like(inside)
    chosen.scatter_(1, measure.topk(min(ANSWERING, measure.shape[1]), 1).indices, True)
    chosen &= inside
    claimed = torch.where(chosen, fit_, -1.0)
    owner = claimed.argmax(0)
    place = (chosen.any(0)).nonzero().squeeze(1)
    owner = owner[place]
    kept = torch.zeros_like(chosen)
    kept[owner, place] = True
    top, best = (torch.where(kept, table, 0.0).amax(1) for table in (measure, fit_))
    return place, owner, measure[owner, place] / (top[owner] + 1e-12) * best[owner]


def picture_by_picture(outputs: dict[str, Tensor], where: Tensor, targets: Sequence[Target]) -> tuple[Tensor, int]:
    """The task's loss as a sum, and its units, in a loop over pictures."""
    total, units = outputs["objects.logits"].new_zeros(()), 0
    for boxes, logits, target in zip(outputs["objects.boxes"], outputs["objects.logits"], targets, strict=True):
        quality = torch.zeros_like(logits)
        units += 1 + len(target["boxes"])
        if len(target["boxes"]):
            place, owner, asked = assigned(boxes, logits, where, target)
            quality[place, target["labels"][owner]] = asked
            shares = asked.new_zeros(len(target["boxes"])).index_add(0, owner, asked)
            share = asked / shares[owner].clamp(min=1e-9)
            total = total + BOX_WEIGHT * box_loss(boxes[place], target["boxes"][owner], weights=share)
        total = total + quality_focal(logits, quality)
    return total, units


def theirs(case: Case, table: Table, workers: int = 0) -> Side:
    """The idiomatic loop."""
    task = ObjectDetection(SCHEMA, DetectionConfig(size="tiny", learning_rate=3e-3))
    data = Pictures(case, table)
    recipe = task.knobs

    def side() -> float:
        torch.set_num_threads(case.threads)
        torch.manual_seed(0)
        network = built(task, (3, *data.size)).train()
        where = places(*data.size, STRIDES)
        optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        loader: Any = DataLoader(
            data, recipe.batch_size, shuffle=True, collate_fn=collate, drop_last=True, num_workers=workers
        )
        step, losses = 0, []
        while step < case.steps:
            for pictures, targets in loader:
                outputs, _ = network({"image": pictures})
                total, units = picture_by_picture(outputs, where, targets)
                optimiser.zero_grad()
                (total / units).backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
                optimiser.step()
                losses.append(total.item() / units)
                step += 1
                if step == case.steps:
                    break
        return step * recipe.batch_size

    return side


def main() -> None:
    """Run the rows and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.places_pictures")
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    case = Case()
    print("| row | ratio | ours | theirs |\n" + "|---" * 4 + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder, kept():  # as in training
        table = scenes(case, Path(folder))
        for workers in (0, 2):
            figure, mine, other = compare(ours(case, table), theirs(case, table, workers), asked.pairs)
            name = f"detection, {workers} worker processes"
            print(f"| {name} | {figure} | {mine:,.1f} pictures/s | {other:,.1f} pictures/s |", flush=True)


if __name__ == "__main__":
    main()
