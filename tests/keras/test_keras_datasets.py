"""Data sets of the door: found, downloaded from a local server that breaks off and lies, read without running code.

The files are made here in the form of the published ones; real Keras prepares the same files for comparison.
"""

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError, DataError, RunError, UsageError
from deepwell.keras import datasets
from deepwell.keras.datasets import (
    archives,
    california_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    files,
    imdb,
    mnist,
    plain,
    reuters,
)
from deepwell.keras.datasets.files import DataSet, Remote


class Server(ThreadingHTTPServer):
    """files: path -> bytes. breaks: how many answers end half-way. ranges: whether parts are served. asked: what came in."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.breaks, self.ranges, self.asked = {}, 0, True, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        data, span = self.server.files.get(self.path.lstrip("/")), self.headers.get("Range")
        self.server.asked.append((self.path.lstrip("/"), span))
        if data is None:
            self.send_error(404)
            return
        begin = int(span.removeprefix("bytes=").rstrip("-")) if span and self.server.ranges else 0
        if begin >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        part = data[begin:]
        if self.server.breaks:
            self.server.breaks -= 1
            part = part[: len(part) // 2]
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    found = Server()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty machine: no data, no cache, and nobody waits."""
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("DEEPWELL_DATA", raising=False)
    monkeypatch.setattr(files, "PAUSE", 0.0)
    return tmp_path


BYTES = bytes(range(256)) * 5000
SET = DataSet("made")


def remote(server, data=BYTES, name="made.bin", digest=None):
    server.files[name] = data
    return Remote(name, server.url + name, digest or hashlib.sha256(data).hexdigest())


# downloads -----------------------------------------------------------------------------------------------------------
def test_a_download_happens_once(server, home, capsys):
    for _ in range(2):
        path = SET.get(remote(server))
        assert path == home / "cache" / "datasets" / "made" / "made.bin"
        assert path.read_bytes() == BYTES
    assert server.asked == [("made.bin", None)]
    assert capsys.readouterr().err == "downloading made.bin (1.3 MB)\n"
    assert [p.name for p in path.parent.iterdir() if p.name != ".lock"] == ["made.bin"]


def test_a_terminal_sees_how_far_it_is(server, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    SET.get(remote(server))
    said = capsys.readouterr().err
    assert said.startswith("\rdownloading made.bin ")
    assert said.endswith("\rdownloading made.bin 100% of 1.3 MB \n")


def test_a_file_without_a_checksum_is_taken_as_it_comes(server, home):
    folder = home / "cache" / "datasets" / "made"
    folder.mkdir(parents=True)
    (folder / "made.bin.part").write_bytes(b"x")
    server.files["made.bin"] = BYTES
    assert SET.get(Remote("made.bin", server.url + "made.bin", "")).read_bytes() == BYTES


def test_one_at_a_time_downloads_into_a_folder(server, home):
    from deepwell.store.lock import own

    folder = home / "cache" / "datasets" / "made"
    folder.mkdir(parents=True)
    with own(folder), pytest.raises(UsageError, match="owns this directory"):
        SET.get(remote(server))


@pytest.mark.parametrize("breaks", [1, 3])
def test_a_download_that_breaks_off_goes_on_where_it_ended(server, breaks):
    server.breaks = breaks
    assert SET.get(remote(server)).read_bytes() == BYTES
    begun = [int(span[6:-1]) for _, span in server.asked if span]
    assert begun == sorted(begun)
    assert len(begun) == breaks
    assert begun[0] == len(BYTES) // 2


def test_a_later_process_goes_on(server, home):
    folder = home / "cache" / "datasets" / "made"
    folder.mkdir(parents=True)
    (folder / "made.bin.part").write_bytes(BYTES[:1000])
    assert SET.get(remote(server)).read_bytes() == BYTES
    assert server.asked == [("made.bin", "bytes=1000-")]


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(BYTES), b"x" * (len(BYTES) + 5), BYTES])
def test_a_wrong_beginning_is_thrown_away(server, home, left):
    folder = home / "cache" / "datasets" / "made"
    folder.mkdir(parents=True)
    (folder / "made.bin.part").write_bytes(left)
    assert SET.get(remote(server)).read_bytes() == BYTES


def test_a_server_without_ranges_sends_all_again(server):
    server.ranges, server.breaks = False, 1
    assert SET.get(remote(server)).read_bytes() == BYTES


def test_an_old_md5_is_known_by_its_length(server):
    assert SET.get(remote(server, digest=hashlib.md5(BYTES).hexdigest())).read_bytes() == BYTES


def test_other_bytes_than_published_are_refused(server, home):
    with pytest.raises(RunError, match="gave other bytes than were published"):
        SET.get(remote(server, digest="0" * 64))
    assert not list(home.rglob("made.bin*"))


def test_without_network_the_error_says_which_file_goes_where(server, home):
    gone = Remote("made.bin", "http://127.0.0.1:9/made.bin", "0" * 64)
    with pytest.raises(DataError) as caught:
        SET.get(gone)
    assert "made.bin is not on this machine and could not be downloaded from http://127.0.0.1:9/made.bin" in str(
        caught.value
    )
    assert f"put the file at {home / 'cache' / 'datasets' / 'made' / 'made.bin'}, or set DEEPWELL_DATA" in str(
        caught.value
    )
    with pytest.raises(DataError, match="Not Found"):
        SET.get(Remote("other", server.url + "other", "0" * 64))


def test_a_connection_that_gives_nothing_ends_in_words(server):
    server.breaks = 10**6
    with pytest.raises(DataError, match="breaks off again and again"):
        SET.get(remote(server, data=b"x"))


@pytest.mark.parametrize("place", ["here", "made", "datasets/made", "datasets", ""])
def test_files_of_the_user_come_first_and_are_not_downloaded(server, home, monkeypatch, place):
    monkeypatch.setenv("DEEPWELL_DATA", str(home / "data"))
    folder = home / "data" / place
    folder.mkdir(parents=True)
    (folder / "made.bin").write_bytes(b"mine")
    assert DataSet("made", ("here",)).get(remote(server)).read_bytes() == b"mine"
    assert server.asked == []


def test_keras_s_own_cache_serves_too(server, home):
    folder = home / "keras" / "datasets"
    folder.mkdir(parents=True)
    (folder / "made.bin").write_bytes(b"mine")
    assert SET.get(remote(server)).read_bytes() == b"mine"
    assert SET.get(remote(server), str(folder / "made.bin")).read_bytes() == b"mine"
    assert SET.get(remote(server), "other.bin").name == "other.bin"  # another name of the same file


# pickles without unpickling ------------------------------------------------------------------------------------------
def objects(lists):
    array = np.empty(len(lists), object)
    array[:] = lists
    return array


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(values, st.sampled_from([2, 3, 4, 5]))
def test_plain_values_are_read_as_they_were_written(value, protocol):
    assert plain.read(pickle.dumps(value, protocol)) == value


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(-300, 100_000), max_size=30), min_size=1, max_size=5), st.sampled_from([2, 3, 4, 5])
)
def test_arrays_of_lists_are_read(lists, protocol):
    lists = [[*one, i] for i, one in enumerate(lists)]  # of unequal contents, so that none is shared
    assert plain.read(pickle.dumps(objects(lists), protocol)) == lists


def test_arrays_of_lists_as_python_2_wrote_them():
    text = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01K\x02\x85"
        b"cnumpy\ndtype\nq\x04U\x02O8K\x00K\x01\x87Rq\x05(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]q\x06("
        b"]q\x07(K\x01M\x10'J\x70\x11\x01\x00\x8a\x02\x00\x01e]r\x00\x01\x00\x00K\x05aetb."
    )
    assert plain.read(text) == [[1, 10_000, 70_000, 256], [5]]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "f4", "b1"])
def test_arrays_of_numbers_are_read(dtype, protocol):
    array = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    for one in (array, np.asfortranarray(array), array[:0]):
        found = plain.read(pickle.dumps({"data": one}, protocol))["data"]
        np.testing.assert_array_equal(found, one)
        assert found.dtype == one.dtype.newbyteorder("=")


class Evil:
    def __reduce__(self):
        return (print, ("run!",))


@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_is_run(protocol, capsys):
    for value in (Evil(), [Evil()], objects([Evil()]), Path("x"), np.random.default_rng, {1, 2}):
        with pytest.raises(DataError, match=r"pickle (names|holds)"):
            plain.read(pickle.dumps(value, protocol))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("damaged", [b"t.", b"]e.", b"(t(", b"}q\x00Nh\x00s."], ids=["mark", "list", "end", "itself"])
def test_pickles_that_end_too_early_or_hold_themselves_are_refused_in_words(damaged):
    with pytest.raises(DataError, match="damaged or of a form that is not read here"):
        plain.read(damaged)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_pickles_end_in_words_or_in_plain_values(data):
    whole = bytearray(pickle.dumps({"labels": [1, 300, 70_000], "data": np.arange(6, dtype="u1")}, 2))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    try:
        found = plain.read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except DataError:
        return
    assert isinstance(found, dict | list | tuple | int | float | str | bytes | np.ndarray | None)


# the sets ------------------------------------------------------------------------------------------------------------
def npz(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def serve(server, monkeypatch, module, attribute, data):
    """The module's file comes from the local server."""
    old = getattr(module, attribute)
    monkeypatch.setattr(module, attribute, remote(server, data, old.name))


def packed(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def digits(n, seed):
    draws = np.random.default_rng(seed)
    return draws.integers(256, size=(n, 28, 28)).astype("u1"), draws.integers(10, size=n).astype("u1")


def idx_gz(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape)
    return gzip.compress(head + array.tobytes())


def test_mnist_from_a_download(server, monkeypatch):
    (x, y), (u, v) = digits(20, 0), digits(5, 1)
    serve(server, monkeypatch, mnist, "DIGITS", packed(x_train=x, y_train=y, x_test=u, y_test=v))
    (x_train, y_train), (x_test, y_test) = datasets.mnist.load_data()
    for found, wanted in ((x_train, x), (y_train, y), (x_test, u), (y_test, v)):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == np.uint8


def test_mnist_from_its_original_files(home, monkeypatch):
    monkeypatch.setenv("DEEPWELL_DATA", str(home))
    folder = home / "image-classification" / "mnist"
    folder.mkdir(parents=True)
    (x, y), (u, v) = digits(20, 0), digits(5, 1)
    for name, array in zip(
        ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"), (x, y, u, v), strict=True
    ):
        (folder / f"{name}-ubyte.gz").write_bytes(idx_gz(array))
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    for found, wanted in ((x_train, x), (y_train, y), (x_test, u), (y_test, v)):
        np.testing.assert_array_equal(found, wanted)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(idx_gz(v)[:-6])
    with pytest.raises(DataError, match="remove it and load again"):
        mnist.load_data()


REAL = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.skipif(
    not (REAL / "image-classification" / "mnist").is_dir(), reason=f"no MNIST at {REAL} (set DEEPWELL_DATA)"
)
def test_the_real_mnist(monkeypatch):
    monkeypatch.setenv("DEEPWELL_DATA", str(REAL))
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == (
        (60000, 28, 28),
        (60000,),
        (10000, 28, 28),
        (10000,),
    )
    assert y_train[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert y_test[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    assert x_train.mean() == pytest.approx(33.318421, abs=1e-5)  # as published for scaling: 0.1307 x 255


def test_fashion_mnist_from_four_downloads(server, monkeypatch):
    (x, y), (u, v) = digits(20, 2), digits(5, 3)
    data = [idx_gz(array) for array in (x, y, u, v)]
    for name, one in zip(fashion_mnist.IDX, data, strict=True):
        server.files[name] = one
    monkeypatch.setattr(fashion_mnist, "SOURCE", server.url)
    monkeypatch.setattr(fashion_mnist, "DIGESTS", tuple(hashlib.sha256(one).hexdigest() for one in data))
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    assert (x_train == x).all()
    assert (y_train == y).all()
    assert (x_test == u).all()
    assert (y_test == v).all()


def test_fashion_is_not_taken_for_digits(server, home, monkeypatch):
    """Their files have the same names."""
    monkeypatch.setenv("DEEPWELL_DATA", str(home))
    folder = home / "image-classification" / "mnist"
    folder.mkdir(parents=True)
    (folder / fashion_mnist.IDX[0]).write_bytes(idx_gz(digits(2, 0)[0]))
    monkeypatch.setattr(fashion_mnist, "SOURCE", server.url)
    with pytest.raises(DataError, match="is not on this machine"):
        fashion_mnist.load_data()


def python2_pickle(batch, labels, coarse=None):
    """What Python 2 wrote: texts are byte strings."""

    def text(word):
        return b"U" + bytes([len(word)]) + word.encode()

    def ints(numbers):
        return b"](" + b"".join(b"K" + bytes([n]) for n in numbers) + b"e"

    raw = batch.tobytes()
    shape = b"M" + struct.pack("<H", batch.shape[0]) + b"M" + struct.pack("<H", batch.shape[1]) + b"\x86"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape
        + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", len(raw)) + raw + b"tb"
    )  # fmt: skip
    pairs = text("data") + array + text("filenames") + b"]" + text("batch_label") + text("one of 5")
    if coarse is None:
        pairs += text("labels") + ints(labels)
    else:
        pairs += text("fine_labels") + ints(labels) + text("coarse_labels") + ints(coarse)
    return b"\x80\x02}(" + pairs + b"u."


def tar(contents):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def colours(n, seed):
    return np.random.default_rng(seed).integers(256, size=(n, 3072)).astype("u1")


def test_cifar10(server, monkeypatch):
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    raw = {name: (colours(3, i), [(i + j) % 10 for j in range(3)]) for i, name in enumerate(names)}
    contents = {f"cifar-10-batches-py/{name}": python2_pickle(*both) for name, both in raw.items()}
    serve(server, monkeypatch, cifar10, "ARCHIVE", tar(contents))
    (x, y), (u, v) = cifar10.load_data()
    assert x.shape == (15, 32, 32, 3)
    assert x.dtype == y.dtype == np.uint8
    assert y[:4].tolist() == [[0], [1], [2], [1]]
    assert v.tolist() == [[5], [6], [7]]
    red = raw["data_batch_2"][0][1][:1024].reshape(32, 32)
    np.testing.assert_array_equal(x[4, :, :, 0], red)
    assert u.shape == (3, 32, 32, 3)


@pytest.mark.parametrize(("mode", "wanted"), [("fine", [[7], [99]]), ("coarse", [[1], [19]])])
def test_cifar100(server, monkeypatch, mode, wanted):
    contents = {
        f"cifar-100-python/{part}": python2_pickle(colours(2, 0), [7, 99], [1, 19])
        for part in ("meta", "test", "train")
    }
    serve(server, monkeypatch, cifar100, "ARCHIVE", tar(contents))
    (x, y), (_, v) = cifar100.load_data(mode)
    assert x.shape == (2, 32, 32, 3)
    assert y.tolist() == v.tolist() == wanted


def test_an_archive_that_was_unpacked_serves_too(home, monkeypatch):
    monkeypatch.setenv("DEEPWELL_DATA", str(home))
    folder = home / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        (folder / name).write_bytes(python2_pickle(colours(2, 0), [1, 2]))
    assert cifar10.load_data()[0][0].shape == (10, 32, 32, 3)


def reviews(n, seed):
    draws = np.random.default_rng(seed)
    return objects([(draws.zipf(1.5, draws.integers(2, 12)) % 60).tolist() for _ in range(n)]), draws.integers(
        2, size=n
    )


ASKED = [
    {},
    {"num_words": 20},
    {"num_words": 20, "skip_top": 4, "seed": 5},
    {"num_words": 20, "oov_char": None},
    {"maxlen": 8},
    {"start_char": None, "index_from": 0},
    {"start_char": None, "index_from": 7, "maxlen": 6, "num_words": 30},
]


def same(mine, theirs):
    for (x, y), (u, v) in zip(mine, theirs, strict=True):
        assert [list(map(int, one)) for one in x] == [list(map(int, one)) for one in u]
        assert list(map(int, y)) == list(map(int, v))
        assert x.dtype == object
        assert type(x[0]) is list
        assert all(type(word) is int for word in x[0])


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_imdb_is_prepared_as_keras_prepares_it(home, monkeypatch, asked):
    keras_imdb = pytest.importorskip("keras.src.datasets.imdb", reason="real Keras is not installed")
    (x, y), (u, v) = reviews(30, 0), reviews(25, 1)
    path = npz(home / "here" / "imdb.npz", x_train=x, y_train=y, x_test=u, y_test=v)
    monkeypatch.setattr(keras_imdb, "get_file", lambda *_, **__: str(path))
    same(imdb.load_data(path=str(path), **asked), keras_imdb.load_data(**asked))


@pytest.mark.parametrize("asked", [*ASKED, {"test_split": 0.5}], ids=str)
def test_reuters_is_prepared_as_keras_prepares_it(home, monkeypatch, asked):
    keras_reuters = pytest.importorskip("keras.src.datasets.reuters", reason="real Keras is not installed")
    x, y = reviews(40, 2)
    path = npz(home / "cache" / "datasets" / "reuters" / "reuters.npz", x=x, y=y)
    monkeypatch.setattr(keras_reuters, "get_file", lambda *_, **__: str(path))
    same(reuters.load_data(**asked), keras_reuters.load_data(**asked))
    assert reuters.get_label_names() == keras_reuters.get_label_names()


def test_imdb_from_a_download_with_its_words(server, monkeypatch):
    (x, y), (u, v) = reviews(6, 0), reviews(4, 1)
    serve(server, monkeypatch, imdb, "REVIEWS", packed(x_train=x, y_train=y, x_test=u, y_test=v))
    serve(server, monkeypatch, imdb, "WORDS", json.dumps({"the": 1, "film": 19}).encode())
    (x_train, _), (x_test, _) = imdb.load_data(num_words=10_000)
    assert (len(x_train), len(x_test)) == (6, 4)
    assert all(one[0] == 1 for one in x_train)
    assert imdb.get_word_index() == {"the": 1, "film": 19}


def test_no_text_is_short_enough(home):
    x, y = reviews(5, 0)
    path = npz(home / "imdb.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(DataError, match="no text is shorter than maxlen=1"):
        imdb.load_data(path=str(path), maxlen=1)


@pytest.mark.parametrize("asked", [{}, {"version": "small"}, {"test_split": 0.5, "seed": 3}], ids=str)
def test_california_is_shuffled_as_keras_does(server, monkeypatch, asked, tmp_path):
    keras_housing = pytest.importorskip("keras.src.datasets.california_housing", reason="real Keras is not installed")
    draws = np.random.default_rng(0)
    arrays = {"x": draws.normal(size=(700, 8)).astype("f4"), "y": draws.uniform(size=700).astype("f4")}
    serve(server, monkeypatch, california_housing, "HOUSES", packed(**arrays))
    path = npz(tmp_path / "c.npz", **arrays)
    monkeypatch.setattr(keras_housing, "get_file", lambda *_, **__: str(path))
    for mine, theirs in zip(california_housing.load_data(**asked), keras_housing.load_data(**asked), strict=True):
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_archive_with_code_in_it_is_refused(home, capsys):
    path = npz(home / "imdb.npz", x_train=objects([Evil()]), y_train=[0], x_test=objects([[1]]), y_test=[0])
    with pytest.raises(DataError) as caught:
        imdb.load_data(path=str(path))
    assert "imdb.npz" in str(caught.value)
    assert "print" in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", packed(other=np.zeros(3))])
def test_files_of_another_form_are_refused(home, data):
    path = home / "mnist.npz"
    path.write_bytes(data)
    with pytest.raises(DataError, match="is damaged or no archive of this data set"):
        mnist.load_data(path=str(path))
    with pytest.raises(DataError):
        archives.members(path, ["x"])
    with pytest.raises(DataError):
        archives.idx(path)


def test_pictures_of_another_form_are_refused(home):
    zeros = np.zeros(3)
    path = npz(home / "mnist.npz", x_train=zeros, y_train=zeros, x_test=zeros, y_test=zeros)
    with pytest.raises(DataError, match="holds no pictures with labels"):
        mnist.load_data(path=str(path))


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: cifar100.load_data("finest"), "label_mode is 'fine' or 'coarse'; got 'finest'"),
        (lambda: california_housing.load_data("medium"), "version is 'large' or 'small'; got 'medium'"),
        (lambda: california_housing.load_data(test_split=1.0), "test_split must be at least 0 and below 1"),
        (lambda: reuters.load_data(test_split=2), "test_split must be at least 0 and below 1"),
    ],
)
def test_what_cannot_be_is_refused_in_words(ask, text):
    with pytest.raises(ConfigError, match=text):
        ask()


def test_unknown_sets_are_refused_with_the_nearest():
    with pytest.raises(AttributeError, match="did you mean 'fashion_mnist'"):
        datasets.fashion_mnits  # noqa: B018
    assert set(datasets.__all__) <= set(dir(datasets))
    with pytest.raises(ImportError):
        from deepwell.keras.datasets import boston_housing  # noqa: F401
