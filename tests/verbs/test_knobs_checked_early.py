"""Wrong knobs of a question are told before a network is built, with the help that lists those of the model."""

from pathlib import Path
from typing import Any

import pytest

import deepwell as dw
from deepwell.core.errors import ConfigError
from deepwell.runtime import predictor


@pytest.mark.parametrize("verb", ["predict", "try"])
def test_a_wrong_knob_is_told_before_the_network_is_built(
    trained: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def build(*words: Any) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr(predictor, "_network", build)
    ask: Any = {"predict": dw.predict, "try": dw.try_}[verb]
    with pytest.raises(ConfigError, match="there is no knob 'wrong'") as found:
        ask(trained, wrong="3")
    assert f"`deepwell {verb} {trained} --help` lists the knobs" in str(found.value)
