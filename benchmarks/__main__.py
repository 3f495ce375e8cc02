"""`python -m benchmarks [NAME ...]` prints a table of figures, what they should reach, and the alternative in the same run.

Every figure comes from a whole process started here: raw files in, test scores out, imports, baselines and report included.
Nothing is set per data set; `--time` and the seed are the only options given.
"""

from __future__ import annotations

import argparse
import datetime
import os
from pathlib import Path

from benchmarks.outcomes import Row
from benchmarks.rows import ROWS
from deepwell.runs.machine import machine, versions


def main() -> None:
    """Run the asked rows and print one table; `--save` also writes it to benchmarks/results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"out of {', '.join(ROWS)}; all if none is given")
    parser.add_argument("--seeds", type=int, default=3, help="seeds per row that has several")
    parser.add_argument("--save", action="store_true", help="also write benchmarks/results/DATE.md")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(ROWS))
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; known: {', '.join(ROWS)}")
    lines = [_head(), "", "| row | figure | to reach | seen | beside it, in the same run |", "|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    path = Path(__file__).parent / "results" / f"{datetime.date.today().isoformat()}.md"
    for name in asked.names or ROWS:
        for row in ROWS[name](asked.seeds):
            lines.append(_line(name, row))
            print(lines[-1], flush=True)
        if asked.save:
            path.write_text("\n".join(lines) + "\n")


def _line(name: str, row: Row) -> str:
    return f"| {name} | {row.figure} | {row.goal} | {row.seen} | {row.beside} |"


def _head() -> str:
    here = machine()
    load = os.getloadavg()[0]
    made = ", ".join(f"{k} {v}" for k, v in versions().items())
    today = datetime.date.today().isoformat()
    return f"{today}: {here['processor']}, {here['cores']} cores, load {load:.1f} at the start; {made}"


if __name__ == "__main__":
    main()
