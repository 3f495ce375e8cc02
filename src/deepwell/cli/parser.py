"""The arguments of every verb. Options of `train` and `check` are read off the dataclass that declares them.

Unusual: the knobs of a question are options of `predict` and `try`, and only the model's task knows them. They are set aside
as they stand, for the verb to check; `--help` opens the model and lists them.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from deepwell import __version__

VERBS = {
    "train": "train a model on files and seal it with its proof",
    "resume": "go on with a run that was stopped or killed",
    "predict": "answer new rows, or a request, with a model",
    "try": "talk to a model: question after question at the terminal or through a pipe",
    "evaluate": "score a model on labelled rows",
    "compare": "two models on the same rows, or against each other",
    "check": "look at data before any training, or at a task file",
    "show": "what is inside a sealed model",
    "verify": "whether a sealed model is whole",
    "report": "write the report of a run again",
    "tasks": "the applications and their knobs",
    "doctor": "the installation and the machine",
    "cache": "what earlier runs have kept on disk for later ones",
    "demo": "train on scikit-learn's handwritten digits",
}


ASKING = ("predict", "try")
"""Verbs whose further options are knobs of the question."""
_KNOB = re.compile(r"--?[A-Za-z][A-Za-z0-9_-]*")


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
    words: list[str] = list(argv[1:])
    request: dict[str, str] = {}
    if verb in ASKING:
        if {"-h", "--help"} & set(words):
            _list_knobs(own, words)
        words, request = _without_knobs(own, words)
    known, unknown = own.parse_known_args(words)
    if unknown:
        if not unknown[0].startswith("-"):
            own.error(f"{unknown[0]!r} is one argument too many")
        own.error(f"there is no option {unknown[0]!r}{own.nearest(unknown[0].split('=')[0], list(_own(own)))}")
    known.verb, known.request = verb, request
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


def _own(parser: Parser) -> dict[str, bool]:
    """The options that a parser declares, and whether each takes a value."""
    return {option: action.nargs != 0 for action in parser._actions for option in action.option_strings}


def _without_knobs(parser: Parser, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The words that the parser knows, and the others (`--n 64 --temperature=0.8`) as a dict.

    What is no option comes first: argparse takes an optional argument that stands behind options for one too many. An option
    that is nearly one of the parser's own is refused with it.
    """
    own, left = _own(parser), list(words)
    bare: list[str] = []
    known: list[str] = []
    request: dict[str, str] = {}
    while left:
        word = left.pop(0)
        name, sign, value = word.partition("=")
        if word == "--":
            break
        if not _KNOB.fullmatch(name):
            bare.append(word)
        elif name in own:
            known += [word, *(left[:1] if own[name] and not sign else [])]
            del left[: own[name] and not sign]
        elif not name.startswith("--") or difflib.get_close_matches(name, own, n=1, cutoff=0.8):
            parser.error(f"there is no option {name!r}{parser.nearest(name, list(own))}")
        else:
            if not sign and (not left or left[0].partition("=")[0] in own):
                parser.error(f"the option {name!r} needs a value")
            request[name[2:].replace("-", "_")] = value if sign else left.pop(0)
    if any("\udc80" <= sign <= "\udcff" for text in request.values() for sign in text):
        parser.error("the question holds bytes that are no UTF-8")
    return [*known, "--", *bare, *left], request


def _list_knobs(parser: Parser, words: Sequence[str]) -> None:
    """Adds the knobs of the model that is named to the help, where there is one."""
    from deepwell import tasks
    from deepwell.bundle.read import read
    from deepwell.core.errors import DeepwellError
    from deepwell.runtime.conversation import knobs_of
    from deepwell.tracking.directory import sealed

    known, _ = _without_knobs(parser, [word for word in words if word not in ("-h", "--help")])
    if known[-1] == "--":
        return
    asked = parser.parse_known_args(known)[0]
    try:
        task = tasks.find(asked.task or read(sealed(asked.model)).task)
    except (DeepwellError, OSError) as error:
        parser.epilog = f"The knobs of this model are not known: {str(error).splitlines()[0]}"
        return
    group = parser.add_argument_group(f"knobs of a question to {task.name()}")
    for option in knobs_of(task.Request):
        unit = f" ({option.knob.unit})" if option.knob.unit else ""
        told = f"{option.knob.meaning}{unit}; {option.must()}; default {option.default!r}"
        group.add_argument("--" + option.name.replace("_", "-"), metavar="VALUE", help=told.replace("%", "%%"))
    parser.epilog = None


def _declared(parser: argparse._ActionsContainer, options: type, skip: Sequence[str] = ()) -> None:
    """One option per field of a dataclass of knobs."""
    import dataclasses
    import typing

    hints = typing.get_type_hints(options, include_extras=True)
    for field in dataclasses.fields(options):
        if field.name in skip:
            continue
        base, knob = typing.get_args(hints[field.name])
        flag = "--" + field.name.strip("_").replace("_", "-")
        several = typing.get_origin(base) in (tuple, typing.get_origin(typing.Mapping[str, str]))
        if base is bool:
            parser.add_argument(flag, dest=field.name, action="store_true", default=None, help=knob.meaning)
        else:
            parser.add_argument(
                flag, dest=field.name, action="append" if several else "store", default=None, help=knob.meaning,
                metavar=field.name.upper().strip("_") if not several else "...",
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
    parser.add_argument(
        "--out",
        help="file for the answers (CSV, JSON: x.json, made pictures: x.png), or folder/ (drawn, too); printed if not given",
    )
    parser.add_argument("--json", action="store_true", help="print the answers as JSON, one object a line")
    _asking(parser)
    _reading(parser)


def _try(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run directory or .well file")
    parser.add_argument("--json", action="store_true", help="print the answers as JSON, one object a line")
    _asking(parser)


def _asking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", help="file of a task that is not installed")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto")
    parser.epilog = f"Further options are knobs of the question: `{parser.prog} MODEL --help` lists those of a model."


def _reading(parser: argparse.ArgumentParser) -> None:
    """How a file is read, where that differs from the files of training."""
    from deepwell.runs.options import ReadAsked

    kept = "delimiter, encoding and missing are those of training if not given, and so is form where a file's name says little"
    _declared(parser.add_argument_group("how the file is read", kept), ReadAsked)


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="run directory or .well file")
    parser.add_argument(
        "data", nargs="?", help="file or folder with labelled rows; none for models that learnt without data"
    )
    parser.add_argument(
        "--map", action="append", metavar="...", help="'OLD -> NEW': rename a label; may be given again"
    )
    parser.add_argument("--task", help="file of a task that is not installed")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    _reading(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", help="run directory or .well file")
    parser.add_argument("second", help="run directory or .well file")
    parser.add_argument(
        "data", nargs="?", help="file or folder with labelled rows; none for models that play each other"
    )
    parser.add_argument(
        "--map", action="append", metavar="...", help="'OLD -> NEW': rename a label; may be given again"
    )
    parser.add_argument("--task", help="file of a task that is not installed")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    _reading(parser)


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
    "train": _train, "resume": _resume, "predict": _predict, "evaluate": _evaluate, "compare": _compare, "check": _check,
    "show": _bundle, "verify": _bundle, "report": _report, "tasks": _tasks, "doctor": _nothing, "cache": _cache,
    "demo": _demo, "try": _try,
}  # fmt: skip
