"""Arguments that a class does not have are refused with the nearest that it has, before Python says so in its own words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from deepwell.core.errors import ConfigError, nearest

INSTEAD = {
    "decay": "learning_rate=keras.optimizers.schedules.InverseTimeDecay(rate, 1, decay) is what `decay` was",
    "use_ema": "train() averages weights (--set ema=0.05); a callback can average them here",
    "loss_scale_factor": "float32 needs none, and bfloat16 neither",
    "gradient_accumulation_steps": "a larger batch_size is cut into micro-batches where memory does not suffice",
}
"""Arguments of Keras, or of its older versions, that there are none of here -> what to do."""


def known(kind: type, names: Iterable[str]) -> None:
    """Raise ConfigError for a name that is no field of the dataclass `kind`; for another class nothing is known."""
    if "__dataclass_fields__" not in kind.__dict__ or not dataclasses.is_dataclass(kind):
        return
    fields = [f.name for f in dataclasses.fields(kind) if f.init]
    for name in names:
        if name not in fields:
            guess = "" if name in INSTEAD else nearest(name, fields)
            raise ConfigError(f"{kind.__name__} has no argument {name!r}{guess}", repair=INSTEAD.get(name, ""))
