"""segmentation: from a folder of pictures and masks to masks in original size, in one command's steps."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.table import Legend, MaskFile, Part, Table
from deepwell.core.task import Sizes
from deepwell.data import sources
from deepwell.data.recognition import Edits, recognise
from deepwell.families.pixels import Pictures, Windows
from deepwell.tasks.segmentation import Segmentation, SegmentationConfig

SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data"))
CAMVID = SHARED / "segmentation" / "camvid_subset"
KEY = Key(0)


def demo(**knobs):
    table = Segmentation.demo(0)
    task = Segmentation(recognise(table), SegmentationConfig(size="tiny", **knobs))
    return task, table, task.pipeline(None).fit(table)


def truthful(pipeline, found):
    """A runner that answers the masks of the batch."""
    classes = len(pipeline.classes("mask"))
    queue = list(found)

    def forward(arrays, state):
        mask = queue.pop(0)
        return {"mask.logits": np.stack([9.0 * (mask == k) for k in range(classes)])[None]}, state

    return NumpyRunner({"forward": forward})


def test_pictures_and_masks_are_recognised():
    schema = recognise(Segmentation.demo(0))
    assert [(f.name, f.kind, f.role) for f in schema.fields] == [
        ("image", "image", "input"),
        ("mask", "mask", "target"),
    ]
    assert Segmentation.fits(schema).rank == 1
    assert Segmentation.fits(schema.edit("mask", role="ignore")).rank == 0
    boxes = Schema((Field("image", "image"), Field("objects", "boxes", "target")))
    assert "--form mask_folders" in Segmentation.fits(boxes).reason
    assert "2 columns are inputs" in Segmentation.fits(Schema((*schema.fields, Field("age", "number")))).reason
    assert recognise(Segmentation.demo(0), Edits(kinds={"mask": "image"}, roles={"mask": "input"})).targets == ()


def test_arrays_of_pictures_and_of_masks_are_a_pair():
    demo = Segmentation.demo(0)
    for masks in (demo["mask"], demo["mask"] > 0):
        table = sources.read((demo["image"], masks))
        assert Segmentation.fits(recognise(table)).rank == 1
    apart = sources.read({"image": list(demo["image"]), "mask": list(demo["mask"])})
    assert recognise(apart)["mask"].kind == "mask"


def test_camvid_is_understood():
    if not CAMVID.is_dir():
        pytest.skip("the shared data are not here")
    table = sources.read(CAMVID)
    schema = recognise(table)
    assert Segmentation.fits(schema).rank == 1
    task = Segmentation(schema, SegmentationConfig(void="11"))
    rows = table.take(np.flatnonzero(table["split"] == "train"))
    pipeline = task.pipeline(None).fit(rows)
    rows = rows.take(np.arange(3))
    assert pipeline.classes("mask") == [str(k) for k in range(11)]
    assert dict(pipeline.sizes()) == {"image": (3, 360, 480), "mask": (11,)}
    arrays = task.examples(Part("train", rows), pipeline).take(np.arange(3), KEY).arrays
    truth = np.asarray(Pillow.open(rows["mask"][0].path).copy())
    assert np.array_equal(arrays["mask"][0], np.where(truth == 11, 255, truth))


def test_parts_see_windows_or_whole_pictures():
    task, table, pipeline = demo()
    kinds = {name: type(task.examples(Part(name, table), pipeline)) for name in ("train", "select", "test", "predict")}
    assert kinds == {"train": Windows, "select": Windows, "test": Pictures, "predict": Pictures}


def test_answers_are_masks_in_original_size_with_their_legend():
    task, table, pipeline = demo()
    some = table.take(np.arange(3))
    examples = task.examples(Part("test", some), pipeline)
    batch = examples.take(np.arange(3), KEY)
    answers = task.predict(truthful(pipeline, some["mask"]), batch, pipeline, None)
    assert answers.names == task.answers(pipeline).names == ["mask", "mask.confidence"]
    assert all(np.array_equal(a, b) for a, b in zip(answers["mask"], some["mask"], strict=True))
    assert answers["mask.confidence"].min() > 0.99
    facts = task.answers(pipeline)["mask"].facts
    assert facts["classes"] == ["0", "1", "2"]
    assert [c[0] for c in facts["colours"]] == ["#"] * 3


def test_the_truth_measures_one_and_the_primary_metric_can_be_chosen():
    task, table, pipeline = demo()
    for part in ("select", "test"):
        some = table.take(np.arange(4))
        batch = task.examples(Part(part, some), pipeline).take(np.arange(4), KEY)
        columns = task.measure(truthful(pipeline, some["mask"]), batch, pipeline)
        assert [m.value(columns) for m in task.metrics(pipeline)] == [1.0] * 6
        assert [e["kind"] for e in task.figures(columns, pipeline)] == ["bars", "confusion"]
    assert task.metrics(pipeline)[0].name == "mean_iou"
    other, _, _ = demo(metric="boundary_f")
    assert other.metrics(pipeline)[0].name == "boundary_f"
    with pytest.raises(ConfigError, match="more than two"):
        demo(metric="dice")[0].metrics(pipeline)
    assert demo(metric="dice", positive="2")[0].metrics(pipeline)[0].name == "dice 2"
    with pytest.raises(ConfigError, match=r"no class '22'.*'2'"):
        demo(positive="22")[0].metrics(pipeline)


def test_dice_is_about_the_class_that_is_not_background_wherever_the_legend_names_it(tmp_path):
    table = Segmentation.demo(0)
    masks = []
    for row in range(20):
        Pillow.fromarray(np.where(table["mask"][row] > 0, 255, 0).astype(np.uint8)).convert("RGB").save(
            tmp_path / f"{row}.png"
        )
        masks.append(MaskFile(str(tmp_path / f"{row}.png"), Legend({"#ffffff": "polyp", "#000000": "background"})))
    column = np.empty(20, object)
    column[:] = masks
    rows = Table({"image": table["image"][:20], "mask": column})
    for asked, shown in (("", "dice polyp"), ("background", "dice background")):
        task = Segmentation(recognise(rows), SegmentationConfig(size="tiny", metric="dice", positive=asked))
        pipeline = task.pipeline(None).fit(rows)
        again = task.pipeline(None).restore(pipeline.state())
        assert [task.metrics(p)[0].name for p in (pipeline, again)] == [shown] * 2
        batch = task.examples(Part("test", rows), pipeline).take(np.arange(20), KEY)
        nothing = NumpyRunner({"forward": lambda arrays, state: (_only_background(arrays["image"]), state)})
        columns = task.measure(nothing, batch, pipeline)
        assert (task.metrics(pipeline)[0].value(columns) == 0) is (asked == "")


def _only_background(images):
    count, _, height, width = images.shape
    logits = np.zeros((count, 2, height, width), np.float32)
    logits[:, 1] = 9
    return {"mask.logits": logits}


def test_in_the_demo_colours_do_not_tell_the_bars_apart():
    table = Segmentation.demo(0)
    means = [[table["image"][row][table["mask"][row] == label].mean() for row in range(140)] for label in (1, 2)]
    assert abs(np.mean(means[0]) - np.mean(means[1])) < 0.2 * np.std(means[0])


def test_what_is_void_is_said_with_its_share():
    table = Segmentation.demo(0)
    task = Segmentation(recognise(table), SegmentationConfig(void="2,77"))
    pipeline = task.pipeline(None).fit(table)
    share = (table["mask"] == 2).mean()
    assert list(pipeline.said()) == [
        "mask: void=77: none of the 140 masks that were looked at holds this pixel",
        f"mask: {share:.2%} of the pixels of 140 masks say nothing (void): those of 2, 77",
    ]


def test_masks_of_other_classes_than_in_training_are_problems():
    task, table, pipeline = demo()
    masks = table["mask"][:2].copy()
    masks[1, 0, 0] = 9
    examples = task.examples(Part("test", table.take(np.arange(2)).with_columns({"mask": masks})), pipeline)
    assert examples.rows.tolist() == [0]
    assert "the pixel 9 (1 times) is no class" in examples.problems[1]


def network(task, pipeline, table):
    sizes = Sizes({n: tuple(s) for n, s in pipeline.sizes().items()}, len(table))
    torch.manual_seed(0)
    built = task.network(sizes)
    task.prime(built, pipeline)
    return built


def test_the_loss_is_a_sum_over_pictures_also_where_it_is_cut_into_pieces():
    task, table, pipeline = demo()
    built = network(task, pipeline, table).eval()
    some = task.examples(Part("train", table.take(np.arange(20))), pipeline).take(np.arange(20), KEY)
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in some.arrays.items()}
    whole = task.loss(built, dataclasses.replace(some, arrays=tensors), KEY)
    with torch.no_grad():
        cut = task.loss(built, dataclasses.replace(some, arrays=tensors), KEY)
    assert whole.units == cut.units == 20
    torch.testing.assert_close(whole.total.detach(), cut.total)
    torch.testing.assert_close(whole.parts["dice"].detach(), cut.parts["dice"])


def test_augmentation_keeps_shapes_and_classes_and_says_what_it_does():
    task, table, pipeline = demo()
    examples = task.examples(Part("train", table), pipeline)
    some = examples.take(np.arange(6), KEY)
    batch = dataclasses.replace(some, arrays={n: torch.from_numpy(np.array(a)) for n, a in some.arrays.items()})
    torch.manual_seed(0)
    for chosen in task.augment(examples, pipeline):
        assert chosen.what.startswith("image")
        assert "asked for" not in chosen.why
        batch = chosen(batch, KEY)
    for name, array in some.arrays.items():
        assert batch.arrays[name].dtype == torch.uint8
        assert batch.arrays[name].shape == array.shape
        assert not np.array_equal(batch.arrays[name].numpy(), array)
    assert set(batch.arrays["mask"].unique().tolist()) <= {0, 1, 2, 255}
    assert demo(augment="none")[0].augment(examples, pipeline) == ()


def test_rare_classes_count_more_and_one_on_average():
    task, table, pipeline = demo(balance=0.5)
    weights = network(task, pipeline, table).class_weights.numpy()
    shares = np.bincount(table["mask"].ravel()) / table["mask"].size
    assert np.array_equal(np.argsort(weights), np.argsort(-shares))
    assert (weights * shares).sum() == pytest.approx(1)
    np.testing.assert_allclose(weights / weights[0], (shares / shares[0]) ** -0.5, rtol=1e-5)
    assert (network(*[demo(balance=0.0)[i] for i in (0, 2, 1)]).class_weights == 1).all()


def test_masks_without_anything_to_learn_are_refused():
    table = Segmentation.demo(0)
    task = Segmentation(recognise(table), SegmentationConfig(void="1,2"))
    with pytest.raises(DataError, match="one class only"):
        task.pipeline(None).fit(table)


def test_the_pipeline_comes_back_from_its_state():
    task, table, pipeline = demo()
    again = task.pipeline(None).restore(pipeline.state())
    assert again.sizes() == pipeline.sizes()
    one, other = (task.examples(Part("test", table), p).take(np.arange(5), KEY).arrays for p in (pipeline, again))
    assert all(np.array_equal(one[name], other[name]) for name in one)
