"""Calling a layer: on numbers it computes, on symbolic values it becomes a node of a model.

Unusual: masks and logits travel with the tensors as attributes (`_keras_mask`, `_keras_logits`), so that they also find their way
through a `call` that a user has written.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepwell.core.errors import ConfigError
from deepwell.keras.layer import Layer
from deepwell.keras.ops.placing import on
from deepwell.keras.symbolic import Call, KerasTensor, flat, mapped
from deepwell.nn.graph import outcome

NUMBERS = (np.ndarray, Tensor)
MASK, LOGITS = "_keras_mask", "_keras_logits"
"""The attributes of tensors under which masks travel, and the logits of a softmax or sigmoid with its name."""
_within = [0]  # how many layers of one's own are being run: a call from outside has none around it


def noted(layer: Layer, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Call a layer on symbolic values: a node of a model, and the values that come out of it.

    Raises ConfigError where the shapes do not fit, naming the layer, the shape received and the repair.
    """
    described = layer.described(args, options)
    shapes = tuple(value.shape[1:] for value in described.values)
    nest = mapped([list(args), dict(options)], (KerasTensor, *NUMBERS), lambda v: (None, *v.shape[1:]))
    layer.prepare(shapes, nest[0], described.arguments)
    return described.arranged(shapes, note(layer, described))


def note(layer: Layer, described: Any) -> list[KerasTensor]:
    """The values that come out of a call, which is noted as a node. Raises ConfigError as `noted`."""
    shapes = tuple(value.shape[1:] for value in described.values)
    found = outcome(layer.name, described.block, shapes, described.arguments)
    call = Call(layer, tuple(described.values), layer.key(described), described.block, described.training,
                described.arguments, number=len(layer.calls))  # fmt: skip
    outputs = []
    kinds, masked = described.dtypes(shapes, len(found)), described.masked(layer, shapes, len(found))
    for index, (shape, dtype) in enumerate(zip(found, kinds, strict=True)):
        value = KerasTensor((None, *shape), dtype, layer.name)
        value.call, value.index, value.masked = call, index, masked[index]
        outputs.append(value)
    call.outputs = tuple(outputs)
    layer.calls.append(call)
    return outputs


def computed(layer: Layer, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Call a layer on numbers: tensors on the layer's device come out, without gradients where only arrays went in."""
    given, rest = list(args), dict(options)
    gradients = torch.is_grad_enabled() and (_within[0] > 0 or bool(flat([given, rest], (Tensor,))))
    training = rest.get("training")
    place = device(layer)
    given, rest = (mapped(part, NUMBERS, lambda v: tensor(v, place)) for part in (given, rest))
    values = flat([given, {name: value for name, value in rest.items() if name != "mask"}], (Tensor,))
    shapes = tuple(tuple(v.shape[1:]) for v in values)
    layer.prepare(shapes, mapped(given, (Tensor,), lambda v: (None, *v.shape[1:])))
    with mode(layer, training), torch.set_grad_enabled(gradients):
        return layer.run(given, rest)


def tensor(value: Any, place: torch.device) -> Tensor:
    """Numbers as a tensor on a device: float16 and float64 become float32, the rest stays as it is."""
    if isinstance(value, Tensor):
        return value if value.device == place else value.to(place)
    array = value.astype(np.float32) if value.dtype.kind == "f" and value.dtype != np.float32 else value
    return torch.from_numpy(np.ascontiguousarray(array)).to(place)


def constant(value: Any) -> Tensor:
    """Numbers that are part of a model as they are. Raises ConfigError where they come from weights, which would not learn."""
    found = tensor(value, torch.device("cpu") if not isinstance(value, Tensor) else value.device)
    if found.requires_grad:
        raise ConfigError(
            f"a value of shape {tuple(found.shape)} comes from weights that are no part of the model: they would not learn",
            repair="compute it in the `call` of a layer of your own that holds these layers or weights, and call that layer",
        )
    return found


def with_mask(value: Tensor, mask: Tensor) -> Tensor:
    """A value with another mask."""
    given = value.view_as(value)
    setattr(given, MASK, mask.bool())
    return given


def device(layer: Layer) -> torch.device:
    """Where the layer's weights are; the CPU where it has none."""
    if not layer.has_module:
        return torch.device("cpu")
    return next((p.device for p in layer.module.parameters()), torch.device("cpu"))


@contextmanager
def mode(layer: Layer, training: bool | None) -> Iterator[None]:
    """The layer as in training or as at prediction inside, and as before afterwards; None: as it is."""
    if training is None or not layer.has_module:
        yield
        return
    modules = list(layer.module.modules())
    before = [m.training for m in modules]
    layer.module.train(bool(training))
    try:
        yield
    finally:
        for module, was in zip(modules, before, strict=True):
            module.training = was


def run_own(layer: Layer, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """The `call` that a user has written, with `training` and `mask` where it asks for them."""
    asked = inspect.signature(layer.call).parameters
    rest = dict(options)
    first = flat([list(args), rest], (Tensor,))
    mask = getattr(first[0], MASK, None) if first else None
    if "training" in asked and rest.get("training") is None and len(args) <= list(asked).index("training"):
        rest["training"] = layer.module.training
    elif "training" not in asked:
        rest.pop("training", None)
    if "mask" in asked and rest.get("mask") is None:
        rest["mask"] = mask
    _within[0] += 1
    try:
        with on(first[0].device if first else device(layer)):
            given = layer.call(*args, **rest)
    finally:
        _within[0] -= 1
    outputs = flat(given, (Tensor,))
    if not outputs:
        raise ConfigError(
            f"the `call` of {layer.name!r} ({type(layer).__name__}) gave no tensor but {type(given).__name__}"
        )
    kept = layer.compute_mask(args[0] if args else None, mask)
    if kept is not None and getattr(outputs[0], MASK, None) is None:
        setattr(outputs[0], MASK, kept)
    return given
