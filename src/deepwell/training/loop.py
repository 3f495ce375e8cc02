"""The loop: fit, step, update, micro-step. It knows networks, examples and losses, and no task.

Unusual: every draw of a micro-step comes from torch's default generator set to f(key, step, micro), so there is no
generator state to save; and every choice that a clock or a measurement makes goes through Job.decisions. So a restored loop
goes on bit for bit. Losses are sums with units: gradients are divided once, by the units of the whole batch. The host waits
for the device only every few steps. Observers hear events and change nothing.

    fit(job)                                     until the horizon, or until stop() says so
      step                                       rate = schedule(progress)
        update ... update                        one per Update, each with its own parameters and optimiser
          micro-step ... micro-step              gradients add up
        average, look at the clock, check, report, save
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepwell.core.batch import Batch, IntArray
from deepwell.core.errors import RunError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.nn.runner import TorchRunner
from deepwell.training import guards
from deepwell.training.averaging import Average, assign, tensors
from deepwell.training.budget import Horizon, Timekeeper
from deepwell.training.checkpoints import Checkpoint
from deepwell.training.checks import Selection, snapshot
from deepwell.training.compiling import compiled
from deepwell.training.feed import Feed
from deepwell.training.job import Job, Trained
from deepwell.training.meter import Meter, Skipped
from deepwell.training.order import Order
from deepwell.training.pace import Pace, using_threads
from deepwell.training.plan import PRECISIONS
from deepwell.training.reporting import Reporter
from deepwell.training.schedules import Plateau, rate
from deepwell.training.updates import Sums, Updater, training_mode

__all__ = ["Job", "Loop", "Trained", "fit"]

COOL_SHARE = 0.1
"""Cooling down after patience takes this share of the steps so far (at most what is left)."""
AVERAGED_PER_MEMORY = 16
"""The average is updated at least so often within its memory, and at least every MOST_BETWEEN steps."""
MOST_BETWEEN = 8


def fit(job: Job, start: Checkpoint | None = None) -> Trained:
    """Train until the horizon or until stop() is true; from `start` on, where one is given.

    Raises RunError when loss, gradient or weights become non-finite, when memory or disk do not suffice; ConfigError for a
    job that cannot work.
    """
    loop = Loop(job)
    if start is not None and start.arrays:
        guards.check_same(loop.state()[0], start.arrays)
        loop.restore({n: torch.from_numpy(np.array(a)) for n, a in start.arrays.items()}, start.facts)
    return loop.run()


class Loop:
    """A training under way. `step` may also be called from outside; `state` and `restore` work between steps."""

    def __init__(self, job: Job) -> None:
        self._job, self._device = job, torch.device(job.plan.device)
        self._network = job.network.to(self._device)
        if job.plan.channels_last:
            self._network = self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        training_mode(self._network)
        plan, count = job.plan, job.examples.count
        costs = job.examples.costs if count is not None else None
        self._order = Order(count, plan.batch_size, job.key.fold("examples"), costs, plan.window, job.passes)
        self._feed = Feed(job.examples, self._device)
        self._updaters = [Updater(self._network, u, job.loss, job.recipe, plan) for u in job.updates]
        steady = job.examples.costs is None and not plan.micro_batch
        self._seen = compiled(self._network, steady) if plan.compile else self._network
        self._average = Average(self._network, job.recipe.ema) if job.recipe.ema > 0 else None
        self._selection = Selection(job.judge, job.watch, job.direction)
        self._plateau = Plateau() if job.recipe.schedule == "plateau" else None
        self._meter = Meter()
        # Data that make themselves are made by the averaged weights, which are the better ones, and as fast as training is.
        acting = self._network if self._average is None else self._average.module
        self._runner = TorchRunner(acting, self._device, PRECISIONS[plan.precision])
        ceiling = job.budget.ceiling(self._order.steps_per_epoch, job.recipe.epochs)
        self._horizon = Horizon(ceiling)
        self._keeper = Timekeeper(job.budget, ceiling)
        self._pace = Pace(job)
        self._reporter = Reporter(job.sink, self._order)
        self._steps, self._cooling, self._skipped = 0, False, 0
        self._cut_to(plan.micro_batch)
        self._growing = type(job.examples).advance is not Examples.advance

    @property
    def finished(self) -> bool:
        """Whether the horizon is reached."""
        return self._steps >= self._horizon.steps

    def run(self) -> Trained:
        """Train to the end. See fit."""
        with using_threads(self._pace.threads), guards.in_words("training"):
            if self._steps == 0:
                self._follow("horizon", self._horizon.steps, "steps of all epochs" + self._limit())
            while not self.finished:
                if self._stopped():
                    self._save(must=True)
                    return self._trained(interrupted=True)
                self.step()
            return self._trained(interrupted=False)

    def _stopped(self) -> bool:
        """Whether the run ends here because it was asked to, now or when it was recorded."""
        decisions, step = self._job.decisions, self._steps
        if self._job.stop is not None and self._job.stop():
            decisions.record(step, "stop", step, "asked to stop: the best weights so far are kept")
            return True
        return bool(decisions.left) and decisions.choose(step, "stop", lambda: None) is not None

    # one step --------------------------------------------------------------------------------------------------------
    def step(self) -> None:
        """One round of updates, and what follows it."""
        step, job = self._steps, self._job
        if self._growing:
            job.examples.advance(self._runner, step, job.key.fold("advance", step))
        index = self._order.index(step)
        for number, updater in enumerate(self._updaters):
            if step % updater.update.every == 0:
                self._update(updater, number, index)
        self._steps = step + 1
        if self._meter.full or self._keeper.probing or self.finished:
            self.read()
        self._feed.ahead(self._order.ahead(step))
        progress = self._horizon.progress(self._steps)  # which no revision changes at this step
        self._smooth(progress)
        self._look(progress)
        self._pace.look(self._steps, self._keeper)
        self._check(progress)
        self._report()
        if job.checkpoints is not None and job.checkpoints.due():
            self._save()

    def _update(self, updater: Updater, number: int, index: IntArray) -> None:
        """One update; again with half the micro-batch, as if nothing had been, where memory did not suffice."""
        decisions, step, what = self._job.decisions, self._steps + 1, f"micro-batch of {updater.update.name}"
        while decisions.left and (recorded := decisions.choose(step, what, lambda: None)) is not None:
            self._cut_to(recorded)
        sums = self._gradients(updater, number, index)
        while sums is None:
            updater.undo()
            smaller = guards.smaller(self._micro, len(index), updater.update.coupled)
            why = f"memory did not suffice for {self._micro or len(index)} examples"
            self._cut_to(decisions.record(step, what, smaller, why))
            sums = self._gradients(updater, number, index)
        updater.finish(sums, self.learning_rate(self._steps))
        if self._job.listen is not None:
            self._job.listen(sums)
        self._meter.add(step, updater.update.name, sums)

    def _gradients(self, updater: Updater, number: int, index: IntArray) -> Sums | None:
        """The gradients of a batch, added up over its micro-batches; None when memory did not suffice."""
        try:
            updater.begin()
            sums: Sums | None = None
            for micro, part in enumerate(self._cut(index, updater.update.coupled)):
                sums = updater.micro_step(*self._draw(self._steps, number, micro, part), sums)
            return sums
        except (RuntimeError, MemoryError) as error:
            if not guards.out_of_memory(error):
                raise
        return None

    def _draw(self, step: int, number: int, micro: int, index: IntArray) -> tuple[Batch, Key]:
        """The batch of a micro-step and its key; torch's default generator is set to that key."""
        draw = self._job.key.fold("step", step, "micro", micro, "process", 0)
        self._seed(draw)
        batch = self._feed.batch(index, self._order.key(step))
        if self._job.transforms:
            with torch.no_grad():
                for transform in self._job.transforms:
                    batch = transform(batch, draw)
        if number:  # another update sees the same batch with draws of its own
            draw = draw.fold("update", number)
            self._seed(draw)
        return batch, draw

    def _cut_to(self, micro_batch: int) -> None:
        """From now on so many examples at once; a compiled network serves only the size that it was made for."""
        self._micro = micro_batch
        for updater in self._updaters:
            updater.network = self._seen if micro_batch == self._job.plan.micro_batch else self._network

    def _cut(self, index: IntArray, coupled: bool) -> list[IntArray]:
        """The micro-batches of a batch: nearly equal, none larger than the plan says."""
        if coupled or not self._micro or len(index) <= self._micro:
            return [index]
        return np.array_split(index, math.ceil(len(index) / self._micro))

    def _seed(self, key: Key) -> None:
        # torch.manual_seed would also visit every device that is not in use, which takes longer than a small step.
        torch.default_generator.manual_seed(key.seed)
        if self._device.type == "cuda":
            torch.cuda.manual_seed(key.seed)

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step (0-based): the schedule at its middle, so that first and last step both count."""
        recipe = self._job.recipe
        if self._job.rate is not None:
            return self._job.rate(step)
        factor = 1.0 if self._plateau is None else self._plateau.factor
        return recipe.learning_rate * factor * rate(recipe.schedule, self._horizon.progress(step + 0.5), recipe.warmup)

    # after a step ----------------------------------------------------------------------------------------------------
    def read(self) -> None:
        """Bring losses over from the device, and deal with steps that were skipped because they were not finite."""
        self._meter.read()
        while self._meter.skipped:
            skipped = self._meter.skipped.pop(0)
            self._skipped += 1
            why = f"the {skipped.what} at step {skipped.step} (update {skipped.update!r}); {self._explain(skipped)}"
            if self._job.recipe.nonfinite == "stop" or self._skipped > guards.MOST_SKIPPED:
                raise guards.not_finite(why, self._skipped)
            self._follow("skipped step", skipped.step, why)

    def _explain(self, skipped: Skipped) -> str:
        """Which numbers were not finite first: the step is taken again with its own key, and nothing is changed."""
        step = skipped.step - 1
        number, updater = next(p for p in enumerate(self._updaters) if p[1].update.name == skipped.update)
        cut = self._cut(self._order.index(step), updater.update.coupled)
        batches = (self._draw(step, number, micro, index) for micro, index in enumerate(cut))
        loss = updater.update.loss or self._job.loss
        return guards.name_fault(self._network, loss, batches, PRECISIONS[self._job.plan.precision])

    def _smooth(self, progress: float) -> None:
        """Update the average where it is due: every few steps, before a check, and at the end."""
        if self._average is None:
            return
        memory = self._job.recipe.ema * self._horizon.steps
        every = max(1, min(MOST_BETWEEN, int(memory / AVERAGED_PER_MEMORY)))
        if self._steps % every == 0 or self._selection.due(self._steps, progress) or self.finished:
            self._average.update(progress)

    def _look(self, progress: float) -> None:
        """Move the horizon where the clock says so."""
        left, revisions = self._selection.left(progress), self._horizon.revisions
        # Always asked, so that the clock passes its marks also where a recorded decision counts instead.
        proposed = self._keeper.look(self._steps, self._horizon.steps, left, revisions)
        horizon = self._job.decisions.choose(self._steps, "horizon", lambda: proposed)
        if horizon is not None:
            self._horizon.revise(self._steps, horizon)

    def _check(self, progress: float) -> None:
        """Judge raw and averaged weights where it is due; cool down when patience is over."""
        if not self._selection.due(self._steps, progress):
            return
        self.read()
        before = self._keeper.elapsed()
        check = self._selection.check(self._steps, progress, self._candidates())
        seconds = self._keeper.elapsed() - before
        self._keeper.checked(seconds)
        self._pace.pause(seconds)
        values = {name: value if math.isfinite(value) else None for name, value in check.values.items()}
        self._emit(
            "check", {"values": values, "chosen": check.chosen, "best": check.best, "wall": {"seconds": seconds}}
        )
        fewer = self._job.decisions.choose(
            self._steps, "checks", lambda: self._selection.fewer(seconds, self._keeper.usable, progress)
        )
        if fewer is not None:
            self._selection.space(fewer, progress)
        self._lose_patience()

    def _lose_patience(self) -> None:
        """Lower the plateau's rate, or cool down, after checks without gain. Both follow from the checks alone."""
        without_gain, patience = self._selection.without_gain, self._job.recipe.patience
        factor = None if self._plateau is None else self._plateau.after_check(without_gain)
        if factor is not None:
            self._follow("factor of the learning rate", factor, f"{without_gain} checks without gain")
        if not patience or self._cooling or self._job.budget.exact or without_gain < patience:
            return
        steps = self._steps + max(1, round(COOL_SHARE * self._steps))
        if steps < self._horizon.steps:
            self._cooling = True
            self._keeper.close(steps)
            self._follow("cool down to step", steps, f"{without_gain} checks without gain")
            self._horizon.revise(self._steps, steps)

    def _candidates(self) -> dict[str, nn.Module]:
        raw = {"raw": self._network}
        return raw if self._average is None else {"ema": self._average.module, **raw}

    def _report(self) -> None:
        seconds = self._keeper.elapsed()
        if self._reporter.due(self._steps, self._horizon.steps, seconds):
            self.read()
            self._reporter.tell(self._steps, self._horizon.steps, self._meter, self.learning_rate, self._keeper)

    def _save(self, must: bool = False) -> None:
        if self._job.checkpoints is None:
            return
        before = self._keeper.elapsed()
        found, facts = self.state()
        arrays = {n: t.cpu().numpy() for n, t in found.items()}
        self._job.checkpoints.save(self._steps, arrays, facts, must)
        seconds = self._keeper.elapsed() - before
        self._keeper.paused(seconds)
        self._pace.pause(seconds)

    def _emit(self, event: str, keys: Mapping[str, Any]) -> None:
        if self._job.sink is not None:
            self._job.sink.emit({"event": event, "step": self._steps, **keys})

    def _follow(self, what: str, value: Any, why: str) -> None:
        """Tell a decision that follows from the run itself, so that nothing needs to be replayed."""
        self._emit("decision", {"what": what, "value": value, "why": why, "follows": True})

    def _limit(self) -> str:
        usable = self._keeper.usable
        return "" if usable is None else f", before the first steps are timed; {max(0.0, usable):.3g} s may be used"

    # the end ---------------------------------------------------------------------------------------------------------
    def _trained(self, interrupted: bool) -> Trained:
        """The chosen weights. Raises RunError when they are not finite."""
        self.read()
        if not interrupted and self._job.checkpoints is not None and self._job.checkpoints.due():
            self._save()
        kept = self._selection
        if kept.best:
            weights, step, chosen, values = kept.best, kept.best_step, kept.best_name, kept.best_values
        else:
            if self._average is not None:
                self._average.update(self._horizon.progress(self._steps))
            chosen, module = next(iter(self._candidates().items()))
            weights, step, values = snapshot(module), self._steps, {}
        bad = [n for n, w in weights.items() if w.is_floating_point() and not bool(torch.isfinite(w).all())]
        if bad:
            raise RunError(
                f"the weights {bad[0]!r} are not finite after step {step}",
                repair="a smaller step size (--set learning_rate=...) helps most often",
            )
        weights = {name: tensor.cpu() for name, tensor in weights.items()}
        return Trained(weights, step, chosen, interrupted, self._steps, values, *self._keeper.times)

    # state -----------------------------------------------------------------------------------------------------------
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that changes: tensors by name, valid until the next step, and facts as JSON values."""
        self.read()
        best, selection = self._selection.state()
        found = {f"network.{n}": t.detach() for n, t in tensors(self._network).items()}
        found |= {f"best.{n}": t for n, t in best.items()}
        for number, updater in enumerate(self._updaters):
            found |= {f"optimiser.{number}.{n}": t for n, t in updater.optimiser.state().items()}
        found |= {f"examples.{n}": torch.from_numpy(a) for n, a in self._job.examples.state().items()}
        averaged = 0.0
        if self._average is not None:
            smooth, averaged = self._average.state()
            found |= {f"average.{n}": t for n, t in smooth.items()}
        facts = {
            "steps": self._steps,
            "cooling": self._cooling,
            "skipped": self._skipped,
            "micro_batch": self._micro,
            "threads": self._pace.threads,
            "averaged": averaged,
            "plateau": None if self._plateau is None else self._plateau.state(),
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
        if self._plateau is not None:
            self._plateau.restore(facts["plateau"])
        self._job.examples.restore({n: t.numpy() for n, t in under("examples.").items()})
        self._steps, self._cooling, self._skipped = facts["steps"], facts["cooling"], facts["skipped"]
        self._cut_to(facts["micro_batch"])
        self._pace.use(facts["threads"])
        self._horizon.restore(facts["horizon"])
        self._keeper.restore(facts["keeper"])
        self._selection.restore({n: t.to(self._device) for n, t in under("best.").items()}, facts["selection"])
        self._meter.restore(facts["meter"])
        self._job.decisions.skip(self._steps)
