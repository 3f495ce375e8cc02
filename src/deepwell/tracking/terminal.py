"""The terminal as a sink: aligned blocks and one live progress line; plain lines where there is no terminal.

Unusual: rich lays out and colours, but only into a string; this file writes, so that a closed pipe reaches the caller as
the OSError it is (rich would end the process), and the live line is one carriage return, with no thread and no hidden cursor.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, TextIO

from deepwell.core.errors import ConfigError, nearest
from deepwell.tracking.lines import Block, block, progress

if TYPE_CHECKING:
    from rich.console import Console

MODES = ("auto", "quiet", "json")
_LABEL = 12
_STYLES = {"strong": "bold", "bad": "bold red", "faint": "dim", "": ""}


class Terminal:
    """Prints the events of a run.

    Args:
        mode: "auto": blocks and progress; "quiet": the verdict and failures only; "json": the events, one a line.
        stream: where to, standard output by default. Codes and the live line are used only where it is a terminal.
        clock: seconds; how often progress is printed (0.1 s apart live, 10 s apart in plain lines).

    emit raises OSError or ValueError when the stream is closed, as a Sink may.
    """

    def __init__(
        self, mode: str = "auto", stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}; got {mode!r}{nearest(mode, MODES)}")
        self.mode = mode
        self._stream = stream or sys.stdout
        self._clock = clock
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._due = float("-inf")
        self._drawn = False
        self._console: Console | None = None
        self._check: Mapping[str, Any] | None = None
        self._last_label = ""

    def emit(self, event: Mapping[str, Any]) -> None:
        """Prints one event as the mode says."""
        kind = event.get("event")
        if self.mode == "json":
            self._write(json.dumps(event, ensure_ascii=True) + "\n")
        elif self.mode == "quiet":
            if kind == "verdict" or (kind == "end" and event.get("status") != "done"):
                self._print(block(event))
        elif kind == "progress":
            self._progress(event)
        elif kind == "check":
            self._check = event
        elif kind == "phase" and (event.get("wall") or {}).get("seconds") is None:
            self._begin(str(event.get("name", "")))
        else:
            self._print(block(event))

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()

    # blocks ------------------------------------------------------------------------------------------------------------
    def _print(self, found: Block | None) -> None:
        if found is None:
            return
        label = (
            "" if found.label == self._last_label and found.label in ("baseline", "decision", "time") else found.label
        )
        self._last_label = found.label
        text = self._coloured(found, label) if self._live else _plain(found, label)
        self._write(self._erase() + text)

    def _erase(self) -> str:
        drawn, self._drawn = self._drawn, False
        return "\r\x1b[2K" if drawn else ""

    def _coloured(self, found: Block, label: str) -> str:
        from rich.table import Table
        from rich.text import Text

        console = self._rich()
        style = _STYLES[found.style]
        outer = Table.grid()
        outer.add_column(width=_LABEL, no_wrap=True)
        outer.add_column(ratio=1)
        for cells, rows in groupby(found.rows, len):
            inner = Table.grid(padding=(0, 2, 0, 0))
            for i in range(cells):
                last = i == cells - 1
                inner.add_column(no_wrap=not last, overflow="fold" if last else "ellipsis")
            for row in rows:
                inner.add_row(*(Text(c, style="bold" if i == 0 < cells - 1 else style) for i, c in enumerate(row)))
            outer.add_row(Text(label, style="cyan"), inner)
            label = ""
        with console.capture() as captured:
            console.print(outer)
        return captured.get()

    def _rich(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self._stream, highlight=False, markup=False, emoji=False)
        return self._console

    # the live line -----------------------------------------------------------------------------------------------------
    def _begin(self, phase: str) -> None:
        if self._live:
            self._write(f"\r\x1b[2K{phase} …"[:100])
            self._drawn = True

    def _progress(self, event: Mapping[str, Any]) -> None:
        now = self._clock()
        last = event.get("of") is not None and event.get("step") == event.get("of")
        if now < self._due and not last:
            return
        self._due = now + (0.1 if self._live else 10.0)
        head, facts = progress(event, self._check)
        if not self._live:
            self._write(f"{'train':<{_LABEL}}{'  '.join([head, *facts])}\n")
            self._last_label = "train"
            return
        share = event["step"] / event["of"] if event.get("of") else None
        self._write("\r\x1b[2K" + fit_line(head, facts, share, shutil.get_terminal_size().columns - 1))
        self._drawn = True


def fit_line(head: str, facts: list[str], share: float | None, width: int) -> str:
    """The progress line in at most `width` characters: the last facts give way first, a bar takes what is left over.

    share: how much is done, 0 to 1; None: no bar.
    """
    kept = list(facts)
    while kept and len("  ".join([head, *kept])) > width:
        kept.pop()
    room = width - len("  ".join([head, *kept])) - 2
    if share is not None and room >= 8:
        cells = min(room, 30)
        done = min(cells, max(0, round(share * cells)))
        head += "  " + "━" * done + "╌" * (cells - done)
    return "  ".join([head, *kept])[:width]


def _plain(found: Block, label: str) -> str:
    """The block without codes: cells aligned, nothing wrapped, so that each row stays one line for grep."""
    lines = []
    for cells, group in groupby(found.rows, len):
        rows = list(group)
        widths = [max(len(row[i]) for row in rows) for i in range(cells - 1)] + [0]
        lines += ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "".join(f"{label if i == 0 else '':<{_LABEL}}{line}".rstrip() + "\n" for i, line in enumerate(lines))
