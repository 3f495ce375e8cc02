"""fit: the door's training. It drives training/loop.Loop; there is no second loop.

Unusual: each fit makes a loop for its data and goes on from what the optimizer remembers; draws come from one key that is taken
from torch's default generator, so that `set_random_seed` makes a fit repeatable, bit for bit where the plan is fixed too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepwell.core.config import Recipe
from deepwell.core.errors import ConfigError, DataError, RunError
from deepwell.core.keys import Key
from deepwell.core.task import Update
from deepwell.keras import answering, arrays, planning
from deepwell.keras.answering import Question
from deepwell.keras.arrays import OUT, WEIGHT, ArrayExamples, Columns
from deepwell.keras.callbacks import CallbackList, Logs, listed, quiet
from deepwell.keras.compiled import Objective, Running, Training, heads_of, labels, targets_of, training_of
from deepwell.keras.history import History
from deepwell.keras.layer import OwnModule
from deepwell.keras.options import Asked, CompileOptions, FitOptions
from deepwell.keras.own import Own
from deepwell.keras.progress import ProgbarLogger, verbosity
from deepwell.keras.sealing import Truth
from deepwell.nn.graph import Graph
from deepwell.training import guards
from deepwell.training.allocation import kept
from deepwell.training.budget import Budget
from deepwell.training.job import Job
from deepwell.training.loop import Loop
from deepwell.training.order import Passes
from deepwell.training.pace import using_threads
from deepwell.training.plan import Plan

BATCH = 32
"""Examples of a step where the user does not say."""
FEWEST_KEPT = 100
"""Steps for which memory is kept; giving it back at the end takes about as long as a few."""


def compile_model(model: Any, asked: Asked, options: CompileOptions) -> None:
    """See Model.compile."""
    model.training = training_of(asked, options)
    model.optimizer, model.loss, model.compiled = model.training.optimizer, asked.loss, True
    model.stop_training = False


def fit(model: Any, x: Any, y: Any, options: FitOptions) -> History:
    """See Model.fit."""
    return _Fit(model, x, y, options).run()


def train_on_batch(model: Any, x: Any, y: Any, options: FitOptions, return_dict: bool) -> Any:
    """See Model.train_on_batch."""
    under_way = _Fit(model, x, y, options, whole=True)
    under_way.run()
    return _shown(under_way.values, labels(under_way.heads), return_dict)


def evaluate(model: Any, x: Any, y: Any, sample_weight: Any, question: Question, return_dict: bool) -> Any:
    """See Model.evaluate."""
    training = ready(model)
    columns = gathered(model, x, y, sample_weight)
    heads = heads_of(model.network.graph, training.asked, columns)
    training.heads = heads
    hooks = answering.hooks_for(model, columns, question)
    values = answering.measured(model.network, plan_of(model), columns, heads, question, hooks)
    return _shown(values, labels(heads), return_dict)


def predict(model: Any, x: Any, question: Question) -> Any:
    """See Model.predict."""
    model.meet(x)
    columns = arrays.input_columns(model.network.graph, model.placed(x))
    hooks = answering.hooks_for(model, columns, question)
    answers = answering.answered(model.network, plan_of(model), columns, question, hooks, model.structured)
    return model.structured(answers)


def names(model: Any) -> list[str]:
    """See Model.metrics_names."""
    training = ready(model)
    return ["loss"] if training.heads is None else labels(training.heads)


def metrics_of(model: Any) -> list[Any]:
    """The metrics of all outputs, as objects; none before they are known from the data."""
    known = model.training is not None and model.training.heads
    return [measure.metric for head in known or () for measure in head.measures]


def losses_of(model: Any) -> list[Tensor]:
    """What regularisers cost now: a scalar for each weight that has one. What add_loss says counts within a step alone."""
    return [
        rule.penalty(module.get_parameter(name))
        for module in model.network.modules()
        for name, rule in getattr(module, "regularised", ())
    ]


def ready(model: Any) -> Training:
    """What compile said. Raises ConfigError where it was not called."""
    if model.training is None:
        raise ConfigError(
            f"the model {model.name!r} is not compiled",
            repair="model.compile(optimizer='adam', loss=...) says how it is trained and measured",
        )
    training: Training = model.training
    return training


def plan_of(model: Any) -> Plan:
    """How this machine runs the model outside of training: as in its last fit, else by rule."""
    training = model.training
    if training is not None and training.plans:
        last: Plan = list(training.plans.values())[-1]
        return last
    asked = {} if training is None else dict(training.options.plan)
    return planning.by_rule(model.network, BATCH, BATCH, asked)


def gathered(model: Any, x: Any, y: Any, sample_weight: Any = None) -> Columns:
    """All columns: inputs, targets and weights. Raises DataError where they do not fit together."""
    model.meet(x)
    graph = model.network.graph
    columns = {**arrays.input_columns(graph, model.placed(x)), **targets_of(graph, y)}
    outputs = [name for name in graph.outputs if OUT + name in columns]
    if sample_weight is not None:
        single = not isinstance(sample_weight, Mapping | list | tuple)
        given = (
            dict.fromkeys(outputs, sample_weight) if single else arrays.named(sample_weight, outputs, "sample_weight")
        )
        for name, value in given.items():
            columns[WEIGHT + name] = arrays.as_array(value, f"the sample_weight of {name!r}").astype(
                np.float32, copy=False
            )
    arrays.equally_long(columns)
    return columns


def class_columns(graph: Graph, columns: Columns, weights: Mapping[int, float]) -> Columns:
    """The weights of the examples by their classes. Raises ConfigError beside sample weights, and for several outputs."""
    if any(name.startswith(WEIGHT) for name in columns):
        raise ConfigError("class_weight and sample_weight cannot both be given", repair="multiply them yourself")
    targets = [name for name in columns if name.startswith(OUT)]
    if len(targets) != 1:
        raise ConfigError(f"class_weight needs one output with targets; there are {len(targets)}: use sample_weight")
    name = targets[0].removeprefix(OUT)
    shape = graph.shapes[graph.outputs[name]]
    return {WEIGHT + name: arrays.class_weights(columns[OUT + name], weights, shape)}


def _shown(values: Mapping[str, float], order: list[str], return_dict: bool) -> Any:
    if return_dict:
        return {name: values[name] for name in sorted(values)}
    listed = [values[name] for name in order if name in values]
    return listed[0] if len(listed) == 1 else listed


class _Fit:
    """One fit under way."""

    def __init__(self, model: Any, x: Any, y: Any, options: FitOptions, whole: bool = False) -> None:
        self._model, self._options, self._training = model, options, ready(model)
        columns = gathered(model, x, y, options.sample_weight)
        self._network = model.network
        self.heads = heads_of(self._network.graph, self._training.asked, columns)
        self._check(columns)
        self._held = self._validation(columns)
        if options.validation_split and self._held is not None and options.validation_data is None:
            columns, self._held = arrays.split(columns, options.validation_split)
        if options.class_weight is not None:  # of training alone, as in Keras
            columns |= class_columns(self._network.graph, columns, options.class_weight)
        self._columns, self._count = columns, len(next(iter(columns.values())))
        self._batch = self._count if whole else min(options.batch_size or BATCH, self._count)
        self._steps = options.steps_per_epoch or -(-self._count // self._batch)
        self._epochs = range(options.initial_epoch, options.epochs)
        self._running = Running(self.heads)
        self.values: dict[str, float] = {}
        self.optimizer = self._training.optimizer
        self._base = int(self.optimizer.iterations)

    def run(self) -> History:
        """Train."""
        model, history = self._model, History()
        verbose = verbosity(self._options.verbose)
        params = {"verbose": verbose, "epochs": self._options.epochs, "steps": self._steps}
        told = labels(self.heads)
        told += [f"val_{name}" for name in told] if self._held is not None else []
        hooks = CallbackList(
            [*listed(self._options.callbacks), *([ProgbarLogger()] if verbose else []), history], model, params, told
        )
        model.history, model.stop_training = history, False
        self._remember()
        model.learn_as_told()
        if not any(parameter.requires_grad for parameter in self._network.parameters()):
            raise ConfigError(
                f"the model {model.name!r} has no weights that learn",
                repair="layer.trainable = True lets a layer learn",
            )
        with self._memory(), drawn_from_generator() as key:
            job = self._job(key)
            try:
                with using_threads(job.plan.threads), guards.in_words("training"):
                    loop = Loop(job)
                    for module in self._network.modules():
                        # A layer of one's own is in training also where none of its weights learns.
                        if isinstance(module, OwnModule) and module.learns:
                            module.training = True
                    hooks("on_train_begin", None)
                    self._all_epochs(loop, hooks)
            finally:
                self._network.eval()
        hooks("on_train_end", dict(self.values))
        return history

    def _memory(self) -> AbstractContextManager[object]:
        """What a step frees is kept for the next one, where there are enough of them."""
        return kept() if self._steps * len(self._epochs) >= FEWEST_KEPT else nullcontext()

    def _all_epochs(self, loop: Loop, hooks: CallbackList) -> None:
        for epoch in self._epochs:
            self._running.begin()
            hooks("on_epoch_begin", epoch, None)
            try:
                self._epoch(loop, hooks)
                loop.read()
            except guards.NotFinite as error:
                if not quiet(hooks.callbacks):
                    raise RunError(
                        error.what,
                        repair="a smaller learning rate helps most often, such as compile(optimizer=Adam(1e-4)); look for "
                        "extreme values in the data; the callback TerminateOnNaN ends such a training without an error",
                    ) from None
                print(f"\n{error.what}: the training ends.")
                self._model.stop_training = True
            values = self._running.values()
            if self._validates(epoch):
                values |= {f"val_{name}": value for name, value in self._evaluated(hooks).items()}
            self.values = {name: values[name] for name in sorted(values)}
            self._training.scores = {name: value for name, value in self.values.items() if np.ndim(value) == 0}
            hooks("on_epoch_end", epoch, self.values)
            if self._model.stop_training:
                return

    def _epoch(self, loop: Loop, hooks: CallbackList) -> None:
        """The steps of one epoch."""
        logs = Logs(self._running.labels(), self._running.values)
        begins, ends = hooks.hears_batches("on_train_batch_begin"), hooks.hears_batches("on_train_batch_end")
        old_begins, old_ends = hooks.hears_batches("on_batch_begin"), hooks.hears_batches("on_batch_end")
        for step in range(self._steps):
            for hook in begins:
                hook.on_train_batch_begin(step, logs)
            for hook in old_begins:
                hook.on_batch_begin(step, logs)
            loop.step()
            self.optimizer.iterations = self._base = self._base + 1
            for hook in ends:
                hook.on_train_batch_end(step, logs)
            for hook in old_ends:
                hook.on_batch_end(step, logs)
            if self._model.stop_training:
                return

    def _job(self, key: Key) -> Job:
        optimizer, total = self.optimizer, max(1, self._steps * len(self._epochs))
        base = self._base
        job = Job(
            network=self._network,
            examples=ArrayExamples(self._columns),
            loss=Objective(self._network.graph, self.heads),
            recipe=Recipe(**optimizer.recipe_fields()),
            budget=Budget(steps=total),
            plan=self._plan(),
            key=key,
            updates=(self._update(optimizer),),
            passes=Passes(whole=True, shuffled=bool(self._options.shuffle)),
            listen=self._running.hear,
        )
        if self._batch not in self._training.plans:
            fixed = self._training.options.plan
            trial = replace(
                job, updates=(self._update(planning.apart(optimizer)),), listen=None, loss=_Silent(job.loss)
            )
            own = any(isinstance(block, Own) for block in self._network.graph.layers.values())
            job = replace(job, plan=planning.measured(trial, total, fixed, own))
            self._training.plans[self._batch] = job.plan
        return replace(job, rate=lambda step: optimizer.rate(base + step))

    def _update(self, optimizer: Any) -> Update:
        coupled = any(head.loss is not None and head.loss.coupled for head in self.heads)
        return Update(coupled=coupled, optimiser=optimizer.make)

    def _plan(self) -> Plan:
        known = self._training.plans.get(self._batch)
        if known is not None:
            return known
        asked = dict(self._training.options.plan)
        return planning.by_rule(self._network, self._batch, self._count, asked)

    # validation ------------------------------------------------------------------------------------------------------
    def _validation(self, columns: Columns) -> Columns | None:
        data = self._options.validation_data
        if data is None:
            return columns if self._options.validation_split else None
        if not isinstance(data, list | tuple) or len(data) not in (2, 3):
            raise DataError("validation_data must be (x, y) or (x, y, sample_weight)")
        held = gathered(self._model, *data)
        heads_of(self._network.graph, self._training.asked, held)
        return held

    def _validates(self, epoch: int) -> bool:
        often = self._options.validation_freq
        wanted = (epoch + 1) % often == 0 if isinstance(often, int) else epoch + 1 in often
        return self._held is not None and wanted

    def _evaluated(self, hooks: CallbackList) -> dict[str, float]:
        options = self._options
        asked = options.validation_batch_size
        size = asked or answering.size_for(
            self._held or {}, None, max(self._batch, min(answering.BATCH, 4 * self._batch))
        )
        question = Question(size, 0, options.validation_steps)
        return answering.measured(self._network, self._plan(), self._held or {}, self.heads, question, hooks)

    def _check(self, columns: Columns) -> None:
        """Raise DataError where an output has a loss and no targets."""
        for head in self.heads:
            if head.loss is not None and OUT + head.name not in columns:
                raise DataError(f"the output {head.name!r} has a loss and no targets", repair="fit(x, y)")

    def _remember(self) -> None:
        """What a sealed model says of its targets."""
        self._training.heads, self._training.rows = self.heads, self._count
        for head in self.heads:
            target = self._columns.get(OUT + head.name)
            if target is not None:
                whole = target.dtype.kind in "iub" and target.size > 0
                self._training.truths[head.name] = Truth(target.shape[1:], whole)


class _Silent:
    """A loss without its parts: trials of plans keep no metrics."""

    def __init__(self, loss: Any) -> None:
        self._loss = loss

    def __call__(self, network: Any, batch: Any, draw: Key) -> Any:
        return replace(self._loss(network, batch, draw), parts={})


@contextmanager
def drawn_from_generator() -> Iterator[Key]:
    """A key out of torch's default generator, which goes on behind that draw afterwards whatever happens inside."""
    key = Key(int(torch.randint(2**62, ()).item()))
    state = torch.default_generator.get_state()
    try:
        yield key
    finally:
        torch.default_generator.set_state(state)
