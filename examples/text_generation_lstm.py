"""A character at a time: an LSTM learns a short text and goes on from a few letters of it.

The text is short, so the network soon knows it by heart; a longer one stands in TEXT just as well.
Run it: python examples/text_generation_lstm.py
"""

import numpy as np

from deepwell import keras
from deepwell.keras import layers

TEXT = (
    "the river runs past the mill, and the mill turns in the river. "
    "the miller sleeps when the water is low, and wakes when the water is high. "
    "in spring the snow comes down as water, and the mill grinds day and night. "
    "in summer the river is thin, and the miller mends the wheel. "
) * 8
LENGTH, STEP = 30, 3

letters = sorted(set(TEXT))
place = {letter: i for i, letter in enumerate(letters)}
starts = range(0, len(TEXT) - LENGTH, STEP)
x = np.zeros((len(starts), LENGTH, len(letters)), dtype="float32")
y = np.zeros((len(starts), len(letters)), dtype="float32")
for row, start in enumerate(starts):
    for step in range(LENGTH):
        x[row, step, place[TEXT[start + step]]] = 1
    y[row, place[TEXT[start + LENGTH]]] = 1

model = keras.Sequential(
    [
        keras.Input(shape=(LENGTH, len(letters))),
        layers.LSTM(64),
        layers.Dense(len(letters), activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.RMSprop(learning_rate=0.01))


def sample(shares, temperature, draws):
    """The place of a letter drawn from shares that a temperature makes bolder (above 1) or more careful (below)."""
    logs = np.log(np.asarray(shares, dtype="float64") + 1e-9) / temperature
    chances = np.exp(logs - logs.max())
    return int(draws.choice(len(chances), p=chances / chances.sum()))


for epoch in range(3):
    model.fit(x, y, batch_size=128, epochs=4, verbose=2)
    draws = np.random.default_rng(epoch)
    written = TEXT[:LENGTH]
    for _ in range(60):
        asked = np.zeros((1, LENGTH, len(letters)), dtype="float32")
        for step, letter in enumerate(written[-LENGTH:]):
            asked[0, step, place[letter]] = 1
        written += letters[sample(model.predict(asked, verbose=0)[0], 0.5, draws)]
    print(f"after {4 * (epoch + 1)} passes: ...{written[LENGTH:]}")
