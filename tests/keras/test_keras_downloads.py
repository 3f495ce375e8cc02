"""Files of published sets: found, or downloaded from a local server that breaks off and lies."""

import hashlib

import pytest
from tests.keras.file_server import BYTES, SET, remote

from deepwell.core.errors import DataError, RunError, UsageError
from deepwell.keras.datasets.files import DataSet, Remote

pytestmark = pytest.mark.usefixtures("home")


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
