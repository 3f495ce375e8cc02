"""Updater: one optimiser step of a round: its own parameters, its own loss, its own optimiser.

Unusual: losses are sums, so gradients of micro-batches simply add up, and are divided once by all units together. Clipping
rides on the same division. A step with a non-finite loss or gradient changes nothing, buffers included, by a flag on the
device; the host learns of it later (Meter) and stops the run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from deepwell.core.batch import Batch
from deepwell.core.config import Recipe
from deepwell.core.errors import ConfigError
from deepwell.core.keys import Key
from deepwell.core.task import Loss, Update
from deepwell.losses import l1
from deepwell.training.buffers import Guard
from deepwell.training.optimisers import gradient_norm, make, matrices
from deepwell.training.plan import PRECISIONS, Plan

LossFunction = Callable[[nn.Module, Batch, Key], Loss]
TINY = 1e-12


@dataclass
class Sums:
    """What the micro-steps of one update added up to; scalars on the device (units may be a plain number)."""

    total: Tensor
    units: Tensor | float
    parts: dict[str, Tensor]
    norm: Tensor | None = None
    """Norm of the gradient of the mean loss, before clipping."""
    found: Tensor | None = None
    """1 when the loss or the gradient was not finite and the step changed nothing, else 0."""

    def add(self, loss: Loss) -> None:
        """Add another micro-step's loss."""
        self.total = self.total + loss.total.detach()
        self.units = self.units + _plain(loss.units)
        for name, part in loss.parts.items():
            self.parts[name] = self.parts[name] + part.detach() if name in self.parts else part.detach()


class Updater:
    """One Update of a task, ready to run.

    loss: for an update that brings none. Raises ConfigError when no trainable parameter has a matching name.
    """

    def __init__(self, network: nn.Module, update: Update, loss: LossFunction, recipe: Recipe, plan: Plan) -> None:
        trainable = {n: p for n, p in network.named_parameters() if p.requires_grad}
        named = {n: p for n, p in trainable.items() if fnmatchcase(n, update.parameters)}
        if not named:
            examples = ", ".join(list(trainable)[:5]) or "none"
            raise ConfigError(
                f"update {update.name!r} has no parameter to train: {update.parameters!r} matches none of the network's "
                f"trainable parameters ({examples}{', ...' if len(trainable) > 5 else ''})"
            )
        self.update, self.network, self._loss = update, network, update.loss or loss
        self._parameters = list(named.values())
        self._all = len(named) == len(trainable)
        self._clip, self._l1 = recipe.clip, recipe.l1
        self._penalised = [named[n] for n in sorted(matrices(network) & named.keys())] if recipe.l1 else []
        made = None if update.optimiser is None else update.optimiser(network, list(named), plan.fused)
        self.optimiser = make(network, list(named), recipe, plan.fused) if made is None else made
        self._guard = Guard(network)
        self._device = self._parameters[0].device
        self._dtype = PRECISIONS[plan.precision]
        self._mixed = self._dtype != torch.float32

    def begin(self) -> None:
        """Forget all gradients, also those that another update left on parameters of its own; keep the moving buffers."""
        for parameter in self._parameters:
            parameter.grad = None
        self._guard.keep()

    def micro_step(self, batch: Batch, draw: Key, sums: Sums | None) -> Sums:
        """Add the gradients of one micro-batch; gives the sums so far."""
        with torch.autocast(self._device.type, dtype=self._dtype) if self._mixed else nullcontext():
            loss = self._loss(self.network, batch, draw)
        objective = loss.total
        if self._penalised:
            objective = objective + self._l1 * loss.units * l1(self._penalised)
        if self._all:
            objective.backward()  # type: ignore[no-untyped-call]
        else:
            objective.backward(inputs=self._parameters)  # type: ignore[no-untyped-call]
        if sums is None:
            parts = {name: part.detach() for name, part in loss.parts.items()}
            return Sums(loss.total.detach(), _plain(loss.units), parts)
        sums.add(loss)
        return sums

    def finish(self, sums: Sums, learning_rate: float) -> None:
        """Take the step: divide by units, clip by norm, update, or do nothing if anything is non-finite."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if not gradients:
            raise ConfigError(f"the loss of update {self.update.name!r} does not depend on any of its parameters")
        norm, units = gradient_norm(gradients), sums.units
        units = units.clamp(min=TINY) if isinstance(units, Tensor) else max(units, TINY)
        sums.norm = norm / units
        both = norm + sums.total
        sums.found = (both - both).ne_(0.0).float()  # the difference is 0 where finite, else NaN
        self._guard.mend(sums.found, self.optimiser.reads_flag)
        self.optimiser.step(learning_rate, self._divisor(norm, units), sums.found)

    def undo(self) -> None:
        """Take back what the micro-steps since `begin` did, so that the same update can begin again."""
        self._guard.put_back()
        for parameter in self._parameters:
            parameter.grad = None

    def _divisor(self, norm: Tensor, units: Tensor | float) -> Tensor:
        """What the summed gradients are divided by: units, or more where their mean would be longer than `clip`.

        units * max(1, (norm / units) / clip) = max(units, norm / clip). Scalars; norm: of the sum.
        """
        if not self._clip:
            return torch.zeros_like(norm).add_(units)
        if isinstance(units, Tensor):
            return torch.maximum(norm / self._clip, units).float()
        return (norm / self._clip).clamp_(min=units)


def training_mode(network: nn.Module) -> None:
    """Training mode for all modules but those whose parameters are all frozen: their dropout is off, their statistics stay."""
    network.train()
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()


def _plain(units: Tensor | float) -> Tensor | float:
    return units.detach() if isinstance(units, Tensor) else float(units)
