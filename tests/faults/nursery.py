"""Nursery: a process that has imported everything once and forks a life for every request, so that hundreds can be killed.

Unusual: a life is the real command line (`deepwell train ...`, `deepwell resume ...`) in a process of its own; it draws the
report and starts threads no faster than any other. What it has besides: a clock that ticks an exact amount a step, where one
is asked for, and a board in shared memory on which it writes how far it is, so that the nursery strikes at a chosen moment.

    request   one JSON line on standard input:  {"lives": [{...}, ...]}
    answer    one JSON line on standard output: [{"code": ..., "step": ..., "saving": ..., "lost": ..., ...}, ...]

No data are read here before a fork: readers start threads, and threads do not outlive a fork.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PHASES = ("birth", "startup", "prepare", "baselines", "train", "evaluate", "seal", "closing")
STEP, SAVING, SAVED, PHASE, SAVES = range(5)
HOLD = 0.02
"""Seconds for which a life that is to be struck in a phase holds on at its beginning, for some phases are very short."""
PATIENCE = 120.0


class Board:
    """Numbers that a life writes and the nursery reads."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 64)

    def put(self, place: int, value: float) -> None:
        """Write one number."""
        struct.pack_into("d", self._memory, 8 * place, value)

    def get(self, place: int) -> float:
        """Read one number."""
        return float(struct.unpack_from("d", self._memory, 8 * place)[0])


class Clock:
    """Ticks when it is told to. All amounts are exactly representable, so sums do not depend on where they began."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def observe(board: Board, fake: dict[str, float] | None, hold: bool) -> None:
    """In a life: write steps, saves and phases on the board; with `fake` let a clock tick per step and per check."""
    from deepwell.cli import commands
    from deepwell.runs import evaluation, expected, fitting, resume, stage, train
    from deepwell.training.checkpoints import Checkpoints
    from deepwell.training.checks import Selection
    from deepwell.training.loop import Loop

    clock, step, save, check = Clock(), Loop.step, Checkpoints.save, Selection.check

    def ticking(self: Loop) -> None:
        clock.now += fake["step"] if fake else 0.0
        step(self)
        board.put(STEP, self._steps)

    def saving(self: Checkpoints, *words: Any, **named: Any) -> bool:
        board.put(SAVING, 1)
        try:
            return save(self, *words, **named)
        finally:
            board.put(SAVING, 0)
            board.put(SAVED, time.monotonic())
            board.put(SAVES, board.get(SAVES) + 1)

    def checking(self: Selection, *words: Any) -> Any:
        clock.now += fake["check"] if fake else 0.0
        return check(self, *words)

    Loop.step, Checkpoints.save, Selection.check = ticking, saving, checking  # type: ignore[method-assign]
    if fake:
        train.train.__kwdefaults__["clock"] = resume.resume.__kwdefaults__["clock"] = clock
        fitting.Course.spent = lambda self: 0.0  # type: ignore[method-assign]
        fitting.time = SimpleNamespace(perf_counter=clock)  # type: ignore[assignment]
        # What is measured in real time differs from run to run: the plan is that of the rules, and no speed is told.
        fitting.planned, fitting.ceiling = _plan_by_rule, lambda job: None
        expect = expected.expect
        expected.expect = lambda job, *more: expect(job, *more) if job.budget.seconds is None else job
        stage.Stage.seconds_left = lambda self: fake.get("seconds")  # type: ignore[method-assign]
    for number, (module, name) in {
        1: (commands, "run"), 2: (train, "prepare"), 3: (stage, "_baselines"), 4: (fitting, "fit"),
        5: (evaluation, "evaluate"), 6: (stage, "_close"), 7: (stage, "render"),
    }.items():  # fmt: skip
        setattr(module, name, _entering(getattr(module, name), board, number, hold))
    resume.prepare = train.prepare


def _plan_by_rule(job: Any, fixed: Any) -> Any:
    chosen = job.decisions.settle(0, "plan", lambda: (job.plan.to_json(), "by rule"))
    return replace(job, plan=type(job.plan).from_json(chosen))


def _entering(function: Any, board: Board, number: int, hold: bool) -> Any:
    def entered(*words: Any, **named: Any) -> Any:
        board.put(PHASE, number)
        until = time.monotonic() + (HOLD if hold else 0.0)
        while time.monotonic() < until:
            time.sleep(0.001)
        return function(*words, **named)

    return entered


class Life:
    """One forked command line.

    asked: argv; and where wanted: out, err (files for what it says), env, fake, blank (draw no report), limit (most bytes of
    a file), without (a fault to inject, see tests.faults.injected), strike.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked, self._board = asked, Board()
        self._strike = dict(asked.get("strike") or {})
        self._began = time.monotonic()
        self._ready, self._code, self._found = 0.0, -1, dict[str, Any]()
        self.process = os.fork()
        if not self.process:
            self._live()

    def _live(self) -> None:
        code = 70
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            for name, descriptor in (("out", 1), ("err", 2)):
                file = os.open(self._asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(file, descriptor)
            os.environ.update(self._asked.get("env", {}))
            limit = self._asked.get("limit")
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            code = self._command()
        except BaseException:  # noqa: BLE001 - a life ends here, whatever it dies of
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _command(self) -> int:
        from tests.faults import injected

        from deepwell.cli.main import main
        from deepwell.runs import stage

        if self._asked.get("blank"):
            stage.render = lambda events: ""
        observe(self._board, self._asked.get("fake"), self._strike.get("when") == "phase")
        if self._asked.get("without"):
            injected.inject(self._asked["without"])
        return main(self._asked["argv"])

    def over(self) -> bool:
        """Whether the life has ended; strikes when the moment has come."""
        found, status = os.waitpid(self.process, os.WNOHANG)
        if found:
            self._code = os.waitstatus_to_exitcode(status)
            self._found.setdefault("lost", 0.0)
            return True
        if self._strike and self._due():
            self._hit()
        if time.monotonic() - self._began > PATIENCE:
            os.kill(self.process, signal.SIGKILL)
        return False

    def _due(self) -> bool:
        when, value, board = self._strike["when"], self._strike["value"], self._board
        reached = {
            "seconds": time.monotonic() - self._began >= value if when == "seconds" else False,
            "step": board.get(STEP) >= value if when == "step" else False,
            "save": board.get(SAVING) == 1 and board.get(SAVES) >= value if when == "save" else False,
            "phase": board.get(PHASE) >= PHASES.index(value) if when == "phase" else False,
        }[when]
        if reached and not self._ready:
            self._ready = time.monotonic()
        return bool(self._ready) and time.monotonic() - self._ready >= self._strike.get("delay", 0.0)

    def _hit(self) -> None:
        numbers = self._strike.get("signals", [signal.SIGKILL])
        now, board = time.monotonic(), self._board
        since = board.get(SAVED) if board.get(SAVES) else self._began
        self._found = {"saving": bool(board.get(SAVING)), "struck_in": PHASES[int(board.get(PHASE))], "struck_at": now}
        self._found |= {"step": int(board.get(STEP)), "lost": max(0.0, now - since)}
        for number in numbers:
            os.kill(self.process, number)
            if len(numbers) > 1:
                time.sleep(self._strike.get("gap", 0.01))
        self._strike = {}

    def answer(self) -> dict[str, Any]:
        """What became of it."""
        ended, board = time.monotonic(), self._board
        found = {
            "code": self._code,
            "seconds": ended - self._began,
            "after": ended - self._found.get("struck_at", ended),
            "step": int(board.get(STEP)),
            "saves": int(board.get(SAVES)),
            "out": _text(self._asked["out"]),
            "err": _text(self._asked["err"]),
            "pid": self.process,
        }
        return {**found, **self._found}


def warm() -> None:
    """Import what a run needs, and have torch, scikit-learn and numpy make what they make once; no thread is started."""
    import sklearn.ensemble
    import torch

    import deepwell.cli.commands
    import deepwell.conformance
    import deepwell.reports
    import deepwell.runs.resume
    import deepwell.tasks.image_classification
    import deepwell.tasks.tabular
    import deepwell.tracking.terminal
    import deepwell.verbs.resume
    import deepwell.verbs.train  # noqa: F401

    torch.set_num_threads(1)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.LazyLinear(2))
    network(torch.zeros(2, 1, 8, 8)).sum().backward()
    sklearn.ensemble.HistGradientBoostingClassifier(max_iter=1).fit([[0.0], [1.0]] * 20, [0, 1] * 20)


def _text(path: str) -> str:
    """What a life wrote; nothing, where it was struck before it opened the file."""
    return Path(path).read_text() if Path(path).exists() else ""


def serve() -> None:
    """Answer requests until standard input ends."""
    warm()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        lives = [Life(asked) for asked in json.loads(line)["lives"]]
        waiting = list(lives)
        while waiting:
            waiting = [life for life in waiting if not life.over()]
            time.sleep(0.0002)
        print(json.dumps([life.answer() for life in lives]), flush=True)


if __name__ == "__main__":
    serve()
