"""Finding tasks: by name, by file, by data; every way in which a file can be wrong is said in words."""

import subprocess
import sys

import pytest

from deepwell import tasks
from deepwell.core.config import make
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema

FROST = '''"""frost: a task of one's own."""
from dataclasses import dataclass
from typing import Annotated

from deepwell.core.config import Knob
from deepwell.core.task import Fit
from deepwell.families.prediction import Prediction, PredictionConfig


@dataclass(frozen=True)
class FrostConfig(PredictionConfig):
    cold: Annotated[float, Knob("how cold it is", "degrees")] = -3.0


class Frost(Prediction):
    Config = FrostConfig

    @classmethod
    def fits(cls, schema):
        return Fit(0.5, reason="why not")

    @classmethod
    def demo(cls, seed):
        return None

    def network(self, sizes):
        raise NotImplementedError
'''


def test_every_file_is_a_task_and_listing_them_imports_no_torch():
    code = "import sys; from deepwell import tasks; print([tasks.find(n).name() for n in tasks.names()], 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == f"{tasks.names()} False"
    assert "tabular" in tasks.names()


@pytest.mark.parametrize("name", ["image-classification", "image_classification"])
def test_dashes_count_as_underscores(name):
    if "image_classification" not in tasks.names():
        pytest.skip("there is no task of this name yet")
    assert tasks.find(name).name() == "image_classification"


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(ConfigError, match=r"no task 'tabluar'; did you mean 'tabular'\?"):
        tasks.find("tabluar")


def test_a_file_of_ones_own_is_found_named_and_configured(tmp_path):
    path = tmp_path / "my lab" / "frost.py"
    path.parent.mkdir()
    path.write_text(FROST)
    frost = tasks.find(str(path))
    assert frost.name() == "frost"
    assert make(frost.Config, {"cold": "-7"}).cold == -7
    assert tasks.find(str(path)) is frost  # run once
    path.write_text(FROST.replace("-3.0", "-4.0"))
    assert tasks.find(str(path)).Config().cold == -4.0
    assert "frost" not in tasks.names()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.py", "x = 1", "one final Task class; this one holds none"),
        ("b.py", FROST + "\nclass Snow(Frost):\n    pass\n", "this one holds 2: Frost, Snow"),
        ("c.py", FROST.replace("    def network(self, sizes):\n        raise NotImplementedError\n", ""), "Frost lacks network"),
        ("d.py", "x = 1\nimport no_such_module", r"d\.py, line 2[\s\S]*does not run: ModuleNotFoundError"),
        ("e.py", "x = 1\ny ===", r"e\.py, line 2[\s\S]*does not run: SyntaxError"),
        ("tabular.py", FROST, "an installed task 'tabular' already[\\s\\S]*rename the file"),
        ("my-frost.py", FROST, "named like frost.py"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_words(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=said):
        tasks.find(str(tmp_path / name))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.py[\s\S]*cannot be read: No such file"):
        tasks.find(str(tmp_path / "nothing.py"))


def test_the_task_that_suits_the_data_is_chosen():
    task, fit = tasks.choose(Schema((Field("a", "number"), Field("y", "category", "target"))))
    assert task.name() == "tabular"
    assert fit.rank > 0


def test_data_that_suits_no_task_is_told_why_by_each():
    with pytest.raises(
        DataError, match=r"no task suits this data:[\s\S]*tabular: no column is the target[\s\S]*--target"
    ):
        tasks.choose(Schema((Field("a", "number"),)))


def test_each_task_says_in_a_line_what_it_does():
    """`deepwell tasks` lists the first lines; a reference to the file says nothing to those who read the list."""
    said = {name: (tasks.find(name).__doc__ or "").splitlines()[0] for name in tasks.names()}
    assert not [name for name, line in said.items() if len(line) < 20 or "See the top" in line]
    assert len(set(said.values())) == len(said)
