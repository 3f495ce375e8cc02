"""Job: all that a training needs. Trained: what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from deepwell.core.config import Recipe
from deepwell.core.examples import Examples
from deepwell.core.keys import Key
from deepwell.core.runner import Sink
from deepwell.core.task import Transform, Update
from deepwell.training.budget import Budget
from deepwell.training.checkpoints import Checkpoints
from deepwell.training.checks import Judge
from deepwell.training.decisions import Decisions
from deepwell.training.order import Passes
from deepwell.training.plan import Plan
from deepwell.training.updates import LossFunction, Sums


@dataclass(frozen=True)
class Retime:
    """How the threads of a long run are measured again.

    measure: (job as it is now, most seconds) -> (threads, steps/s that they reach, figures in words). most: threads that the
    machine has; promised: steps/s that were measured before training, 0.0 where nothing was.
    """

    measure: Callable[[Job, float], tuple[int, float, str]]
    most: int
    promised: float = 0.0


@dataclass(frozen=True)
class Job:
    """All that a training needs.

    network: the module, trained in place and moved to the plan's device. loss: of updates that bring none of their own.
    judge: module -> measures on the select part; None: nothing is judged. watch: the measure that chooses the weights,
    None: the last ones; direction: which way it is better. sink hears events. decisions: where open choices are made.
    checkpoints: where the state is saved; None: nowhere. retime: how threads are measured again; None: they stay as planned.
    stop: asked once before each step; True ends the training. passes: how an epoch goes through the examples.
    rate: step (0-based) -> learning rate, instead of the recipe's. listen: hears the sums of each update, still on the device,
    and takes out of them those parts that are no scalars.
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
    decisions: Decisions = field(default_factory=Decisions)
    checkpoints: Checkpoints | None = None
    retime: Retime | None = None
    stop: Callable[[], bool] | None = None
    passes: Passes = field(default_factory=Passes)
    rate: Callable[[int], float] | None = None
    listen: Callable[[Sums], None] | None = None


@dataclass(frozen=True)
class Trained:
    """The outcome: weights (name -> CPU tensor, as in the module's state_dict), and where they come from.

    step: the step whose weights these are; steps: how many were taken in all. chosen: "ema" or "raw". values: their
    measures on the select part, empty if never judged. interrupted: stop() ended the run. seconds: spent in
    training; stepping: of these, in steps.
    """

    weights: Mapping[str, Tensor]
    step: int
    chosen: str
    interrupted: bool
    steps: int
    values: Mapping[str, float]
    seconds: float
    stepping: float
