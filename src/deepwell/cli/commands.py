"""One function per verb: call it, print what it gives."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from deepwell.tracking.text import plural, visible


def run(asked: argparse.Namespace, command: Sequence[str]) -> None:
    """Run the verb that was asked for. Raises what the verb raises."""
    {
        "train": _train, "resume": _resume, "demo": _demo, "predict": _predict, "evaluate": _evaluate,
        "compare": _compare,
        "check": _check, "show": _show, "verify": _verify, "report": _report, "tasks": _tasks, "doctor": _doctor,
        "cache": _cache, "try": _try,
    }[asked.verb](asked, command)  # fmt: skip


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def _options(asked: argparse.Namespace, *leave: str) -> dict[str, Any]:
    """The options that were given."""
    skip = {"verb", "request", "traceback", "data", "quiet", "json", *leave}
    return {name: value for name, value in vars(asked).items() if name not in skip and value is not None}


def _sinks(asked: argparse.Namespace) -> list[Any]:
    from deepwell.tracking.terminal import Terminal

    return [Terminal("json" if asked.json else "quiet" if asked.quiet else "auto")]


def _train(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs import train

    data = None if not asked.data else asked.data[0] if len(asked.data) == 1 else asked.data
    train(data, sinks=_sinks(asked), command=command, **_options(asked))


def _resume(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs import resume

    resume(asked.run, out=asked.out, sinks=_sinks(asked))


def _demo(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs import demo

    demo(sinks=_sinks(asked), command=command, **_options(asked))


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _how_read(asked: argparse.Namespace) -> dict[str, Any]:
    """What was said about how a file is to be read."""
    from deepwell.runs.options import ReadAsked

    return {f.name: getattr(asked, f.name) for f in fields(ReadAsked) if getattr(asked, f.name) is not None}


def _try(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs import try_

    if (
        threading.current_thread() is threading.main_thread()
    ):  # Ctrl-C stops an answer here; SIGTERM still ends the verb
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try_(asked.model, task=asked.task, device=asked.device, json=asked.json, **asked.request)


def _predict(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.runtime.wording import Streamed, as_json
    from deepwell.verbs import predict

    requested = asked.data is None
    silent = asked.json or asked.out is not None
    streamed = Streamed((lambda text: None) if silent else _write, safe=sys.stdout.isatty())
    answers = predict(
        asked.model, asked.data, out=asked.out, task=asked.task, device=asked.device, reading=_how_read(asked),
        emit=streamed if requested else None, **asked.request,
    )  # fmt: skip
    if asked.json:
        sys.stdout.writelines(line + "\n" for line in as_json(answers))
    elif asked.out is None and requested and answers.seconds:  # only a request is timed: what comes next are rows
        streamed.rest(answers)
    elif asked.out is None:
        sys.stdout.write(answers.csv())
    if requested and (speed := streamed.speed(answers)):
        sys.stdout.flush()
        sys.stderr.write(f"speed {speed}\n")
    if asked.out is None:
        return
    problems = sum(1 for p in answers["problem"] if p)
    unanswered = f", {problems:,} of them empty (see the column problem)" if problems else ""
    _say(f"{plural(len(answers), 'answer')} in {visible(asked.out)}{unanswered}")


def _evaluate(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.runs.options import SchemaAsked, parse
    from deepwell.verbs import evaluate

    maps = dict(parse(SchemaAsked, {"map": asked.map or []}).map)
    found = evaluate(asked.model, asked.data, map=maps, task=asked.task, reading=_how_read(asked))
    if asked.json:
        scores = [s.to_json() for s in found.scores]
        facts = {"opened": found.opened, "trained_on": found.trained_on, "rejected": len(found.rejected)}
        _say(json.dumps({"scores": scores, **facts}))
        return
    _say(repr(found))


def _compare(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.runs.options import SchemaAsked, parse
    from deepwell.verbs import compare

    maps = dict(parse(SchemaAsked, {"map": asked.map or []}).map)
    found = compare(asked.first, asked.second, asked.data, map=maps, task=asked.task, reading=_how_read(asked))
    _say(json.dumps(found.to_json()) if asked.json else repr(found))


def _check(asked: argparse.Namespace, command: Sequence[str]) -> None:
    if asked.data is None:
        return _conformance(asked)
    from deepwell.verbs import check

    found = check(asked.data, **_options(asked))
    _say(f"{found.rows_read:,} rows read, {len(found.table):,} of them whole, {len(found.schema.fields)} columns")
    width = min(30, max((len(f.name) for f in found.schema.fields), default=0))
    for field in found.schema.fields:
        _say(f"  {visible(field.name, 30).ljust(width)}  {field.kind:<9} {field.role:<7} {visible(field.reason, 300)}")
    if found.task:
        _say(f"task: {found.task}")
    _say("nothing to report" if not found.findings else "look at:")
    for finding in found.findings:
        _say("  - " + "\n    ".join(visible(line, 400) for line in finding.split("\n")))
    if asked.save:
        _say(f"schema written to {visible(asked.save)}: edit it, then train with --schema {visible(asked.save)}")
    return None


def _conformance(asked: argparse.Namespace) -> None:
    from deepwell.conformance import examine
    from deepwell.core.errors import ConfigError, RunError

    if not asked.task:
        raise ConfigError("there is nothing to check", repair="name a data file, or a task file with --task")
    findings = examine(asked.task)
    for finding in findings:
        mark = {True: "holds", False: "FAILS", None: "does not apply"}[finding.holds]
        _say(f"  {mark:<15} {finding.name}: {visible(finding.seen, 300)} ({finding.seconds:.1f} s)")
    failed = [f.name for f in findings if f.holds is False]
    if failed:
        raise RunError(f"{len(failed)} of {len(findings)} checks fail: {', '.join(failed)}")
    _say(f"all {len(findings)} checks hold or do not apply")


def _show(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs import show

    contents = show(asked.model)
    for line in contents.card.splitlines():
        _say(visible(line, 500))
    numbers = sum(w.size for w in contents.weights.values())
    _say(
        f"task {visible(contents.task)} version {contents.task_version}; {len(contents.weights)} tensors, {numbers:,} numbers"
    )
    _say("config " + ", ".join(f"{visible(k)} = {visible(v)}" for k, v in contents.config.items()))


def _verify(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs import verify

    for check, seen in verify(asked.model):
        _say(f"  holds  {check}: {visible(seen)}")
    _say("the model is whole")


def _report(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs import report

    _say(str(report(asked.run)))


def _tasks(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.core.config import options
    from deepwell.runtime.conversation import knobs_of
    from deepwell.verbs import tasks

    for name, task in tasks(asked.name).items():
        _say(f"{name}: {visible((task.__doc__ or '').splitlines()[0] if task.__doc__ else '')}")
        if asked.name is None:
            continue
        _say("\nknobs (--set NAME=VALUE):")
        _knobs({o.name: (o.must(), o.default, o.knob.meaning, o.knob.unit) for o in options(task.Config)})
        asked_of = knobs_of(task.Request)
        if asked_of:
            _say("\nknobs of a question (predict --NAME VALUE):")
            _knobs({o.name: (o.must(), o.default, o.knob.meaning, o.knob.unit) for o in asked_of})


def _knobs(rows: Mapping[str, tuple[str, Any, str, str]]) -> None:
    width = max(map(len, rows))
    for name, (must, default, meaning, unit) in rows.items():
        shown = "''" if default == "" else default
        unit = f" ({unit})" if unit else ""
        _say(f"  {name.ljust(width)}  {meaning}{unit}; {must}; default {shown}")


def _doctor(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs import doctor

    for group, facts in doctor().items():
        _say(group)
        for name, value in facts.items():
            _say(f"  {name}: {visible(value, 500)}")


def _cache(asked: argparse.Namespace, command: Sequence[str]) -> None:
    from deepwell.verbs.cache import cache

    _say(repr(cache(clear=asked.clear)))
