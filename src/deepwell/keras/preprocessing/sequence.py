"""Keras's old place of `pad_sequences`."""

from deepwell.keras.utils import pad_sequences

__all__ = ["pad_sequences"]
