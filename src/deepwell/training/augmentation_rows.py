"""Augmentation of whole rows: values of other rows in the places of some, as denoising autoencoders read them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.core.task import Transform


def swapped(names: Sequence[str], share: float) -> Transform:
    """Each array NAME (n, ...) gets a spoilt copy NAME.read: about `share` of its values are those of another row of the batch.

    Such values are always possible ones, whatever their kind (swap noise, as in tabular competitions since 2017; cf. Vincent et
    al. 2008). What was read and what is to be written thus both stay in the batch.
    """

    def transform(batch: Batch, key: Key) -> Batch:
        spoilt = {}
        for name in names:
            values = batch.arrays[name]
            other = values[torch.randperm(len(values), device=values.device)]
            spoilt[f"{name}.read"] = torch.where(torch.rand(values.shape, device=values.device) < share, other, values)
        return batch.replace(**spoilt)

    return transform
