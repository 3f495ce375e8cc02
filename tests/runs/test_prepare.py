"""Files to examples: everything is counted, labels are renamed, and the user hears what is wrong before a run exists."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import columns_of, write_csv

from deepwell.core.errors import ConfigError, DataError
from deepwell.core.table import Table
from deepwell.runs.inspection import inspect
from deepwell.runs.labels import renamed
from deepwell.runs.options import SchemaAsked, TrainOptions, parse
from deepwell.runs.prepare import Prepared, prepare


def prepared(data: object, **options: object) -> Prepared:
    return prepare(data, parse(TrainOptions, {"target": "label", "size": "tiny", **options}))


def test_rows_read_are_rows_used_and_rows_rejected(tmp_path: Path) -> None:
    columns = columns_of(300)
    columns["label"][7] = None
    columns["height"][9] = "tall"
    path = write_csv(tmp_path / "data.csv", columns)
    path.write_text(path.read_text() + "1,2\n")
    found = prepared(path, max_rejected=0.05)
    used = sum(e.count or 0 for e in found.examples.values())
    assert (found.rows_read, used) == (301, 298)
    assert {(r.where.rpartition(" ")[2], r.reason) for r in found.rejected} == {
        ("302", "has 2 cells where the other rows have 4"),
        ("9", "the target is missing"),
        ("11", "column 'height': 'tall' is not a number"),
    }
    with pytest.raises(DataError, match="3 of 301 rows cannot be used"):
        prepared(path, max_rejected=0.009)


def test_transforms_learn_on_the_training_part_only() -> None:
    columns = columns_of(300)
    columns["split"] = ["train"] * 250 + ["test"] * 50
    columns["colour"][250:] = ["purple"] * 50
    found = prepared(columns)
    assert found.parts.counts["test"] == 50
    assert "purple" not in str(found.pipeline.state()["colour"])


def test_a_test_table_in_memory_is_the_test_part() -> None:
    found = prepared(columns_of(200), test=columns_of(40, 1))
    assert found.parts.counts["test"] == 40


def test_the_same_seed_gives_the_same_parts_and_another_one_others() -> None:
    def assignment(seed: int) -> list[int]:
        return prepared(columns_of(200), seed=seed).parts.assignment.tolist()

    assert assignment(1) == assignment(1) != assignment(2)


def test_without_a_test_share_all_rows_serve_training() -> None:
    options = parse(TrainOptions, {"target": "label"})
    assert prepare(columns_of(200), options, test_share=0.0).parts.counts["test"] == 0


def test_an_option_that_only_some_tasks_have_is_refused_by_the_others() -> None:
    windows = Path(__file__).parents[1] / "probes" / "windows.py"
    with pytest.raises(ConfigError, match="this task has no option --positive"):
        prepare(None, parse(TrainOptions, {"task": str(windows), "demo": True, "positive": "x"}))


@given(st.lists(st.sampled_from(["a", "b", None]), min_size=1), st.dictionaries(st.sampled_from("ab"), st.text()))
def test_renaming_labels(labels: list[str | None], maps: dict[str, str]) -> None:
    table = Table({"y": np.array(labels, object)})
    unknown = set(maps) - set(labels)
    if unknown:
        with pytest.raises(DataError, match="--map names a label that does not occur"):
            renamed(table, ["y"], maps)
        return
    expected = [None if v is None else maps.get(v, v) for v in labels]
    assert renamed(table, ["y"], maps)["y"].tolist() == expected


def test_numbers_are_renamed_by_their_text() -> None:
    """A column of whole numbers with a gap is stored as floats; its labels are still 0 and 1."""
    table = Table({"y": np.array([0.0, 1.0, np.nan])})
    assert renamed(table, ["y"], {"0": "no"})["y"].tolist() == ["no", "1", None]


def test_check_names_what_would_hurt_a_training(tmp_path: Path) -> None:
    columns = columns_of(300)
    columns["label"] = ["rare" if i < 3 else v for i, v in enumerate(columns["label"])]
    columns["after"] = [f"code {v}" for v in columns["label"]]
    columns["empty"] = [None if i % 2 else 1.0 * i for i in range(300)]
    columns["height"][5] = "tall"
    path = write_csv(tmp_path / "data.csv", columns)
    findings = "\n".join(inspect(path, parse(SchemaAsked, {"target": "label"})).findings)
    assert f"{path}, line 7: column 'height': 'tall' is not a number" in findings
    assert "target 'label': classes with fewer than 20 rows: 'rare' (3)" in findings
    assert "'rare'" in findings
    assert "column 'after' determines the target 'label' in every row" in findings
    assert "column 'empty': 50% of the values are missing" in findings


def test_check_counts_equal_rows_and_those_that_disagree() -> None:
    columns = {"a": ["x", "x", "y", "z"] * 20, "b": list("1123") * 20, "label": ["p", "q", "p", "q"] * 20}
    findings = "\n".join(inspect(columns, parse(SchemaAsked, {"target": "label"})).findings)
    assert "77 rows repeat another row in all inputs" in findings
    assert "equal rows that disagree about the target: 1;" in findings
