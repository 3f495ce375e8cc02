"""Several inputs, several outputs: support tickets with a title, a text and tags get a priority and a department.

The tickets are made up: words that stand for urgency decide the priority, the tags decide the department.
Run it: python examples/functional_inputs.py
"""

import numpy as np

from deepwell import keras
from deepwell.keras import layers

WORDS, TAGS, DEPARTMENTS = 1000, 12, 4
draws = np.random.default_rng(0)
title = draws.integers(1, WORDS, (1280, 10))
body = draws.integers(1, WORDS, (1280, 40))
tags = draws.integers(0, 2, (1280, TAGS)).astype("float32")
urgency = np.concatenate([title, body], axis=1) < 100
priority = (urgency.mean(axis=1, keepdims=True) > 0.1).astype("float32")
department = (tags @ draws.normal(size=(TAGS, DEPARTMENTS))).argmax(axis=1)

title_input = keras.Input(shape=(None,), name="title")
body_input = keras.Input(shape=(None,), name="body")
tags_input = keras.Input(shape=(TAGS,), name="tags")

embedding = layers.Embedding(WORDS, 32)  # one table of words for both texts
title_features = layers.GlobalAveragePooling1D()(embedding(title_input))
body_features = layers.GlobalAveragePooling1D()(embedding(body_input))
x = layers.concatenate([title_features, body_features, tags_input])
x = layers.Dense(32, activation="relu")(x)
priority_output = layers.Dense(1, activation="sigmoid", name="priority")(x)
department_output = layers.Dense(DEPARTMENTS, activation="softmax", name="department")(x)

model = keras.Model(
    inputs=[title_input, body_input, tags_input], outputs={"priority": priority_output, "department": department_output}
)
model.summary()
model.compile(
    optimizer=keras.optimizers.RMSprop(1e-3),
    loss={"priority": "binary_crossentropy", "department": "sparse_categorical_crossentropy"},
    loss_weights={"priority": 1.0, "department": 0.5},
    metrics={"priority": ["accuracy"], "department": ["accuracy"]},
)
history = model.fit(
    {"title": title, "body": body, "tags": tags},
    {"priority": priority, "department": department},
    epochs=3, batch_size=32, validation_split=0.2,
)  # fmt: skip
answers = model.predict({"title": title[:4], "body": body[:4], "tags": tags[:4]})
print("departments of the first four:", answers["department"].argmax(axis=1))
