"""Real Keras, on its torch backend, to compare with: chosen by environment before anybody imports it, with a home of its own."""

import os
import tempfile
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
