"""Keras's old place of `sequence.pad_sequences`."""

from deepwell.keras.absent import finder
from deepwell.keras.preprocessing import sequence

__all__ = ["sequence"]
__getattr__ = finder("preprocessing", __all__)
