"""Asking a model on the command line: requests as options, streams, JSON, lines through a pipe, and how files are read."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from tests.conftest import QUICK, CommandLine, columns_of, data_of

TASK = Path(__file__).parents[1] / "probes" / "stepwise.py"


@pytest.fixture(scope="module")
def speller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers requests: it continues words."""
    from deepwell.cli.main import main

    out = tmp_path_factory.mktemp("speller")
    assert main(["train", "--task", str(TASK), "--demo", "--steps", "60", "--out", str(out), "--quiet"]) == 0
    return out / "stepwise" / "001"


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def test_a_request_is_answered_as_plain_text_json_or_csv(speller: Path, tmp_path: Path, deepwell: CommandLine) -> None:
    words = ["predict", "--task", TASK, speller, "--prompt"]
    plain = deepwell(*words, "abc")
    assert plain.code == 0
    assert plain.out.startswith("abc")
    assert plain.out.count("\n") == 1
    assert plain.err.startswith("speed 8 pieces in ")
    found = deepwell(*words, "abc", "--json")
    assert json.loads(found.out) == {"word": plain.out.strip(), "problem": ""}
    table = deepwell(*words, "abc", "--out", tmp_path / "a.csv")
    assert table.out == f"1 answer in {tmp_path / 'a.csv'}\n"
    assert list(csv.reader((tmp_path / "a.csv").read_text().splitlines())) == [
        ["word", "problem"],
        [plain.out.strip(), ""],
    ]


def test_requests_that_cannot_be_answered_are_refused_in_words(speller: Path, deepwell: CommandLine) -> None:
    for words, said in (
        (["--promt", "ab"], "there is no knob 'promt'; did you mean 'prompt'?"),
        (["ab"], "answers requests, not rows; got 'ab'\n  repair: ask with the knobs of a question: --prompt"),
        (["--prompt", "\U0001f600"], "a word may hold the letters abcdefghijk only; got '\\U0001f600'"),
        (["--prompt", "x" * 100_000], "a word may hold the letters"),
    ):
        found = deepwell("predict", speller, "--task", TASK, *words)
        assert found.code == 2
        assert said in found.err.replace("\U0001f600", "\\U0001f600")
        assert found.out == ""
    assert deepwell("try", "nowhere").err.startswith("error: no run 'nowhere'")


def test_help_lists_the_knobs_of_the_model_that_is_named(speller: Path, tmp_path: Path, deepwell: CommandLine) -> None:
    for verb in ("predict", "try"):
        found = deepwell(verb, speller, "--task", TASK, "--help")
        assert found.code == 0
        assert "knobs of a question to stepwise" in found.out
        assert "--prompt VALUE" in found.out
        assert "first letters; text; default 'ab'" in found.out
        assert "`deepwell " + verb + " MODEL --help`" in " ".join(deepwell(verb, "--help").out.split())
    unknown = deepwell("predict", tmp_path / "no.well", "--help")
    assert unknown.code == 0
    assert "The knobs of this model are not known: no run" in unknown.out


def test_lines_of_a_pipe_are_questions(
    speller: Path, trained: Path, deepwell: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, b"abc\n\nzzz\n\xff\n/quit\nabc\n")
    said = deepwell("try", speller, "--task", TASK, "--json")
    assert (said.code, said.err) == (0, "")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert found[0]["word"].startswith("abc")
    assert "may hold the letters" in found[1]["problem"]
    assert found[2]["problem"].startswith("the question holds bytes that are no UTF-8")
    assert len(found) == 3
    piped(monkeypatch, b"height,weight,colour\r\n9,9,red\r\n")
    assert deepwell("try", trained).out.startswith("label: yes\n  probability: yes 0.")


def test_a_command_in_a_process_that_has_read_its_input(deepwell: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"one\ntwo\n")
    sys.stdin.readline()
    assert deepwell("tasks").code == 0


def test_rows_as_json(trained: Path, deepwell: CommandLine) -> None:
    lines = deepwell("predict", trained, data_of(trained), "--json").out.splitlines()
    rows = list(csv.DictReader(deepwell("predict", trained, data_of(trained)).out.splitlines()))
    assert [json.loads(line)["label"] for line in lines] == [row["label"] for row in rows]
    assert [json.loads(line)["label.probability"] for line in lines] == [float(r["label.probability"]) for r in rows]


def test_files_are_read_as_in_training_unless_told_otherwise(tmp_path: Path, deepwell: CommandLine) -> None:
    """Bars between cells in cp437, and a word that means missing: no file says so itself."""
    columns = columns_of(150)
    columns["colour"] = ["grün" if colour == "green" else colour for colour in columns["colour"]]
    columns["height"] = [-9 if i % 10 == 0 else height for i, height in enumerate(columns["height"])]
    lines = ["|".join(columns), *("|".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    data, other = tmp_path / "data.csv", tmp_path / "other.csv"
    data.write_bytes("\n".join(lines).encode("cp437"))
    other.write_text("\n".join(lines).replace("|", ","))
    reading = ["--delimiter", "|", "--encoding", "cp437", "--missing", "-9"]
    words = ["train", data, "--target", "label", *reading, *QUICK, "--quiet", "--out", tmp_path / "runs"]
    assert deepwell(*words).code == 0
    run = tmp_path / "runs" / "tabular" / "001"
    found = deepwell("predict", run, data)
    assert found.out.count("\n") == 151
    told = deepwell("predict", run, other, "--delimiter", ",", "--encoding", "utf-8")
    assert told.out == found.out
    wrong = deepwell("predict", run, other)
    assert wrong.code == 2
    assert "lacks 3 columns" in wrong.err
    missing = deepwell("predict", run, data, "--missing", "word")
    assert missing.out != found.out
    scores = [json.loads(deepwell("evaluate", run, *more, "--json").out)["scores"]
              for more in ([data], [other, "--delimiter", ",", "--encoding", "utf-8"])]  # fmt: skip
    assert scores[0] == scores[1]


def test_lines_of_a_text_file_are_questions_where_training_read_lines(tmp_path: Path, deepwell: CommandLine) -> None:
    for name, word in (("pos", "good"), ("neg", "bad")):
        lines = (f"a {word} film with number {i} {'so ' * (i % 5)}\n" for i in range(60))
        (tmp_path / "reviews").mkdir(exist_ok=True)
        (tmp_path / "reviews" / f"{name}.txt").write_text("".join(lines))
    trained = deepwell("train", tmp_path / "reviews", "--steps", "2", "--size", "tiny", "--out", tmp_path, "--quiet")
    assert trained.code == 0
    model = next(tmp_path.glob("*/001"))
    (tmp_path / "new.txt").write_text("a good film\na bad film\n\na film\n")
    (tmp_path / "new.csv").write_text("n,text\n1,a good film\n2,a bad film\n")
    for words, count in (([tmp_path / "new.txt"], 3), ([tmp_path / "new.csv"], 2)):
        assert len(deepwell("predict", model, *words, "--json").out.splitlines()) == count
    assert len(deepwell("predict", model, tmp_path / "new.txt", "--form", "documents", "--json").out.splitlines()) == 1
