"""The loss of a forecast: squared error of the mean and pinball of the quantiles, over what is seen of the future."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from deepwell.losses.quantile import pinball
from deepwell.losses.regression import squared_error


def forecast_error(
    outputs: Mapping[str, Tensor], arrays: Mapping[str, Tensor], levels: Sequence[float]
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The total, how many values it is a sum over, and its parts `squared` (of future.value) and `pinball`.

    The mean is trained as future.patches and future.value, half each: together they should be right, and apart as well.

    outputs: future.value, future.patches (n, H, T), future.quantiles (n, H, T, Q). arrays: future, future.seen (n, H, T).
    """
    truth, seen = arrays["future"].float(), arrays["future.seen"].float()
    together = squared_error(outputs["future.value"], truth, weights=seen)
    apart = squared_error(outputs["future.patches"], truth, weights=seen)
    quantiles = pinball(outputs["future.quantiles"], truth, levels, weights=seen)
    total = (together + apart) / 2 + quantiles
    return total, seen.sum(), {"squared": together, "pinball": quantiles}
