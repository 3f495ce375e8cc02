"""Treatment: what a network tells the optimiser about single parameters of its own.

Unusual: it is written on the parameter itself, since the network that makes a parameter is the only one to know, and a list
of names would have to be kept in step. Networks and layers write it with `treat`; training/optimisers.py and
training/muon.py read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Treatment:
    """How a parameter is moved.

    lr_scale: factor of the learning rate. decays: False: no weight decay, for a matrix that is an embedding or a bias in
    disguise. head: it belongs to an output layer, which Muon leaves to Adam (see training.muon.hidden).
    """

    lr_scale: float = 1.0
    decays: bool = True
    head: bool = False


def treat(parameter: Tensor, lr_scale: float = 1.0, decays: bool = True, head: bool = False) -> None:
    """Write on a parameter how it is to be moved; what was written before is forgotten. See Treatment."""
    vars(parameter).update(lr_scale=lr_scale, decays=decays, head=head)


def treatment(parameter: Tensor) -> Treatment:
    """What was written on a parameter; the usual treatment where nothing was."""
    written = vars(parameter)
    usual = Treatment()
    return Treatment(
        float(written.get("lr_scale", usual.lr_scale)),
        bool(written.get("decays", usual.decays)),
        bool(written.get("head", usual.head)),
    )
