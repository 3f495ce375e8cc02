"""Digits in noise go in, clean digits come out: a convolutional autoencoder.

Run it: python examples/denoising_autoencoder.py
"""

import numpy as np

from deepwell import keras
from deepwell.keras import layers
from deepwell.keras.datasets import mnist


def prepared(pictures):
    """Pictures from 0 to 1 with one channel."""
    return pictures.astype("float32")[..., None] / 255.0


def noisy(pictures, seed):
    """The pictures under Gaussian noise, still from 0 to 1."""
    noise = np.random.default_rng(seed).normal(0.0, 0.4, pictures.shape).astype("float32")
    return np.clip(pictures + noise, 0.0, 1.0)


(train, _), (test, _) = mnist.load_data()
train, test = prepared(train), prepared(test)

inputs = layers.Input(shape=(28, 28, 1))
x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(inputs)
x = layers.MaxPooling2D((2, 2), padding="same")(x)
x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(x)
x = layers.MaxPooling2D((2, 2), padding="same")(x)
x = layers.Conv2DTranspose(32, (3, 3), strides=2, activation="relu", padding="same")(x)
x = layers.Conv2DTranspose(32, (3, 3), strides=2, activation="relu", padding="same")(x)
outputs = layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x)

autoencoder = keras.Model(inputs, outputs, name="autoencoder")
autoencoder.compile(optimizer="adam", loss="binary_crossentropy", metrics=["mean_squared_error"])
autoencoder.summary()
autoencoder.fit(noisy(train, 0), train, epochs=2, batch_size=128, shuffle=True, validation_data=(noisy(test, 1), test))
before = float(np.mean((noisy(test, 1) - test) ** 2))
after = float(np.mean((autoencoder.predict(noisy(test, 1), verbose=0) - test) ** 2))
print(f"mean squared error: {before:.4f} in noise, {after:.4f} cleaned")
