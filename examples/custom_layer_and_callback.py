"""A layer and a callback of one's own: learned soft thresholds, and a note whenever the loss has halved.

Run it: python examples/custom_layer_and_callback.py
"""

import numpy as np

from deepwell import keras
from deepwell.keras import layers, ops


class SoftThreshold(layers.Layer):
    """sign(x) max(|x| - t, 0) with a threshold t that is learned for each unit."""

    def build(self, input_shape):
        self.threshold = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", trainable=True, name="threshold"
        )

    def call(self, inputs):
        return ops.sign(inputs) * ops.maximum(ops.abs(inputs) - self.threshold, 0.0)


class Halvings(keras.callbacks.Callback):
    """Says when the loss has fallen to half of what it was at the last note."""

    def on_train_begin(self, logs=None):
        self.last = None
        self.notes = 0

    def on_epoch_end(self, epoch, logs=None):
        if self.last is None:
            self.last = logs["loss"]
        if logs["loss"] <= self.last / 2:
            self.last, self.notes = logs["loss"], self.notes + 1
            print(f"after epoch {epoch + 1} the loss has halved: {self.last:.4f}")


draws = np.random.default_rng(0)
x = draws.normal(size=(1024, 8)).astype("float32")
y = np.sign(x[:, :1]) * np.maximum(np.abs(x[:, :1]) - 0.5, 0) + 0.5 * x[:, 1:2]

model = keras.Sequential(
    [
        keras.Input(shape=(8,)),
        layers.Dense(16),
        SoftThreshold(),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
halvings = Halvings()
model.fit(x, y, epochs=10, batch_size=32, verbose=0, callbacks=[halvings])
print("notes:", halvings.notes, " thresholds:", np.round(model.layers[1].get_weights()[0][:4], 2))
