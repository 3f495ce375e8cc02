"""What Keras keeps for the whole session: the type of floats, the small number, the order of axes.

Unusual: floats are float32 and channels are last; to ask for anything else is an error and not a silent change, since layers,
losses and bundles rely on both.
"""

from __future__ import annotations

from deepwell.core.errors import ConfigError
from deepwell.keras import naming

_FLOAT, _FORMAT = "float32", "channels_last"
_EPSILON = 1e-7


def backend() -> str:
    """The library that computes: `"torch"`."""
    return "torch"


def floatx() -> str:
    """The type of weights and activations: `"float32"`."""
    return _FLOAT


def set_floatx(value: str) -> None:
    """Accepts "float32". Raises ConfigError for another type."""
    if value != _FLOAT:
        raise ConfigError(
            f"floatx must be 'float32'; got {value!r}",
            repair="bfloat16 is chosen by the training itself where the machine gains from it",
        )


def epsilon() -> float:
    """The small number that keeps quotients finite: 1e-7."""
    return _EPSILON


def set_epsilon(value: float) -> None:
    """Accepts 1e-7. Raises ConfigError for another number."""
    if value != _EPSILON:
        raise ConfigError(
            f"epsilon must be 1e-7; got {value!r}", repair="optimizers and layers take an epsilon of their own"
        )


def image_data_format() -> str:
    """The order of axes of pictures: `"channels_last"`."""
    return _FORMAT


def set_image_data_format(data_format: str) -> None:
    """Accepts "channels_last". Raises ConfigError for another order."""
    if data_format != _FORMAT:
        raise ConfigError(
            f"pictures are 'channels_last' here; got {data_format!r}", repair="np.moveaxis(x, 1, -1) puts channels last"
        )


def clear_session() -> None:
    """Count the automatic names of layers and models anew; models that are there keep theirs and all they need."""
    naming.reset()
