"""Wrong use of the command line: what the option must be, what it got, and the nearest that exists."""

from pathlib import Path

import pytest
from tests.conftest import CommandLine, columns_of, write_csv
from tests.faults.conftest import Refused

WRONG = [
    (["--time", "abc"], "time must be a duration such as 60s, 5m or 1h; got 'abc'"),
    (["--time", "0"], "time must be a duration"),
    (["--time=-5s"], "time must be a duration"),
    (["--set", "lr=0.1"], "there is no knob 'lr'; did you mean 'learning_rate'?"),
    (["--set", "dropuot=0.1"], "there is no knob 'dropuot'; did you mean 'dropout'?"),
    (["--set", "dropout=7"], "dropout must be a number from 0 to 0.9; got '7'"),
    (["--set", "dropout=nan"], "dropout must be a number from 0 to 0.9; got 'nan'"),
    (["--set", "dropout"], "set must have the form NAME=VALUE; got 'dropout'"),
    (["--kind", "height=nokind"], "'nokind' is not a kind of column"),
    (["--kind", "heigt=number"], "--kind names the column 'heigt', which does not exist; did you mean 'height'?"),
    (["--kind", "colour=number"], "200 of 200 rows cannot be used (100.0%; allowed is 1.0%)"),
    (["--role", "height=boss"], "'boss' is not a role; known: "),
    (["--role", "heigt=group"], "--role names the column 'heigt', which does not exist; did you mean 'height'?"),
    (["--size", "hug"], "size must be one of "),
    (["--device", "toaster"], "the device 'toaster' cannot be used"),
    (["--metric", "acuracy"], "did you mean 'accuracy'?"),
    (["--metric", "rmse"], "rmse does not suit these targets"),
    (["--positive", "yess"], "there is no class 'yess'; did you mean 'yes'?"),
    (["--epochs", "-1"], "epochs must be a number from "),
    (["--epochs", "inf"], "epochs must be a number from "),
    (["--epochs", "many"], "epochs must be a number from "),
    (["--steps", "0"], "steps must be a whole number of at least 1; got '0'"),
    (["--steps", "1.5"], "steps must be a whole number of at least 1; got '1.5'"),
    (["--seed", "one"], "seed must be a whole number; got 'one'"),
    (["--max-rejected", "5"], "max_rejected must be a number from 0 to 1; got '5'"),
    (["--max-rejected", "nan"], "max_rejected must be a number from 0 to 1; got 'nan'"),
    (["--header", "maybe"], "header must be true or false; got 'maybe'"),
    (["--encoding", "utf-99"], "there is no encoding 'utf-99'"),
    (["--delimiter", "ab"], "delimiter must be one ASCII character"),
    (["--names", "nofile"], "there is no file or folder 'nofile'"),
    (["--schema", "nofile"], "nofile: the schema file cannot be read"),
    (["--test", "nofile.csv"], "there is no file or folder 'nofile.csv'"),
    (["--task", "tabula"], "there is no task 'tabula'; did you mean 'tabular'?"),
    (["--task", "image_classification"], "the task 'image_classification' does not suit this data"),
    (["--map", "yess -> no"], "--map names a label that does not occur: 'yess'; did you mean 'yes'?"),
    (["--map", "yes=no"], "map must have the form 'OLD -> NEW'; got 'yes=no'"),
    (["--json"], "argument --quiet: not allowed with argument --json"),
    (["--targte", "label"], "there is no option '--targte'; did you mean '--target'?"),
]


@pytest.mark.parametrize(("words", "text"), WRONG, ids=[" ".join(w) for w, _ in WRONG])
def test_a_wrong_option_is_refused_before_anything_is_written(
    words: list[str], text: str, tmp_path: Path, refused: Refused
) -> None:
    good = write_csv(tmp_path / "good.csv", columns_of(200))
    assert text in refused(good, "--target", "label", *words, quick=False)


@pytest.mark.parametrize(
    ("content", "text"), [(b'{"a":', "is not JSON"), (b'[{"nam": "x"}]', "did you mean 'name'?"), (b"[]", "")]
)
def test_a_bad_schema_file(content: bytes, text: str, tmp_path: Path, refused: Refused) -> None:
    schema = tmp_path / "schema.json"
    schema.write_bytes(content)
    good = write_csv(tmp_path / "good.csv", columns_of(200))
    assert text in refused(good, "--schema", schema)


def test_nothing_to_train_on(refused: Refused) -> None:
    assert "name files (`deepwell train data.csv --target column`)" in refused()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["trian", "x.csv"], "there is no verb 'trian'; did you mean 'train'?"),
        (["tasks", "tabulr"], "there is no task 'tabulr'; did you mean 'tabular'?"),
        (["check", "nofile.csv"], "there is no file or folder 'nofile.csv'"),
        (["check"], "there is nothing to check"),
        (["report", "nowhere"], "no run 'nowhere'"),
        (["show", "nowhere"], "no run 'nowhere'"),
    ],
)
def test_other_verbs(
    words: list[str], text: str, deepwell: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = deepwell(*words)
    assert said.code == 2
    assert text in said.err
    assert "Traceback" not in said.err
