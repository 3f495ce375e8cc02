"""The loop: fit, step, update, micro-step. It knows networks, examples and losses, and no task.

Unusual: every draw of a micro-step comes from torch's default generator set to f(key, step, micro), so there is no
generator state to save and a restored loop goes on bit for bit. Losses are sums with units: gradients are divided once, by
the units of the whole batch. The host waits for the device only every few steps. Observers hear events and change nothing.

    fit(job)                                     until the horizon, or until stop() says so
      step                                       rate = schedule(progress)
        update ... update                        one per Update, each with its own parameters and optimiser
          micro-step ... micro-step              gradients add up
        average, look at the clock, check, report
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from deepwell.core.batch import Batch, IntArray
from deepwell.core.config import Recipe
from deepwell.core.errors import RunError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.core.runner import Sink
from deepwell.core.task import Transform, Update
from deepwell.nn.runner import TorchRunner
from deepwell.training.averaging import Average, assign, tensors
from deepwell.training.budget import Budget, Horizon, Timekeeper
from deepwell.training.checks import Judge, Selection, snapshot
from deepwell.training.feed import Feed
from deepwell.training.meter import Meter
from deepwell.training.order import Order
from deepwell.training.plan import Plan
from deepwell.training.schedules import rate
from deepwell.training.updates import LossFunction, Sums, Updater

Decide = Callable[[int, str, Any, str], object]
REPORT_SECONDS = 0.5
REPORT_SHARE = 0.02
"""Progress is told after so many seconds or this share of the steps, so that short runs have curves too."""
COOL_SHARE = 0.1
"""Cooling down after patience takes this share of the steps so far (at most what is left)."""
AVERAGED_PER_MEMORY = 16
"""The average is updated at least so often within its memory, and at least every MOST_BETWEEN steps."""
MOST_BETWEEN = 8


@dataclass(frozen=True)
class Job:
    """All that a training needs.

    network: the module, trained in place and moved to the plan's device. loss: of updates that bring none of their own.
    judge: module -> measures on the select part; None: nothing is judged. watch: the measure that chooses the weights,
    None: the last ones; direction: which way it is better. sink hears events; decide(step, what, value, why) hears
    decisions before they take effect. stop: asked before each step; True seals the best weights so far.
    """

    network: nn.Module
    examples: Examples
    loss: LossFunction
    recipe: Recipe
    budget: Budget
    plan: Plan
    key: Key
    updates: Sequence[Update] = (Update(),)
    transforms: Sequence[Transform] = ()
    judge: Judge | None = None
    watch: str | None = None
    direction: Literal["higher", "lower"] = "lower"
    sink: Sink | None = None
    decide: Decide | None = None
    stop: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Trained:
    """The outcome: weights (name -> CPU tensor, as in the module's state_dict), and where they come from.

    step: the step whose weights these are; steps: how many were taken in all. chosen: "ema" or "raw". values: their
    measures on the select part, empty if never judged. interrupted: stop() ended the run. seconds: spent in training.
    """

    weights: Mapping[str, Tensor]
    step: int
    chosen: str
    interrupted: bool
    steps: int
    values: Mapping[str, float]
    seconds: float


def fit(job: Job) -> Trained:
    """Train until the horizon or until stop() is true.

    Raises RunError when loss, gradient or weights become non-finite; ConfigError for a job that cannot work.
    """
    return Loop(job).run()


class Loop:
    """A training under way. `step` may also be called from outside; `state` and `restore` work between steps."""

    def __init__(self, job: Job) -> None:
        self._job, self._device = job, torch.device(job.plan.device)
        self._network = job.network.to(self._device)
        if job.plan.channels_last:
            self._network = self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network.train()
        self._order = Order(job.examples.count, job.plan.batch_size, job.key.fold("examples"), _costs(job.examples))
        self._feed = Feed(job.examples, self._device)
        self._updaters = [Updater(self._network, u, job.loss, job.recipe, job.plan) for u in job.updates]
        self._average = Average(self._network, job.recipe.ema) if job.recipe.ema > 0 else None
        self._selection = Selection(job.judge, job.watch, job.direction)
        self._meter = Meter()
        self._runner = TorchRunner(self._network, self._device)
        ceiling = job.budget.ceiling(self._order.steps_per_epoch, job.recipe.epochs)
        self._horizon = Horizon(ceiling)
        self._keeper = Timekeeper(job.budget, ceiling)
        self._steps, self._cooling, self._reported = 0, False, 0.0

    @property
    def finished(self) -> bool:
        """Whether the horizon is reached."""
        return self._steps >= self._horizon.steps

    def run(self) -> Trained:
        """Train to the end. See fit."""
        with _threads(self._job.plan.threads):
            if self._steps == 0:
                self._decide("horizon", self._horizon.steps, "steps of all epochs" + self._limit())
            while not self.finished:
                if self._job.stop is not None and self._job.stop():
                    self._decide("stop", self._steps, "asked to stop: the best weights so far are kept")
                    return self._trained(interrupted=True)
                self.step()
            return self._trained(interrupted=False)

    # one step --------------------------------------------------------------------------------------------------------
    def step(self) -> None:
        """One round of updates, and what follows it."""
        step, job = self._steps, self._job
        job.examples.advance(self._runner, step, job.key.fold("advance", step))
        index = self._order.index(step)
        for number, updater in enumerate(self._updaters):
            if step % updater.update.every == 0:
                self._update(updater, number, index)
        self._steps = step + 1
        if self._meter.full or self._keeper.probing or self.finished:
            self._meter.read()
        self._smooth()
        self._look()
        self._check()
        self._report()

    def _update(self, updater: Updater, number: int, index: IntArray) -> None:
        updater.begin()
        sums: Sums | None = None
        for micro, part in enumerate(self._cut(index, updater.update.coupled)):
            sums = self._micro_step(updater, number, micro, part, sums)
        if sums is not None:
            updater.finish(sums, self.learning_rate(self._steps))
            self._meter.add(self._steps + 1, updater.update.name, sums)

    def _micro_step(self, updater: Updater, number: int, micro: int, index: IntArray, sums: Sums | None) -> Sums:
        draw = self._job.key.fold("step", self._steps, "micro", micro, "process", 0)
        self._seed(draw)
        batch = self._batch(index, draw)
        if number:  # another update sees the same batch with draws of its own
            draw = draw.fold("update", number)
            self._seed(draw)
        return updater.micro_step(batch, draw, sums)

    def _batch(self, index: IntArray, draw: Key) -> Batch:
        batch = self._feed.batch(index, self._order.key(self._steps))
        if self._job.transforms:
            with torch.no_grad():
                for transform in self._job.transforms:
                    batch = transform(batch, draw)
        return batch

    def _cut(self, index: IntArray, coupled: bool) -> list[IntArray]:
        """The micro-batches of a batch: nearly equal, none larger than the plan says."""
        most = self._job.plan.micro_batch
        if coupled or not most or len(index) <= most:
            return [index]
        return np.array_split(index, math.ceil(len(index) / most))

    def _seed(self, key: Key) -> None:
        # torch.manual_seed would also visit every device that is not in use, which takes longer than a small step.
        torch.default_generator.manual_seed(key.seed)
        if self._device.type == "cuda":
            torch.cuda.manual_seed(key.seed)

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step (0-based): the schedule at its middle, so that first and last step both count."""
        recipe = self._job.recipe
        return recipe.learning_rate * rate(recipe.schedule, self._horizon.progress(step + 0.5), recipe.warmup)

    # after a step ----------------------------------------------------------------------------------------------------
    def _progress(self) -> float:
        return self._horizon.progress(self._steps)

    def _smooth(self) -> None:
        """Update the average where it is due: every few steps, before a check, and at the end."""
        if self._average is None:
            return
        memory = self._job.recipe.ema * self._horizon.steps
        every = max(1, min(MOST_BETWEEN, int(memory / AVERAGED_PER_MEMORY)))
        progress = self._progress()
        if self._steps % every == 0 or self._selection.due(self._steps, progress) or self.finished:
            self._average.update(progress)

    def _look(self) -> None:
        """Move the horizon where the clock says so."""
        revised = self._keeper.look(self._steps, self._horizon.steps, self._selection.left(self._progress()))
        if revised is not None:
            self._revise("horizon", *revised)

    def _revise(self, what: str, steps: int, why: str) -> None:
        self._decide(what, steps, why)
        self._horizon.revise(self._steps, steps)

    def _check(self) -> None:
        """Judge raw and averaged weights where it is due; cool down when patience is over."""
        progress = self._progress()
        if not self._selection.due(self._steps, progress):
            return
        self._meter.read()
        before = self._keeper.elapsed()
        check = self._selection.check(self._steps, progress, self._candidates())
        seconds = self._keeper.elapsed() - before
        self._keeper.pause(seconds)
        values = {name: value if math.isfinite(value) else None for name, value in check.values.items()}
        self._emit(
            "check", {"values": values, "chosen": check.chosen, "best": check.best, "wall": {"seconds": seconds}}
        )
        usable = self._keeper.usable
        fewer = None if usable is None else self._selection.space(seconds, usable, progress)
        if fewer is not None:
            self._decide("checks", fewer, f"one takes {seconds:.3g} s; they may take a tenth of {usable:.3g} s")
        self._lose_patience()

    def _lose_patience(self) -> None:
        patience = self._job.recipe.patience
        if not patience or self._cooling or self._job.budget.exact or self._selection.without_gain < patience:
            return
        steps = self._steps + max(1, round(COOL_SHARE * self._steps))
        if steps < self._horizon.steps:
            self._cooling = True
            self._keeper.close(steps)
            self._revise("cool down to step", steps, f"{self._selection.without_gain} checks without gain")

    def _candidates(self) -> dict[str, nn.Module]:
        raw = {"raw": self._network}
        return raw if self._average is None else {"ema": self._average.module, **raw}

    def _report(self) -> None:
        """A progress event about every REPORT_SECONDS and every REPORT_SHARE of the steps, and at the end."""
        seconds = self._keeper.elapsed()
        share = self._steps % max(1, round(REPORT_SHARE * self._horizon.steps)) == 0
        if seconds - self._reported < REPORT_SECONDS and not share and not self.finished:
            return
        self._meter.read()
        losses = self._meter.report(last=self.finished)
        if not losses:
            return
        self._reported = seconds
        speed = self._keeper.rate or self._steps / max(seconds, 1e-9)
        wall = {
            "rate": speed * self._job.plan.batch_size,
            "left": (self._horizon.steps - self._steps) / speed,
            "seconds": seconds,
        }
        keys = {
            "of": self._horizon.steps,
            "epoch": round(self._steps / self._order.steps_per_epoch, 2),
            "loss": losses.get(self._updaters[0].update.name),
            "losses": losses,
            "learning_rate": self.learning_rate(self._steps - 1),
            "wall": wall,
        }
        self._emit("progress", keys)

    def _emit(self, event: str, keys: Mapping[str, Any]) -> None:
        if self._job.sink is not None:
            self._job.sink.emit({"event": event, "step": self._steps, **keys})

    def _decide(self, what: str, value: Any, why: str) -> None:
        if self._job.decide is not None:
            self._job.decide(self._steps, what, value, why)

    def _limit(self) -> str:
        usable = self._keeper.usable
        return "" if usable is None else f", before the first steps are timed; {max(0.0, usable):.3g} s may be used"

    # the end ---------------------------------------------------------------------------------------------------------
    def _trained(self, interrupted: bool) -> Trained:
        """The chosen weights. Raises RunError when they are not finite."""
        self._meter.read()
        selection = self._selection
        if selection.best:
            weights, step, chosen, values = (
                selection.best, selection.best_step, selection.best_name, selection.best_values
            )  # fmt: skip
        else:
            if self._average is not None:
                self._average.update(self._progress())
            chosen, module = next(iter(self._candidates().items()))
            weights, step, values = snapshot(module), self._steps, {}
        bad = [n for n, w in weights.items() if w.is_floating_point() and not bool(torch.isfinite(w).all())]
        if bad:
            raise RunError(
                f"the weights {bad[0]!r} are not finite after step {step}",
                repair="a smaller step size (--set learning_rate=...) helps most often",
            )
        weights = {name: tensor.cpu() for name, tensor in weights.items()}
        return Trained(weights, step, chosen, interrupted, self._steps, values, self._keeper.elapsed())

    # state -----------------------------------------------------------------------------------------------------------
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that changes: tensors by name (copies), and facts as JSON values."""
        self._meter.read()
        best, selection = self._selection.state()
        found = {f"network.{n}": t.detach().clone() for n, t in tensors(self._network).items()}
        found |= {f"best.{n}": t for n, t in best.items()}
        for number, updater in enumerate(self._updaters):
            found |= {f"optimiser.{number}.{n}": t for n, t in updater.optimiser.state().items()}
        found |= {f"examples.{n}": torch.tensor(a) for n, a in self._job.examples.state().items()}
        averaged = 0.0
        if self._average is not None:
            smooth, averaged = self._average.state()
            found |= {f"average.{n}": t for n, t in smooth.items()}
        facts = {
            "steps": self._steps,
            "cooling": self._cooling,
            "averaged": averaged,
            "reported": self._reported,
            "horizon": self._horizon.state(),
            "keeper": self._keeper.state(),
            "selection": selection,
            "meter": self._meter.state(),
        }
        return found, facts

    def restore(self, found: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take over what `state` gave, on a loop made of the same job."""

        def under(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t for n, t in found.items() if n.startswith(prefix)}

        assign(self._network, under("network."))
        for number, updater in enumerate(self._updaters):
            updater.optimiser.restore(under(f"optimiser.{number}."))
        if self._average is not None:
            self._average.restore(under("average."), facts["averaged"])
        self._job.examples.restore({n: t.numpy() for n, t in under("examples.").items()})
        self._steps, self._cooling, self._reported = facts["steps"], facts["cooling"], facts["reported"]
        self._horizon.restore(facts["horizon"])
        self._keeper.restore(facts["keeper"])
        self._selection.restore(under("best."), facts["selection"])
        self._meter.restore(facts["meter"])


def _costs(examples: Examples) -> Any:
    return examples.costs if examples.count is not None else None


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch's threads inside, as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
