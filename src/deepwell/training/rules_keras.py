"""Rules with the formulas of Keras, for trainings that are to go the same way as Keras's, step by step.

Unusual: they differ from torch's and from rules.py where gradients are tiny or the step size changes: SGD's momentum remembers
moves, not gradients; RMSprop and Adagrad take the root of v + e; Adam adds e before the correction of v ("epsilon hat" in
Kingma & Ba 2015). All work on lists, and a step that does not count changes no bit (see rules.py).

Legend: w weight, g gradient, r step size, t steps taken, e `least`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from deepwell.training.rules import Adam, Number, Part, Rule, count_step, ready, unless

NADAM_FALLS = 0.96
"""How fast Nadam's momentum rises to beta1, per step (Dozat 2016)."""
NADAM_STEPS = 1024
"""After so many steps what remains of Nadam's product of momenta is below float32."""


class Clipped(Rule):
    """Another rule, after clipping and decay: g to a norm of its own, or number by number; then w = (1 - r d) w.

    each: largest norm of the gradient of one weight, 0: any. most: largest absolute value in it, 0: any. The rule sees no decay.
    """

    def __init__(self, rule: Rule, each: float = 0.0, most: float = 0.0) -> None:
        self._rule, self._each, self._most = rule, each, most
        self.keeps, self.counts = rule.keeps, rule.counts

    def alike(self, parameter: Tensor) -> tuple[int, ...]:
        """See Rule."""
        return self._rule.alike(parameter)

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        gradients = ready(part, scale, found)
        if self._each:
            norms = torch.stack(torch._foreach_norm(gradients)).float()
            torch._foreach_mul_(gradients, list((self._each / norms.clamp(min=self._each)).unbind()))
        if self._most:
            torch._foreach_clamp_max_(gradients, self._most)
            torch._foreach_clamp_min_(gradients, -self._most)
        if part.decay:
            torch._foreach_mul_(part.parameters, 1.0 - unless(found, learning_rate, 0.0) * part.decay)
        plain = Part(part.parameters, gradients, part.memory, part.counts, 0.0)
        self._rule.move(plain, learning_rate, torch.ones_like(scale), found)


class HeavyBall(Rule):
    """v = m v - r g;  w = w + v, or w + m v - r g with Nesterov: SGD whose memory holds moves."""

    keeps = ("velocity",)

    def __init__(self, momentum: float, nesterov: bool) -> None:
        self._momentum, self._nesterov = momentum, nesterov

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        gradients, velocity = ready(part, scale, found), part.memory["velocity"]
        torch._foreach_mul_(gradients, unless(found, learning_rate, 0.0))
        torch._foreach_mul_(velocity, unless(found, self._momentum, 1.0))
        torch._foreach_sub_(velocity, gradients)
        if not self._nesterov:
            _add_unless(part.parameters, list(velocity), found)
            return
        moves = torch._foreach_mul(velocity, self._momentum)
        torch._foreach_sub_(moves, gradients)
        _add_unless(part.parameters, list(moves), found)


class RMSpropInside(Rule):
    """v = a v + (1 - a) g g;  b = m b + r g / sqrt(v + e);  w = w - b. Centred: v less the square of the mean of g.

    Tieleman & Hinton 2012; centred as in Graves 2013, arXiv:1308.0850.
    """

    def __init__(self, memory: float, momentum: float, least: float, centred: bool) -> None:
        self._memory, self._momentum, self._least, self._centred = memory, momentum, least, centred
        self.keeps = ("square", *(["momentum"] if momentum else []), *(["mean"] if centred else []))

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        gradients, squares = ready(part, scale, found), part.memory["square"]
        _remember_squares(squares, gradients, self._memory, found)
        size = list(squares)
        if self._centred:
            means = part.memory["mean"]
            _remember(means, gradients, self._memory, found)
            size = list(torch._foreach_sub(squares, torch._foreach_mul(means, means)))
        moves = torch._foreach_div(gradients, _roots(size, self._least))
        torch._foreach_mul_(moves, unless(found, learning_rate, 0.0))
        if self._momentum:
            memory = part.memory["momentum"]
            torch._foreach_mul_(memory, unless(found, self._momentum, 1.0))
            torch._foreach_add_(memory, moves)
            moves = tuple(memory)
        _add_unless(part.parameters, list(torch._foreach_neg(moves)), found)


class Adagrad(Rule):
    """s = s + g g, `start` at first;  w = w - r g / sqrt(s + e) (Duchi et al. 2011)."""

    keeps = ("sum",)

    def __init__(self, start: float, least: float) -> None:
        self._start, self._least = start, least

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        gradients, sums = ready(part, scale, found), part.memory["sum"]
        torch._foreach_addcmul_(sums, gradients, gradients)
        moves = torch._foreach_div(gradients, _roots(sums, self._least + self._start))
        torch._foreach_sub_(part.parameters, torch._foreach_mul(moves, unless(found, learning_rate, 0.0)))


class Adadelta(Rule):
    """v = a v + (1 - a) g g;  d = g sqrt(u + e) / sqrt(v + e);  u = a u + (1 - a) d d;  w = w - r d.

    Zeiler 2012, arXiv:1212.5701. a: `memory`.
    """

    keeps = ("square", "moved")

    def __init__(self, memory: float, least: float) -> None:
        self._memory, self._least = memory, least

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        gradients, squares, moved = ready(part, scale, found), part.memory["square"], part.memory["moved"]
        _remember_squares(squares, gradients, self._memory, found)
        moves = torch._foreach_mul(gradients, _roots(moved, self._least))
        torch._foreach_div_(moves, _roots(squares, self._least))
        _remember_squares(moved, list(moves), self._memory, found)
        torch._foreach_sub_(part.parameters, torch._foreach_mul(moves, unless(found, learning_rate, 0.0)))


class AdamHat(Rule):
    """m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g g;  w = w - r c m / (sqrt(v) + e), c = sqrt(1 - b2^t) / (1 - b1^t).

    Kingma & Ba 2015, arXiv:1412.6980, before their section 2.1. With amsgrad the largest v so far stands for v (Reddi et al.
    2018, arXiv:1904.09237). fused: by torch's kernel where the host knows t, since e differs from step to step there.
    """

    counts = True

    def __init__(self, beta1: float, beta2: float, least: float, amsgrad: bool = False, fused: bool = False) -> None:
        self._beta1, self._beta2, self._least, self._amsgrad = beta1, beta2, least, amsgrad
        self._fused = fused and not amsgrad and hasattr(torch, "_fused_adamw_")
        self.keeps = ("exp_avg", "exp_avg_sq", *(["largest"] if amsgrad else []))

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        taken = part.counts[0].reshape(-1) if len(part.counts) == 1 else None
        if self._fused and found is None and taken is not None and bool((taken == taken[0]).all()):
            least = self._least / math.sqrt(1.0 - self._beta2 ** (taken[0].item() + 1))
            Adam(True, self._beta1, self._beta2, least).move(part, learning_rate, scale, found)
            return
        first, second = part.memory["exp_avg"], part.memory["exp_avg_sq"]
        count_step(part, found)
        gradients = ready(part, scale, found)
        _remember(first, gradients, self._beta1, found)
        _remember_squares(second, gradients, self._beta2, found)
        if self._amsgrad:
            torch._foreach_maximum_(part.memory["largest"], second)
            second = part.memory["largest"]
        size = torch._foreach_sqrt(second)
        torch._foreach_add_(size, self._least)
        steps = torch.stack(part.memory["step"]).clamp_(min=1.0)  # a first step that is skipped has taken none
        correction = (1.0 - self._beta2**steps).sqrt_() / (1.0 - self._beta1**steps)
        moves = torch._foreach_div(first, size)
        torch._foreach_mul_(moves, list((correction * unless(found, learning_rate, 0.0)).unbind()))
        torch._foreach_sub_(part.parameters, moves)


class Adamax(Rule):
    """m = b1 m + (1 - b1) g;  u = max(b2 u, |g|);  w = w - r m / ((1 - b1^t) (u + e)) (Kingma & Ba 2015, section 7)."""

    keeps = ("exp_avg", "largest")
    counts = True

    def __init__(self, beta1: float, beta2: float, least: float) -> None:
        self._beta1, self._beta2, self._least = beta1, beta2, least

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        count_step(part, found)
        gradients, first, largest = ready(part, scale, found), part.memory["exp_avg"], part.memory["largest"]
        _remember(first, gradients, self._beta1, found)
        torch._foreach_mul_(largest, unless(found, self._beta2, 1.0))
        torch._foreach_maximum_(largest, torch._foreach_abs(gradients))
        moves = torch._foreach_div(first, torch._foreach_add(largest, self._least))
        taken = torch.stack(part.memory["step"]).clamp_(min=1.0)
        rates = unless(found, learning_rate, 0.0) / (1.0 - self._beta1**taken)
        torch._foreach_mul_(moves, list(rates.unbind()))
        torch._foreach_sub_(part.parameters, moves)


class Nadam(Rule):
    """Adam whose momentum looks one step ahead, and rises to b1 at first: u_t = b1 (1 - 0.96^t / 2) (Dozat 2016).

    w = w - r (u_{t+1} m / (1 - u_1 ... u_{t+1}) + (1 - u_t) g / (1 - u_1 ... u_t)) / (sqrt(v / (1 - b2^t)) + e).
    """

    keeps = ("exp_avg", "exp_avg_sq")
    counts = True

    def __init__(self, beta1: float, beta2: float, least: float) -> None:
        self._beta1, self._beta2, self._least = beta1, beta2, least
        momenta = beta1 * (1.0 - 0.5 * NADAM_FALLS ** torch.arange(1, NADAM_STEPS + 2, dtype=torch.float64))
        ahead, here = momenta[1:], momenta[:-1]
        products = momenta.cumprod(0)
        self._of_memory = (ahead / (1.0 - products[1:])).float()
        self._of_gradient = ((1.0 - here) / (1.0 - products[:-1])).float()

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        count_step(part, found)
        gradients, first, second = ready(part, scale, found), part.memory["exp_avg"], part.memory["exp_avg_sq"]
        _remember(first, gradients, self._beta1, found)
        _remember_squares(second, gradients, self._beta2, found)
        taken = torch.stack(part.memory["step"]).clamp_(min=1.0)
        place = taken.long().clamp(max=NADAM_STEPS) - 1
        moves = torch._foreach_mul(first, list(self._of_memory.to(taken.device)[place].unbind()))
        torch._foreach_add_(
            moves, torch._foreach_mul(gradients, list(self._of_gradient.to(taken.device)[place].unbind()))
        )
        size = torch._foreach_sqrt(torch._foreach_div(second, list((1.0 - self._beta2**taken).unbind())))
        torch._foreach_add_(size, self._least)
        torch._foreach_div_(moves, size)
        torch._foreach_sub_(part.parameters, torch._foreach_mul(moves, unless(found, learning_rate, 0.0)))


class Lion(Rule):
    """w = w - r sign(b1 m + (1 - b1) g);  m = b2 m + (1 - b2) g (Chen et al. 2023, arXiv:2302.06675)."""

    keeps = ("momentum",)

    def __init__(self, beta1: float, beta2: float) -> None:
        self._beta1, self._beta2 = beta1, beta2

    def move(self, part: Part, learning_rate: float, scale: Tensor, found: Tensor | None) -> None:
        """See Rule."""
        gradients, memory = ready(part, scale, found), part.memory["momentum"]
        moves = torch._foreach_mul(memory, self._beta1)
        torch._foreach_add_(moves, gradients, alpha=1.0 - self._beta1)
        torch._foreach_sign_(moves)
        torch._foreach_sub_(part.parameters, torch._foreach_mul(moves, unless(found, learning_rate, 0.0)))
        _remember(memory, gradients, self._beta2, found)


def _remember(memory: list[Tensor], values: list[Tensor], share: float, found: Tensor | None) -> None:
    """memory = share memory + (1 - share) values."""
    torch._foreach_mul_(memory, unless(found, share, 1.0))
    torch._foreach_add_(memory, values, alpha=1.0 - share)


def _remember_squares(memory: list[Tensor], values: list[Tensor], share: float, found: Tensor | None) -> None:
    """memory = share memory + (1 - share) values^2."""
    torch._foreach_mul_(memory, unless(found, share, 1.0))
    torch._foreach_addcmul_(memory, values, values, 1.0 - share)


def _roots(values: list[Tensor], least: float) -> list[Tensor]:
    """sqrt(values + least)."""
    shifted = torch._foreach_add(values, least)
    torch._foreach_sqrt_(shifted)
    return list(shifted)


def _add_unless(parameters: list[Tensor], moves: list[Tensor], found: Tensor | None) -> None:
    """parameters = parameters + moves where the step counts; moves that memory makes are not 0 by themselves."""
    counts: Number = unless(found, 1.0, 0.0)
    torch._foreach_add_(parameters, moves if found is None else torch._foreach_mul(moves, counts))
