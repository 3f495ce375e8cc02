"""Data sets of the door, made here in the form of the published ones; real Keras prepares the same files for comparison."""

import gzip
import hashlib
import io
import json
import os
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tests.keras.file_server import Evil, objects, remote

from deepwell.core.errors import ConfigError, DataError
from deepwell.keras import datasets
from deepwell.keras.datasets import (
    archives,
    california_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)

pytestmark = pytest.mark.usefixtures("home")


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
