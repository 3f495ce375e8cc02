"""Probe: the plan, measured. A few real steps on copies say what no rule can know about this network on this machine now.

Unusual: one question after the other, and what promises most is timed first, so that a short time gives an answer too:
    threads and precision together     {all, 1} x {float32, bfloat16}, in turns, medians
    bfloat16, where it leads           kept only if it trains as float32 does (halves.py)
    memory layout, fused optimiser     the other way round, one at a time
    compilation                        where the time that is left repays it
What the user has fixed is not asked. OpenMP's barriers spin, so beside another busy process two threads can be ten times
slower than one, while on a quiet machine they are nearly twice as fast: `threads` asks again in a long run (watch.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch

from deepwell.training import compiling, halves
from deepwell.training.job import Job
from deepwell.training.plan import Plan, has_bfloat16, over_pictures
from deepwell.training.trial import Trial

ROUNDS = 4
"""Turns of each candidate."""
DROPPED = 1.5
"""A candidate so many times slower than the best gets no further turn."""
MARGIN = 1.05
"""Another plan than the rule's must be faster by this factor, and bfloat16 than float32; else it is not worth it."""
FIRST_SHARE, SECOND_SHARE, TRY_SHARE = 0.3, 0.4, 0.4
"""Most of the time for threads and precision; what the test of bfloat16 should take of the time that is left, so that it ends
in time even if small batches are half as fast; of what is left then, most for each further question."""
FEWEST_STEPS = 8
"""A further question is asked only if there is time for so many steps."""


@dataclass(frozen=True)
class Measured:
    """What was measured: rows/s of the plan that was chosen (0.0: nothing was measured), and of what was tried against it.

    plan: the chosen plan in words. others: what would be different, in words -> rows/s. seconds: what measuring took.
    """

    plan: str = ""
    rate: float = 0.0
    others: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        if not self.rate:
            return "not measured"
        others = "".join(f"; {name} {_figure(rate)}" for name, rate in self.others.items())
        return f"{self.plan}: {_figure(self.rate)} rows/s{others} (measured in {self.seconds:.2g} s)"


def measure(job: Job, seconds: float, fixed: Collection[str] = ()) -> tuple[Plan, Measured]:
    """The fastest plan found within `seconds` (and at most one slow step more), with its figures among its reasons.

    It starts from job.plan. fixed: fields that stay as they are. Self-made data are not measured: steps would change them.
    The network, the examples and torch's threads are left as they were. A candidate that fails is left out; if all fail
    the plan is given back as it was, and training will say why.
    """
    if job.examples.count is None:
        why = "not measured: steps would change self-made data"
        reasons = {name: why for name in ("threads", "precision") if name not in fixed}
        return replace(job.plan, reasons={**job.plan.reasons, **reasons}), Measured()
    probe = _Probe(job, seconds, fixed)
    if probe.race_threads_and_precision():
        probe.test_bfloat16()
        probe.try_layout_and_optimiser()
        probe.try_compilation()
    return probe.result()


def threads(job: Job, seconds: float, most: int) -> tuple[int, Measured]:
    """The fastest number of threads now, of job.plan.threads, 1 and `most`: for a long run, between two steps.

    job.network may be under training: it is copied with the weights of now. Off the CPU and for self-made data nothing is
    measured. Another number than job.plan.threads must be faster by MARGIN.
    """
    began = time.perf_counter()
    counts = list(dict.fromkeys([1, most, job.plan.threads]))  # what is in use now may be very slow
    if job.plan.device != "cpu" or job.examples.count is None or len(counts) == 1:
        return job.plan.threads, Measured()
    tried = _race([Trial(job, replace(job.plan, threads=count)) for count in counts], began + seconds)
    if len(tried) < 2:
        return job.plan.threads, Measured()
    best = _best(tried, job.plan)
    others = {_difference(t.plan, best.plan): t.rate for t in tried if t is not best}
    return best.plan.threads, Measured(_words(best.plan), best.rate, others, time.perf_counter() - began)


class _Probe:
    """One measurement under way: the plan so far and its rate, what was tried, and why the fields are as they are."""

    def __init__(self, job: Job, seconds: float, fixed: Collection[str]) -> None:
        self._job, self._fixed, self._plan, self._rate = job, fixed, job.plan, 0.0
        self._device = torch.device(job.plan.device).type
        self._began = time.perf_counter()
        self._end = self._began + seconds
        self._tried: list[Trial] = []
        self._why: dict[str, str] = {}

    def race_threads_and_precision(self) -> bool:
        """What matters most, in turns, and together: one changes what the other gains. False when nothing could be timed."""
        rule = self._plan
        counts, precisions = [rule.threads], [rule.precision]
        if "threads" not in self._fixed and self._device == "cpu" and rule.threads > 1:
            counts.append(1)
        if "precision" not in self._fixed and has_bfloat16(self._device):
            precisions.append("float32" if rule.precision == "bfloat16" else "bfloat16")
        plans = [replace(rule, threads=count, precision=p) for p in precisions for count in counts]
        now = time.perf_counter()
        tried = _race([Trial(self._job, plan) for plan in plans], now + FIRST_SHARE * (self._end - now), self._end)
        if not tried:
            return False
        best = _best(tried, rule)
        plain = [t for t in tried if t.plan.precision == "float32"]
        if best.plan.precision == "bfloat16" and plain and best.rate < MARGIN * _best(plain, rule).rate:
            best = _best(plain, rule)
        self._take(best, tried, [n for n, of in (("threads", counts), ("precision", precisions)) if len(of) > 1])
        return True

    def test_bfloat16(self) -> None:
        """Where bfloat16 leads and was not asked for, it must track float32. If it does not, or nobody knows: float32."""
        if self._plan.precision != "bfloat16" or "precision" in self._fixed:
            return
        plain = [t for t in self._tried if t.plan.precision == "float32"]
        slowest = min(t.rate for t in (*plain, *self._tried))
        rows = 2 * (halves.STEPS + halves.GRADIENT_BATCHES)  # for each example of a batch
        sizes = [halves.MOST_EXAMPLES >> k for k in range(5)]  # a single window of a text holds hundreds of tokens
        size = next((n for n in sizes if n * rows / slowest < SECOND_SHARE * self._left()), sizes[-1])
        verdict = halves.tracks(self._job, self._plan, self._end, size)
        if verdict.holds:
            self._why["precision"] += f"; {verdict.words}"
            return
        if all(t.plan.threads != self._plan.threads for t in plain):  # one step tells whether they are hopeless
            plain.append(Trial(self._job, replace(self._plan, precision="float32")))
            plain[-1].turn(self._end, math.inf)
        plain = [t for t in plain if t.rate]
        if plain:
            self._take(_best(plain, self._job.plan), [], list(self._why))
        else:
            self._plan, self._rate = replace(self._plan, precision="float32"), 0.0
        self._why["precision"] = f"bfloat16 is not taken: {verdict.words}"

    def try_layout_and_optimiser(self) -> None:
        """The other memory layout, and the optimiser in several passes, each against the plan so far."""
        if "channels_last" not in self._fixed and over_pictures(self._job.network):
            self._try("channels_last", not self._plan.channels_last)
        if "fused" not in self._fixed and self._plan.fused:
            self._try("fused", False)

    def try_compilation(self) -> None:
        """The network compiled, where the time that is left repays it.

        Measuring takes a small share of a run, so what can be compiled in that time is repaid if it is faster at all.
        """
        if "compile" in self._fixed or self._plan.compile:
            return
        predicted, left = compiling.predicted_seconds(self._job.network), max(0.0, self._left())
        obstacle = compiling.obstacle(self._device)
        if not obstacle and left < predicted:
            obstacle = f"it takes about {predicted:.0f} s, and of the time to measure {left:.2g} s are left"
        if obstacle:
            self._why["compile"] = f"not tried: {obstacle}"
            return
        refused = compiling.errors()
        try:
            self._try("compile", True)
        except refused as error:
            self._why["compile"] = f"not possible here: {str(error).strip().splitlines()[0][:200]}"

    def result(self) -> tuple[Plan, Measured]:
        """The plan with its reasons, and the figures."""
        plan = replace(self._plan, reasons={**self._job.plan.reasons, **self._why})
        others = {name: t.rate for t in self._tried if (name := _difference(t.plan, plan))}
        return plan, Measured(_words(plan), self._rate, others, time.perf_counter() - self._began)

    def _left(self) -> float:
        return self._end - time.perf_counter()

    def _try(self, name: str, value: Any) -> None:
        """Race a plan with another value of one field against the plan so far; take it where it is surely faster.

        These fields are worth what they are worth whoever else is there, so the medians must say so and the best steps too.
        """
        now, left = time.perf_counter(), self._left()
        if not self._rate or left * TRY_SHARE < FEWEST_STEPS * self._plan.batch_size / self._rate:
            return
        rivals = [Trial(self._job, self._plan), Trial(self._job, _with(self._plan, name, value))]
        cost = ""
        if name == "compile":
            cost = f"; compiling took {rivals[1].step():.2g} s"  # this step is not timed
            few = FEWEST_STEPS * self._plan.batch_size / self._rate / TRY_SHARE
            now, left = time.perf_counter(), max(self._left(), few)
        tried = _race(rivals, now + TRY_SHARE * left)
        if len(tried) < len(rivals):
            return
        present, other = rivals
        surely = min(other.rate / present.rate, present.least / other.least) > MARGIN
        self._take(other if surely else present, tried, [name])
        doubt = "" if surely or other.rate <= present.rate else ", which is not sure: the fastest steps do not say so"
        self._why[name] += doubt + cost

    def _take(self, best: Trial, tried: Sequence[Trial], names: Sequence[str]) -> None:
        """Go on with this plan; names: the fields that were asked about."""
        self._plan, self._rate = best.plan, best.rate
        self._tried = [*self._tried, *tried]
        for name in names:
            others = {_difference(t.plan, best.plan, only=name): t.rate for t in self._tried}
            against = "".join(f"; {words} {_figure(rate)}" for words, rate in others.items() if words)
            self._why[name] = f"measured: {_figure(best.rate)} rows/s{against}"


def _race(trials: Sequence[Trial], end: float, last: float | None = None) -> list[Trial]:
    """Give the trials turns until each had ROUNDS, all but one are dropped, or perf_counter() is past `end`.

    Gives those that were timed. last: until then a trial that had no turn yet still gets one step (None: until `end`).
    Time is shared equally in each round, so that even the last has its turn where steps are slow.
    """
    alive = list(trials)
    for number in range(ROUNDS):
        for place, trial in enumerate(alive):
            now = time.perf_counter()
            if now < (end if number or last is None else last):
                trial.turn(now + (end - now) / (len(alive) - place), _fastest(trials))
        alive = [t for t in alive if not t.failed and t.median <= DROPPED * _fastest(trials)]
        if len(alive) < 2:
            break
    return [t for t in trials if t.rate]


def _fastest(trials: Sequence[Trial]) -> float:
    return min((t.median for t in trials), default=math.inf)


def _best(trials: Sequence[Trial], start: Plan) -> Trial:
    """The fastest; but the plan to start from, or else what is nearest to it, unless that is slower by MARGIN."""
    most = max(t.rate for t in trials)
    near = [t for t in trials if t.rate * MARGIN >= most]
    return min(near, key=lambda t: (len(_changes(t.plan, start)), -t.rate))


def _changes(plan: Plan, than: Plan) -> list[str]:
    names = [f.name for f in fields(Plan) if f.name != "reasons"]
    return [name for name in names if getattr(plan, name) != getattr(than, name)]


def _difference(plan: Plan, than: Plan, only: str = "") -> str:
    """What is different in a plan, in words; only: empty unless this field is the one that differs."""
    changes = _changes(plan, than)
    if only and changes != [only]:
        return ""
    return ", ".join(_setting(plan, name) for name in changes)


def _setting(plan: Plan, name: str) -> str:
    """The value of one field in words."""
    value = getattr(plan, name)
    if name == "threads":
        return "1 thread" if value == 1 else f"{value} threads"
    words = {
        "channels_last": ("channels-first", "channels-last"),
        "fused": ("optimiser not fused", "optimiser fused"),
        "compile": ("not compiled", "compiled"),
    }
    return words[name][value] if name in words else str(value)


def _words(plan: Plan) -> str:
    """What was measured about a plan, in words."""
    found = [_setting(plan, "threads")] if plan.device == "cpu" else [plan.device]
    found.append(plan.precision)
    found += [_setting(plan, name) for name in ("channels_last", "compile") if getattr(plan, name)]
    return ", ".join([*found, *([] if plan.fused else [_setting(plan, "fused")])])


def _with(plan: Plan, name: str, value: Any) -> Plan:
    return Plan.from_json({**plan.to_json(), name: value})


def _figure(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
