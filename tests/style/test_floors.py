"""Floors: a folder imports only from folders above it, and what must start light imports nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deepwell

ROOT = Path(deepwell.__file__).parent
FLOORS = (
    "core store data decoding metrics bundle nn losses training evaluation explain export tracking reports families tasks "
    "runtime runs tune conformance estimator keras serve verbs cli"
).split()
LIGHT = "core store data decoding metrics bundle reports families tasks runtime serve verbs cli".split()
HEAVY = ("torch", "polars", "sklearn", "matplotlib", "pandas", "scipy")


def imports(path: Path) -> list[tuple[str, int]]:
    """Absolute names of everything a file imports anywhere, but for TYPE_CHECKING blocks."""
    found = []
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            found.append((node.module or "", node.lineno))
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def floor_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "deepwell" and len(parts) > 1 and parts[1] in FLOORS else None


def files() -> list[Path]:
    return sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or p.stem in FLOORS)


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_floor_imports_only_from_above(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert own in FLOORS, f"{own} is not a floor: add it to the list in docs/architecture.md with its reason"
    for module, line in imports(path):
        floor = floor_of(module)
        if floor is not None and floor != own:
            assert FLOORS.index(floor) < FLOORS.index(own), f"{path}:{line}: {own} imports {floor} from below it"


def test_polars_lives_in_the_sources_only() -> None:
    for path in ROOT.rglob("*.py"):
        if any(name.split(".")[0] == "polars" for name, _ in imports(path)):
            assert path.is_relative_to(ROOT / "data" / "sources"), f"{path} imports polars"


def test_tasks_never_import_each_other() -> None:
    for path in (ROOT / "tasks").glob("*.py"):
        if path.stem != "__init__":
            names = [name for name, _ in imports(path)]
            # tasks/games holds rules, not tasks.
            others = [n for n in names if n.startswith("deepwell.tasks") and not n.startswith("deepwell.tasks.games")]
            assert not others, f"{path} imports {others}"


def heavy_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ast.literal_eval(done.stdout))


def test_light_floors_import_nothing_heavy() -> None:
    """Every module of the light floors in one process: listing tasks and reading bundles must stay quick."""
    modules = [
        ".".join(("deepwell", *p.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        for floor in LIGHT
        for p in sorted((ROOT / floor).rglob("*.py"))
        if "sources" not in p.parts
    ]
    assert heavy_after("\n".join(f"import {m}" for m in modules)) == set()


def test_importing_the_package_loads_no_library_at_all() -> None:
    code = "import sys, deepwell; print('numpy' in sys.modules, hasattr(deepwell, 'train'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_listing_tasks_imports_no_torch() -> None:
    code = "from deepwell.cli import main; main(['tasks']); main(['tasks', 'tabular'])"
    probe = f"{code}\nimport sys\nassert 'torch' not in sys.modules and 'polars' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "tabular" in done.stdout
    assert "learning_rate" in done.stdout
