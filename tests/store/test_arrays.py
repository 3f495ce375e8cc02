"""The cache of arrays: whole or absent, also after a kill; shared; bounded; never pulled from under its users."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepwell.core.errors import RunError
from deepwell.store import arrays
from deepwell.store.arrays import ArrayCache, default_root, mapped


def key(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def filled(cache: ArrayCache, name: object, size: int = 1000, what: str = "") -> np.ndarray[Any, Any]:
    with cache.write(key(name), what) as writer:
        writer.array("a", (size,), np.uint8)[:] = np.arange(size) % 251
    return writer.arrays["a"]


def age(cache: ArrayCache, name: object, seconds: float) -> None:
    used = 1e9 + seconds
    os.utime(cache.root / key(name) / arrays.MANIFEST, (used, used))


def test_arrays_of_any_type_and_shape_come_back(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path / "made" / "here")
    assert cache.open(key("x")) is None
    given = {
        "größe / cm": np.linspace(0, 1, 7),
        "picture": np.arange(5 * 3 * 9, dtype=np.uint8).reshape(5, 3, 9),
        "flag": np.array([True, False]),
        "empty": np.zeros((0, 4), np.float32),
        "half": np.array(2.5, np.float16),
        "large": np.arange(6_000_000, dtype=np.int32),
        "index": np.arange(-3, 3),
    }
    with cache.write(key("x"), "seven arrays") as writer:
        for name, array in given.items():
            place = writer.array(name, array.shape, array.dtype)
            assert not place.any()
            place[...] = array
        assert cache.open(key("x")) is None
    for found in (writer.arrays, cache.open(key("x"))):
        assert found is not None
        assert list(found) == list(given)
        for name, array in given.items():
            np.testing.assert_array_equal(found[name], array, strict=True)
            assert mapped(found[name][:1] if array.ndim else found[name]) == (array.size > 0)
            assert not array.size or not found[name].flags.writeable
    assert not mapped(given["index"])
    assert not mapped(writer.arrays["index"][[1, 2]])
    assert [(e.key, e.what) for e in cache.entries()] == [(key("x"), "seven arrays")]
    assert cache.entries()[0].bytes >= sum(a.nbytes for a in given.values())


def test_thousands_of_arrays_need_few_descriptors(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    with cache.write(key("wide")) as writer:
        places = [writer.array(str(i), (3000,), np.float64) for i in range(2500)]
        for i, place in enumerate(places):
            place[:] = i
        assert len(os.listdir("/proc/self/fd")) - before < 20
    found = cache.open(key("wide"))
    assert found is not None
    assert all((found[str(i)] == i).all() for i in range(2500))


@pytest.mark.parametrize(("name", "dtype"), [("a", np.uint8), ("b", np.complex64), ("b", object), ("b", "U3")])
def test_a_name_is_taken_once_and_types_are_plain(tmp_path: Path, name: str, dtype: Any) -> None:
    with ArrayCache(tmp_path).write(key(1)) as writer:
        writer.array("a", (2,), np.uint8)
        with pytest.raises(ValueError, match="cannot be part"):
            writer.array(name, (2,), dtype)
    assert list(writer.arrays) == ["a"]


def test_a_key_is_a_hash_and_never_a_path(tmp_path: Path) -> None:
    for bad in ("../x", "", "a" * 63, key(1).upper()):
        with pytest.raises(ValueError, match="SHA-256"):
            ArrayCache(tmp_path).open(bad)


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    with pytest.raises(ZeroDivisionError), cache.write(key(1)) as writer:
        writer.array("a", (10,), np.uint8)[:] = 1 // len(cache.entries())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("point", ["array.sync", "array.manifest", "file.sync", "file.rename", "array.rename"])
def test_a_kill_leaves_no_half_entry_and_its_remains_are_swept(tmp_path: Path, point: str) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from deepwell.store.arrays import ArrayCache\n"
        "with ArrayCache(Path(sys.argv[1])).write(sys.argv[2]) as writer: writer.array('a', (9,), np.uint8)[:] = 7"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, key(1)], env={**os.environ, "DEEPWELL_FAIL_AT": point}, check=False
    )
    assert done.returncode == 137
    cache = ArrayCache(tmp_path)
    assert cache.open(key(1)) is None
    (left,) = os.listdir(tmp_path)
    cache.prune()
    assert os.listdir(tmp_path) == [left]  # too young: its writer might not have its lock yet
    os.utime(tmp_path / left, (1e9, 1e9))
    cache.prune()
    assert os.listdir(tmp_path) == []


def test_a_living_writer_is_never_swept(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    with cache.write(key(1)) as writer:
        writer.array("a", (10,), np.uint8)[:] = 3
        (own,) = os.listdir(tmp_path)
        os.utime(tmp_path / own, (1e9, 1e9))
        filled(cache, 2)
        cache.clear()
    assert writer.arrays["a"].tolist() == [3] * 10
    assert cache.open(key(1)) is not None


def _shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _overwrite(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", [arrays.DATA, arrays.MANIFEST])
@pytest.mark.parametrize("harm", [_shorten, _overwrite, Path.unlink])
def test_a_damaged_entry_is_removed_and_can_be_written_again(tmp_path: Path, file: str, harm: Any) -> None:
    cache = ArrayCache(tmp_path)
    filled(cache, 1)
    filled(cache, 2)
    harm(tmp_path / key(1) / file)
    assert cache.open(key(1)) is None
    assert os.listdir(tmp_path) == [key(2)]
    filled(cache, 1)
    assert cache.open(key(1)) is not None


def test_large_data_is_checked_at_both_ends_and_between(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    size = 3 * arrays.CHECKED_BYTES
    for place in (0, size - 1, size // 2):
        filled(cache, 1, size)
        with (tmp_path / key(1) / arrays.DATA).open("r+b") as data:
            data.seek(max(0, place - 10_000))
            data.write(b"\xff" * 20_000)
            data.truncate(size)
        assert cache.open(key(1)) is None


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path, limit_bytes=4500)
    for number in range(3):
        filled(cache, number)
        age(cache, number, number)
    assert cache.open(key(0)) is not None  # now it is the last one used
    filled(cache, 3)
    assert [e.key for e in cache.entries()] == [key(2), key(0), key(3)]
    assert sum(e.bytes for e in cache.entries()) <= 4500


def test_what_is_in_use_or_just_written_stays(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path, limit_bytes=100)
    filled(cache, 1)
    used = cache.open(key(1))
    assert used is not None
    view = used["a"][10:20]
    del used
    age(cache, 1, 0)
    filled(cache, 2)
    assert [e.key for e in cache.entries()] == [key(1), key(2)]
    assert not cache.remove(key(1))
    assert view.tolist() == list(range(10, 20))
    del view
    cache.prune()
    assert cache.entries() == []


def test_arrays_that_were_just_written_are_in_use_too(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    kept = filled(cache, 1)
    assert cache.clear() == 0
    assert cache.open(key(1)) is not None
    del kept
    assert cache.clear() > 1000
    assert os.listdir(tmp_path) == []


def test_another_process_sees_that_an_entry_is_in_use(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    filled(cache, 1)
    code = (
        "import sys; from pathlib import Path; from deepwell.store.arrays import ArrayCache\n"
        "kept = ArrayCache(Path(sys.argv[1])).open(sys.argv[2]); print(kept['a'].sum(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, key(1)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as user:
        assert user.stdout is not None
        assert int(user.stdout.readline()) == int((np.arange(1000) % 251).sum())
        assert not cache.remove(key(1))
        user.kill()
        user.wait()
    assert cache.remove(key(1))


def test_two_writers_of_one_entry_are_both_fine(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    with cache.write(key(1)) as first:
        first.array("a", (4,), np.int64)[:] = 5
        with cache.write(key(1)) as second:
            second.array("a", (4,), np.int64)[:] = 5
    assert first.arrays["a"].tolist() == second.arrays["a"].tolist() == [5] * 4
    assert os.listdir(tmp_path) == [key(1)]


def test_a_full_disk_is_said_in_words_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ArrayCache(tmp_path)

    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    said = r"(?s)No space left.*5,000 bytes are needed.*are free.*deepwell cache --clear"
    with pytest.raises(RunError, match=said) as error, cache.write(key(1)) as writer:
        writer.array("a", (5000,), np.uint8)
    assert str(tmp_path) in str(error.value)
    assert os.listdir(tmp_path) == []


def test_what_nobody_uses_makes_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ArrayCache(tmp_path)
    filled(cache, 1)
    kept = filled(cache, 2)
    allocate = os.posix_fallocate

    def nearly_full(descriptor: int, start: int, size: int) -> None:
        if (tmp_path / key(1)).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(descriptor, start, size)

    monkeypatch.setattr(os, "posix_fallocate", nearly_full)
    filled(cache, 3)
    assert sorted(e.key for e in cache.entries()) == sorted([key(2), key(3)])
    assert kept[7] == 7


def test_systems_without_reservation_write_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    assert filled(ArrayCache(tmp_path), 1, 3_000_000)[250] == 250


def test_a_directory_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = ArrayCache(tmp_path / "file" / "cache")
    with (
        pytest.raises(RunError, match=r"(?s)could not be written: Not a directory.*DEEPWELL_CACHE"),
        cache.write(key(1)),
    ):
        pass
    assert cache.open(key(1)) is None
    assert cache.entries() == []
    assert cache.clear() == 0


def test_a_disk_without_locks_is_refused_when_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ArrayCache(tmp_path)
    filled(cache, 1)

    def no_locks(descriptor: Any, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(arrays.fcntl, "flock", no_locks)
    assert cache.open(key(1)) is None
    with pytest.raises(RunError, match="No locks available"), cache.write(key(2)):
        pass
    assert os.listdir(tmp_path) == [key(1)]


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert default_root() == tmp_path / "a"
    monkeypatch.delenv("DEEPWELL_CACHE")
    assert default_root() == tmp_path / "b" / "deepwell"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == tmp_path / ".cache" / "deepwell"
