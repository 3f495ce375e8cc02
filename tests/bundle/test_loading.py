"""What loading does besides answering: no code, no writing, no network, and memory bounded by the file's size."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deepwell.bundle.contents import LIMITS, Contents
from deepwell.bundle.write import seal
from deepwell.store import tensors

Forge = Callable[..., bytes]

WATCH = """
import os, sys
from deepwell.bundle.read import read
from deepwell.bundle.verify import verify
from deepwell.core.errors import BundleError

paths, events = sys.argv[1:], []
harmless = {"os.listdir", "os.scandir"}

def hook(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        reading = not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        inside = isinstance(path, int) or any(str(path) == p or os.path.exists(os.path.join(p, str(path))) for p in paths)
        if not (reading and inside):
            events.append((event, path, mode, flags))
    elif event not in harmless:
        events.append((event, str(arguments)[:200]))

sys.addaudithook(hook)
good = bad = 0
for path in paths:
    try:
        verify(path)
        good += 1
    except BundleError:
        bad += 1
seen = list(events)
eval("1")
open(os.devnull, "w").close()
print(good, bad, seen, len(events) - len(seen))
"""


def test_loading_raises_no_audit_event_beyond_reading_the_bundle(
    tmp_path: Path, contents: Contents, forge: Forge
) -> None:
    seal(tmp_path / "good.well", contents)
    seal(tmp_path / "good", contents, directory=True)
    whole = (tmp_path / "good.well").read_bytes()
    draw = random.Random(1)
    hostile = [whole[: draw.randrange(len(whole))] for _ in range(50)]
    hostile += [whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in range(0, len(whole), 31)]
    hostile += [
        forge({"schema.json": b'[{"name":"a","kind":"os.system","role":"","reason":"","facts":{}}]'}),
        forge({"pipeline.json": b"[" * 99}), forge({"card.md": b"\xff"}), forge({"evidence.json": b"[NaN]"}),
        forge({"weights.safetensors": b"\x80\x04cos\nsystem\n(S'x'\ntR."}), forge(None, format=99), forge(None, task=1),
    ]  # fmt: skip
    for index, data in enumerate(hostile):
        (tmp_path / f"bad{index}").write_bytes(data)
    paths = [tmp_path / "good.well", tmp_path / "good", *(tmp_path / f"bad{i}" for i in range(len(hostile)))]
    before = sorted(p.name for p in tmp_path.rglob("*"))
    done = subprocess.run([sys.executable, "-c", WATCH, *map(str, paths)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"2 {len(hostile)} [] 3"
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_reading_imports_nothing_heavy() -> None:
    code = (
        "import sys, deepwell.bundle.read, deepwell.bundle.verify, deepwell.bundle.write, deepwell.store.lock;"
        "print([m for m in ('torch', 'polars', 'sklearn', 'safetensors', 'pickle5', 'zipfile') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


MEASURE = """
import sys
from deepwell.bundle.read import read
from deepwell.core.errors import BundleError

def kilobytes(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))

with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # The peak starts anew.
before = kilobytes("VmRSS")
try:
    kept = read(sys.argv[1])
except BundleError as error:
    print(error, file=sys.stderr)
print((kilobytes("VmHWM") - before) * 1024)
"""


def _full(
    name: str, unit: bytes, cost: int, head: bytes = b'{"a":[', tail: bytes = b'0],"e":"\xf0\x9f\x98\x80"}'
) -> bytes:
    """An entry at its limits: as many costly values as are allowed, padded to the most bytes, four bytes a character."""
    limit = LIMITS[name]
    count = min((limit.bytes - 100) // len(unit), (limit.values - 12) // cost)
    return (head + unit * count).ljust(limit.bytes - len(tail)) + tail


def _worst(forge: Forge) -> bytes:
    dicts = (b'{"a":0},', 3)
    field = b'{"name":"%d","kind":"id","role":"","reason":"","facts":{}}'
    header = "{" + ",".join(
        f'"{i:06d}":{{"dtype":"U8","shape":[1,1,1,1,1,1,1,1],"data_offsets":[{i},{i + 1}]}}' for i in range(84_000)
    ) + "}"  # fmt: skip
    header = header.ljust(-(-len(header) // 8) * 8)
    return forge({
        "schema.json": b"[" + b",".join(field % i for i in range(LIMITS["schema.json"].values // 12 - 2)) + b"]",
        "pipeline.json": _full("pipeline.json", *dicts),
        "evidence.json": _full("evidence.json", *dicts),
        "config.json": _full("config.json", *dicts, head=b'{"config":{"a":[', tail=b'0]},"sizes":{}}'),
        "weights.safetensors": len(header).to_bytes(8, "little") + header.encode() + bytes(84_000),
    })  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize("kind", ["weights", "truths", "worst", "cut", "lying"])
def test_memory_stays_below_the_file_and_64_mb(tmp_path: Path, forge: Forge, kind: str) -> None:
    if kind == "weights":
        data = forge({"weights.safetensors": tensors.write({"w": np.ones(30_000_000, "f4")})})
    elif kind == "truths":
        data = forge({"weights.safetensors": tensors.write({"w": np.ones(60_000_000, "?")})})
    elif kind == "worst":
        data = _worst(forge)
    elif kind == "cut":
        data = forge({"weights.safetensors": tensors.write({"w": np.ones(30_000_000, "f4")})})[:-30_000_000]
    else:  # A small file whose header claims 4 GB.
        data = forge()
        at = data.index(b"\x13\0\0\0weights.safetensors") - 8
        data = data[:at] + b"\xfe\xff\xff\xff" * 2 + data[at + 8 :]
    path = tmp_path / "model.well"
    path.write_bytes(data)
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    assert (done.stderr == "") == (kind in ("weights", "truths", "worst")), done.stderr
    assert int(done.stdout) <= 1.2 * len(data) + 64e6
