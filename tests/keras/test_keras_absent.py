"""Names that the door does not have are refused with the nearest that it has, or with what to do instead."""

from typing import Any

import pytest

from deepwell import keras
from deepwell.keras import absent

NEAREST = [
    ("losses", "MeanSquareError", "MeanSquaredError"), ("metrics", "Acuracy", "Accuracy"),
    ("optimizers", "Adem", "Adam"), ("callbacks", "EarlyStoping", "EarlyStopping"),
    ("utils", "to_categorial", "to_categorical"), ("activations", "rellu", "relu"),
    ("initializers", "HeNormall", "HeNormal"), ("regularizers", "L11", "L1"), ("ops", "concatinate", "concatenate"),
    ("preprocessing", "sequenc", "sequence"), ("layers", "Dens", "Dense"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name", "nearest"), NEAREST, ids=lambda v: str(v))
def test_an_unknown_name_is_refused_with_the_nearest(module: str, name: str, nearest: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(getattr(keras, module), name)
    assert f"{name!r}; did you mean {nearest!r}?" in str(caught.value)


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        ("utils", "plot_model", "model.summary()"), ("optimizers", "Ftrl", "Adam"), ("preprocessing", "image", "folders of"),
        ("preprocessing", "text", "numbers of words"), ("", "constraints", "regularizer"),
        ("ops", "while_loop", "Python `while`"),
        ("", "applications", "TorchLayer"),
        ("utils", "Sequence", "one array"), ("ops", "bincount", "torch.bincount takes the same tensors"),
    ],
)  # fmt: skip
def test_what_is_not_here_says_what_to_do_instead(module: str, name: str, text: str) -> None:
    place: Any = getattr(keras, module) if module else keras
    with pytest.raises(AttributeError) as caught:
        getattr(place, name)
    said = str(caught.value)
    assert name in said
    assert text in said


def test_nothing_is_called_absent_that_is_there() -> None:
    modules: list[Any] = [keras, *(getattr(keras, part) for part in keras.PARTS if part != "preprocessing")]
    for name in absent.INSTEAD:
        there = [m.__name__ for m in modules if name in getattr(m, "__all__", ())]
        assert not [m for m in there if m != "deepwell.keras.ops" or name != "image"], name


def test_looking_for_what_may_be_there_is_no_error() -> None:
    assert not hasattr(keras.optimizers, "Ftrl")
    assert getattr(keras.losses, "__wrapped__", None) is None
