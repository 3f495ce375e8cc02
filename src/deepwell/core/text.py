"""Text from files and strangers, made safe to print.

A file can hold escape sequences that move the cursor, hide lines or recolour a terminal, and direction marks that make a
name read as another. Whoever prints a string that came from a file passes it through here.
"""

from __future__ import annotations

import unicodedata


def escape_terminal(text: str, *, lines: bool = False) -> str:
    r"""The text with control, format, surrogate and unassigned characters written as `\x1b`, `\u202e` and so on.

    lines: keep line feeds and tabs, for texts of several lines.
    """
    if text.isprintable():
        return text
    keep = "\n\t" if lines else ""
    return "".join(c if c in keep or _visible(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def _visible(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] != "C" and category not in ("Zl", "Zp")


def quote(text: str, longest: int = 60) -> str:
    """The text in quotes, escaped and cut to `longest` characters, for error texts."""
    return f"'{escape_terminal(text[:longest])}{'...' if len(text) > longest else ''}'"
