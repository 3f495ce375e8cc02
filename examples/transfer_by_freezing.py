"""What was learned on the digits 0 to 4 helps to learn 5 to 9: the convolutions are frozen, only the dense layers learn.

Run it: python examples/transfer_by_freezing.py
"""

from deepwell import keras
from deepwell.keras import layers
from deepwell.keras.datasets import mnist

CLASSES = 5


def part(x, y, first):
    """The pictures of five digits, from 0 to 1, and their classes counted from 0."""
    chosen = (y >= first) & (y < first + CLASSES)
    return x[chosen][..., None].astype("float32") / 255.0, keras.utils.to_categorical(y[chosen] - first, CLASSES)


(x_train, y_train), (x_test, y_test) = mnist.load_data()
features = [
    layers.Conv2D(32, 3, padding="valid", activation="relu"),
    layers.Conv2D(32, 3, activation="relu"),
    layers.MaxPooling2D(pool_size=2),
    layers.Dropout(0.25),
    layers.Flatten(),
]
classifier = [
    layers.Dense(128, activation="relu"),
    layers.Dropout(0.5),
    layers.Dense(CLASSES, activation="softmax"),
]
model = keras.Sequential([keras.Input(shape=(28, 28, 1)), *features, *classifier])


def train(first):
    """Train the model on five digits and print how well it reads those of the test part."""
    x, y = part(x_train, y_train, first)
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=1, verbose=1)
    _loss, accuracy = model.evaluate(*part(x_test, y_test, first), verbose=0)
    print(f"digits {first} to {first + CLASSES - 1}: accuracy {accuracy:.4f}")


train(0)
kept = [weight.copy() for weight in features[0].get_weights()]
for layer in features:
    layer.trainable = False
model.summary()
train(5)
same = all((a == b).all() for a, b in zip(kept, features[0].get_weights(), strict=True))
print("the frozen layers are unchanged:", same)
