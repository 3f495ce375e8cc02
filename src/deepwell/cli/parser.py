"""The arguments of every verb. Options of `train` and `check` are read off the dataclass that declares them.

argparse, because the options of `predict` are declared by tasks and known only once the model is: they are added at run time.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from deepwell import __version__

VERBS = {
    "train": "train a model on files and seal it with its proof",
    "resume": "go on with a run that was stopped or killed",
    "predict": "answer new rows with a model",
    "evaluate": "score a model on labelled rows",
    "check": "look at data before any training, or at a task file",
    "show": "what is inside a sealed model",
    "verify": "whether a sealed model is whole",
    "report": "write the report of a run again",
    "tasks": "the applications and their knobs",
    "doctor": "the installation and the machine",
    "cache": "what earlier runs have kept on disk for later ones",
    "demo": "train on scikit-learn's handwritten digits",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors name the nearest known word."""

    def error(self, message: str) -> NoReturn:
        """Print what was wrong and exit with code 2."""
        self.exit(2, f"error: {message}\n  repair: {self.prog} --help\n")

    def nearest(self, word: str, known: Sequence[str]) -> str:
        """`; did you mean ...?` for a word."""
        from deepwell.core.errors import nearest

        return nearest(word, known)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of one command. Exits with code 2 for wrong use, 0 after --help or --version."""
    parser = Parser(
        prog="deepwell",
        description="Raw files to a sealed deep-learning model, with proof.",
        epilog="`deepwell VERB --help` lists the options of a verb.",
    )
    parser.add_argument("--version", action="version", version=f"deepwell {__version__}")
    parser.add_argument("verb", metavar="VERB", help="; ".join(f"{v}: {m}" for v, m in VERBS.items()), nargs="?")
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(overview())
        raise SystemExit(0)
    if argv[0].startswith("-"):
        parser.parse_args(list(argv))
    verb = argv[0]
    if verb not in VERBS:
        parser.error(f"there is no verb {verb!r}{parser.nearest(verb, list(VERBS))}")
    own = Parser(
        prog=f"deepwell {verb}", description=VERBS[verb][0].upper() + VERBS[verb][1:] + ".", allow_abbrev=False
    )
    own.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    BUILD[verb](own)
    known, unknown = own.parse_known_args(list(argv[1:]))
    known.verb, known.request = verb, {}
    if unknown:
        options = [o for a in own._actions for o in a.option_strings]
        word = unknown[0].split("=")[0]
        # What predict does not know may be a knob of the model's task, unless it is nearly one of predict's own options.
        if verb != "predict" or difflib.get_close_matches(word, options, n=1, cutoff=0.75):
            own.error(f"there is no option {unknown[0]!r}{own.nearest(word, options)}")
        known.request = _pairs(own, unknown)
    return known


def overview() -> str:
    """The text of `deepwell --help`."""
    width = max(map(len, VERBS))
    lines = [f"  {verb.ljust(width)}  {meaning}" for verb, meaning in VERBS.items()]
    return (
        "usage: deepwell VERB ...\n\nRaw files to a sealed deep-learning model, with proof.\n\n"
        + "\n".join(lines)
        + "\n\n`deepwell VERB --help` lists the options of a verb; `deepwell --version` the version.\n"
        + "example: deepwell train data.csv --target price --time 60s\n"
    )


def _pairs(parser: Parser, words: Sequence[str]) -> dict[str, str]:
    """`--n 64 --temperature=0.8` as a dict; the task checks the names."""
    request: dict[str, str] = {}
    words = list(words)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            parser.error(f"{word!r} is one argument too many")
        name, sign, value = word[2:].partition("=")
        if not sign:
            if not words:
                parser.error(f"the option {word!r} needs a value")
            value = words.pop(0)
        request[name.replace("-", "_")] = value
    return request


def _declared(parser: argparse.ArgumentParser, options: type, skip: Sequence[str] = ()) -> None:
    """One option per field of a dataclass of knobs."""
    import dataclasses
    import typing

    hints = typing.get_type_hints(options, include_extras=True)
    for field in dataclasses.fields(options):
        if field.name in skip:
            continue
        base, knob = typing.get_args(hints[field.name])
        flag = "--" + field.name.replace("_", "-")
        several = typing.get_origin(base) in (tuple, typing.get_origin(typing.Mapping[str, str]))
        if base is bool:
            parser.add_argument(flag, action="store_true", default=None, help=knob.meaning)
        else:
            parser.add_argument(
                flag, action="append" if several else "store", default=None, help=knob.meaning,
                metavar=field.name.upper() if not several else "...",
            )  # fmt: skip


def _mode(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--quiet", action="store_true", help="print only the verdict and errors")
    group.add_argument("--json", action="store_true", help="print the record, one JSON object a line")


def _train(parser: argparse.ArgumentParser) -> None:
    from deepwell.runs.options import TrainOptions

    parser.add_argument("data", nargs="*", help="file(s) or folder; none for a task that makes its own data")
    parser.add_argument(
        "--replay", metavar="RUN", help="make this finished run once more, bit for bit, as it was decided"
    )
    _declared(parser, TrainOptions)
    _mode(parser)


def _resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", help="run directory; the unfinished run that was started last if not given")
    parser.add_argument("--out", default="runs", help="directory of all runs")
    _mode(parser)


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    parser.add_argument("--out", default="runs", help="directory of all runs")
    _mode(parser)


def _predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run directory or .well file")
    parser.add_argument("data", nargs="?", help="file or folder with new rows; none for questions without rows")
    parser.add_argument("--out", help="file for the answers (CSV); printed if not given")
    parser.add_argument("--task", help="file of a task that is not installed")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto")
    parser.epilog = "Further options are the knobs of the question that the model's task declares, e.g. --n 64."


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run directory or .well file")
    parser.add_argument("data", help="file or folder with labelled rows")
    parser.add_argument(
        "--map", action="append", metavar="...", help="'OLD -> NEW': rename a label; may be given again"
    )
    parser.add_argument("--task", help="file of a task that is not installed")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")


def _check(parser: argparse.ArgumentParser) -> None:
    from deepwell.runs.options import SchemaAsked

    parser.add_argument("data", nargs="?", help="file or folder; none to check a task file")
    _declared(parser, SchemaAsked)
    parser.add_argument("--save", help="file to write the schema to, for --schema after editing")


def _bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run directory or .well file")


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="run directory")


def _tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="task whose knobs to list, or a file with one")


def _cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="remove all of it but what a run is using")


def _nothing(parser: argparse.ArgumentParser) -> None:
    return


BUILD: dict[str, Callable[[Any], None]] = {
    "train": _train, "resume": _resume, "predict": _predict, "evaluate": _evaluate, "check": _check,
    "show": _bundle, "verify": _bundle, "report": _report, "tasks": _tasks, "doctor": _nothing, "cache": _cache,
    "demo": _demo,
}  # fmt: skip
