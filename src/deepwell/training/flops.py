"""FLOPs: how many floating-point operations training takes, counted by torch on one small step of a copy.

Unusual: counted, not estimated from the number of weights. Only what is multiplied and added in matrix products, convolutions
and attention counts (torch.utils.flop_counter), as is usual for the utilisation of a machine (MFU: Chowdhery et al. 2022,
arXiv:2204.02311, appendix B); norms, activations and the optimiser do not.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from deepwell.training.feed import Feed
from deepwell.training.job import Job
from deepwell.training.trial import First
from deepwell.training.updates import Updater

EXAMPLES = 8


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
        with FlopCounterMode(display=False) as counter:
            updater.micro_step(batch, key, None)
        total += counter.get_total_flops() / update.every
        updater.begin()
    return total / count or None
