"""`python -m deepwell` and the console script `deepwell` are the command line."""

import gc
from typing import NoReturn

from deepwell.cli import main


def run() -> NoReturn:
    """Run the command and leave the process with its exit code."""
    code = main()
    gc.freeze()  # else the interpreter's last collection walks all of torch, for more than a second
    raise SystemExit(code)


if __name__ == "__main__":
    run()
