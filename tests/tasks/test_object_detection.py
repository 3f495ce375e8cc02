"""object_detection: what it fits, what its loss asks for, and answers in pixels of the original picture."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.sources.marked import picture, xml

from deepwell import predict, train
from deepwell.core.batch import Batch
from deepwell.core.errors import UsageError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import CalibratedRunner, NumpyRunner
from deepwell.core.table import Part
from deepwell.core.task import Sizes
from deepwell.evaluation.measure import measure
from deepwell.nn.runner import to_tensor
from deepwell.runs.options import TrainOptions
from deepwell.runs.prepare import prepare
from deepwell.runtime.answers import PROBLEM, Answers
from deepwell.runtime.files import write
from deepwell.tasks.image_classification import SIZES as PICTURE_SIZES
from deepwell.tasks.object_detection import SIZES, Asked, DetectionConfig, ObjectDetection

SCHEMA = Schema((Field("image", "image"), Field("objects", "boxes", "target")))


@pytest.fixture(scope="module")
def demo():
    task = ObjectDetection(SCHEMA, DetectionConfig(size="tiny"))
    table = task.demo(0).take(np.arange(24))
    pipeline = task.pipeline(None).fit(table)
    return task, pipeline, task.examples(Part("train", table), pipeline), table


def network(task, pipeline):
    torch.manual_seed(0)
    return task.network(Sizes(pipeline.sizes(), 24, 60.0))


def tensors(batch, **changed):
    return Batch({n: to_tensor(a) for n, a in {**batch.arrays, **changed}.items()}, batch.examples)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([("image", "image", "input")], "no column holds boxes"),
        ([("objects", "boxes", "target")], "there are 0"),
        ([("a", "image", "input"), ("b", "image", "input"), ("objects", "boxes", "target")], "there are 2"),
        ([("image", "image", "input"), ("objects", "boxes", "input"), ("y", "number", "target")], "kind number"),
        ([("image", "image", "input"), ("objects", "boxes", "target"), ("age", "number", "input")], "'age'"),
        ([("image", "image", "input"), ("a", "boxes", "target"), ("b", "boxes", "target")], "a, b"),
    ],
)
def test_what_does_not_fit_is_said(fields, reason):
    fit = ObjectDetection.fits(Schema(tuple(Field(*f) for f in fields)))
    assert fit.rank == 0
    assert reason in fit.reason


def test_boxes_become_the_target():
    fit = ObjectDetection.fits(Schema((Field("image", "image"), Field("objects", "boxes"))))
    assert (fit.rank, fit.roles) == (1.0, {"objects": "target"})


def test_the_backbone_of_each_size_is_that_of_image_classification():
    assert {size: channels for size, (channels, _) in SIZES.items()} == {s: c for s, (c, _) in PICTURE_SIZES.items()}


def test_a_larger_network_is_chosen_where_there_is_time():
    task = ObjectDetection(SCHEMA, DetectionConfig())
    fields = {"image": (3, 240, 320), "objects": (3,)}
    sizes = [task.size(Sizes(fields, 120, seconds)) for seconds in (10.0, 1e4, 1e6)]
    assert sizes == ["tiny", "small", "base"] or sizes == ["tiny", "base", "base"]
    assert task.size(Sizes(fields, 100_000, 900.0)) == "tiny"


def test_losses_of_parts_add_up_to_that_of_the_whole(demo):
    task, pipeline, examples, _ = demo
    net = network(task, pipeline).eval()
    whole, *parts = (
        task.loss(net, tensors(examples.take(np.arange(*span), Key(0))), Key(0)) for span in ((0, 12), (0, 5), (5, 12))
    )
    torch.testing.assert_close(whole.total, parts[0].total + parts[1].total, rtol=1e-4, atol=1e-4)
    assert whole.units == parts[0].units + parts[1].units
    torch.testing.assert_close(sum(whole.parts.values()), whole.total)


def test_a_batch_without_objects_can_be_learned_from(demo):
    task, pipeline, examples, table = demo
    empty = np.flatnonzero([not cell for cell in table["objects"]])[:2]
    batch = examples.take(empty, Key(0))
    assert len(batch.arrays["objects"]) == 0
    net = network(task, pipeline)
    loss = task.loss(net, tensors(batch), Key(0))
    loss.total.backward()
    assert loss.units == 2.0
    assert all(bool(torch.isfinite(p.grad).all()) for p in net.parameters() if p.grad is not None)
    assert loss.parts["boxes"].item() == 0.0
    assert loss.parts["classes"].item() > 0.0


class Fixed(torch.nn.Module):
    """Answers that are parameters, so that their slopes can be looked at."""

    def __init__(self, boxes, logits):
        super().__init__()
        self.boxes, self.logits = torch.nn.Parameter(boxes), torch.nn.Parameter(logits)

    def forward(self, arrays, state=None):
        return {"objects.boxes": self.boxes, "objects.logits": self.logits}, state


def test_what_lies_in_an_ignored_box_is_asked_for_nothing(demo):
    task, pipeline, *_ = demo
    height, width = pipeline.sizes()["image"][1:]
    arrays = {
        "image": torch.zeros(1, 3, height, width, dtype=torch.uint8),
        "objects": torch.tensor([[0.0, 0, 16, 16], [16, 16, 32, 32]]), "objects.row": torch.tensor([0, 0]),
        "objects.label": torch.tensor([1, 0]), "objects.ignore": torch.tensor([0, 1], dtype=torch.uint8),
    }  # fmt: skip
    from deepwell.nn.layers.pyramid import places

    where = places(height, width, (4, 8))
    fixed = Fixed(torch.cat([where[:, :2] - 6, where[:, :2] + 6], 1).unsqueeze(0), torch.zeros(1, len(where), 3))
    loss = task.loss(fixed, Batch(arrays, np.arange(1)), Key(0))
    loss.total.backward()
    hidden = (where[:, 0] > 16) & (where[:, 1] > 16)
    touched = fixed.logits.grad[0].abs().sum(1) > 0
    assert torch.equal(touched, ~hidden)
    placed = fixed.boxes.grad[0].abs().sum(1) > 0
    assert placed.any()
    assert not (placed & ((where[:, 0] > 16) | (where[:, 1] > 16))).any()
    assert loss.units == 2.0  # one object and one picture


def fake(truths, pipeline, task, score=0.9):
    """A runner that knows the truth: boxes (m, 4) at the working size and labels (m,) of each picture."""

    def answer(arrays, state):
        most = max(len(labels) for _, labels in truths)
        boxes = np.zeros((len(truths), most, 4), np.float32)
        logits = np.full((len(truths), most, len(pipeline.classes("objects"))), -9.0, np.float32)
        for i, (found, labels) in enumerate(truths):
            boxes[i, : len(found)] = found
            logits[i, np.arange(len(labels)), labels] = np.log(score / (1 - score))
        return {"objects.boxes": boxes, "objects.logits": logits}, state

    return NumpyRunner({"forward": answer})


def test_answers_are_boxes_in_the_original_picture_and_inside_it(demo):
    task, pipeline, examples, _ = demo
    batch = examples.take(np.arange(2), Key(0))
    height, width = batch.arrays["image"].shape[-2:]
    batch = batch.replace(**{"image.size": np.array([[2 * height, 3 * width], [height, width]], np.int32)})
    truths = [(np.array([[1, 2, 9, 10], [20, 20, 99, 99]], np.float32), np.array([0, 1])), (np.zeros((0, 4)), [])]
    runner = fake(truths, pipeline, task)
    first, second = task.predict(runner, batch, pipeline, Asked())["objects"]
    names = pipeline.classes("objects")
    assert first == [
        {"label": names[0], "box": [3.0, 4.0, 27.0, 20.0], "score": 0.9},
        {"label": names[1], "box": [60.0, 40.0, 3.0 * width, 2.0 * height], "score": 0.9},
    ]
    assert second == []
    json.dumps(first)
    assert len(task.predict(runner, batch, pipeline, Asked(most=1))["objects"][0]) == 1


def test_files_of_answers_number_the_classes_that_the_model_knows(demo, tmp_path):
    """Whichever of them occur, so that an id means one class in all files."""
    task, pipeline, examples, _ = demo
    runner = fake([(np.array([[1, 2, 9, 10]], np.float32), np.array([1]))], pipeline, task)
    answers = task.predict(runner, examples.take(np.arange(1), Key(0)), pipeline, Asked())
    path = tmp_path / "o.json"
    write(path, Answers(answers.with_columns({PROBLEM: np.array([""], object)}), task.answers(pipeline)))
    found = json.loads(path.read_text())
    names = pipeline.classes("objects")
    assert found["categories"] == [{"id": k, "name": name} for k, name in enumerate(names, 1)]
    assert [one["category_id"] for one in found["annotations"]] == [2]


def test_the_threshold_is_the_request_or_what_was_calibrated_or_the_usual(demo):
    task, pipeline, examples, _ = demo
    batch = examples.take(np.arange(1), Key(0))
    runner = fake([(np.array([[1, 2, 9, 10]], np.float32), [0])], pipeline, task, score=0.25)

    def count(runner, request):
        return len(task.predict(runner, batch, pipeline, request)["objects"][0])

    calibrated = CalibratedRunner(runner, {"objects.logits.threshold": 0.2})
    assert (count(runner, Asked()), count(calibrated, Asked())) == (0, 1)
    assert (count(runner, Asked(threshold=0.1)), count(calibrated, Asked(threshold=0.5))) == (1, 0)


def test_perfect_answers_measure_as_perfect_and_calibrate_below_their_score(demo):
    task, pipeline, examples, _ = demo
    batch = examples.take(np.arange(24), Key(0))
    rows, labels = batch.arrays["objects.row"], batch.arrays["objects.label"]
    truths = [(batch.arrays["objects"][rows == i], labels[rows == i]) for i in range(24)]
    columns = measure(task, fake(truths, pipeline, task), examples, pipeline)
    values = {m.name: m.value(columns) for m in task.metrics(pipeline)}
    assert values["map_50"] == values["map"] == values["average_recall"] == 1.0
    assert next(iter(values)) == ObjectDetection.watch == "map_50"
    assert 0.0 < task.calibrate(columns, pipeline)["objects.logits.threshold"] < 0.9


def test_augmentation_moves_pictures_and_boxes_and_says_why(demo):
    task, pipeline, examples, _ = demo
    chosen = task.augment(examples, pipeline)
    assert all(c.what and c.why for c in chosen)
    batch = tensors(examples.take(np.arange(8), Key(0)))
    torch.manual_seed(0)
    moved = batch
    for transform in chosen:
        moved = transform(moved, Key(1))
    assert moved.arrays["image"].shape == batch.arrays["image"].shape
    assert moved.arrays["image"].dtype == torch.uint8
    side = batch.arrays["image"].shape[-1]
    assert bool(((moved.arrays["objects"] >= 0) & (moved.arrays["objects"] <= side)).all())
    still = replace(task.knobs, augment="none", mirror="none")
    assert all(c.transform is None for c in ObjectDetection(SCHEMA, still).augment(examples, pipeline))


def test_a_folder_with_annotations_is_answered_picture_by_picture(tmp_path):
    """From files to files, whatever is marked in the pictures that are asked about; nothing of them is overwritten."""
    for number in range(24):
        picture(tmp_path / "cats" / "images" / f"{number}.png", 32, 32)
        xml(tmp_path / "cats" / "labels" / f"{number}.xml", ("cat", 2, 2, 20, 9 + number), size=(32, 32))
    run = train(tmp_path / "cats", steps=1, size="tiny", plan={"threads": 1}, out=tmp_path / "runs")
    asked = tmp_path / "asked"
    for name in "abc":
        picture(asked / "images" / f"{name}.png", 40, 30)
    xml(asked / "labels" / "a.xml", ("cat", 9, 1, 3, 9))
    xml(asked / "labels" / "gone.xml", ("cat", 1, 1, 9, 9))
    (asked / "images" / "c.png").write_bytes(b"")
    predict(run.path, asked, out=tmp_path / "o.json", threshold=0.0)
    found = json.loads((tmp_path / "o.json").read_text())
    assert [(one["file_name"], one["width"]) for one in found["images"]] == [("a.png", 40), ("b.png", 40)]
    assert found["categories"] == [{"id": 1, "name": "cat"}]
    assert [one["file_name"] for one in found["problems"]] == ["c.png"]
    with pytest.raises(UsageError, match="which is asked about"):
        predict(run.path, asked, out=f"{asked}/images/drawn/")


def test_data_beyond_memory_are_the_same_data(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path))
    asked = TrainOptions(task="object_detection", demo=True)
    prepared, mapped = (prepare(None, replace(asked, memory=memory)) for memory in (None, 100_000))
    assert list(tmp_path.rglob("*")) != []  # the cache is in use
    batch, again = (p.examples["train"].take(np.arange(0, 60, 7), Key(0)).arrays for p in (prepared, mapped))
    assert all(np.array_equal(values, again[name]) for name, values in batch.items())


SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data sets at {SHARED} (set DEEPWELL_DATA)")
def test_blood_cells_are_read_at_a_size_that_suits_platelets():
    prepared = prepare(SHARED / "object-detection" / "bccd_blood_cells", TrainOptions())
    train = prepared.examples["train"]
    assert prepared.name == "object_detection"
    assert prepared.pipeline.sizes() == {"image": (3, 288, 384), "objects": (3,)}
    batch = train.take(np.arange(0, 60, 7), Key(0)).arrays
    boxes = batch["objects"]
    assert set(map(tuple, batch["image.size"].tolist())) == {(480, 640)}
    assert boxes.min() >= 0
    assert (boxes.max(axis=0) <= [384, 288, 384, 288]).all()
    platelets = boxes[batch["objects.label"] == prepared.pipeline.classes("objects").index("Platelets")]
    assert 18 < np.median(np.sqrt((platelets[:, 2:] - platelets[:, :2]).prod(axis=1))) < 30
    assert prepared.task.augment(train, prepared.pipeline)[0].what == "image: mirrored left to right"
