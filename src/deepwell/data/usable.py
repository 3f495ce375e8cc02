"""Too many rows that were read and cannot be used: a stop that names the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deepwell.core.errors import DataError
from deepwell.core.table import Rejected

MOST_REJECTED = 0.01


def stop_if_many(found: Sequence[Rejected], read: int, limit: float = MOST_REJECTED) -> None:
    """Raises DataError if more than `limit` (a share) of the rows read were rejected; names the most frequent reasons."""
    if len(found) <= limit * read:
        return
    reasons = Counter(one.reason for one in found)
    first = {one.reason: one.where for one in reversed(found)}
    listed = "".join(f"\n  {count:,} x {why} (first: {first[why]})" for why, count in reasons.most_common(5))
    raise DataError(
        f"{len(found):,} of {read:,} rows cannot be used ({len(found) / read:.1%}; allowed is {limit:.1%}):{listed}",
        repair="mend the data, or allow more with --max-rejected",
    )
