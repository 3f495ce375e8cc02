"""`python -m benchmarks.places_pooling [--pairs 9]`: what convolutional networks gain by pooling, side by side in one process.

    there and back   max pooling by two, values and gradients in bfloat16, against torch's max_pool2d of channels-last values
    there            the same without gradients, in float32, as at prediction
    cut              forward and backward of the classic network for 28 x 28 pixels (examples/mnist_convnet.py), whose
                     far edges are not computed, against the same network with them

Both sides of a row give the same numbers; tests hold them to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.language import Side, compare
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.graph import Graph, GraphNetwork, Input, Node
from deepwell.nn.layers.halving import halved
from deepwell.training.allocation import kept

SHAPES = ((64, 24, 24, 32), (64, 10, 10, 64), (64, 25, 25, 32), (8, 64, 64, 64), (32, 112, 112, 32))
"""Pictures, height, width, channels."""
ROUNDS = 20
Pooling = Callable[[Tensor], Tensor]


def usual(x: Tensor) -> Tensor:
    """Torch's own, on a view with the channels first."""
    return functional.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def there_and_back(shape: tuple[int, ...]) -> tuple[Side, Side]:
    """Pictures a second whose pooling is computed and whose gradient is handed back."""
    x = torch.randn(shape).bfloat16().requires_grad_()
    gradient = torch.randn_like(halved(x)).contiguous()

    def side(pooling: Pooling) -> Side:
        def run() -> float:
            for _ in range(ROUNDS):
                x.grad = None
                pooling(x).backward(gradient)
            return ROUNDS * len(x)

        return run

    return side(halved), side(usual)


def there(shape: tuple[int, ...]) -> tuple[Side, Side]:
    """Pictures a second whose pooling is computed."""
    x = torch.randn(shape)

    def side(pooling: Pooling) -> Side:
        def run() -> float:
            for _ in range(ROUNDS):
                pooling(x)
            return ROUNDS * len(x)

        return run

    return side(halved), side(usual)


def classic() -> GraphNetwork:
    """The convolutions of examples/mnist_convnet.py."""
    convolution, pooling = BLOCKS["Conv2D"], BLOCKS["MaxPooling2D"]
    blocks = [convolution(32, 3, activation="relu"), pooling(), convolution(64, 3, activation="relu"), pooling()]
    blocks += [convolution(64, 3, activation="relu")]
    names = [f"layer{i}" for i in range(len(blocks))]
    nodes = tuple(Node(name, (i,)) for i, name in enumerate(names))
    return GraphNetwork(Graph((Input("x", (28, 28, 1)),), dict(zip(names, blocks, strict=True)), nodes, {"y": 5}))


def cut() -> tuple[Side, Side]:
    """Pictures a second through the classic network and back."""
    network, x = classic(), torch.rand(64, 28, 28, 1)
    cuts = network.cuts

    def side(cutting: bool) -> Side:
        def run() -> float:
            network.cuts = cuts if cutting else {}
            for _ in range(ROUNDS):
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    found, _ = network({"x": x})
                network.zero_grad()
                found["y"].float().square().sum().backward()  # type: ignore[no-untyped-call]
            return ROUNDS * len(x)

        return run

    return side(True), side(False)


def main() -> None:
    """Run the rows and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.places_pooling")
    parser.add_argument("--pairs", type=int, default=9)
    asked = parser.parse_args()
    rows = {f"there and back, {shape}": there_and_back(shape) for shape in SHAPES}
    rows |= {f"there, {shape}": there(shape) for shape in SHAPES}
    rows["cut"] = cut()
    print("| row | ratio | ours | theirs |\n" + "|---" * 4 + "|", flush=True)
    with kept():
        for name, sides in rows.items():
            figure, mine, other = compare(*sides, asked.pairs)
            print(f"| {name} | {figure} | {mine:,.0f} pictures/s | {other:,.0f} pictures/s |", flush=True)


if __name__ == "__main__":
    main()
