"""The loops beside ours, by hand in PyTorch, on the CPU.

tuned       what an expert writes today: bfloat16 and channels-last where they pay, fused Adam, tensors sliced by one
            permutation an epoch, and the engine's clip, EMA, schedule and checks; nothing waits within a step
idiomatic   what the tutorials show: DataLoader over a TensorDataset, float32, Adam, a running loss by item()
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.datasets import Arrays
from benchmarks.measuring import CLIP, MEMORY, WARMUP, Setting, Stopwatch, build, held, judge
from benchmarks.networks import cross_entropy
from benchmarks.workloads import RATE, Workload

SMOOTH_EVERY = 8
CHECKS = 20
APART = 8
READ_EVERY = 16
"""The tuned loop averages, checks and reads its losses as often as our engine."""


def tuned(workload: Workload, arrays: Arrays, setting: Setting, watch: Stopwatch) -> float:
    """The well-tuned loop."""
    torch.set_num_threads(setting.threads or torch.get_num_threads())
    network = build(workload, arrays, setting.seed)
    if workload.pictures:
        network = network.to(memory_format=torch.channels_last)
    averaged = build(workload, arrays, setting.seed)
    averaged.load_state_dict(network.state_dict())
    averaged.requires_grad_(False)
    parameters, smooth = list(network.parameters()), list(averaged.parameters())
    optimiser = torch.optim.Adam(parameters, lr=RATE, fused=True)
    x, y = torch.from_numpy(arrays.x), torch.from_numpy(arrays.y)
    held_x, held_y = held(workload, arrays)
    dtype, total = getattr(torch, setting.precision), setting.whole
    keep = math.exp(-SMOOTH_EVERY / (MEMORY * total))
    best, best_weights, running, shown = math.inf, {}, torch.zeros(()), math.nan
    apart = max(APART, total // CHECKS)
    for step, index in enumerate(_slices(len(x), workload.batch, setting.taken)):
        watch.tick()
        optimiser.param_groups[0]["lr"] = RATE * _cosine((step + 0.5) / total)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            loss = cross_entropy(network(x.index_select(0, index)), y.index_select(0, index))
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
        optimiser.step()
        running += loss.detach()
        if (step + 1) % SMOOTH_EVERY == 0:
            with torch.no_grad():
                torch._foreach_lerp_(smooth, parameters, 1.0 - keep)
        if (step + 1) % READ_EVERY == 0 or step + 1 == setting.taken:
            shown = float(running) / (step % READ_EVERY + 1)
            running.zero_()
        if (step + 1) % apart == 0 or step + 1 == total:
            for module in (averaged, network):
                judged = judge(module.eval(), held_x, held_y)
                module.train()
                if judged <= best:
                    best, best_weights = judged, {n: w.clone() for n, w in module.state_dict().items()}
        watch.rows += len(index)
    network.load_state_dict(best_weights or averaged.state_dict())
    return shown


def _slices(count: int, batch: int, steps: int) -> Iterator[Tensor]:
    """Indices of `steps` full batches, from a fresh permutation each epoch."""
    done = 0
    while True:
        order = torch.randperm(count)
        for start in range(0, count - batch + 1, batch):
            if done == steps:
                return
            done += 1
            yield order[start : start + batch]


def _cosine(progress: float) -> float:
    if progress < WARMUP:
        return progress / WARMUP
    return 0.5 + 0.5 * math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP))


# the loop that people write ------------------------------------------------------------------------------------------
def idiomatic(workload: Workload, arrays: Arrays, setting: Setting, watch: Stopwatch) -> float:
    """The idiomatic loop."""
    network = build(workload, arrays, setting.seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    batches = loader(workload, arrays)
    shown = math.nan
    while watch.ticks < setting.taken:
        shown = epoch(network, optimiser, batches, watch, setting.taken)
    return shown


def loader(workload: Workload, arrays: Arrays) -> DataLoader[tuple[Tensor, ...]]:
    """Shuffled batches as PyTorch's tutorials make them."""
    dataset = TensorDataset(torch.from_numpy(arrays.x), torch.from_numpy(arrays.y))
    return DataLoader(dataset, batch_size=workload.batch, shuffle=True)


def epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: DataLoader[tuple[Tensor, ...]],
    watch: Stopwatch,
    most: int,
) -> float:
    """One pass over the data, ended early at `most` steps in all; the mean loss."""
    running, number = 0.0, 0
    for x, y in batches:
        if watch.ticks == most:
            break
        watch.tick()
        optimiser.zero_grad()
        loss = cross_entropy(network(x), y)
        loss.backward()
        optimiser.step()
        running += loss.item()
        number += 1
        watch.rows += len(x)
    return running / max(1, number)
