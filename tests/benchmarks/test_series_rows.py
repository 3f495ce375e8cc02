"""The row of anomalies in series: what is written for the two commands, and how a result is told."""

import csv

import numpy as np
from benchmarks.nab import Result, Series
from benchmarks.rows import ROWS

from benchmarks import rows_series


def made(name, rows):
    times = np.datetime64("2024-01-01", "s") + 300 * np.arange(rows)
    return Series(name, times, np.arange(rows) / 3, np.zeros((0, 2), np.int64))


def lines(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_training_has_the_probation_alone_and_the_question_all_rows(tmp_path):
    files = [made("a", 400), made("b", 200)]
    learnt, asked = tmp_path / "learnt.csv", tmp_path / "asked.csv"
    rows_series.write(learnt, files, probation=True)
    rows_series.write(asked, files, probation=False)
    train, question = lines(learnt), lines(asked)
    assert [sum(r["file"] == name for r in train) for name in "ab"] == [60, 30]
    assert [sum(r["file"] == name for r in question) for name in "ab"] == [400, 200]
    assert list(question[0]) == ["file", "timestamp", "value"]
    assert float(question[399]["value"]) == files[0].values[399]  # nothing is rounded
    parts = [r["part"] for r in train if r["file"] == "a"]
    assert parts == ["train"] * 42 + ["select"] * 6 + ["calibrate"] * 6 + ["test"] * 6
    assert question[1]["timestamp"].replace("T", " ") == "2024-01-01 00:05:00"


def test_a_result_is_told_with_its_counts():
    assert rows_series.told(Result(12.345, 0.5, 3, 7, 2)) == "12.3: 3 of 7 windows, 2 false alarms"
    assert "nab" in ROWS
