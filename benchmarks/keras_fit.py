"""Keras as a side, as its guides show it: `model.fit` on arrays. Runs in a Python of its own, without torch or Deepwell.

`KERAS_BACKEND=jax python -m benchmarks.keras_fit ROW --steps N` prints one line of JSON: the rate of the epochs after the
first, which compiles. With `--until 0.99` instead: seconds of training, compilation included, until an epoch ends with
that accuracy on the test part. The networks are those of benchmarks.networks; the same sizes, Keras's own starts.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import time
from typing import Any

import numpy as np

import keras
from benchmarks.datasets import Arrays
from benchmarks.workloads import RATE, WORKLOADS, Workload
from keras import layers

WIDTH, HEADS, LAYERS = 128, 4, 4


def convnet(inputs: tuple[int, ...], classes: int) -> keras.Model:
    """See benchmarks.networks; inputs (28, 28, 1)."""
    return keras.Sequential([
        keras.Input(inputs),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.Flatten(),
        layers.Dense(64, activation="relu"), layers.Dense(classes),
    ])  # fmt: skip


def perceptron(inputs: tuple[int, ...], classes: int) -> keras.Model:
    """See benchmarks.networks."""
    hidden = [layers.Dense(256, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input(inputs), *hidden, layers.Dense(classes)])


class Places(layers.Layer):
    """Adds a learned vector to each position."""

    def build(self, shape: tuple[int, ...]) -> None:
        """One vector a position."""
        self.places = self.add_weight(shape=shape[1:], initializer="uniform", name="places")

    def call(self, x: Any) -> Any:
        """x: (batch, positions, WIDTH)."""
        return x + self.places


def transformer(inputs: tuple[int, ...], classes: int) -> keras.Model:
    """See benchmarks.networks."""
    start = keras.Input(inputs, dtype="int64")
    x = Places()(layers.Embedding(classes, WIDTH)(start))
    for _ in range(LAYERS):
        before = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(before, before, use_causal_mask=True)
        between = layers.LayerNormalization()(x)
        x = x + layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, activation="gelu")(between))
    return keras.Model(start, layers.Dense(classes)(layers.LayerNormalization()(x)))


def recurrent(inputs: tuple[int, ...], classes: int) -> keras.Model:
    """See benchmarks.networks."""
    memory = layers.LSTM(WIDTH, return_sequences=True)
    return keras.Sequential([
        keras.Input(inputs, dtype="int64"), layers.Embedding(classes, 64), memory, layers.Dense(classes)
    ])  # fmt: skip


MODELS = {"convnet": convnet, "perceptron": perceptron, "Transformer": transformer, "Recurrent": recurrent}


class Clock(keras.callbacks.Callback):
    """Notes when each epoch begins and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop."""
        self.seconds.append(time.perf_counter() - self._began)


def compiled(workload: Workload, arrays: Arrays) -> keras.Model:
    """The row's model, ready to fit."""
    model = MODELS[workload.network](arrays.x.shape[1:], arrays.classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(RATE), loss=loss, metrics=["accuracy"])
    return model


def rate(workload: Workload, arrays: Arrays, steps: int) -> dict[str, float]:
    """Rows a second of about `steps` steps, after a first epoch that is not timed."""
    rows = workload.batch * min(steps, len(arrays.x) // workload.batch)
    epochs = math.ceil(steps * workload.batch / rows)
    clock = Clock()
    history = compiled(workload, arrays).fit(
        arrays.x[:rows], arrays.y[:rows], batch_size=workload.batch, epochs=1 + epochs, verbose=0, callbacks=[clock]
    )
    seconds = sum(clock.seconds[1:])
    loss = history.history["loss"][-1]
    return {"rows_per_second": epochs * rows / seconds, "seconds": seconds, "first": clock.seconds[0], "loss": loss}


def until(workload: Workload, arrays: Arrays, goal: float, epochs: int) -> dict[str, Any]:
    """Seconds in fit and test accuracy after each epoch, until the goal or the last epoch."""
    model = compiled(workload, arrays)
    seconds, curve = 0.0, []
    while not curve or (curve[-1][1] < goal and len(curve) < epochs):
        began = time.perf_counter()
        model.fit(arrays.x, arrays.y, batch_size=workload.batch, verbose=0)
        seconds += time.perf_counter() - began
        right = model.predict(arrays.held_x, batch_size=500, verbose=0).argmax(-1) == arrays.held_y
        curve.append([seconds, float(np.mean(right))])
    return {"curve": curve}


def main() -> None:
    """Measure as asked and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keras_fit")
    parser.add_argument("row", choices=[name for name, w in WORKLOADS.items() if w.network in MODELS])
    parser.add_argument("--steps", type=int, default=0, help="timed steps")
    parser.add_argument("--until", type=float, default=None, metavar="ACCURACY")
    parser.add_argument("--epochs", type=int, default=15, help="most epochs with --until")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    workload = WORKLOADS[asked.row]
    arrays = workload.data()
    if workload.pictures:  # the channels stand last, as Keras wants them on the CPU
        arrays = Arrays(
            np.moveaxis(arrays.x, 1, -1), arrays.y, np.moveaxis(arrays.held_x, 1, -1), arrays.held_y, arrays.classes
        )
    keras.utils.set_random_seed(asked.seed)
    found: dict[str, Any] = {"side": f"keras-{keras.backend.backend()}", "row": asked.row, "keras": keras.__version__}
    if asked.until is None:
        found |= rate(workload, arrays, asked.steps)
    else:
        found |= until(workload, arrays, asked.until, asked.epochs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**found, "peak_bytes": peak if sys.platform == "darwin" else peak * 1024}))


if __name__ == "__main__":
    main()
