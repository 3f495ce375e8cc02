"""Keras's old place of `sequence.pad_sequences`."""

from deepwell.keras.preprocessing import sequence

__all__ = ["sequence"]
