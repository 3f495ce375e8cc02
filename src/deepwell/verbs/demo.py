"""demo: a first training without any files: scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepwell.core.runner import Sink
from deepwell.runs.run import Run
from deepwell.verbs.train import train


def demo(
    *,
    seed: int = 0,
    time: float | str = "18s",
    sinks: Sequence[Sink] = (),
    command: Sequence[str] = (),
    **options: Any,
) -> Run:
    """Train on the 1,797 digits (8x8 pixels) that come with scikit-learn, in a few seconds; options as for `train`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    # The grey levels 0 to 16 become bytes; 16 * 15.9375 = 255.
    images = np.round(digits.images * 15.9375).astype(np.uint8)
    return train((images, digits.target), seed=seed, time=time, sinks=sinks, command=command, **options)
