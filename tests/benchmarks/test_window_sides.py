"""The sides of the window benchmark give the same windows in the same order; the rows of time and place all exist."""

import importlib
import sys

import numpy as np
import pytest
import torch
from benchmarks.places_windows import CONTEXT, HORIZON, Case, TheirWindows, our_windows, sides
from torch.utils.data import DataLoader

from benchmarks import places
from deepwell.core.keys import Key

SMALL = Case(targets=2, marks=3, batch=16, steps=500)


def test_both_sides_give_the_same_windows():
    ours, theirs = our_windows(SMALL), TheirWindows(SMALL)
    assert ours.count == len(theirs) == SMALL.count == 500 - CONTEXT - HORIZON + 1
    order = np.random.default_rng(1).permutation(SMALL.count)
    batches = DataLoader(theirs, SMALL.batch, sampler=order.tolist())
    for number, batch in enumerate(batches):
        index = order[number * SMALL.batch : (number + 1) * SMALL.batch]
        arrays = ours.take(index, Key(0)).arrays
        for name, expected in zip(("past", "future", "past.known", "future.known"), batch, strict=True):
            torch.testing.assert_close(torch.from_numpy(arrays[name]), expected)
    assert [side() for side in sides(SMALL)] == [SMALL.count, SMALL.count]


def test_every_row_of_time_and_place_has_its_file():
    for name in places.NAMES:
        assert callable(importlib.import_module(f"benchmarks.places_{name}").main)


def test_rows_run_in_processes_of_their_own_and_typos_are_refused(monkeypatch, capsys):
    called = []
    monkeypatch.setattr(places.subprocess, "run", lambda command, check: called.append(command[1:]))
    monkeypatch.setattr(sys, "argv", ["places", "boxes", "windows"])
    places.main()
    assert called == [["-m", "benchmarks.places_boxes"], ["-m", "benchmarks.places_windows"]]
    monkeypatch.setattr(sys, "argv", ["places", "window"])
    with pytest.raises(SystemExit):
        places.main()
    assert "there is no row 'window'" in capsys.readouterr().err
