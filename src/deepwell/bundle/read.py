"""Reading a bundle: foreign bytes in, a checked value out, or a BundleError. Nothing is unpacked, nothing is executed.

Order of checks: a regular file that is no link -> its size -> every header byte of the archive -> the manifest and its own
hash -> format version -> sizes -> hashes -> strict parse within limits -> weights finite. Memory is bounded by the file's
size plus 64 MB: weights are views of the bytes read. The caller then compares names, shapes and types of the weights with
a network built on the meta device (`match`) before it allocates anything.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from deepwell.bundle import archive, reading
from deepwell.bundle.contents import FORMAT, KEPT, KEPT_HEADER, LIMITS, Contents, entries_of
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Schema
from deepwell.core.text import escape_terminal, quote
from deepwell.store import files, json, manifest, tensors

_TASK = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def read(path: str | os.PathLike[str], limit_bytes: int | None = None) -> Contents:
    """The contents of a bundle, file or directory.

    limit_bytes: most bytes to accept, None = no cap. Raises BundleError for anything but an intact bundle of a known format.
    """
    try:
        facts, entries = _entries(path, limit_bytes)
        return parse(facts, entries)
    except BundleError as error:
        where = escape_terminal(os.fspath(path)) + (f", {error.where}" if error.where else "")
        raise BundleError(error.what, where=where, repair=error.repair) from error.__cause__


def parse(facts: Mapping[str, Any], entries: Mapping[str, files.Bytes]) -> Contents:
    """The contents in the bytes of the entries, whose sizes and hashes were checked. Raises BundleError."""
    _check_format(facts)
    if set(facts) != {"format", "task", "task_version", "versions"}:
        raise BundleError("its facts are not format, task, task_version and versions", where=manifest.NAME)
    task, version, versions = facts["task"], facts["task_version"], facts["versions"]
    if not isinstance(task, str) or not _TASK.fullmatch(task) or type(version) is not int or version < 1:
        raise BundleError("names no task and version", where=manifest.NAME)
    if not isinstance(versions, dict) or not all(isinstance(v, str) for v in versions.values()):
        raise BundleError("its versions are not names with texts", where=manifest.NAME)
    names = entries_of(facts["format"])
    if sorted(entries) != sorted(names):
        odd = sorted(set(entries) ^ set(names))[0]
        raise BundleError(f"the entry {quote(odd)} is {'unknown' if odd in entries else 'missing'}")
    config = _object(entries, "config.json")
    if set(config) - {"reading"} != {"config", "sizes"} or not all(isinstance(v, dict) for v in config.values()):
        raise BundleError("needs two objects, config and sizes, and may have a third, reading", where="config.json")
    schema, pipeline, evidence = _schema(entries), _object(entries, "pipeline.json"), _object(entries, "evidence.json")
    # Last, so that what it takes does not come on top of what parsing the others takes for a moment.
    weights = _arrays(entries, "weights.safetensors")
    return Contents(
        task, version, schema, pipeline, config["config"], config["sizes"], _calibration(entries), weights, evidence,
        _card(entries), versions, reading.checked(config.get("reading", {})), _kept(entries),
    )  # fmt: skip


def match(weights: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[Sequence[int], str]]) -> None:
    """Raise BundleError, naming the tensor, unless names, shapes and types are exactly the expected ones.

    expected: name -> (shape, numpy's name of the type, e.g. "float32"), as the network says on the meta device.
    """
    for name in sorted(weights.keys() ^ expected.keys()):
        fault = "is not part of its network" if name in weights else "is missing"
        raise BundleError(f"the tensor {quote(name)} {fault}", where="weights.safetensors")
    for name, (shape, dtype) in expected.items():
        found = weights[name]
        if found.shape != tuple(shape) or found.dtype.name != dtype:
            raise BundleError(
                f"the tensor {name} is {found.dtype.name} of shape {found.shape}; its network needs {dtype} of shape "
                f"{tuple(shape)}",
                where="weights.safetensors",
            )


def _entries(path: str | os.PathLike[str], limit_bytes: int | None) -> tuple[dict[str, Any], dict[str, files.Bytes]]:
    """The manifest's facts, and name -> bytes of each entry, with sizes and hashes checked."""
    try:
        is_directory = stat.S_ISDIR(os.stat(path, follow_symlinks=False).st_mode)
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot be opened: {getattr(error, 'strerror', error)}") from error
    if is_directory:
        sealed = files.open_directory(path, limit_bytes)
        return sealed.facts, dict(sealed.files)
    with files.open_regular(path) as (file, size):
        if limit_bytes is not None and size > limit_bytes:
            raise BundleError(f"has {size:,} bytes; at most {limit_bytes:,} are allowed")
        limits = {manifest.NAME: json.DEFAULT.bytes, **{name: limit.bytes for name, limit in LIMITS.items()}}
        names: list[str] = []

        def each() -> Iterator[str]:
            yield manifest.NAME
            yield from names  # by then the manifest has told the format

        found = archive.read(file, size, each(), limits)
        listed = manifest.read(bytes(next(found)[1]))
        _check_format(listed.facts)
        names += entries_of(listed.facts["format"])
        if list(listed.files) != names:
            raise BundleError(f"does not list exactly {', '.join(names)}", where=manifest.NAME)
        entries: dict[str, files.Bytes] = {}
        for name, data in found:
            listed.check(name, data)
            entries[name] = data
    return listed.facts, entries


def _check_format(facts: Mapping[str, Any]) -> None:
    """Raise BundleError unless the format version is known; a newer one is said to be newer, nothing else."""
    version = facts.get("format")
    if type(version) is int and version > FORMAT:
        made = facts.get("versions", {})
        by = quote(str(made.get("deepwell", "?") if isinstance(made, dict) else "?"), 20)
        raise BundleError(
            f"has bundle format {version}, written by deepwell {by}; this deepwell reads formats up to {FORMAT}",
            repair="pip install --upgrade deepwell",
        )
    if type(version) is not int or version < 1:
        raise BundleError("has no bundle format", where=manifest.NAME)


def _object(entries: Mapping[str, files.Bytes], name: str) -> dict[str, Any]:
    value = json.read(bytes(entries[name]), name, limit=LIMITS[name])
    if not isinstance(value, dict):
        raise BundleError("is not an object", where=name)
    return value


def _arrays(entries: Mapping[str, files.Bytes], name: str) -> dict[str, NDArray[Any]]:
    arrays = tensors.read(entries[name], name)
    bad = tensors.non_finite(arrays)
    if bad is not None:
        raise BundleError(f"the tensor {bad} holds NaN or infinity", where=name)
    return arrays


def _kept(entries: Mapping[str, files.Bytes]) -> dict[str, NDArray[Any]]:
    """The rows of the data that are inside; empty where there is no such entry, and never empty where there is one."""
    if KEPT not in entries:
        return {}
    data = entries[KEPT]
    if len(data) > LIMITS[KEPT].bytes:
        raise BundleError(f"has {len(data):,} bytes; at most {LIMITS[KEPT].bytes:,} are allowed", where=KEPT)
    if int.from_bytes(data[:8], "little") > KEPT_HEADER:
        raise BundleError(f"has a header of more than {KEPT_HEADER:,} bytes", where=KEPT)
    arrays = _arrays(entries, KEPT)
    if not arrays:
        raise BundleError("holds nothing", where=KEPT)
    return arrays


def _schema(entries: Mapping[str, files.Bytes]) -> Schema:
    name = "schema.json"
    value = json.read(bytes(entries[name]), name, limit=LIMITS[name])
    wanted = {"name": str, "kind": str, "role": str, "reason": str, "facts": dict}
    if not isinstance(value, list):
        raise BundleError("is not a list of fields", where=name)
    for index, field in enumerate(value):
        if not isinstance(field, dict) or {key: type(item) for key, item in field.items()} != wanted:
            raise BundleError(f"field {index} needs name, kind, role, reason (texts) and facts (object)", where=name)
    try:
        return Schema.from_json(value)
    except DataError as error:
        raise BundleError(escape_terminal(error.what[:400]), where=name) from error


def _calibration(entries: Mapping[str, files.Bytes]) -> dict[str, float]:
    value = _object(entries, "calibration.json")
    for key, number in value.items():
        if type(number) not in (int, float):
            raise BundleError(f"{quote(key)} is not a number", where="calibration.json")
    return {key: float(number) for key, number in value.items()}


def _card(entries: Mapping[str, files.Bytes]) -> str:
    data = bytes(entries["card.md"])
    if len(data) > LIMITS["card.md"].bytes:
        raise BundleError(f"has {len(data):,} bytes; at most {LIMITS['card.md'].bytes:,} are allowed", where="card.md")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"is not UTF-8 at byte {error.start:,}", where="card.md") from error
