"""Memory: how much one training step needs, and whether the whole batch can be computed at once.

Unusual: nothing is allocated to find out. Two small batches are trained on a copy, and what they need is carried on along a
straight line, for activations grow with the examples and everything else does not. On CUDA torch's own peak is read; on the
CPU, which keeps no such figure, the tensors that autograd saves for the backward pass are added up.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from deepwell.core.examples import First
from deepwell.data import memory
from deepwell.training.averaging import tensors
from deepwell.training.feed import Feed
from deepwell.training.job import Job
from deepwell.training.optimisers import moments
from deepwell.training.updates import Updater

SMALL = 8
"""Examples of the smaller of the two batches; the other has twice as many."""
USABLE = 0.8
"""Share of the free memory that a step may take."""


@dataclass(frozen=True)
class Need:
    """Bytes of a training beside the examples.

    weights: the network with its buffers. state: gradients, what the optimiser remembers and the averaged weights.
    fixed: of a step, whatever its size; example: of each example that is computed at once.
    """

    weights: int
    state: int
    fixed: int
    example: float

    def step(self, examples: int) -> int:
        """Bytes of one step on so many examples at once, beyond weights and state."""
        return round(self.fixed + self.example * examples)

    def whole(self, examples: int) -> int:
        """Bytes in all, with so many examples at once."""
        return self.weights + self.state + self.step(examples)


def need(job: Job) -> Need | None:
    """What training needs, estimated on copies within a few small steps; None for self-made data, whose steps change them.

    The first examples stand for all: where they differ in size, so does the need. Measured against the peak of a process on
    batches of 8192: between 15% below and 43% above.
    """
    if job.examples.count is None:
        return None
    live = tensors(job.network).values()
    weights = sum(t.nbytes for t in live)
    trained = sum(p.nbytes for p in job.network.parameters() if p.requires_grad)
    small = min(SMALL, max(1, job.examples.count // 2))
    lines = [_line(few, more, small) for few, more in zip(_kept(job, small), _kept(job, 2 * small), strict=True)]
    fixed, example = max(lines, key=lambda line: line[0] + line[1] * job.plan.batch_size)
    averaged = weights if job.recipe.ema > 0 else 0
    return Need(weights, (1 + moments(job.recipe)) * trained + averaged, fixed, example)


def free(device: str) -> int | None:
    """Bytes that can be had on a device now, without pushing anything out; None where nobody says."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return memory.available() if torch.device(device).type == "cpu" else None


def micro_batch(job: Job, found: Need, room: int | None) -> tuple[int, str] | None:
    """The most examples at once that fit into `room` bytes, and why; None where the whole batch fits or nobody knows.

    The batch is halved until it fits, at the least to 1. A coupled update cannot be cut: then None.
    """
    batch = job.plan.batch_size
    if room is None or any(update.coupled for update in job.updates):
        return None
    left = USABLE * room - found.weights - found.state
    if found.step(batch) <= left:
        return None
    size = batch
    while size > 1 and found.step(size) > left:
        size = (size + 1) // 2
    return size, f"a step on {batch} needs about {found.step(batch) / 1e9:.2g} GB, and {room / 1e9:.2g} GB are free"


def _line(few: list[int], more: list[int], small: int) -> tuple[int, float]:
    """Bytes whatever the size, and bytes of each example, from what `small` and twice as many examples need.

    While a layer goes backward, the gradients of what went in and came out live beside all that was saved: twice the
    largest of what grows.
    """
    if len(few) != len(more):  # a network whose layers depend on the examples
        few, more = [sum(few)], [sum(more)]
    growing = [max(0.0, (after - before) / small) for before, after in zip(few, more, strict=True)]
    saved = sum(growing)
    beside = 2 * max(growing, default=0.0) if len(growing) > 1 else 0.0
    return max(0, round(sum(few) - saved * small)), saved + beside


def _kept(job: Job, examples: int) -> list[list[int]]:
    """For each update, bytes of what forward and backward on the first examples hold: CPU: of each saved memory, in order;
    CUDA: the peak, beyond weights and gradients."""
    plan = replace(job.plan, batch_size=examples, micro_batch=0, compile=False)
    device = torch.device(plan.device)
    module = copy.deepcopy(job.network).to(device)
    module.train()
    part = First(job.examples, examples)
    key = job.key.fold("memory")
    batch = Feed(part, device).batch(np.arange(part.count or 0), key)
    with torch.no_grad():
        for transform in job.transforms:
            batch = transform(batch, key)
    found = []
    for update in job.updates:
        updater = Updater(module, update, job.loss, job.recipe, plan)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            updater.micro_step(batch, key, None)
            torch.cuda.synchronize(device)
            gradients = sum(p.grad.nbytes for p in module.parameters() if p.grad is not None)
            found.append([torch.cuda.max_memory_allocated(device) - before - gradients])
        else:
            with _saved(module) as sizes:
                updater.micro_step(batch, key, None)
            found.append(list(sizes.values()))
        updater.begin()
    return found


@contextmanager
def _saved(module: nn.Module) -> Iterator[dict[int, int]]:
    """Address -> bytes of all that autograd saves inside, each memory once, the network's own left out."""
    own = {t.untyped_storage().data_ptr() for t in tensors(module).values()}
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes
