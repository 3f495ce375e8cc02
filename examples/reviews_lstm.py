"""Film reviews are praise or blame: a two-way LSTM over padded sequences of words, the padding masked.

Run it: python examples/reviews_lstm.py
"""

from deepwell import keras
from deepwell.keras import layers
from deepwell.keras.utils import pad_sequences

WORDS, LENGTH = 10000, 100
(x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=WORDS)
x_train = pad_sequences(x_train, maxlen=LENGTH, padding="post", truncating="post")
x_test = pad_sequences(x_test, maxlen=LENGTH, padding="post", truncating="post")

model = keras.Sequential(
    [
        keras.Input(shape=(LENGTH,), dtype="int32"),
        layers.Embedding(WORDS, 32, mask_zero=True),
        layers.Bidirectional(layers.LSTM(32, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(16)),
        layers.Dropout(0.3),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=1, restore_best_weights=True)
model.fit(x_train, y_train, batch_size=64, epochs=3, validation_split=0.1, callbacks=[stopping])
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"accuracy on the test part: {accuracy:.3f}")
