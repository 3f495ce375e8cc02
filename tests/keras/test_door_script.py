"""The classic first script runs when `tensorflow` is replaced by `deepwell`, and other classics run as they are written."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepwell.keras import datasets

FIRST = """
import tensorflow as tf
from tensorflow.keras import layers, models
from tensorflow.keras.datasets import mnist
from tensorflow.keras.utils import to_categorical
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train.reshape((x_train.shape[0], 28, 28, 1)).astype('float32') / 255
x_test = x_test.reshape((x_test.shape[0], 28, 28, 1)).astype('float32') / 255
y_train, y_test = to_categorical(y_train), to_categorical(y_test)
model = models.Sequential([
    layers.Conv2D(32, (3, 3), activation='relu', input_shape=(28, 28, 1)), layers.MaxPooling2D((2, 2)),
    layers.Conv2D(64, (3, 3), activation='relu'), layers.MaxPooling2D((2, 2)), layers.Conv2D(64, (3, 3), activation='relu'),
    layers.Flatten(), layers.Dense(64, activation='relu'), layers.Dense(10, activation='softmax')])
model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['accuracy'])
model.fit(x_train, y_train, epochs=5, batch_size=64, validation_data=(x_test, y_test))
test_loss, test_acc = model.evaluate(x_test, y_test)
"""
AUTOENCODER = """
import tensorflow as tf
from tensorflow.keras import layers, Model
import numpy as np
class Autoencoder(Model):
    def __init__(self, latent_dim):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = tf.keras.Sequential([layers.Flatten(), layers.Dense(latent_dim, activation='relu')])
        self.decoder = tf.keras.Sequential([layers.Dense(64, activation='sigmoid'), layers.Reshape((8, 8))])
    def call(self, x):
        encoded = self.encoder(x)
        return self.decoder(encoded)
x = np.random.default_rng(0).random((128, 8, 8)).astype('float32')
autoencoder = Autoencoder(16)
autoencoder.compile(optimizer='adam', loss=tf.keras.losses.MeanSquaredError())
history = autoencoder.fit(x, x, epochs=4, shuffle=True, validation_data=(x, x), verbose=0)
codes = autoencoder.encoder(x).numpy()
"""
REVIEWS = """
import tensorflow as tf
import numpy as np
from tensorflow.keras.preprocessing.sequence import pad_sequences
from tensorflow.keras.models import Sequential
from tensorflow.keras.layers import Embedding, LSTM, Dense, Bidirectional, Dropout
from tensorflow.keras.callbacks import EarlyStopping
rng = np.random.default_rng(0)
reviews = [list(rng.integers(2, 50, rng.integers(3, 20))) for _ in range(96)]
labels = np.array([int(3 in review or 4 in review) for review in reviews])
x = pad_sequences(reviews, maxlen=20)
model = Sequential([
    Embedding(input_dim=50, output_dim=16, input_length=20, mask_zero=True), Bidirectional(LSTM(8)), Dropout(0.2),
    Dense(1, activation='sigmoid')])
model.compile(loss='binary_crossentropy', optimizer=tf.keras.optimizers.Adam(learning_rate=0.01), metrics=['accuracy'])
history = model.fit(x, labels, epochs=4, batch_size=16, validation_split=0.2, verbose=2, callbacks=[EarlyStopping(patience=3)])
probabilities = model.predict(x)
"""


def run(script: str, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "script.py"
    path.write_text(script.replace("tensorflow", "deepwell"))
    return runpy.run_path(str(path))


def test_the_classic_first_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)

    def made(count: int) -> tuple[Any, Any]:
        """Bright bars at a place that says the class."""
        y = rng.integers(0, 10, count).astype("uint8")
        x = rng.integers(0, 60, (count, 28, 28)).astype("uint8")
        for row, label in enumerate(y):
            x[row, :, 2 * label + 4 : 2 * label + 6] = 255
        return x, y

    monkeypatch.setattr(datasets.mnist, "load_data", lambda: (made(320), made(64)))
    found = run(FIRST, tmp_path)
    assert found["test_acc"] > 0.9
    found["model"].save(tmp_path / "model.well")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/5"
    assert all(name in lines[1] for name in ("5/5", "accuracy:", "loss:", "val_accuracy:", "val_loss:"))


def test_a_sealed_model_answers_like_any_other_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import deepwell

    script = FIRST.replace("epochs=5", "epochs=1").replace("10, activation='softmax'", "2, activation='softmax'")
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (64, 28, 28)).astype("uint8"), np.arange(64) % 2
    monkeypatch.setattr(datasets.mnist, "load_data", lambda: ((x, y), (x[:8], y[:8])))
    found = run(script, tmp_path)
    found["model"].save(tmp_path / "model.well")
    deepwell.verify(tmp_path / "model.well")
    back = deepwell.keras.models.load_model(tmp_path / "model.well")
    want = found["model"].predict(found["x_test"], verbose=0)
    np.testing.assert_array_equal(back.predict(found["x_test"], verbose=0), want)


def test_an_autoencoder_as_a_class(tmp_path: Path) -> None:
    found = run(AUTOENCODER, tmp_path)
    losses = found["history"].history["loss"]
    assert losses[-1] < losses[0]
    assert found["codes"].shape == (128, 16)


def test_padded_reviews_with_an_lstm(tmp_path: Path) -> None:
    found = run(REVIEWS, tmp_path)
    assert found["probabilities"].shape == (96, 1)
    assert list(found["history"].history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
