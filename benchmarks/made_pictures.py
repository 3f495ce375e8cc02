"""`python -m benchmarks.made_pictures` asks whether made pictures help where there are few: MNIST, 500 training pictures.

A generator is trained on 50 pictures of each digit; what it makes is written by `predict --out folder/`, read back, and added to
the 500 for the image classifier. Each classifier takes the same number of steps, so that a busy machine is no side's fault, and
opens the official test part once. Printed: a line of JSON for the generator and for each classifier.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import deepwell as dw
from benchmarks.datasets import mnist
from deepwell.verbs import predict

EACH = 50
"""Pictures of each class."""
Pictures = Mapping[str, NDArray[Any]]


def whole(pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pictures (n, 1, h, w) from 0 to 1 as (n, h, w) from 0 to 255."""
    return np.asarray((pictures[:, 0] * 255).round(), np.uint8)


def few(pictures: NDArray[np.uint8], labels: NDArray[np.int64], each: int = EACH) -> Pictures:
    """The first `each` pictures of every class, in their order."""
    rows = np.sort(np.concatenate([np.flatnonzero(labels == label)[:each] for label in np.unique(labels)]))
    return {"image": pictures[rows], "label": labels[rows]}


def read_back(folder: Path) -> Pictures:
    """Pictures of class folders."""
    files = sorted(folder.glob("*/*.png"))
    found = []
    for file in files:
        with Image.open(file) as image:
            found.append(np.array(image))
    return {"image": np.stack(found), "label": np.array([int(file.parent.name) for file in files])}


def together(one: Pictures, other: Pictures) -> Pictures:
    """Both, one after the other."""
    return {name: np.concatenate([one[name], other[name]]) for name in one}


def main(argv: Sequence[str] | None = None) -> None:
    """Train the generator and the classifiers, and print what they reach."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--made", default="0,500,2000", help="how many pictures are added, one classifier for each")
    parser.add_argument("--generator", type=float, default=240.0, help="seconds for the generator")
    parser.add_argument("--steps", type=int, default=600, help="of each classifier")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args(argv)
    options: dict[str, Any] = {"device": "cpu", "plan": {"threads": asked.threads}, "sinks": ()}
    digits = mnist()
    real = few(whole(digits.x), digits.y)
    test = {"image": whole(digits.held_x), "label": digits.held_y}
    with tempfile.TemporaryDirectory() as folder:
        options["out"] = f"{folder}/runs"
        run = dw.train(real, target="label", task="image_generation", time=asked.generator, **options)
        print(json.dumps({"generator": {name: score.value for name, score in run.scores.items()}}), flush=True)
        for count in map(int, asked.made.split(",")):
            given = real
            if count:
                made = Path(folder) / f"made_{count}"
                predict(run.directory.path, out=f"{made}/", n=count)
                given = together(real, read_back(made))
            classifier = dw.train(given, target="label", test=test, steps=asked.steps, **options)
            accuracy = classifier.scores["accuracy"]
            print(json.dumps({"made": count, "accuracy": [accuracy.value, accuracy.low, accuracy.high]}), flush=True)


if __name__ == "__main__":
    main()
