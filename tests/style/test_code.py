"""Gates on the source: sizes, inheritance, what must not occur, docstrings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import deepwell

ROOT = Path(deepwell.__file__).parent
TESTS = Path(__file__).parents[1]
FILES = sorted(ROOT.rglob("*.py"))
FORBIDDEN = {
    "pickle", "marshal", "dill", "joblib", "shelve", "cloudpickle", "torch.load", "torch.jit.load", "torch.export.load",
    "eval", "exec", "compile", "os.system", "subprocess.getoutput", "yaml.load", "extractall",
}  # fmt: skip
# Where the data verb keyword options are refused with the nearest known name at once.
KEYWORD_DOORS = {"verbs/train.py:train", "verbs/check.py:check", "verbs/predict.py:predict", "verbs/demo.py:demo",
                 "verbs/try_.py:try_",
                 "keras/ops/whole.py:called", "keras/optimizers/base.py:__new__", "keras/loss_base.py:__new__",
                 "keras/metrics/base.py:__new__",
                 "estimator.py:set_params", "core/batch.py:replace", "keras/described.py:__init__", "keras/layer.py:__call__",
                 "keras/layers.py:merge", "keras/model.py:compile", "keras/model.py:fit"}  # fmt: skip


def parametrize() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@parametrize()
def test_a_file_reads_from_top_to_bottom(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400, "over 400 lines: split it by idea"
    assert ast.get_docstring(ast.parse(text)), "a file begins with what it is"
    assert "TODO" not in text
    assert "FIXME" not in text


@parametrize()
def test_functions_are_short_and_take_few_parameters(path: Path) -> None:
    for f in functions(ast.parse(path.read_text())):
        length = (f.end_lineno or f.lineno) - f.lineno + 1
        assert length <= 60, f"{f.name}: {length} lines"
        names = [a.arg for a in [*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs] if a.arg not in ("self", "cls")]
        assert len(names) <= 8, f"{f.name} takes {len(names)} parameters: give it a Config"
        if f.args.kwarg:
            where = f"{path.relative_to(ROOT)}:{f.name}"
            assert where in KEYWORD_DOORS, f"{where}: ** passes unknown options on"


@parametrize()
def test_nothing_that_runs_foreign_code_or_hides_errors(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert dotted(node.func) not in FORBIDDEN, f"line {node.lineno}: {dotted(node.func)}"
            for word in node.keywords:
                value = word.value.value if isinstance(word.value, ast.Constant) else None
                assert not (word.arg in ("shell", "allow_pickle", "weights_only") and value is not False), node.lineno
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
            assert not {n.split(".")[0] for n in names} & {"pickle", "marshal", "dill", "joblib", "shelve"}, node.lineno
        if isinstance(node, ast.ExceptHandler):
            listed = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            caught = {dotted(n) if n else "" for n in listed}
            assert not {"", "Exception", "BaseException"} & caught, f"line {node.lineno}: broad except"
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: assert vanishes under python -O"


@parametrize()
def test_public_functions_say_what_they_do(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"class {node.name} has no docstring"
            for f in node.body:
                if isinstance(f, ast.FunctionDef) and not f.name.startswith("_"):
                    assert ast.get_docstring(f), f"{node.name}.{f.name} has no docstring"
    for f in (n for n in tree.body if isinstance(n, ast.FunctionDef)):
        assert f.name.startswith("_") or ast.get_docstring(f), f"{f.name} has no docstring"


def test_inheritance_is_shallow() -> None:
    bases: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [dotted(b).split(".")[-1] for b in node.bases]

    def depth(name: str) -> int:
        return max((1 + depth(b) for b in bases[name] if b in bases and b != name), default=0)

    # The error tree is drawn at the top of its file; its depth is its content.
    errors = {n for n in bases if depth_of_errors(n, bases)}
    deep = {n: depth(n) for n in bases if depth(n) > 2 and n not in errors}
    assert not deep
    assert not [n for n in bases if n.endswith("Mixin")]


def depth_of_errors(name: str, bases: dict[str, list[str]]) -> bool:
    return name == "DeepwellError" or any(depth_of_errors(b, bases) for b in bases.get(name, []) if b != name)


def test_there_is_no_utils() -> None:
    for path in FILES:
        if path == ROOT / "keras" / "utils.py":  # the name is Keras's
            continue
        assert not re.search(r"(utils?|common|helpers?|misc)$", path.stem), path
        assert not re.search(r"(utils?|common|helpers?|misc)$", path.parent.name), path


def code_lines(path: Path) -> int:
    """Lines that are neither blank, comment nor docstring."""
    text = path.read_text()
    docs: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docs |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for i, line in lines if line.strip() and not line.strip().startswith("#") and i not in docs)


def test_tests_keep_up_with_the_code() -> None:
    assert sum(map(code_lines, TESTS.rglob("*.py"))) >= 0.8 * sum(map(code_lines, FILES))
