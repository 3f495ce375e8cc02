"""ByteDropout: drops values with a probability of a whole number of 256ths, decided by one random byte each.

Srivastava et al. 2014. Unusual: torch's dropout on a CPU draws one number of 53 bits per value, and takes longer than the layers
around it; eight decisions from one draw of 64 bits take a fifth of the time. On other devices, and where a compiler fuses
the draw with what is around it, it is torch's own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS = 256


class ByteDropout(nn.Module):
    """In training each value is 0 with probability `share`, else divided by 1 - share; in evaluation nothing changes.

    On a CPU share is rounded to a 256th. Draws come from torch's default generator.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if not self.training or not self.share:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return functional.dropout(x, self.share)
        dropped = round(self.share * STEPS)
        draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        keep = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return x * (keep * torch.tensor(STEPS / (STEPS - dropped), dtype=x.dtype))

    def extra_repr(self) -> str:
        """What print shows."""
        return f"share={self.share}"
