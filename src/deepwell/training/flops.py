"""FLOPs: how many floating-point operations training takes, counted by torch on one small step of a copy.

Unusual: counted, not estimated from the number of weights. Only what is multiplied and added in matrix products, convolutions
and attention counts (torch.utils.flop_counter), as is usual for the utilisation of a machine (MFU: Chowdhery et al. 2022,
arXiv:2204.02311, appendix B); norms, activations and the optimiser do not.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from deepwell.core.examples import First
from deepwell.training.feed import Feed
from deepwell.training.job import Job
from deepwell.training.updates import Updater

EXAMPLES = 8
Shape = torch.Size


def _attention(
    q: Shape, k: Shape, v: Shape, *_: Any, attn_mask: Any = None, scale: Any = None, out_shape: Any = None
) -> int:
    return int(sdpa_flop_count(q, k, v))  # type: ignore[no-untyped-call]


def _attention_backward(
    change: Shape,
    q: Shape,
    k: Shape,
    v: Shape,
    *_: Any,
    attn_mask: Any = None,
    scale: Any = None,
    out_shape: Any = None,
) -> int:
    return int(sdpa_backward_flop_count(change, q, k, v))  # type: ignore[no-untyped-call]


UNCOUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""Attention as a CPU computes it, which torch's counter does not know. As elsewhere all places count, also those ahead."""


class _Whole:
    """Counts for the network as a whole: torch's tracker of modules cannot follow losses that differentiate inside."""

    parents = frozenset({"Global"})

    def __enter__(self) -> _Whole:
        return self

    def __exit__(self, *_: object) -> None:
        return


def step_flops(job: Job) -> float | None:
    """FLOPs of forward and backward per example; an update every k rounds counts as its k-th part.

    None where nothing was counted (no matrix product) and for self-made data, whose steps would change them.
    """
    if not job.examples.count:
        return None
    device = torch.device(job.plan.device)
    part = First(job.examples, EXAMPLES)
    module = copy.deepcopy(job.network).to(device)
    module.train()
    key = job.key.fold("flops")
    count = part.count or 1
    batch = Feed(part, device).batch(np.arange(count), key)
    with torch.no_grad():
        for transform in job.transforms:
            batch = transform(batch, key)
    plan = replace(job.plan, precision="float32", compile=False)
    total = 0.0
    for update in job.updates:
        updater = Updater(module, update, job.loss, job.recipe, plan)
        counter = FlopCounterMode(display=False, custom_mapping=UNCOUNTED)
        counter.mod_tracker = _Whole()  # type: ignore[assignment]
        with counter:
            updater.micro_step(batch, key, None)
        total += counter.get_total_flops() / update.every
        updater.begin()
    return total / count or None
