"""What users hold on to is pinned: public names, command-line options, exit codes."""

import argparse

import pytest

import deepwell
from deepwell.cli import parser
from deepwell.core import errors

OPTIONS = {
    "train": "--delimiter --demo --device --encoding --epochs --form --freeze --from --header --horizon --json --judge --kind "
    "--map --max-rejected --memory --metric --missing --names --no-tail --out --plan --positive --quiet --replay --role "
    "--save-every --schema --seed --set --size --split --steps --target --task --test --time "
    "--traceback",
    "predict": "--delimiter --device --encoding --form --header --json --missing --names --out --task --traceback",
    "try": "--device --json --task --traceback",
    "compare": "--delimiter --encoding --form --header --json --map --missing --names --task --traceback",
    "evaluate": "--delimiter --encoding --form --header --json --map --missing --names --task --traceback",
    "cache": "--clear --traceback",
    "check": "--delimiter --encoding --form --header --kind --map --missing --names --role --save --schema --target "
    "--task --traceback",
    "show": "--traceback",
    "verify": "--traceback",
    "report": "--traceback",
    "resume": "--json --out --quiet --traceback",
    "tasks": "--traceback",
    "doctor": "--traceback",
    "demo": "--json --out --quiet --seed --traceback",
}


def test_public_names() -> None:
    assert deepwell.__all__ == [
        "DeepwellError", "Estimator", "cache", "check", "compare", "demo", "doctor", "evaluate", "keras", "load", "predict",
        "report", "resume", "show", "tasks", "train", "try_", "verify",
    ]  # fmt: skip


@pytest.mark.parametrize("verb", sorted(OPTIONS))
def test_options(verb: str) -> None:
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--traceback")
    parser.BUILD[verb](own)
    assert " ".join(sorted(o for a in own._actions for o in a.option_strings)) == OPTIONS[verb]


def test_every_verb_is_listed() -> None:
    assert set(parser.VERBS) == set(parser.BUILD) == set(OPTIONS)


def test_exit_codes() -> None:
    codes = {
        e.__name__: e.exit_code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, BaseException)
    }
    assert codes == {
        "DeepwellError": 1, "UsageError": 2, "ConfigError": 2, "DataError": 2, "BundleError": 2, "MissingExtra": 2,
        "RunError": 1, "Interrupted": 75,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["trian", "x.csv"], "there is no verb 'trian'; did you mean 'train'?"),
        (["train", "x.csv", "--targt", "y"], "there is no option '--targt'; did you mean '--target'?"),
        (["predict", "run", "x.csv", "--otu", "y"], "there is no option '--otu'; did you mean '--out'?"),
        (["predict", "run", "-n", "3"], "there is no option '-n'"),
        (["predict", "run", "--prompt"], "the option '--prompt' needs a value"),
        (["try", "run", "--prompt", "--json"], "the option '--prompt' needs a value"),
        (["try", "run", "--prompt", "a\udcffb"], "the question holds bytes that are no UTF-8"),
        (["show"], "the following arguments are required: model"),
    ],
)
def test_a_typo_is_refused_with_the_nearest(argv: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser.parse(argv)
    assert stopped.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("verb", parser.ASKING)
def test_knobs_of_a_question_are_set_aside_as_they_stand(verb: str) -> None:
    words = [verb, "--top-k", "5", "--task", "t.py", "run", "--prompt", "--- or -1 or --other", "--stop=a=b", "--json"]
    asked = parser.parse(words)
    assert (asked.model, asked.task, asked.json) == ("run", "t.py", True)
    assert asked.request == {"top_k": "5", "prompt": "--- or -1 or --other", "stop": "a=b"}


def test_data_may_stand_behind_options() -> None:
    asked = parser.parse(["predict", "run", "--n", "3", "--out", "a.csv", "new.csv", "--missing", "-9"])
    assert (asked.model, asked.data, asked.out, asked.missing) == ("run", "new.csv", "a.csv", ["-9"])
    assert parser.parse(["predict", "run", "--", "-odd.csv"]).data == "-odd.csv"
