"""Real Keras, on its torch backend, to compare with: chosen by environment before anybody imports it, with a home of its own."""

import os
import tempfile
import threading
from pathlib import Path

import pytest

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("KERAS_HOME", os.path.join(tempfile.gettempdir(), "deepwell-tests-keras-home"))
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real Keras's variables have not yet followed numpy 2; that warning is theirs and not ours."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(
                pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
            )


@pytest.fixture
def server():
    from tests.keras.file_server import Server

    found = Server()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty machine: no data, no cache, and nobody waits."""
    from deepwell.keras.datasets import files

    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("DEEPWELL_DATA", raising=False)
    monkeypatch.setattr(files, "PAUSE", 0.0)
    return tmp_path
