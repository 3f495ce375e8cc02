"""Prepared data -> the contents of a bundle: network, training, calibration. No test rows, no files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from deepwell.bundle.contents import Contents
from deepwell.bundle.write import check
from deepwell.core import config as knobs
from deepwell.core.batch import Batch
from deepwell.core.errors import BundleError, RunError
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.core.runner import Sink
from deepwell.core.task import Chosen, Sizes, Task
from deepwell.data.cache import bytes_per_example
from deepwell.evaluation.measure import BATCH, measure
from deepwell.nn.runner import TorchRunner, evaluating, to_tensor
from deepwell.runs import expected, transfer
from deepwell.runs.options import TrainOptions
from deepwell.runs.planning import ceiling, planned
from deepwell.runs.prepare import Prepared, prepare
from deepwell.runtime.predictor import Predictor
from deepwell.training import budget, loop, plan
from deepwell.training.allocation import kept
from deepwell.training.checkpoints import SECONDS, Checkpoint, Checkpoints
from deepwell.training.decisions import Decisions, Proposal


@dataclass(frozen=True)
class Course:
    """How a training goes on.

    decisions: where open choices are made. checkpoints: where the state is saved; start: the state to go on from. began:
    time.perf_counter() when this process took the run up. closing: (untrained predictor, seconds left) -> how long what
    follows training takes, see expected.Closing. leave: called when training has ended, to raise what ends the run. clock:
    of the training, for tests.
    """

    decisions: Decisions = field(default_factory=Decisions)
    checkpoints: Checkpoints | None = None
    start: Checkpoint | None = None
    began: float | None = None
    closing: Callable[[Predictor, float], Proposal] | None = None
    leave: Callable[[], None] | None = None
    clock: Callable[[], float] = time.monotonic

    @property
    def resumed(self) -> bool:
        """Whether the training goes on from a step after the first."""
        return self.start is not None and self.start.step > 0

    def spent(self) -> float:
        """Seconds that a resumed process has spent so far; 0 for others, whose limit is counted otherwise."""
        return time.perf_counter() - self.began if self.resumed and self.began is not None else 0.0


@dataclass
class Memory:
    """A Sink that keeps events in a list."""

    events: list[Mapping[str, Any]] = field(default_factory=list)

    def emit(self, event: Mapping[str, Any]) -> None:
        """One event."""
        self.events.append(event)


def follows(step: int, what: str, value: Any, why: str) -> dict[str, Any]:
    """The event of a decision that follows from data and configuration, so that nothing needs to be replayed."""
    return {"event": "decision", "step": step, "what": what, "value": value, "why": why, "follows": True}


def fit(
    prepared: Prepared,
    options: TrainOptions,
    record: Sink,
    stop: Callable[[], bool],
    seconds: float | None,
    course: Course | None = None,
) -> tuple[Predictor, bool]:
    """Build, train and calibrate the network; `seconds`: limit of training and what follows it, None without one.

    Returns the Predictor of the very contents that will be sealed (but for evidence and card), and whether training was
    stopped before its end. Raises RunError when training fails, and what course.leave raises when it has ended.
    """
    task = prepared.task
    course = course or Course()
    if seconds is not None:
        left = seconds
        seconds = course.decisions.settle(0, "training time", lambda: (left, "what the limit leaves, in seconds"))
    examples = prepared.examples["train"]
    began = time.perf_counter()
    sizes = Sizes(prepared.pipeline.sizes(), examples.count or 0, expected.for_training(seconds))
    task = type(task)(task.schema, replace(task.config, size=task.size(sizes)))
    prepared = replace(prepared, task=task)
    torch.manual_seed(Key(options.seed).fold("network").seed)
    network = task.network(sizes)
    task.prime(network, prepared.pipeline)
    begun = _begin(prepared, network, options)
    _check_handing_over(_contents(prepared, network.state_dict(), sizes), type(task))
    transforms = task.augment(examples, prepared.pipeline)
    if not course.resumed:
        _introduce(task, network, transforms, record)
        for event in begun:
            record.emit(event)
    job = replace(_job(prepared, network, options, seconds, course), transforms=transforms, sink=record, stop=stop)
    with kept():
        job = planned(job, fixed={*options.plan, *(["device"] if options.device != plan.AUTO else [])})
        reach = ceiling(job)
        if (
            seconds is not None
        ):  # less what building and measuring took, and what a life before the first checkpoint took
            seconds = max(1.0, min(seconds, left) - (time.perf_counter() - began))
        job = replace(job, budget=replace(job.budget, seconds=seconds, spent=course.spent()))
        torch.set_num_threads(job.plan.threads)
        trained = loop.fit(_expecting(job, prepared, sizes, options, course), course.start)
    if course.leave is not None:
        course.leave()
    if job.decisions.left and not trained.interrupted:
        raise RunError(f"{job.decisions.left} recorded decisions were never asked for: the run does not repeat itself")
    if reach is not None:
        record.emit(reach.event(trained.steps * job.plan.batch_size / max(trained.stepping, 1e-9)))
    contents = _contents(prepared, trained.weights, sizes)
    uncalibrated = Predictor(contents, type(task), job.plan.device)
    contents = replace(contents, calibration=_calibrate(prepared, uncalibrated, record))
    return Predictor(contents, type(task), job.plan.device), trained.interrupted


def _job(
    prepared: Prepared, network: torch.nn.Module, options: TrainOptions, seconds: float | None, course: Course
) -> loop.Job:
    """The job of training, with a plan by rule."""
    task, examples = prepared.task, prepared.examples["train"]
    metrics = {m.name: m.direction for m in task.metrics(prepared.pipeline)}
    by_rule = plan.choose(
        network,
        task.plan_hints(),
        {"device": options.device, **options.plan},
        examples=examples.count,
        batch_size=task.config.batch_size,
        bytes_per_example=bytes_per_example(examples),
    )
    return loop.Job(
        network=network,
        examples=examples,
        loss=task.loss,
        updates=task.updates(),
        recipe=task.config,
        budget=budget.Budget(seconds, options.steps, options.epochs, clock=course.clock),
        plan=by_rule,
        key=Key(options.seed).fold("train"),
        judge=_judge(prepared),
        watch=task.watch,
        direction=metrics.get(task.watch or "", "lower"),
        decisions=course.decisions,
        checkpoints=course.checkpoints,
    )


def _introduce(task: Task, network: torch.nn.Module, transforms: Sequence[Any], record: Sink) -> None:
    """Tell what is going to be trained."""
    parameters = sum(p.numel() for p in network.parameters())
    record.emit(
        {"event": "network", "name": type(network).__name__, "parameters": parameters, "size": task.config.size}
    )
    for transform in transforms:
        if isinstance(transform, Chosen):
            record.emit(follows(0, "augmentation", transform.what, transform.why))


def _begin(prepared: Prepared, network: torch.nn.Module, options: TrainOptions) -> list[dict[str, Any]]:
    """Give the network the weights that it begins from, and freeze what stays; gives what was decided, as events."""
    if prepared.start is None:
        return []
    taken = transfer.copy(network, prepared.pipeline, prepared.schema, prepared.start)
    events = [follows(0, "first weights", *taken.told(prepared.start))]
    if options.freeze:
        names = transfer.frozen(network, options.freeze, taken.taken)
        numbers = sum(p.numel() for p in network.parameters() if not p.requires_grad)
        value = f"{', '.join(options.freeze)}: {len(names)} parameters, {numbers:,} numbers"
        events.append(follows(0, "frozen", value, "asked for; running statistics among them stay, too"))
    return events


def _expecting(job: loop.Job, prepared: Prepared, sizes: Sizes, options: TrainOptions, course: Course) -> loop.Job:
    """The job with time kept for what follows training, which the untrained network rehearses; told what it will take."""

    def untrained() -> Predictor:
        contents = _contents(prepared, job.network.state_dict(), sizes)
        return Predictor(contents, type(prepared.task), job.plan.device)

    closing = course.closing
    rehearse = None if closing is None else lambda left: closing(untrained(), left)
    spent = 0.0 if course.began is None else time.perf_counter() - course.began
    return expected.expect(job, rehearse, course.resumed, spent, options.save_every or SECONDS)


def fit_model(data: Any, options: TrainOptions) -> Predictor:
    """A fitted Predictor without run directory, baselines, report or test part: all rows serve training.

    Raises DataError or ConfigError for what cannot be used; RunError when training fails.
    """
    prepared = prepare(data, options, test_share=0.0)
    seconds = None if options.time is None else max(1.0, options.time - sum(prepared.seconds.values()))
    return fit(prepared, options, Memory(), lambda: False, seconds)[0]


def _judge(prepared: Prepared) -> Callable[[torch.nn.Module], Mapping[str, float]] | None:
    """What the loop asks to compare weights: the loss and the metrics on the select part."""
    task, examples = prepared.task, prepared.examples["select"]
    if task.watch is None or not examples.count:
        return None
    metrics = task.metrics(prepared.pipeline)

    def judge(network: torch.nn.Module) -> Mapping[str, float]:
        device = next((str(p.device) for p in network.parameters()), "cpu")
        columns = measure(task, TorchRunner(network, device), examples, prepared.pipeline)
        return {**losses(task, network, examples), **{m.name: m.value(columns) for m in metrics}}

    return judge


def losses(task: Task, network: torch.nn.Module, examples: Examples) -> dict[str, float]:
    """The mean loss and its parts over examples, without dropout or gradients; in batches as measuring has them."""
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    key = Key(0).fold("judge")
    sums: dict[str, float] = {}
    units = 0.0
    with torch.no_grad(), evaluating(network):
        for batch in examples.batches(BATCH, key):
            draw = key.fold(int(batch.examples[0]))
            torch.default_generator.manual_seed(draw.seed)
            there = Batch({name: to_tensor(array, device) for name, array in batch.arrays.items()}, batch.examples)
            loss = task.loss(network, there, draw)
            units += float(loss.units)
            for name, value in {"loss": loss.total, **loss.parts}.items():
                sums[name] = sums.get(name, 0.0) + float(value)
    return {name: total / units for name, total in sums.items()}


def _check_handing_over(contents: Contents, task: type[Task]) -> None:
    """Raise RunError in the first second where a trained model could not be sealed or opened again.

    E.g. a network with buffers that no bundle holds, or a pipeline larger than a bundle may be.
    """
    try:
        check(contents)
        Predictor(contents, task)
    except BundleError as error:
        raise RunError(f"this model could not be opened again: {error.what}", where=error.where) from error


def _contents(prepared: Prepared, weights: Mapping[str, torch.Tensor], sizes: Sizes) -> Contents:
    return Contents(
        task=prepared.name,
        task_version=prepared.task.version,
        schema=prepared.task.schema,
        pipeline=prepared.pipeline.state(),
        config=knobs.to_json(prepared.task.config),
        sizes=sizes.to_json(),
        calibration={},
        weights={n: np.array(w.detach().cpu().numpy(), order="C") for n, w in weights.items()},
        evidence={},
        card="",
        reading=prepared.reading,
        kept={n: np.array(a, order="C") for n, a in prepared.pipeline.kept().items()},
    )


def _calibrate(prepared: Prepared, predictor: Predictor, record: Sink) -> Mapping[str, float]:
    """The task's calibration numbers, fitted on the calibrate part with a predictor that has none yet."""
    examples = prepared.examples["calibrate"]
    if not examples.count:
        return {}
    columns = measure(prepared.task, predictor.runner, examples, prepared.pipeline)
    numbers = dict(prepared.task.calibrate(columns, prepared.pipeline))
    if numbers:
        why = f"fitted on {examples.count:,} examples that training did not see"
        record.emit({k: v for k, v in follows(0, "calibration", numbers, why).items() if k != "step"})
    return numbers
