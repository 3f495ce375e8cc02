"""Losses: pure functions of tensors. Each gives the SUM over examples, never a mean, so micro-batches add up."""

from deepwell.losses.classification import binary_cross_entropy, cross_entropy
from deepwell.losses.penalties import l1
from deepwell.losses.regression import absolute_error, squared_error

__all__ = ["absolute_error", "binary_cross_entropy", "cross_entropy", "l1", "squared_error"]
