"""check: what is in the data and what is wrong with it, before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepwell.runs.inspection import Inspection, inspect
from deepwell.runs.options import SchemaAsked, parse
from deepwell.store import json as strict_json
from deepwell.store.files import write_file


def check(data: Any, *, save: str | Path | None = None, **options: Any) -> Inspection:
    """Read data, recognise its columns and look for what would hurt a training. Nothing is trained.

    save: file to write the schema to, for `--schema` after editing. options: fields of
    `deepwell.runs.options.SchemaAsked` (target, role, kind, names, ...); an unknown one is refused with the nearest.
    """
    found = inspect(data, parse(SchemaAsked, options))
    if save is not None:
        write_file(Path(save), strict_json.write(found.schema.to_json(), indent=2))
    return found
