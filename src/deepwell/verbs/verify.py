"""verify: whether a sealed model is whole and ours."""

from __future__ import annotations

from pathlib import Path

from deepwell.bundle.verify import verify as verify_bundle
from deepwell.tracking.directory import sealed


def verify(path: str | Path) -> list[tuple[str, str]]:
    """Every check that a bundle passed, with what was seen. Raises BundleError at the first that fails."""
    return verify_bundle(sealed(path))
