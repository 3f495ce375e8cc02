"""The picture of a comparison: what is drawn, from which figures; and what is said where Keras is absent."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import draw, processes


def result() -> dict[str, Any]:
    figures = {
        "tuned": {"value": 0.99, "low": 0.97, "high": 1.01},
        "keras-jax": {"value": 2.0, "low": 1.8, "high": 2.2},
    }
    return {
        "date": "2026-01-31",
        "machine": {"processor": "Some processor", "cores": 2},
        "rows": {
            "convnet": {"figures": figures},
            "overhead": {"figures": {"tuned": {"value": 40.0, "low": 35.0, "high": 45.0}}},
            "time-to-99": {
                "seconds": {
                    "engine": [10.0, 12.0, 10.0],
                    "idiomatic": [60.0, 60.0, 90.0],
                    "keras-jax": [50.0, None, 50.0],
                }
            },
        },
    }


def test_bars_are_the_ratios_of_the_result() -> None:
    assert draw.bars(result()) == [
        draw.Bar("convnet", "tuned loop", 0.99, 0.97, 1.01),
        draw.Bar("convnet", "Keras", 2.0, 1.8, 2.2),
        draw.Bar(
            "time-to-99", "idiomatic loop", 6.0, 5.0, 9.0
        ),  # microseconds are no ratio; a side that never arrives neither
    ]


def test_the_command_writes_the_same_picture_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "result.json").write_text(json.dumps(result()))
    pictures = []
    for name in ("one.svg", "two.svg"):
        monkeypatch.setattr(sys, "argv", ["draw", str(tmp_path / "result.json"), str(tmp_path / name)])
        draw.main()
        pictures.append((tmp_path / name).read_text())
    assert pictures[0] == pictures[1]
    said = ["convnet on MNIST", "tuned loop  0.99×  (0.97 to 1.01)", "Keras  2×  (1.8 to 2.2)", "time to 99% on MNIST"]
    for words in (*said, "Some processor"):
        assert words in pictures[0]


def test_the_interval_is_drawn_where_it_lies() -> None:
    (axes,) = draw.draw(result()).axes
    drawn = [tuple(line.get_xdata()) for line in axes.lines]
    assert drawn[1:3] == [(0.97, 1.01), (0.99,)]
    low, high = axes.get_xlim()
    assert low < 0.97
    assert high > 9.0


def test_without_keras_the_way_to_get_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_PYTHON", str(tmp_path / "absent"))
    assert processes.keras_python() is None
    with pytest.raises(processes.MeasurementError, match="make bench-keras"):
        processes.measured("keras-jax", "convnet", 8, {})


def test_keras_is_asked_with_its_own_python_and_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho noise\necho "{\\"backend\\": \\"$KERAS_BACKEND\\", \\"words\\": \\"$*\\"}"\n')
    python.chmod(0o755)
    monkeypatch.setenv("KERAS_PYTHON", str(python))
    found = processes.measured("keras-jax", "mlp", 50, {})
    assert found == {"backend": "jax", "words": "-m benchmarks.keras_fit mlp --steps 50"}


def test_a_measurement_that_fails_says_its_last_line() -> None:
    code = "import sys; print('{}'); sys.exit('out of luck')"
    with pytest.raises(processes.MeasurementError, match="out of luck"):
        processes.line_of([sys.executable, "-c", code])
    with pytest.raises(processes.MeasurementError, match="exit code 0"):
        processes.line_of([sys.executable, "-c", "pass"])
