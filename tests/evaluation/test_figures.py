"""Figures and example rows: right numbers, JSON values only, small however large the part."""

import base64
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import auc, confusion_matrix, f1_score, roc_auc_score

from deepwell.core.fields import Field, Schema
from deepwell.core.table import ImageFile, Table
from deepwell.evaluation.figures import REST, answered, choose, figures, roc_points, showcase


def schema(kind: str, *inputs: Field) -> Schema:
    return Schema((*inputs, Field("y", kind, "target")))


def pipeline(classes: int) -> SimpleNamespace:
    return SimpleNamespace(classes=lambda name: [f"c{i}" for i in range(classes)])


def category(n: int, classes: int, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, classes, n)
    logits = draw.normal(size=(n, classes)) + 2 * np.eye(classes)[truth]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    nll = -np.log(shares[np.arange(n), truth])
    return {"y.truth": truth, "y.answer": shares.argmax(1), "y.probabilities": shares, "y.nll": nll}


def test_two_classes_have_confusion_reliability_scores_and_roc():
    columns = category(3000, 2)
    events = figures(schema("category"), pipeline(2), columns)
    assert [e["kind"] for e in events] == ["confusion", "reliability", "bars", "roc"]
    assert all(e["event"] == "figure" and e["target"] == "y" for e in events)
    json.dumps(events, allow_nan=False)
    data = {e["kind"]: e["data"] for e in events}
    assert data["confusion"]["counts"] == confusion_matrix(columns["y.truth"], columns["y.answer"]).tolist()
    assert data["confusion"]["labels"] == ["c0", "c1"]
    np.testing.assert_allclose(data["bars"]["values"], f1_score(columns["y.truth"], columns["y.answer"], average=None))
    assert sum(b["count"] for b in data["reliability"]["bins"]) == 3000
    points = np.array(data["roc"]["points"])
    assert len(points) <= 200
    area = roc_auc_score(columns["y.truth"], columns["y.probabilities"][:, 1])
    assert auc(points[:, 0], points[:, 1]) == pytest.approx(area, abs=2e-3)


def test_many_classes_are_cut_to_the_frequent_and_the_rest():
    columns = category(2000, 50)
    columns["y.truth"][:1000] = 7
    confusion, _, bars = figures(schema("category"), pipeline(50), columns)
    assert len(confusion["data"]["labels"]) == 21
    assert confusion["data"]["labels"][-1] == REST
    assert "c7" in confusion["data"]["labels"]
    assert np.sum(confusion["data"]["counts"]) == 2000
    assert len(bars["data"]["values"]) == 20


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=400))
def test_roc_points_rise_from_corner_to_corner(pairs):
    scores, positive = np.array([p[0] for p in pairs]) / 5, np.array([p[1] for p in pairs])
    if positive.all() or not positive.any():
        return
    points = np.array(roc_points(scores, positive))
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 1]
    assert (np.diff(points, axis=0) >= 0).all()
    assert auc(points[:, 0], points[:, 1]) == pytest.approx(roc_auc_score(positive, scores), abs=1e-5)


def test_a_number_has_residuals_and_errors_by_tenth():
    draw = np.random.default_rng(0)
    truth = draw.normal(size=5000) * 10
    columns = {"y.truth": truth, "y.answer": (truth + draw.normal(size=5000)).astype(np.float32)}
    residuals, tenths = figures(schema("number"), None, columns)
    json.dumps([residuals, tenths], allow_nan=False)
    assert len(residuals["data"]["truth"]) == len(residuals["data"]["answer"]) == 500
    assert sum(residuals["data"]["counts"]) == 5000
    assert len(residuals["data"]["edges"]) == len(residuals["data"]["counts"]) + 1
    assert len(tenths["data"]["values"]) == 10
    assert np.mean(tenths["data"]["values"]) == pytest.approx(np.abs(columns["y.answer"] - truth).mean(), rel=1e-4)


@pytest.mark.parametrize("n", [1, 2, 9, 11])
def test_few_rows_still_have_figures(n):
    columns = {"y.truth": np.arange(float(n)), "y.answer": np.zeros(n)}
    assert figures(schema("number"), None, columns)[0]["kind"] == "residuals"
    assert figures(schema("category"), pipeline(2), category(n, 2))[0]["kind"] == "confusion"
    assert figures(schema("category"), pipeline(2), {}) == []


def test_the_worst_mistakes_come_first_and_good_ones_are_right():
    columns = category(500, 3)
    (_, good), (_, worst) = choose(Field("y", "category", "target"), columns)
    assert (columns["y.truth"][good] == columns["y.answer"][good]).all()
    assert len(good) == len(worst) == 8
    wrong = columns["y.truth"] != columns["y.answer"]
    assert columns["y.nll"][worst].tolist() == sorted(columns["y.nll"][wrong].tolist(), reverse=True)[:8]


def test_example_rows_show_inputs_truth_answer_and_where_they_stand():
    n = 30
    columns = category(n, 2)
    back = np.arange(n)[::-1] + 1  # example i was made of raw row n - i; raw row 0 could not be used
    names = np.array(["c0", "c1"], object)
    truth, answer = np.full(n + 1, None, object), np.full(n + 1, None, object)
    truth[back], answer[back] = names[columns["y.truth"]], names[columns["y.answer"]]
    rows = Table({"age": np.arange(n + 1.0), "y": truth})
    events = showcase(rows, schema("category", Field("age", "number")), Table({"y": answer}), columns, back)
    json.dumps(events, allow_nan=False)
    right, worst = events
    heads = [c["name"] for c in right["columns"]]
    assert heads == ["row", "y, true", "y, answered", "probability of the answer", "age"]
    for line in right["rows"]:
        assert line[1] == line[2]
        assert line[0] == f"row {int(line[4])}"
    assert all(line[1] != line[2] for line in worst["rows"])


def test_pictures_become_small_png_and_damaged_ones_their_path(tmp_path):
    colours = np.zeros((200, 100, 3), np.uint8)
    colours[..., 0] = 255
    Image.fromarray(colours).save(tmp_path / "red.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    cells = np.array([ImageFile(str(tmp_path / "red.png")), ImageFile(str(tmp_path / "bad.png"))], object)
    rows = Table({"picture": cells, "y": np.array([1.0, 2.0])})
    columns = {"y.truth": np.array([1.0, 2.0]), "y.answer": np.array([1.5, 2.0])}
    events = showcase(
        rows, schema("number", Field("picture", "image")), Table({"y": columns["y.answer"]}), columns, None
    )
    by_row = {line[0]: line for event in events for line in event["rows"]}
    with Image.open(io.BytesIO(base64.b64decode(by_row["row 0"][4]["png"]))) as image:
        assert image.size == (48, 96)
        assert image.getpixel((5, 5)) == (255, 0, 0)
    assert by_row["row 1"][4].endswith("bad.png")
    assert by_row["row 0"][3] == pytest.approx(0.5)


def test_data_without_rows_has_no_example_rows():
    columns = category(10, 2)
    assert showcase(Table({}), schema("category"), Table({"y": np.zeros(10)}), columns, None) == []


def test_answers_without_rows_are_shown_as_they_come():
    told = Schema((Field("text", "text"), Field("tokens", "number")))
    answers = Table({"text": np.array(["once " * 1000, "upon"] * 10, object), "tokens": np.arange(20)})
    (event,) = answered(told, answers, 3)
    assert [c["name"] for c in event["columns"]] == ["text", "tokens"]
    assert [row[1] for row in event["rows"]] == [0, 1, 2]
    assert len(event["rows"][0][0]) == 2000
    assert event["rows"][1][0] == "upon"
    assert answered(told, answers.take(np.arange(0))) == []


def test_written_answers_stand_beside_the_truth_and_the_question():
    sources = np.array([f"question {i}" for i in range(30)], object)
    rows = Table({"q": sources, "y": np.array([f"truth {i}" for i in range(30)], object)})
    answers = Table({"y": np.array([f"answer {i}" for i in range(30)], object)})
    written = Schema((Field("q", "text"), Field("y", "text", "target")))
    (event,) = showcase(rows, written, answers, {"y.matches": np.zeros((30, 4))}, np.arange(30))
    assert [c["name"] for c in event["columns"]] == ["row", "y, true", "y, answered", "q"]
    assert len(event["rows"]) == 8
    for line in event["rows"]:
        number = line[0].removeprefix("row ")
        assert line[1:] == [f"truth {number}", f"answer {number}", f"question {number}"]
