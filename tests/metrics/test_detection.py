"""Average precision and recall against faster-coco-eval, and by hand."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.keys import Key
from deepwell.decoding.suppression import Found
from deepwell.evaluation.intervals import replicate
from deepwell.metrics import detection as d

COCO = pytest.importorskip("faster_coco_eval", reason='the oracle is not installed: pip install "deepwell[vision]"')
NAMES = ["map", "map_50", "map_75", "map_small", "map_medium", "map_large", "average_recall"]
PLACES = dict(zip(["map", "map_50", "map_75", "map_small", "map_medium", "map_large"], range(6), strict=True))


def oracle(answers, truths, classes):
    """The same figures from faster-coco-eval; NaN where it says -1."""
    notes, found = [], []
    for image, truth in enumerate(truths, start=1):
        for box, label, ignore in zip(truth.boxes, truth.labels, truth.ignore, strict=True):
            x, y, w, h = (float(v) for v in (box[0], box[1], box[2] - box[0], box[3] - box[1]))
            notes.append({"id": len(notes) + 1, "image_id": image, "category_id": int(label) + 1, "area": w * h,
                          "bbox": [x, y, w, h], "iscrowd": int(ignore)})  # fmt: skip
    for image, answer in enumerate(answers, start=1):
        for box, score, label in zip(answer.boxes, answer.scores, answer.labels, strict=True):
            x, y, w, h = (float(v) for v in (box[0], box[1], box[2] - box[0], box[3] - box[1]))
            found.append(
                {"image_id": image, "category_id": int(label) + 1, "bbox": [x, y, w, h], "score": float(score)}
            )
    data = {
        "images": [{"id": i + 1, "width": 300, "height": 300} for i in range(len(truths))],
        "annotations": notes, "categories": [{"id": k + 1, "name": str(k)} for k in range(classes)],
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO.COCO(data)
        judge = COCO.COCOeval_faster(truth, truth.loadRes(found), iouType="bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    stats = np.array(judge.stats, np.float64)
    values = {name: stats[place] for name, place in PLACES.items()} | {"average_recall": stats[8]}
    precision = judge.eval["precision"][0, :, :, 0, -1]  # at .50: (recalls, classes)
    each = [column.mean() if (column > -1).all() else np.nan for column in precision.T]
    return {name: np.nan if value < 0 else value for name, value in values.items()}, each


def scene(seed, pictures=6, classes=3, most=12, steps=6, crowds=0.2):
    """Truths, and answers near them, with tied scores, doubles, wrong labels and boxes from nowhere."""
    draws = np.random.default_rng(seed)
    answers, truths = [], []
    for _ in range(pictures):
        g = int(draws.integers(0, most))
        corner, side = (
            draws.integers(0, 150, (g, 2)),
            draws.choice([8, 20, 50, 120], (g, 1)) + draws.integers(0, 6, (g, 2)),
        )
        boxes, labels = np.concatenate([corner, corner + side], 1).astype(np.float32), draws.integers(0, classes, g)
        truths.append(d.Truth(boxes, labels, (draws.random(g) < crowds).astype(np.uint8)))
        again = draws.integers(0, g, int(draws.integers(0, 2 * g + 1))) if g else np.zeros(0, np.int64)
        near = boxes[again] + draws.integers(-3, 4, (len(again), 4))
        own = np.where(draws.random(len(again)) < 0.8, labels[again], draws.integers(0, classes, len(again)))
        far = draws.integers(0, 200, (int(draws.integers(0, 5)), 2))
        near = np.concatenate([near, np.concatenate([far, far + 25], 1)])
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        own = np.concatenate([own, draws.integers(0, classes, len(far))])
        scores = (draws.integers(1, steps, len(near)) / steps).astype(np.float32)
        answers.append(Found(near.astype(np.float32), scores, own.astype(np.int64)))
    return answers, truths


def ours(answers, truths, classes):
    """Our figures by name, and the average precision at .50 of each class."""
    columns = d.measured("objects", answers, truths, classes)
    each = [d.class_average_precision("objects", k, str(k)).value(columns) for k in range(classes)]
    return {m.name: m.value(columns) for m in (make("objects") for make in d.FIGURES)}, each


def agree(answers, truths, classes):
    """Assert that both say the same, undefined figures included."""
    expected, expected_each = oracle(answers, truths, classes)
    found, found_each = ours(answers, truths, classes)
    assert sorted(found) == sorted(NAMES)
    np.testing.assert_allclose([found[n] for n in NAMES], [expected[n] for n in NAMES], atol=1e-6)
    np.testing.assert_allclose(found_each, expected_each, atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_equal_to_coco_on_crowded_scenes(seed):
    agree(*scene(seed, pictures=20 + seed, most=15, steps=[2, 10, 1000][seed % 3], crowds=[0.0, 0.3][seed % 2]), 3)


BOXES = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 60), st.integers(1, 60)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
PICTURE = st.tuples(
    st.lists(st.tuples(BOXES, st.integers(0, 1), st.booleans()), max_size=5),
    st.lists(st.tuples(BOXES, st.integers(0, 1), st.integers(1, 3)), max_size=6),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PICTURE, min_size=1, max_size=3))
def test_equal_to_coco_on_anything(pictures):
    truths = [
        d.Truth(
            np.array([b for b, _, _ in true], np.float32).reshape(-1, 4),
            np.array([label for _, label, _ in true], np.int64),
            np.array([ignore for _, _, ignore in true], np.uint8),
        )
        for true, _ in pictures
    ]
    answers = [
        Found(
            np.array([b for b, _, _ in given], np.float32).reshape(-1, 4),
            np.array([score / 4 for _, _, score in given], np.float32),
            np.array([label for _, label, _ in given], np.int64),
        )
        for _, given in pictures
    ]
    if any(len(a.scores) for a in answers) and any(len(t.labels) for t in truths):
        agree(answers, truths, 2)


def one(boxes, scores, labels):
    """The answers of one picture."""
    return Found(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(labels, np.int64))


def truth(boxes, labels, ignore=None):
    """The truth of one picture."""
    marks = np.zeros(len(labels), np.uint8) if ignore is None else np.array(ignore, np.uint8)
    return d.Truth(np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64), marks)


SQUARE, OTHER, FAR = [0, 0, 40, 40], [50, 50, 90, 90], [200, 200, 240, 240]


def test_one_right_one_missed_by_hand():
    """Two true boxes, one found at the top: precision 1 up to recall 0.5, that is at 51 of 101 recalls."""
    columns = d.measured("o", [one([SQUARE], [0.9], [0])], [truth([SQUARE, OTHER], [0, 0])], 1)
    assert d.mean_average_precision_at("o", 50).value(columns) == pytest.approx(51 / 101)
    assert d.average_recall("o").value(columns) == pytest.approx(0.5)


def test_a_wrong_answer_above_a_right_one_halves_the_precision_and_below_it_costs_nothing():
    def value(order):
        answer = one([SQUARE, FAR], order, [0, 0])
        return d.mean_average_precision("o").value(d.measured("o", [answer], [truth([SQUARE], [0])], 1))

    assert value([0.9, 0.1]) == pytest.approx(1.0)
    assert value([0.1, 0.9]) == pytest.approx(0.5)


def test_a_second_answer_to_the_same_object_is_wrong_and_a_crowd_takes_any_number():
    found = one([SQUARE, SQUARE, OTHER, OTHER], [0.9, 0.8, 0.7, 0.6], [0] * 4)
    columns = d.measured("o", [found], [truth([SQUARE, OTHER], [0, 0], [0, 1])], 1)
    assert columns["o.match"][0, :4, 0, 0].tolist() == [d.RIGHT, d.WRONG, d.NEITHER, d.NEITHER]
    assert columns["o.truths"][0, 0].tolist() == [1, 0, 1, 0]
    assert columns["o.labels"][0, 4:].max() == -1


def test_only_the_best_hundred_answers_count():
    boxes, scores = [FAR] * 100 + [SQUARE], [0.9] * 100 + [0.5]
    columns = d.measured("o", [one(boxes, scores, [0] * 101)], [truth([SQUARE], [0])], 1)
    assert columns["o.scores"].shape == (1, 100)
    assert d.mean_average_precision("o").value(columns) == 0.0


def test_equal_to_coco_where_each_of_several_classes_has_up_to_a_hundred_answers():
    draws, answers, truths = np.random.default_rng(0), [], []
    corner = np.stack(np.meshgrid(np.arange(15), np.arange(10)), -1).reshape(-1, 2) * 20.0
    boxes = np.concatenate([corner, corner + 15], 1).astype(np.float32)
    for _ in range(3):
        labels = draws.integers(0, 3, len(boxes))
        truths.append(d.Truth(boxes, labels, np.zeros(len(boxes), np.uint8)))
        answers.append(Found(boxes, draws.random(len(boxes)).astype(np.float32), labels))
    agree(answers, truths, 3)
    assert ours(answers, truths, 3)[0]["map"] == 1.0


def test_of_one_class_a_hundred_answers_count_and_of_all_three_hundred():
    many = np.arange(1000)
    found = d.Found(np.zeros((1000, 4), np.float32), np.linspace(1, 0, 1000).astype(np.float32), many % 2)
    columns = d.measured("objects", [found], [truth([], [])], 4)
    assert np.bincount(columns["objects.labels"][0] + 1).tolist() == [100, 100, 100]
    assert (np.diff(columns["objects.scores"][0, :200]) < 0).all()
    spread = d.Found(found.boxes, found.scores, many % 10)
    assert d.measured("objects", [spread], [truth([], [])], 10)["objects.labels"].shape == (1, d.WIDEST)


def test_pictures_without_objects_or_answers_and_classes_without_truth():
    columns = d.measured("o", [one([], [], [])] * 2, [truth([], []), truth([SQUARE], [1])], 3)
    assert d.mean_average_precision("o").value(columns) == 0.0
    assert np.isnan(d.class_average_precision("o", 0, "cat").value(columns))
    assert np.isnan(d.mean_average_precision("o", "large").value(columns))
    nothing = d.measured("o", [one([SQUARE], [0.9], [0])], [truth([], [])], 1)
    assert all(np.isnan(make("o").value(nothing)) for make in d.FIGURES)


def test_weights_are_repeated_pictures():
    """A picture of weight 2 counts like two equal pictures, one of weight 0 like none: any order of tied scores aside."""
    answers, truths = scene(3, pictures=8, steps=100_000)
    weights = np.random.default_rng(0).integers(0, 3, (5, 8)).astype(np.float64)
    columns = d.measured("o", answers, truths, 3)
    for metric in (make("o") for make in d.FIGURES):
        found = metric.finish(columns, weights)
        for row, value in zip(weights.astype(int), found, strict=True):
            again = d.measured("o", [a for a, w in zip(answers, row, strict=True) for _ in range(w)],
                               [t for t, w in zip(truths, row, strict=True) for _ in range(w)], 3)  # fmt: skip
            assert metric.value(again) == pytest.approx(value, abs=1e-9, nan_ok=True)


def test_blocks_of_resamples_change_nothing(monkeypatch):
    columns = d.measured("o", *scene(5, pictures=12), 3)
    weights = np.random.default_rng(1).integers(0, 3, (9, 12)).astype(np.float64)
    whole = d.mean_average_precision("o").finish(columns, weights)
    monkeypatch.setattr(d, "MOST_CELLS", 40)
    np.testing.assert_array_equal(d.mean_average_precision("o").finish(columns, weights), whole)


def test_intervals_hold_the_value_and_a_perfect_score_is_not_certain():
    columns = d.measured("o", *scene(2, pictures=30), 3)
    found = replicate([d.mean_average_precision_at("o", 50)], columns, None, Key(1), 200)["map_50"]
    assert found.values.min() < found.value < found.values.max()
    perfect = d.measured("o", [one([SQUARE], [0.9], [0])] * 20, [truth([SQUARE], [0])] * 20, 1)
    metric = d.mean_average_precision_at("o", 50)
    assert metric.trials is not None
    assert metric.trials(perfect) == pytest.approx(20)
    assert metric.value(perfect) == 1.0


@given(st.integers(1, 400), st.integers(1, 400))
def test_recalls_are_read_off_exactly(hits, wanted):
    recall = np.array([min(hits, wanted) / wanted])
    assert d._recalls_reached(recall)[0] == np.searchsorted(d.RECALLS, recall[0], side="right")


def test_thresholds_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="not at 52"):
        d.mean_average_precision_at("o", 52)
