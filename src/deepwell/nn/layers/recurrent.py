"""Recurrent layers over one axis: the simple one, LSTM and GRU, with Keras's weights and Keras's masks.

Unusual: what torch's fused kernels can do, they do; other activations, a gate that resets first, and dropping between steps
run step by step. A masked step changes nothing: the state is carried over, and what came out before comes out again (0 before the
first step that counts). So the steps that count are moved together, the fused kernel runs over them, and what it gives is
dealt out again: this holds for masks of any form, padding before or after.

Legend: n rows, T steps, I inputs, U units, G gates (1, 4, 3), stacked along an axis of length G U.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from deepwell.nn.layers.activations import activation
from deepwell.nn.layout import Weight, hold
from deepwell.nn.regularisers import L1L2


@dataclass(frozen=True)
class Manner:
    """How a recurrent layer runs.

    activation, gate: names of the activations of what comes out and of the gates. sequences: it gives every step, not only the
    last. states: it gives its last states too. backwards: from the last step to the first; so are the steps that it gives.
    dropout, recurrent_dropout: of the inputs and of the state before a step; one draw for all steps of a row
    (Gal and Ghahramani 2016, arXiv:1512.05287).
    """

    activation: str = "tanh"
    gate: str = "sigmoid"
    sequences: bool = False
    states: bool = False
    backwards: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0


class Recurrent(nn.Module, ABC):
    """(n, T, I) -> (n, U), or (n, T, U), and the states (n, U) if they are wanted.

    weights: kernel (I, G U), recurrent kernel (U, G U), bias or None, as they are drawn. rules: their regularisers.
    """

    number_of_states = 1
    weight: Tensor
    recurrent: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weights: tuple[Tensor, Tensor, Tensor | None],
        manner: Manner,
        rules: tuple[L1L2 | None, L1L2 | None, L1L2 | None] = (None, None, None),
    ) -> None:
        super().__init__()
        kernel, recurrent, bias = weights
        self.manner, self.units = manner, recurrent.shape[0]
        hold(self, Weight("kernel", "weight", (1, 0)), kernel.T.contiguous(), rules[0])
        hold(self, Weight("recurrent_kernel", "recurrent", (1, 0)), recurrent.T.contiguous(), rules[1])
        hold(self, Weight("bias", "bias"), bias, rules[2])
        self._act, self._gate = activation(manner.activation), activation(manner.gate)

    @property
    @abstractmethod
    def fusible(self) -> bool:
        """Whether torch has a kernel for this layer's form, dropping between steps aside."""

    @abstractmethod
    def fused(self, x: Tensor, states: tuple[Tensor, ...], lengths: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What all steps give (n, T, U), and the last states. lengths: (n,) steps of each row, on the CPU, or None: T."""

    @abstractmethod
    def step(self, x: Tensor, states: tuple[Tensor, ...], keep: Tensor | None) -> tuple[Tensor, ...]:
        """The states after a step; the first is what comes out. x: (n, G U), what `given` made of its inputs.

        keep: (n, U) what the state before is multiplied by where weights read it, or None.
        """

    def given(self, x: Tensor) -> Tensor:
        """What inputs (n, T, I) add to the gates of each step: (n, T, G U)."""
        return functional.linear(x, self.weight, self.bias)

    def forward(self, x: Tensor, *states: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        """See the class. states: those to begin with; none: 0. mask: (n, T), True where a step counts."""
        manner = self.manner
        if manner.backwards:
            x, mask = x.flip(1), None if mask is None else mask.flip(1)
        if self.training and manner.dropout:
            x = x * functional.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), manner.dropout)
        start = states or tuple(x.new_zeros(x.shape[0], self.units) for _ in range(self.number_of_states))
        start = tuple(state.to(x.dtype) for state in start)
        if self.fusible and not (self.training and manner.recurrent_dropout):
            steps, ends, latest = self._fused(x, start, mask)
        else:
            steps, ends = self._stepwise(x, start, mask)
            latest = steps[:, -1]
        found = steps if manner.sequences else latest
        return (found, *ends) if manner.states else found

    def _fused(
        self, x: Tensor, start: tuple[Tensor, ...], mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """(what every step gives, the last states, what comes out last)."""
        if mask is None:
            steps, ends = self.fused(x, start, None)
            return steps, ends, steps[:, -1]
        places = torch.argsort(~mask, dim=1, stable=True)  # the steps that count first, in their order
        together = x.gather(1, places.unsqueeze(-1).expand_as(x))
        number = mask.sum(1)
        packed = self.manner.states and self.number_of_states > 1  # the outputs do not show the other states
        steps, ends = self.fused(together, start, number.clamp(min=1).cpu() if packed else None)
        place = mask.cumsum(1) - 1 if self.manner.sequences else (number - 1).unsqueeze(1)
        dealt = steps.gather(1, place.clamp(min=0).unsqueeze(-1).expand(-1, -1, self.units))
        some = (number > 0).unsqueeze(1)
        ends = tuple(torch.where(some, end, begin) for end, begin in zip(ends, start, strict=True))
        if self.manner.states and not packed:
            final = steps.gather(1, (number - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, self.units))[:, 0]
            ends = (torch.where(some, final, start[0]),)
        dealt = dealt * (place >= 0).unsqueeze(-1).to(dealt.dtype)
        return dealt, ends, dealt[:, -1]

    def _stepwise(
        self, x: Tensor, states: tuple[Tensor, ...], mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(what every step gives, the last states)."""
        keep = None
        if self.training and self.manner.recurrent_dropout:
            keep = functional.dropout(states[0].new_ones(states[0].shape), self.manner.recurrent_dropout)
        latest, steps = torch.zeros_like(states[0]), []
        inputs = self.given(x).unbind(1)
        counts = [None] * len(inputs) if mask is None else list(mask.unsqueeze(-1).unbind(1))
        for now, there in zip(inputs, counts, strict=True):
            after = self.step(now, states, keep)
            if there is None:
                latest, states = after[0], after
            else:
                latest = torch.where(there, after[0], latest)
                states = tuple(torch.where(there, new, old) for new, old in zip(after, states, strict=True))
            steps.append(latest)
        return torch.stack(steps, 1), states


class SimpleRecurrent(Recurrent):
    """h = activation(x W + h U + b) (Elman 1990, "Finding structure in time")."""

    @property
    def fusible(self) -> bool:
        """See Recurrent."""
        return self.manner.activation in ("tanh", "relu")

    def fused(self, x: Tensor, states: tuple[Tensor, ...], lengths: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """See Recurrent."""
        kernel = torch.rnn_tanh if self.manner.activation == "tanh" else torch.rnn_relu
        weights, biased = _parameters(self.weight, self.recurrent, self.bias)
        steps, end = kernel(x, states[0].unsqueeze(0), weights, biased, 1, 0.0, self.training, False, True)
        return steps, (end[0],)

    def step(self, x: Tensor, states: tuple[Tensor, ...], keep: Tensor | None) -> tuple[Tensor, ...]:
        """See Recurrent."""
        return (self._act(x + functional.linear(_kept(states[0], keep), self.recurrent)),)


class LongShortTerm(Recurrent):
    """Gates i, f, o and candidate g from x W + h U + b in the order i, f, g, o; c = f c + i g; h = o activation(c).

    Hochreiter and Schmidhuber 1997; the gate f by Gers et al. 2000. States: h, c.
    """

    number_of_states = 2

    @property
    def fusible(self) -> bool:
        """See Recurrent."""
        return self.manner.activation == "tanh" and self.manner.gate == "sigmoid"

    def fused(self, x: Tensor, states: tuple[Tensor, ...], lengths: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """See Recurrent."""
        weights, biased = _parameters(self.weight, self.recurrent, self.bias)
        begin = [state.unsqueeze(0) for state in states]
        if lengths is None:
            steps, h, c = torch.lstm(x, begin, weights, biased, 1, 0.0, self.training, False, True)
            return steps, (h[0], c[0])
        order = lengths.argsort(descending=True)
        order, back = order.to(x.device), order.argsort().to(x.device)
        rows = pack_padded_sequence(x[order], lengths[order.cpu()], batch_first=True)
        begin = [state[:, order] for state in begin]
        data, h, c = torch.lstm(rows.data, rows.batch_sizes, begin, weights, biased, 1, 0.0, self.training, False)
        steps, _ = pad_packed_sequence(rows._replace(data=data), batch_first=True, total_length=x.shape[1])
        return steps[back], (h[0, back], c[0, back])

    def step(self, x: Tensor, states: tuple[Tensor, ...], keep: Tensor | None) -> tuple[Tensor, ...]:
        """See Recurrent."""
        i, f, g, o = (x + functional.linear(_kept(states[0], keep), self.recurrent)).chunk(4, -1)
        c = self._gate(f) * states[1] + self._gate(i) * self._act(g)
        return self._gate(o) * self._act(c), c


class GatedUnit(Recurrent):
    """z, r gates, h' candidate, in the order z, r, h'; h = z h + (1 - z) h' (Cho et al. 2014, arXiv:1406.1078).

    h' = activation(x W + b + r (h U + d)) where the bias has two rows b, d, each (3 U,): the reset comes after the product; else
    activation(x W + b + (r h) U), which is how the paper has it. after: which of both; without a bias it must be said.
    """

    def __init__(
        self,
        weights: tuple[Tensor, Tensor, Tensor | None],
        manner: Manner,
        after: bool = True,
        rules: tuple[L1L2 | None, L1L2 | None, L1L2 | None] = (None, None, None),
    ) -> None:
        super().__init__(weights, manner, rules)
        self.after = after

    @property
    def fusible(self) -> bool:
        """See Recurrent."""
        return self.after and self.manner.activation == "tanh" and self.manner.gate == "sigmoid"

    def fused(self, x: Tensor, states: tuple[Tensor, ...], lengths: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """See Recurrent. torch has the order r, z, h'."""
        ours = [self.weight, self.recurrent] if self.bias is None else [self.weight, self.recurrent, *self.bias]
        turned = []
        for weight in ours:
            z, r, h = weight.chunk(3)
            turned.append(torch.cat([r, z, h]))
        steps, end = torch.gru(
            x, states[0].unsqueeze(0), turned, self.bias is not None, 1, 0.0, self.training, False, True
        )
        return steps, (end[0],)

    def given(self, x: Tensor) -> Tensor:
        """See Recurrent."""
        return functional.linear(x, self.weight, self.bias[0] if self.after and self.bias is not None else self.bias)

    def step(self, x: Tensor, states: tuple[Tensor, ...], keep: Tensor | None) -> tuple[Tensor, ...]:
        """See Recurrent."""
        before, units = _kept(states[0], keep), self.units
        x_z, x_r, x_h = x.chunk(3, -1)
        if self.after:
            added = functional.linear(before, self.recurrent, None if self.bias is None else self.bias[1])
            h_z, h_r, h_h = added.chunk(3, -1)
            z, r = self._gate(x_z + h_z), self._gate(x_r + h_r)
            new = self._act(x_h + r * h_h)
        else:
            h_z, h_r = functional.linear(before, self.recurrent[: 2 * units]).chunk(2, -1)
            z, r = self._gate(x_z + h_z), self._gate(x_r + h_r)
            new = self._act(x_h + functional.linear(r * before, self.recurrent[2 * units :]))
        return (z * states[0] + (1 - z) * new,)


def _kept(state: Tensor, keep: Tensor | None) -> Tensor:
    return state if keep is None else state * keep


def _parameters(weight: Tensor, recurrent: Tensor, bias: Tensor | None) -> tuple[list[Tensor], bool]:
    """Weights as torch's kernels take them, and whether there are biases: two of them, or none."""
    if bias is None:
        return [weight, recurrent], False
    return [weight, recurrent, bias, torch.zeros_like(bias)], True
