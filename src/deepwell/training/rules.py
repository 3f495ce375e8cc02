"""Rules: how one step of an optimiser moves a list of parameters. SGD, RMSprop, Adam; muon.py and rules_keras.py have more.

Unusual: torch's kernels are called on lists that never change. `torch.optim` gathers its lists anew and runs hooks at each
step, which takes longer than the step of a small network. Where torch has a fused kernel it divides gradients by the scale
and skips bad steps by itself. Elsewhere a step that must not count is taken with gradients of 0, a step size of 0 and
memories that forget nothing: nothing changes by a bit, and the host need not know.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Number = float | Tensor
"""A number that the host knows, or a scalar on the device."""
Tensors = list[Tensor] | tuple[Tensor, ...]


@dataclass(frozen=True)
class Part:
    """What one call of a rule moves: parameters that have a gradient and are treated alike.

    memory: WHAT -> one tensor per parameter, as the rule's `keeps` says. counts: the numbers of steps taken so far, in
    tensors of any shape, to be raised together; memory["step"] looks into them. decay: the weight decay.
    """

    parameters: list[Tensor]
    gradients: list[Tensor]
    memory: Mapping[str, list[Tensor]]
    counts: list[Tensor]
    decay: float


class Rule(ABC):
    """One way to move parameters by their gradients. It holds settings; what changes is in the Part."""

    keeps: tuple[str, ...] = ()
    """What is remembered per parameter: tensors of its shape, zero at first."""
    counts = False
    """Whether the steps of each parameter are counted too, as memory["step"]."""

    def alike(self, parameter: Tensor) -> tuple[int, ...]:
        """Parameters of one Part have this in common, besides step size, decay and type. Default: nothing more."""
        return ()

    @abstractmethod
    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """Move the parameters, in place and without autograd. The gradients may be overwritten.

        scale: gradients are to be divided by this scalar. found: a scalar, 1 when nothing may change; None when the host
        knows that the step counts.
        """


def ready(part: Part, scale: Tensor, found: Tensor | None, *, decay: float = 0.0) -> list[Tensor]:
    """The gradients divided by scale, with L2 decay added; zero where the step does not count."""
    torch._foreach_div_(part.gradients, scale)
    if decay:
        torch._foreach_add_(part.gradients, part.parameters, alpha=decay)
    if found is not None:
        skipped = found.bool()
        for gradient in part.gradients:
            gradient.masked_fill_(skipped, 0.0)
    return part.gradients


def count_step(part: Part, found: Tensor | None) -> None:
    """Raise the numbers of steps, unless this one does not count."""
    for count in part.counts:
        count.add_(1.0 if found is None else 1.0 - found)


def unless(found: Tensor | None, value: float, skipped: float) -> Number:
    """`value` where the step counts, `skipped` where it does not."""
    return value if found is None else torch.where(found.bool(), skipped, value)


class SGD(Rule):
    """Stochastic gradient descent with momentum (Polyak 1964), by choice Nesterov's (Sutskever et al. 2013).

    b = m b + g;  w = w - r b, or w - r (g + m b) with Nesterov. Decay is L2: it is part of g.
    """

    def __init__(self, momentum: float, nesterov: bool, fused: bool) -> None:
        self._momentum, self._nesterov = momentum, nesterov and momentum > 0
        self._fused = fused and hasattr(torch, "_fused_sgd_")
        self.keeps = ("momentum",) if momentum else ()

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        memory = part.memory["momentum"] if self._momentum else []
        if self._fused:
            torch._fused_sgd_(
                part.parameters, part.gradients, memory, weight_decay=part.decay, momentum=self._momentum,
                lr=learning_rate, dampening=0.0, nesterov=self._nesterov, maximize=False, is_first_step=False,
                grad_scale=scale, found_inf=found,
            )  # fmt: skip
            return
        gradients = ready(part, scale, found, decay=part.decay)
        moves: Tensors = gradients
        if self._momentum:
            torch._foreach_mul_(memory, unless(found, self._momentum, 1.0))
            torch._foreach_add_(memory, gradients)
            moves = torch._foreach_mul(memory, self._momentum if self._nesterov else 1.0)
            if self._nesterov:
                torch._foreach_add_(moves, gradients)
        torch._foreach_mul_(moves, unless(found, learning_rate, 0.0))
        torch._foreach_sub_(part.parameters, moves)


class RMSprop(Rule):
    """RMSprop (Tieleman & Hinton 2012, Coursera lecture 6.5), with momentum as in Graves 2013 (arXiv:1308.0850), not centred.

    v = a v + (1 - a) g g;  b = m b + g / (sqrt(v) + e);  w = w - r b. Decay is L2: it is part of g.
    """

    FORGETS, LEAST = 0.99, 1e-8

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self.keeps = ("square", "momentum") if momentum else ("square",)

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        gradients, squares = ready(part, scale, found, decay=part.decay), part.memory["square"]
        torch._foreach_mul_(squares, unless(found, self.FORGETS, 1.0))
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - self.FORGETS)
        size = torch._foreach_sqrt(squares)
        torch._foreach_add_(size, self.LEAST)
        moves: Tensors = torch._foreach_div(gradients, size)
        if self._momentum:
            memory = part.memory["momentum"]
            torch._foreach_mul_(memory, unless(found, self._momentum, 1.0))
            torch._foreach_add_(memory, moves)
            moves = memory
        torch._foreach_sub_(part.parameters, torch._foreach_mul(moves, unless(found, learning_rate, 0.0)))


class Adam(Rule):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980); with decay AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g g;  w = (1 - r d) w - r m' / (sqrt(v') + e), where m' = m / (1 - b1^t)
    and v' = v / (1 - b2^t). Decay is apart from g and relative to the step size.

    b1, b2: memories of g and of g g. e: `least`.
    """

    keeps = ("exp_avg", "exp_avg_sq")
    counts = True

    def __init__(self, fused: bool, beta1: float = 0.9, beta2: float = 0.999, least: float = 1e-8) -> None:
        self._fused = fused and hasattr(torch, "_fused_adamw_")
        self._beta1, self._beta2, self._least = beta1, beta2, least

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        first, second, steps = (part.memory[what] for what in ("exp_avg", "exp_avg_sq", "step"))
        count_step(part, found)
        if self._fused:
            torch._fused_adamw_(
                part.parameters, part.gradients, first, second, [], steps, lr=learning_rate, beta1=self._beta1,
                beta2=self._beta2, weight_decay=part.decay, eps=self._least, amsgrad=False, maximize=False,
                grad_scale=scale, found_inf=found,
            )  # fmt: skip
            return
        gradients = ready(part, scale, found)
        torch._foreach_mul_(first, unless(found, self._beta1, 1.0))
        torch._foreach_add_(first, gradients, alpha=1.0 - self._beta1)
        torch._foreach_mul_(second, unless(found, self._beta2, 1.0))
        torch._foreach_addcmul_(second, gradients, gradients, 1.0 - self._beta2)
        rate = unless(found, learning_rate, 0.0)
        if part.decay:
            torch._foreach_mul_(part.parameters, 1.0 - rate * part.decay)
        taken = torch.stack(steps).clamp_(min=1.0)  # a first step that is skipped has taken none
        size = torch._foreach_sqrt(second)
        torch._foreach_div_(size, list((1.0 - self._beta2**taken).sqrt_().unbind()))
        torch._foreach_add_(size, self._least)
        moves = torch._foreach_div(first, size)
        torch._foreach_mul_(moves, list((rate / (1.0 - self._beta1**taken)).unbind()))
        torch._foreach_sub_(part.parameters, moves)
