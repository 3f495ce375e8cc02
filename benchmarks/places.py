"""`python -m benchmarks.places [windows] [pictures] [boxes] [pooling]`: what the engine of time and place gains, side by side.

    windows    windows of a series a second, against a DataLoader that collates one window after the other
    pictures   pictures that a detector trains on a second, against an idiomatic loop over the same network
    boxes      suppression of overlapping boxes, and intervals of mean average precision, against loops
    pooling    max pooling by two against torch's, and a network whose far edges are not computed against all of it

Each row stands in a file of its own, benchmarks/places_NAME.py, and runs in a process of its own: what one side does to the
threads or the memory of a process must not reach the next row.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

NAMES = ("windows", "pictures", "boxes", "pooling")


def main() -> None:
    """Run the rows that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.places")
    parser.add_argument("names", nargs="*", metavar="row", help=", ".join(NAMES))
    asked = parser.parse_args().names
    unknown = sorted(set(asked) - set(NAMES))
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; there are {', '.join(NAMES)}")
    for name in asked or NAMES:
        print(f"## {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.places_{name}"], check=True)


if __name__ == "__main__":
    main()
