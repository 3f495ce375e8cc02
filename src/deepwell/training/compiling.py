"""Compiling: the network as torch.compile makes it, for training only.

Unusual: the compiled object is a shallow copy. It shares every parameter, buffer and submodule with the network, and only
its calls are compiled; so averaged weights, evaluation, copies and state dicts see the plain network and never the compiler.
Torch keeps what it compiled in its own cache (TORCHINDUCTOR_CACHE_DIR), so that a second compilation takes a few seconds.
"""

from __future__ import annotations

import copy
import os
import shutil

import torch
from torch import nn

BASE_SECONDS, LAYER_SECONDS = 20.0, 0.3
"""A first compilation. Measured on two cores: 18 s for a dense network of 16 layers, and in the same process 6 s more for
12 layers with convolutions. A network of hundreds of layers takes minutes."""


def compiled(network: nn.Module, steady: bool = False) -> nn.Module:
    """An object that trains the network's own weights through compiled calls; compilation happens when each is first run.

    It is in training mode for good; submodules follow the network, which is on its device already. steady: every batch has
    the same shape and is computed at once; see mode.
    """
    shadow = copy.copy(network)
    shadow.training = True
    device = next((p.device.type for p in network.parameters()), "cpu")
    for name in _calls(network):
        object.__setattr__(shadow, name, torch.compile(getattr(shadow, name), mode=mode(network, device, steady)))
    return shadow


def errors() -> tuple[type[Exception], ...]:
    """What compiling raises when a network cannot be compiled here; errors of the compiler itself are of this kind too.

    They are looked up when they are needed: importing torch's compiler takes a second, and most runs compile nothing.
    """
    from torch._dynamo.exc import TorchDynamoException

    return (TorchDynamoException,)


def mode(network: nn.Module, device_type: str, steady: bool) -> str | None:
    """Torch's mode of compiling; None is its default.

    On CUDA a network with one call and steady batches runs as CUDA graphs, which pay for small steps. A graph writes to the
    same memory each time, so another call or another micro-batch of the step would overwrite results that are still needed.
    """
    return "reduce-overhead" if device_type == "cuda" and steady and len(_calls(network)) == 1 else None


def obstacle(device_type: str) -> str:
    """Why nothing can be compiled for a device; empty when it can be tried."""
    if device_type == "cuda":
        return ""
    if device_type != "cpu":
        return f"compiling for {device_type} is not tried"
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    return "" if any(shutil.which(name) for name in names) else "no C++ compiler was found"


def predicted_seconds(network: nn.Module) -> float:
    """About how long a first compilation for training takes, see BASE_SECONDS."""
    layers = sum(1 for module in network.modules() if not any(True for _ in module.children()))
    return BASE_SECONDS + LAYER_SECONDS * layers


def _calls(network: nn.Module) -> tuple[str, ...]:
    return tuple(getattr(network, "calls", ("forward",)))
