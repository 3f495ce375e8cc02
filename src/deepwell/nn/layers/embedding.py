"""Embedding: a trained vector for each number."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from deepwell.core.errors import DataError
from deepwell.nn.layout import Weight, hold
from deepwell.nn.regularisers import L1L2


class Lookup(nn.Module):
    """Whole numbers (n, ...), 0 to rows - 1, -> (n, ..., width): the row of each number. table: (rows, width) as it is drawn.

    Raises DataError, on a CPU, for numbers that have no row.
    """

    weight: Tensor

    def __init__(self, table: Tensor, rule: L1L2 | None = None) -> None:
        super().__init__()
        hold(self, Weight("embeddings", "weight"), table, rule)

    def forward(self, numbers: Tensor) -> Tensor:
        """See the class."""
        whole = numbers.int() if numbers.is_floating_point() else numbers
        try:
            return functional.embedding(whole, self.weight)
        except IndexError:
            raise DataError(
                f"an embedding has rows for the numbers 0 to {len(self.weight) - 1}; "
                f"got numbers from {int(whole.min())} to {int(whole.max())}",
                repair="its input_dim must be larger than the largest number, and no number may be negative",
            ) from None


class Blank(nn.Module):
    """(n, length, channels) -> the same; steps whose values all are `value` become 0 (and are masked: nn/blocks/dense.py)."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def there(self, x: Tensor) -> Tensor:
        """(n, length) True where some value is another."""
        return (x != self.value).any(-1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x * self.there(x).unsqueeze(-1).to(x.dtype)
