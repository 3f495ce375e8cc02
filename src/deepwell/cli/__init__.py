"""The command line: parse -> verb -> print. No logic, and nothing heavy is imported before a verb runs."""

from deepwell.cli.main import main

__all__ = ["main"]
