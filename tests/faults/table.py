"""The one table of `make faults`, printed at the end: case, cases, survived, bit-equal, seconds lost.

A pytest plugin (-p tests.faults.table). Tests hand over their rows by `record_property("fault", row)`; tests that hand over
none (bad data, wrong options) are counted file by file. DEEPWELL_FAULTS_RESULTS=folder: also write it to faults-<date>.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

COLUMNS = ("case", "cases", "survived", "bit-equal", "seconds lost", "notes")
FILES = {
    "test_tables.py": "T16 bad tables",
    "test_pictures.py": "T16 bad pictures",
    "test_questions.py": "T16 bad questions",
    "test_options.py": "wrong options",
    "test_bad_use.py": "wrong budgets, wrong runs",
    "test_stops.py": "stops of a real process",
    "test_resume.py": "resume and replay in this process",
    "test_checkpoints.py": "T5 histories of checkpoints",
    "test_loop_state.py": "T6 loops cut and joined (and T7, T8, T9 step by step)",
}


def rows(reports: Sequence[Any]) -> list[dict[str, Any]]:
    """The table's rows, from the reports of all tests that ran."""
    found: list[dict[str, Any]] = []
    plain: dict[str, list[bool]] = {}
    for report in reports:
        given = [value for name, value in report.user_properties if name == "fault"]
        found += given
        file = FILES.get(Path(report.nodeid.split("::")[0]).name)
        if not given and file:
            plain.setdefault(file, []).append(report.passed)
    for case, passed in plain.items():
        found.append({"case": case, "cases": len(passed), "survived": sum(passed), "bit-equal": "", "seconds lost": ""})
    return sorted(found, key=lambda row: _order(row["case"]))


def _order(case: str) -> tuple[float, str]:
    number = case.split()[0].removeprefix("T")
    return (float(number) if number.isdigit() else 99.0, case)


def text(found: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    cells = [[str(row.get(c, "")) for c in COLUMNS] for row in found]
    wide = [max(len(line[i]) for line in [list(COLUMNS), *cells]) for i in range(len(COLUMNS))]
    lines = [list(COLUMNS), ["-" * w for w in wide], *cells]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, wide, strict=True)) + " |" for line in lines)


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, and write it where asked."""
    stats = terminalreporter.stats
    found = rows([r for r in [*stats.get("passed", []), *stats.get("failed", [])] if r.when == "call"])
    if not found:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(text(found))
    folder = os.environ.get("DEEPWELL_FAULTS_RESULTS")
    if folder:
        path = Path(folder, f"faults-{date.today().isoformat()}.md")
        path.write_text(f"# Faults\n\nMade by `make faults`.\n\n{text(found)}\n")
        terminalreporter.write_line(f"written to {path}")
