"""Training windows of a made series, as a forecasting task gives them, for tests."""

import numpy as np

from deepwell.core.batch import Batch
from deepwell.core.examples import Examples


class SeriesWindows(Examples):
    """Windows of flat values (steps, T) at every origin; nothing is missing unless `seen` says so."""

    def __init__(self, values, context, horizon, known=None, seen=None, factor=1.0, offset=0.0):
        self.values, self.known = np.asarray(values, np.float32), known
        self.seen = np.ones(self.values.shape, np.uint8) if seen is None else seen
        self.context, self.horizon = context, horizon
        self.count = len(self.values) - context - horizon + 1
        self.factor, self.offset = factor, offset

    def take(self, index, key):
        origin = index + self.context
        back, ahead = origin[:, None] + np.arange(-self.context, 0), origin[:, None] + np.arange(self.horizon)
        arrays = {"origin": origin, "series": np.zeros(len(index), np.int64)}
        for name, places in (("past", back), ("future", ahead)):
            arrays[f"{name}.seen"] = self.seen[places]
            arrays[name] = self.values[places] * self.seen[places]
            if self.known is not None:
                arrays[f"{name}.known"] = self.known[places]
        shape = (len(index), self.values.shape[1])
        arrays["future.factor"], arrays["future.offset"] = np.full(shape, self.factor), np.full(shape, self.offset)
        return Batch(arrays, index)
