"""Run directories: numbers are never taken twice, and a wrong path is answered with the runs that exist."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deepwell.core.errors import UsageError
from deepwell.tracking.directory import RunDirectory, create, find


def made(root: Path, task: str) -> RunDirectory:
    run = create(root, task)
    run.record.write_text('{"event":"run"}\n')
    return run


def test_numbers_go_up_and_the_directory_is_private(tmp_path: Path) -> None:
    first, second = create(tmp_path / "runs", "tabular"), create(tmp_path / "runs", "tabular")
    assert [first.name, second.name] == ["tabular/001", "tabular/002"]
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o700
    assert create(tmp_path / "runs", "image_classification").name == "image_classification/001"


def test_a_deleted_run_does_not_give_its_number_to_a_later_one(tmp_path: Path) -> None:
    create(tmp_path, "tabular")
    create(tmp_path, "tabular").path.rename(tmp_path / "tabular" / "007")
    (tmp_path / "tabular" / "notes").mkdir()
    assert create(tmp_path, "tabular").name == "tabular/008"


def test_many_runs_started_at_once_get_different_directories(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: create(tmp_path, "tabular").path, range(64)))
    assert len(set(runs)) == 64
    assert sorted(p.name for p in runs) == [f"{i:03d}" for i in range(1, 65)]


def test_find_takes_the_directory_or_any_file_in_it(tmp_path: Path) -> None:
    run = made(tmp_path, "tabular")
    run.model.write_bytes(b"")
    assert find(run.path) == find(run.model) == find(str(run.record)) == run
    assert run.report == run.path / "report.html"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("runs/tabular/02", "did you mean 'runs/tabular/002'?"),
        ("runs/tabluar/001", "did you mean 'runs/tabular/001'?"),
        ("runs/tabular", "the last run in it is 'runs/tabular/002'"),
        ("runs/tabular/empty", "holds no events.jsonl"),
    ],
)
def test_a_wrong_path_is_answered_with_the_runs_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    made(Path("runs"), "tabular")
    made(Path("runs"), "tabular")
    Path("runs/tabular/empty").mkdir()
    with pytest.raises(UsageError) as error:
        find(asked)
    assert said in str(error.value)


def test_without_any_run_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="deepwell train DATA"):
        find(tmp_path / "nowhere" / "001")


@pytest.mark.parametrize("task", ["../up", "a/b", "", ".hidden", "x" * 200, "nul\0"])
def test_a_task_name_cannot_leave_the_root(tmp_path: Path, task: str) -> None:
    with pytest.raises(UsageError, match="named after the task"):
        create(tmp_path, task)
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(UsageError, match="choose another place"):
        create(tmp_path / "runs", "tabular")


def test_saved_values_replace_the_file_and_leave_nothing_else(tmp_path: Path) -> None:
    run = create(tmp_path, "tabular")
    run.save(run.schema, [{"name": "größe"}])
    run.save(run.schema, [])
    assert os.listdir(run.path) == ["schema.json"]
    assert run.schema.read_bytes().strip() == b"[]"
