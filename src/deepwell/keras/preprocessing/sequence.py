"""Keras's old place of `pad_sequences`."""

from deepwell.keras.absent import finder
from deepwell.keras.utils import pad_sequences

__all__ = ["pad_sequences"]
__getattr__ = finder("preprocessing.sequence", __all__)
