"""`deepwell VERB ...`: runs one verb and turns errors into texts and exit codes."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from deepwell.cli.parser import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong use, 75 interrupted."""
    # Threads that soon wait asleep instead of spinning: beside another busy process spinning makes a step up to 100 times
    # slower. A thousand turns bridge the gap between two small operations. It must be said before torch is loaded.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream, how in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):  # foreign bytes and signs are answered in words, not with a traceback
            with suppress(io.UnsupportedOperation):  # a stream that was read from stays as it is
                stream.reconfigure(errors=how)
    try:
        # Until a run listens for itself, SIGTERM ends a command as Ctrl-C does.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        return _run(arguments)
    except BrokenPipeError:
        # The reader of our output has left (`| head`): nothing more to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        from deepwell.core.errors import Interrupted

        trained = arguments[:1] in (["train"], ["demo"])
        sys.stderr.write("\ninterrupted" + (" before training began; nothing was written\n" if trained else "\n"))
        return Interrupted.exit_code


def _run(arguments: list[str]) -> int:
    asked = parse(arguments)
    from deepwell.cli import commands
    from deepwell.core.errors import DeepwellError

    try:
        commands.run(asked, ["deepwell", *arguments])
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (DeepwellError, OSError, MemoryError) as error:
        return _explain(error, asked)
    return 0


def _explain(error: Exception, asked: argparse.Namespace) -> int:
    from deepwell.core.errors import DeepwellError

    if asked.traceback:
        raise error
    from deepwell.tracking.text import visible

    said = str(error) or "there is not enough memory"
    text = "\n".join(visible(line, 2000) for line in said.split("\n"))
    sys.stderr.write(f"error: {text}\n")
    return error.exit_code if isinstance(error, DeepwellError) else 1
