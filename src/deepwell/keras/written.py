"""Written: what a model has of words and files: its summary, its configuration, its sealed form, its weights as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from deepwell.keras.layer import Layer


class Written(Layer):
    """See the file's head. Model is derived from it."""

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print a table of the layers: type, shape of the output, numbers."""
        from deepwell.keras.summary import Wanted, text

        lines = text(self, Wanted(line_length, positions, expand_nested, show_trainable, layer_range))
        (print_fn or print)(lines)

    def save(self, filepath: str | PathLike[str], overwrite: bool = True) -> None:
        """Seal the model as a bundle, whatever the suffix: layers, weights, settings of compile.

        Raises ConfigError for layers that are code of the user's own, naming the first.
        """
        from deepwell.keras import saving

        saving.save_model(self, filepath, overwrite)

    def save_weights(self, filepath: str | PathLike[str], overwrite: bool = True) -> None:
        """Write all weights as safetensors, by their paths."""
        from deepwell.keras import saving

        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | PathLike[str], skip_mismatch: bool = False) -> None:
        """Read weights that `save_weights` wrote. Raises ConfigError for another set of weights, naming what differs."""
        from deepwell.keras import saving

        saving.load_weights(self, filepath, skip_mismatch)

    def get_config(self) -> dict[str, Any]:
        """The layers and how they hang together, without weights.

        Raises ConfigError for layers that are code of the user's own, and before it is built.
        """
        from deepwell.keras import copying

        return copying.config(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """A model with new weights of `get_config`. Raises ConfigError for a configuration that real Keras wrote."""
        from deepwell.keras import copying
        from deepwell.keras.model import Model

        return cls(**config) if cls.call is not Model.call else copying.from_config(config)

    def to_json(self, indent: int | None = None) -> str:
        """`get_config` as a text, for models.model_from_json. indent: spaces for each level; None: one line."""
        from deepwell.keras import copying

        return copying.to_json(self, indent)
