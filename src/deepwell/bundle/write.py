"""Sealing a bundle: contents in, `model.well` out, whole or not at all.

Unusual: the bytes are a function of the contents alone (no clock, no order of dictionaries in the weights), and the entries
go through the very parser that will read them before a byte is written: a model that cannot be read is never sealed.
"""

from __future__ import annotations

import os
from typing import Any

from deepwell import __version__
from deepwell.bundle import archive
from deepwell.bundle.contents import KEPT, Contents, entries_of
from deepwell.bundle.read import parse, read
from deepwell.core.errors import BundleError, RunError
from deepwell.core.text import escape_terminal
from deepwell.store import files, json, manifest, tensors


def seal(path: str | os.PathLike[str], contents: Contents, *, directory: bool = False) -> None:
    """Write a bundle, atomically, and read it back. directory: the same entries as files of a directory, which must be new.

    Raises RunError: weights that are not finite (naming the tensor), values that a bundle cannot hold, a disk that is full
    or gives back other bytes.
    """
    facts, entries = _checked(contents)
    if directory:
        files.seal_directory(path, entries, facts)
    else:
        files.write_file(path, archive.pieces({manifest.NAME: manifest.write(entries, facts), **entries}))
    del entries
    try:
        read(path)
    except BundleError as error:
        raise RunError(
            f"was written and reads back differently: {error}", where=escape_terminal(os.fspath(path))
        ) from error


def check(contents: Contents) -> None:
    """Raise RunError, as `seal` would, where contents cannot be sealed; nothing is written."""
    _checked(contents)


def _checked(contents: Contents) -> tuple[dict[str, Any], dict[str, files.Bytes]]:
    facts, entries = _encode(contents)
    try:
        parse(facts, entries)
    except BundleError as error:
        text = f"{error.where}: {error.what}" if error.where else error.what
        raise RunError(f"this model cannot be sealed: {text}") from error
    return facts, entries


def _encode(contents: Contents) -> tuple[dict[str, Any], dict[str, files.Bytes]]:
    """The manifest's facts and the bytes of each entry, in the order of entries_of."""
    facts = {
        "format": contents.format, "task": contents.task, "task_version": contents.task_version,
        "versions": {**contents.versions, "deepwell": __version__},
    }  # fmt: skip
    calibration = {name: float(number) for name, number in contents.calibration.items()}
    config = {"config": contents.config, "sizes": contents.sizes}
    if contents.reading:
        config["reading"] = contents.reading
    made = {
        "schema.json": json.write(contents.schema.to_json(), what="schema"),
        "pipeline.json": json.write(contents.pipeline, what="pipeline"),
        "config.json": json.write(config, what="model"),
        "calibration.json": json.write(calibration, what="calibration"),
        "weights.safetensors": tensors.write(contents.weights),
        "evidence.json": json.write(contents.evidence, what="evidence"),
        "card.md": contents.card.encode(),
        KEPT: tensors.write(contents.kept),
    }
    return facts, {name: made[name] for name in entries_of(contents.format)}
