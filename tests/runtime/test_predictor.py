"""A model answers raw values: each row for itself, in its place, whatever stands beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import columns_of, data_of, write_csv

import deepwell as dw
from deepwell.core.batch import Batch, Encoded
from deepwell.core.errors import BundleError, ConfigError, DataError, RunError
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Origin, Rejected, Table
from deepwell.runtime.answers import Answers, align, cell, in_place
from deepwell.runtime.batches import BATCH
from deepwell.runtime.predictor import Predictor

PROBABILITIES = ["label.probability.no", "label.probability.yes"]


@pytest.fixture(scope="module")
def model(trained: Path) -> Predictor:
    return dw.load(trained)


def some(rows: int, seed: int = 5) -> dict[str, list[object]]:
    columns = columns_of(rows, seed)
    del columns["label"]
    return columns


@given(st.integers(1, 3 * BATCH), st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_an_answer_does_not_depend_on_its_neighbours(model: Predictor, rows: int, place: int) -> None:
    """Bit for bit: alone, among others, and at another place of a batch."""
    place %= rows
    columns = some(rows)
    together = model.predict(columns)
    alone = model.predict({n: [v[place]] for n, v in columns.items()})
    for name in PROBABILITIES:
        assert together[name][place] == alone[name][0]


def test_probabilities_are_those_of_the_answers(model: Predictor) -> None:
    columns = some(100)
    shares = model.predict_proba(columns)
    answers = model.predict(columns)
    assert model.classes == ["no", "yes"]
    assert shares.shape == (100, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares, np.stack([answers[n] for n in PROBABILITIES], 1))
    assert answers["label"].tolist() == [model.classes[i] for i in shares.argmax(axis=1)]


def test_rows_with_problems_stay_in_their_places(model: Predictor) -> None:
    columns = some(4)
    columns["height"][2] = "tall"
    answers = model.predict(columns)
    assert answers["problem"].tolist() == ["", "", "column 'height': 'tall' is not a number", ""]
    assert answers["label"][2] is None
    assert np.isnan(model.predict_proba(columns)).all(axis=1).tolist() == [False, False, True, False]
    assert [len(row) for row in answers.rows()] == [len(answers.table.names)] * 4
    assert answers.rows()[2][0] == ""


def test_a_file_without_header_gives_its_columns_in_order(model: Predictor, tmp_path: Path) -> None:
    expected = model.predict(some(20))["label"].tolist()
    inputs = write_csv(tmp_path / "inputs.csv", some(20), header=False)
    every = write_csv(tmp_path / "every.csv", columns_of(20, 5), header=False)
    assert model.predict(inputs)["label"].tolist() == expected
    assert model.predict(str(every))["label"].tolist() == expected
    assert len(model.score(every)) == len(model.score(columns_of(20, 5)))


def test_numbered_columns_without_the_target_are_not_shifted(tmp_path: Path) -> None:
    """Trained on a file without header whose first column is the target; asked with a file that lacks it."""
    columns = columns_of(120)
    columns = {"label": columns.pop("label"), **columns}
    data = write_csv(tmp_path / "data.csv", columns, header=False)
    run = dw.train(
        str(data), target="column_1", epochs=1, size="tiny", device="cpu", header=False, out=str(tmp_path / "runs")
    )
    del columns["label"]
    asked = write_csv(tmp_path / "asked.csv", columns, header=False)
    assert run.model.predict(asked)["column_1"].tolist() == run.model.predict(data)["column_1"].tolist()


def test_scores_come_with_intervals(model: Predictor, trained: Path) -> None:
    scores = {s.name: s for s in model.score(data_of(trained))}
    assert next(iter(scores)) == "accuracy"
    assert scores["accuracy"].low <= scores["accuracy"].value <= scores["accuracy"].high
    assert scores["accuracy"].n == 300
    truth, answers = columns_of(300)["label"], model.predict(data_of(trained))["label"]
    assert scores["accuracy"].value == pytest.approx(np.mean(answers == np.array(truth)))


def test_no_rows_give_no_answers(model: Predictor) -> None:
    empty = Table({n: np.array(v[:0], dtype=object) for n, v in some(1).items()})
    assert len(model.predict(empty)) == 0
    assert model.predict_proba(empty).shape == (0, 2)


def test_questions_of_the_wrong_sort(model: Predictor, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="answers rows"):
        model.predict()
    with pytest.raises(DataError, match="lacks the column 'label'"):
        model.score(some(5))
    price = {**some(150), "price": [float(v) * 2 for v in some(150)["height"]]}  # type: ignore[arg-type]
    run = dw.train(price, target="price", epochs=1, size="tiny", device="cpu", out=str(tmp_path / "runs"))
    assert (run.model.predict(price)["price.low"] <= run.model.predict(price)["price.high"]).all()
    with pytest.raises(ConfigError, match="predict_proba needs a single target that is a category"):
        run.model.predict_proba(price)


def answers_of(values: list[float]) -> Answers:
    table = Table({"y": np.array(values), "problem": np.array([""] * len(values), object)})
    return Answers(table, Schema((Field("y", "number"), Field("problem", "text"))))


@pytest.mark.parametrize("lines", [True, False])
def test_any_number_of_unread_rows_keeps_the_order_of_files_and_lines(lines: bool) -> None:
    """Each unread row stands where it stands among all rows of all files, of which some are not read at all."""
    draws = np.random.default_rng(0)
    every = [(file, line) for file in range(40) for line in (range(1, 6) if lines else (0,))]
    read = np.sort(draws.permutation(len(every))[: len(every) // 2])
    names = [f"{file:02d}.x" for file in range(40)]
    kept = sorted({every[i][0] for i in read})
    origin = Origin(
        tuple(names[file] for file in kept),
        np.array([kept.index(every[i][0]) for i in read], np.int32), np.array([every[i][1] for i in read]),
    )  # fmt: skip
    unread = [i for i in range(len(every)) if i not in set(read)]
    told = [names[every[i][0]] + (f", line {every[i][1]}" if lines else "") for i in unread]
    lost = [Rejected(where, str(i)) for where, i in zip(told, unread, strict=True)]
    found = in_place(answers_of(read.astype(float).tolist()), Table({"x": read}, origin, lost))
    order = [int(why) if why else int(y) for why, y in zip(found["problem"], found["y"], strict=True)]
    assert order == list(range(len(every)))


def test_lines_that_could_not_be_read_are_put_in_their_places() -> None:
    origin = Origin(("a.csv", "b.csv"), np.array([0, 0, 1], np.int32), np.array([2, 5, 2]))
    lost = [Rejected("b.csv, line 3", "z"), Rejected("a.csv, line 3", "x"), Rejected("a.csv, line 9", "y")]
    found = in_place(answers_of([1.0, 2.0, 3.0]), Table({"x": np.arange(3)}, origin, lost))
    assert found.rows() == [["1.0", ""], ["", "x"], ["2.0", ""], ["", "y"], ["3.0", ""], ["", "z"]]


def test_answers_about_files_name_them() -> None:
    origin = Origin(("a.png", "c.png"), np.array([0, 1], np.int32), np.zeros(2, np.int64))
    found = in_place(answers_of([1.0, 2.0]), Table({"x": np.arange(2)}, origin, [Rejected("b.png", "bad")]))
    assert found.rows() == [["1.0", "", "a.png"], ["", "bad", "b.png"], ["2.0", "", "c.png"]]
    assert found.schema.names == ["y", "problem", "row"]


@given(st.lists(st.one_of(st.none(), st.text(max_size=9), st.floats(allow_nan=False, width=16), st.integers())))
def test_answers_as_csv_read_back(values: list[object]) -> None:
    import csv
    import io

    column = np.empty(len(values), object)
    column[:] = values
    text = Answers(Table({"a": column, "b": column}), Schema()).csv()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == ["a", "b"]
    assert read[1:] == [[cell(v), cell(v)] for v in values]
    for value in values:
        if isinstance(value, float):
            assert float(cell(value)) == value


@given(st.data())
def test_aligned_answers_have_a_line_for_every_row(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 12))
    rows = sorted(data.draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=count)))
    lost = [r for r in range(count) if r not in rows]
    table = align(Table({"y": np.array(rows, float)}), np.array(rows, np.int64), dict.fromkeys(lost, "no"), count)
    assert [None if np.isnan(v) else int(v) for v in table["y"]] == [r if r in rows else None for r in range(count)]
    assert [bool(p) for p in table["problem"]] == [r in lost for r in range(count)]


def test_large_numbers_keep_all_digits() -> None:
    wide, narrow = np.array([20240131.0, 0.1]), np.array([25000134.0, 0.3], np.float32)
    rows = Answers(Table({"a": wide, "b": narrow}), Schema()).rows()
    assert [row[0] for row in rows] == ["20240131.0", "0.1"]
    np.testing.assert_array_equal(np.array([row[1] for row in rows], np.float32), narrow)


def test_a_header_of_other_names_is_no_row(model: Predictor, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "prices.csv", {"price": [1.5, 2.5], "stock": [3.0, 4.0], "shop": ["a", "b"]})
    with pytest.raises(DataError, match="height"):
        model.predict(path)


def test_windows_may_be_answered_by_several_lines_each(model: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    horizon = 3

    def lines(runner: object, batch: Batch, *rest: object) -> Table:
        return Table({"label": np.repeat(batch.examples, horizon)})

    monkeypatch.setattr(model.task, "predict", lines)
    windows = RowExamples(Encoded({"x": np.zeros(BATCH + 5)}, np.arange(BATCH + 5)))
    with pytest.raises(RunError, match=f"{3 * BATCH} lines of answers for {BATCH} examples"):
        model.answer(windows, BATCH + 5)
    windows.rows = None
    np.testing.assert_array_equal(model.answer(windows, 0)["label"], np.repeat(np.arange(BATCH + 5), horizon))


def test_a_model_says_its_size_itself(model: Predictor) -> None:
    """`auto` is settled before training, so a model opens whatever `auto` means in a later version."""
    assert model.contents.config["size"] in ("tiny", "small", "base", "large")


@pytest.mark.parametrize("change", ["missing", "another", "longer"])
def test_sizes_that_are_not_those_of_the_transforms_are_refused(model: Predictor, change: str) -> None:
    sizes = {name: list(size) for name, size in model.contents.sizes["fields"].items()}
    name = next(iter(sizes))
    if change == "missing":
        del sizes[name]
    else:
        sizes[name] = [sizes[name][0] + 1, *sizes[name][1:]] if change == "another" else [*sizes[name], 1]
    forged = replace(model.contents, sizes={**model.contents.sizes, "fields": sizes})
    with pytest.raises(BundleError, match="not those of the stored transforms"):
        Predictor(forged)


def test_a_names_file_beside_the_data_leaves_the_target_its_name(model: Predictor, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "plants.csv", columns_of(30, 3), header=False)
    (tmp_path / "plants.names").write_text("height: continuous.\nweight: continuous.\ncolour: red, green, blue.\n")
    assert len(model.score(path)) > 1
