"""Probes stay small: what a contract needs 60 lines for is what a contract costs."""

import ast
from pathlib import Path

import pytest

PROBES = sorted(
    p
    for p in Path(__file__).parent.glob("*.py")
    if p.stem not in ("__init__", "networks", "board") and "test" not in p.stem
)


def code_lines(path: Path) -> int:
    """Lines that hold code: neither blank, nor import, nor docstring."""
    tree = ast.parse(path.read_text())
    skipped: set[int] = set()
    for node in ast.walk(tree):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if text or isinstance(node, ast.Import | ast.ImportFrom):
            skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(1 for i, line in enumerate(path.read_text().splitlines(), 1) if line.strip() and i not in skipped)


def test_there_are_five() -> None:
    assert [p.stem for p in PROBES] == ["adversaries", "ragged", "self_made", "stepwise", "windows"]


@pytest.mark.parametrize("path", PROBES, ids=lambda p: p.stem)
def test_a_probe_has_at_most_60_lines_of_code(path: Path) -> None:
    assert code_lines(path) <= 60
