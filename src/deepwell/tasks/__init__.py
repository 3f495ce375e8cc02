"""Applications: one final class per file of this folder, found by the file's name. There is no list to edit.

A user's own task is the same kind of file anywhere: `find("my_lab/frost.py")` loads it. That runs the file, so only the
person at the keyboard may name it; a bundle never does. Imports no torch.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

from deepwell.core.errors import ConfigError, DataError, nearest
from deepwell.core.fields import Schema
from deepwell.core.task import Fit, Task

BY_ITSELF = 0.1
"""Tasks that suit a schema less than this are only taken by name: data without a target may lack it by mistake."""


def names() -> list[str]:
    """The names of all installed tasks, in alphabetical order."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_") and not m.ispkg)


def find(name: str) -> type[Task]:
    """The class of an installed task, or of the task in a Python file.

    name: as `names` gives it (dashes count as underscores), or the path of a file that ends in .py.
    Raises ConfigError: there is no such task (with the nearest), or the file does not hold exactly one.
    """
    if name.endswith(".py") or "/" in name or "\\" in name:
        return _only_task(_load(Path(name)), name)
    known = names()
    wanted = name.replace("-", "_")
    if wanted not in known:
        raise ConfigError(
            f"there is no task {name!r}{nearest(wanted, known)}",
            repair="`deepwell tasks` lists them; a task of your own is named by its file, e.g. --task my_lab/frost.py",
        )
    return _only_task(importlib.import_module(f"{__name__}.{wanted}"), wanted)


def choose(schema: Schema) -> tuple[type[Task], Fit]:
    """The installed task that suits a schema best, and how well; see BY_ITSELF.

    Raises DataError with every task's reason when none does.
    """
    ranked = [(task, task.fits(schema)) for task in map(find, names())]
    best = max(ranked, key=lambda pair: pair[1].rank, default=None)
    if best is None or best[1].rank < BY_ITSELF:
        reasons = "".join(f"\n  {task.name()}: {fit.reason}" for task, fit in ranked)
        raise DataError(
            f"no task suits this data:{reasons}",
            repair="name the column to learn (--target column), mend roles (--role column=role), or name a task (--task)",
        )
    return best


def _load(path: Path) -> ModuleType:
    """The module of a user's file, run once for each content. Raises ConfigError when it cannot be read or run."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the task file cannot be read: {error.strerror}", where=str(path)) from None
    stem = path.stem
    if path.suffix != ".py" or not stem.isidentifier():
        raise ConfigError(f"a task file is named like frost.py, after its task; got {path.name!r}", where=str(path))
    if stem in names():
        raise ConfigError(f"there is an installed task {stem!r} already", where=str(path), repair="rename the file")
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + content).hexdigest()[:16]
    qualified = f"deepwell_task_{digest}.{stem}"  # a task is named after the last part
    if qualified in sys.modules:
        return sys.modules[qualified]
    spec = importlib.util.spec_from_file_location(qualified, path)
    if spec is None or spec.loader is None:
        raise ConfigError("the task file cannot be loaded", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = module  # dataclasses and type hints look their module up
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError, AttributeError, TypeError, ValueError) as error:
        del sys.modules[qualified]
        line = getattr(error, "lineno", None) or _line(error, path)
        where = f"{path}, line {line}" if line else str(path)
        raise ConfigError(f"the task file does not run: {type(error).__name__}: {error}", where=where) from error
    return module


def _line(error: BaseException, path: Path) -> int | None:
    """The last line of the file that the error passed through."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _only_task(module: ModuleType, where: str) -> type[Task]:
    """The final Task class that a module defines. Raises ConfigError unless there is exactly one."""
    made_here = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]
    classes = [c for c in made_here if issubclass(c, Task)]
    final = [c for c in classes if not inspect.isabstract(c)]
    if len(final) == 1:
        return final[0]
    if final:
        found = ", ".join(c.__name__ for c in final)
        raise ConfigError(f"a task file holds one final Task class; this one holds {len(final)}: {found}", where=where)
    missing = [f"{c.__name__} lacks {', '.join(sorted(c.__abstractmethods__))}" for c in classes]
    raise ConfigError(
        "a task file holds one final Task class; this one holds " + ("; ".join(missing) if missing else "none"),
        where=where,
        repair="derive one class from deepwell.core.task.Task, or a family, with all required members",
    )
