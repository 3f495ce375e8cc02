"""The loop that people write: a small convolutional network on MNIST in plain PyTorch (two convolutions, Adam, batch 64).

`python -m benchmarks.plain_torch FOLDER SEED EPOCHS` prints {"accuracy": ...}. The network is that of PyTorch's basic
MNIST example without its dropout; the pictures are held in memory, so that reading files is no handicap.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn


def read(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (n, 1, 28, 28) in 0..1 and labels (n,) of one part."""
    images = np.frombuffer(gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return torch.from_numpy(images.reshape(-1, 1, 28, 28) / np.float32(255)), torch.from_numpy(labels.astype(np.int64))


def main() -> None:
    """Train and print the accuracy on the test part."""
    folder, seed, epochs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(seed)
    x, y = read(folder, "train")
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters())
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[index]), y[index]).backward()
            optimiser.step()
    x, y = read(folder, "t10k")
    with torch.inference_mode():
        right = sum(int((network(a).argmax(1) == b).sum()) for a, b in zip(x.split(500), y.split(500), strict=True))
    print(json.dumps({"accuracy": right / len(x)}))


if __name__ == "__main__":
    main()
