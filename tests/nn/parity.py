"""Compare a Block with a layer of real Keras 3 on its torch backend: shapes, weights, what comes out, and every gradient.

Keras's weights are drawn at random and copied across in Keras's order, so that names, order and layout are compared too.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deepwell.nn.blocks.base import Block
from deepwell.nn.graph import Graph, Input, Node
from deepwell.nn.layout import weights

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("KERAS_HOME", os.path.join(tempfile.gettempdir(), "deepwell-tests-keras-home"))
keras = pytest.importorskip("keras", reason="parity is compared with real Keras 3: pip install keras")

layers = keras.layers


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def back_and_forth(
    block: Block, shapes: Sequence[tuple[int, ...]], arguments: Mapping[str, Any] | None = None
) -> Graph:
    """A graph of one layer, written as JSON and read again: nothing may be lost."""
    inputs = tuple(Input(f"x{i}", shape) for i, shape in enumerate(shapes))
    node = Node("layer", tuple(range(len(shapes))), None, dict(arguments or {}))
    graph = Graph(inputs, {"layer": block}, (node,), {"y": len(shapes)})
    again = Graph.from_json(json.loads(json.dumps(graph.to_json())))
    assert again == graph
    return again


def copied(layer: Any, module: nn.Module, seed: int = 0) -> None:
    """New random weights for both."""
    ours, theirs = list(weights(module)), list(layer.weights)
    assert [w.name.split("/")[-1] for w, _ in ours] == [w.name for w in theirs]
    for place, ((weight, tensor), other) in enumerate(zip(ours, theirs, strict=True)):
        value = noise(*other.shape, seed=seed + place).numpy() * 0.5
        value = np.abs(value) + 0.5 if other.name == "moving_variance" else value
        other.assign(value)
        other.value.grad = None
        weight.write(tensor, value)
        assert np.array_equal(weight.read(tensor), value)


def results(given: Any) -> list[Tensor]:
    return list(given) if isinstance(given, tuple | list) else [given]


def same(
    block: Block,
    layer: Any,
    *inputs: Tensor,
    masks: Sequence[Tensor | None] = (),
    arguments: Mapping[str, Any] | None = None,
    call: Any = None,
    training: bool = False,
    tolerance: float = 2e-5,
) -> list[Tensor]:
    """Assert that both compute the same. call: how Keras's layer is called on its inputs, if not plainly. Gives the results."""
    arguments = arguments or {}
    call = call or (lambda layer, values: layer(*values, training=training) if training else layer(*values))
    shapes = [tuple(x.shape[1:]) for x in inputs]
    called = back_and_forth(block, shapes, arguments).layers["layer"].called(arguments)
    module = called.build(*shapes).train(training)
    mine = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    others = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    with torch.no_grad():
        call(layer, [x.detach() for x in others])
    copied(layer, module)

    ours, _ = block.run(module, tuple(mine), tuple(masks) or (None,) * len(inputs), arguments)
    theirs = results(call(layer, others))
    assert [tuple(y.shape) for y in ours] == [tuple(y.shape) for y in theirs]
    assert list(called.outcome(*shapes)) == [tuple(y.shape[1:]) for y in ours]
    for y, z in zip(ours, theirs, strict=True):
        torch.testing.assert_close(y, z, rtol=tolerance, atol=tolerance)

    pull = [noise(*y.shape, seed=5) for y in ours]
    if any(y.requires_grad for y in ours):
        sum((y * g).sum() for y, g in zip(ours, pull, strict=True)).backward()
        sum((y * g).sum() for y, g in zip(theirs, pull, strict=True)).backward()
    for x, z in zip(mine, others, strict=True):
        alike(x.grad, z.grad, tolerance)
    for (weight, tensor), other in zip(weights(module), layer.weights, strict=True):
        assert weight.trainable == other.trainable
        if weight.trainable:
            grad = None if tensor.grad is None else torch.from_numpy(weight.read(tensor.grad))
            alike(grad, other.value.grad, tolerance)
        else:
            torch.testing.assert_close(
                torch.from_numpy(weight.read(tensor)), other.value.detach(), rtol=tolerance, atol=tolerance
            )
    return list(ours)


def alike(one: Tensor | None, two: Tensor | None, tolerance: float) -> None:
    """Both gradients are the same; what is never reached may be missing on either side."""
    if one is None or two is None:
        assert all(g is None or not g.any() for g in (one, two))
        return
    scale = max(1.0, float(two.abs().max()) if two.numel() else 1.0)
    torch.testing.assert_close(one / scale, two / scale, rtol=5 * tolerance, atol=5 * tolerance)
