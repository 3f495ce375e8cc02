"""Random tensors by Keras's names. Without a seed from torch's default generator, which set_random_seed begins anew.

Unusual: within a layer they are on its device; with a seed they are drawn on the host, so that devices give the same numbers. As
in Keras a whole number as seed gives the same numbers at every call, and a SeedGenerator other ones each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepwell.keras.ops.conversion import Dtype, convert_to_tensor, floating, torch_dtype
from deepwell.keras.ops.placing import place

EDGE = 2.0
"""Beyond so many deviations truncated_normal draws anew."""


class SeedGenerator:
    """Draws of its own, which go on from call to call."""

    def __init__(self, seed: int | None = None) -> None:
        self.generator = torch.Generator().manual_seed(torch.initial_seed() if seed is None else seed)


Seed = int | SeedGenerator | None


def _where(seed: Seed, device: torch.device | None = None) -> dict[str, Any]:
    """The generator, and the device that draws: that of the running layer (or the one given), with a seed the host."""
    if seed is None:
        return {"device": device or place()}
    return {"generator": _generator(seed)}


def _generator(seed: Seed) -> torch.Generator | None:
    if isinstance(seed, SeedGenerator):
        return seed.generator
    return None if seed is None else torch.Generator().manual_seed(seed)


def normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Dtype = None, seed: Seed = None
) -> Tensor:
    """Normal numbers."""
    drawn = torch.randn(tuple(shape), **_where(seed))
    return (mean + stddev * drawn).to(place(), torch_dtype(dtype) or torch.float32)


def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Dtype = None, seed: Seed = None
) -> Tensor:
    """Normal numbers, none further than two deviations from the mean."""
    low, high = torch.special.ndtr(torch.tensor([-EDGE, EDGE], dtype=torch.float64)).tolist()
    share = torch.rand(tuple(shape), generator=_generator(seed), dtype=torch.float64) * (high - low) + low
    drawn: Tensor = torch.special.ndtri(share)
    return (mean + stddev * drawn).to(place(), torch_dtype(dtype) or torch.float32)


def uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: Dtype = None, seed: Seed = None
) -> Tensor:
    """Numbers of [minval, maxval), each as likely; whole ones for a type of whole numbers."""
    kind = torch_dtype(dtype) or torch.float32
    if not kind.is_floating_point:
        return randint(shape, int(minval), int(maxval), dtype, seed)
    return (minval + (maxval - minval) * torch.rand(tuple(shape), **_where(seed))).to(place(), kind)


def randint(shape: Sequence[int], minval: int, maxval: int, dtype: Dtype = "int32", seed: Seed = None) -> Tensor:
    """Whole numbers from minval to maxval - 1."""
    drawn = torch.randint(minval, maxval, tuple(shape), **_where(seed))
    return drawn.to(place(), torch_dtype(dtype) or torch.int32)


def categorical(logits: Any, num_samples: int, dtype: Dtype = "int32", seed: Seed = None) -> Tensor:
    """Classes drawn with the probabilities softmax(logits): (n, classes) -> (n, num_samples)."""
    shares = torch.softmax(floating(logits), -1)
    drawer = shares if seed is None else shares.cpu()
    drawn = torch.multinomial(drawer, num_samples, replacement=True, generator=_generator(seed))
    return drawn.to(shares.device, torch_dtype(dtype) or torch.int32)


def dropout(inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None) -> Tensor:
    """Inputs of which a share `rate` is 0 and the rest divided by 1 - rate. noise_shape: 1 where an axis falls together."""
    x = floating(inputs)
    if rate <= 0:
        return x
    shape = x.shape if noise_shape is None else [n or m for n, m in zip(noise_shape, x.shape, strict=True)]
    kept = torch.rand(tuple(shape), **_where(seed, x.device)).to(x.device) >= rate
    return torch.where(kept, x / max(1.0 - rate, 1e-7), 0.0)


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Tensor:
    """The parts along an axis in another order."""
    tensor = convert_to_tensor(x)
    order = torch.randperm(tensor.shape[axis], **_where(seed, tensor.device))
    return tensor.index_select(axis, order.to(tensor.device))
