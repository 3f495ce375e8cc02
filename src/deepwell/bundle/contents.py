"""What a bundle holds, and the closed list of its entries with the limits of each.

Unusual: everything is data. No entry names code, a path, an address or a pattern, and none can relax a check. There is no
clock in it either: the same run gives the same bytes; when it was made stands in the run's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from deepwell.core.fields import Schema
from deepwell.store.json import Limit

FORMAT = 2
"""Newest version of the bundle format that this program reads. 2: with rows of the data (`kept.safetensors`). A bundle without
them is still written as 1, so that older programs can open it."""

MIB = 1 << 20
# Bytes: columns and category levels may be many, the rest is small. Values: about 80 bytes of memory each when parsed, so
# that all entries together stay below 64 MB.
LIMITS: Mapping[str, Limit] = {
    "schema.json": Limit(4 * MIB, 240_000),
    "pipeline.json": Limit(4 * MIB, 150_000),
    "config.json": Limit(MIB, 50_000),
    "calibration.json": Limit(MIB, 10_000),
    "evidence.json": Limit(MIB, 50_000),
    "card.md": Limit(MIB),
    "kept.safetensors": Limit(256 * MIB),
}
ENTRIES = (
    "schema.json", "pipeline.json", "config.json", "calibration.json", "weights.safetensors", "evidence.json", "card.md",
)  # fmt: skip
"""The entries of every bundle in their order; manifest.json comes before them."""
KEPT = "kept.safetensors"
"""The entry that follows them where rows of the data are inside."""
KEPT_HEADER = 64 << 10
"""Most bytes of that entry's header: room for some 500 arrays."""


def entries_of(version: int) -> tuple[str, ...]:
    """The entries of a bundle of this format version."""
    return ENTRIES if version == 1 else (*ENTRIES, KEPT)


@dataclass(frozen=True)
class Contents:
    """A model as a value.

    Attributes:
        task: key of the task in the closed set of installed tasks (or of the task file that the caller gives again).
        task_version: version of that task when the bundle was written.
        schema: the columns it was trained on.
        pipeline: Pipeline.state().
        config: the task's knobs, core.config.to_json.
        sizes: Sizes.to_json(): with schema and config, what the network is rebuilt from.
        calibration: numbers for CalibratedRunner.
        weights: name -> array, all finite. Read-only views of the file's bytes when they come from `read`.
        evidence: scores and how they were measured, JSON values.
        card: the model card, Markdown. A stranger's text: printed escaped, never rendered as HTML.
        versions: library -> version that trained it, for people; `seal` adds deepwell. Nothing is decided by them.
        reading: how the data were read, see bundle.reading; empty for data in memory of which nothing was said.
        kept: Pipeline.kept(): what of the data itself is inside, all finite; empty for nearly all models.
    """

    task: str
    task_version: int
    schema: Schema
    pipeline: Mapping[str, Any]
    config: Mapping[str, Any]
    sizes: Mapping[str, Any]
    calibration: Mapping[str, float]
    weights: Mapping[str, NDArray[Any]]
    evidence: Mapping[str, Any]
    card: str
    versions: Mapping[str, str] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def format(self) -> int:
        """The version of the bundle format that holds these contents."""
        return 2 if self.kept else 1
