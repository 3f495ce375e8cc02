"""What every fault must do: exit code 2, a text that teaches, no traceback, nothing left behind. And lives to be killed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import QUICK, CommandLine, Said, made
from tests.faults.lives import Nursery, Place, nursery, subjects

Train = Callable[..., Said]
Refused = Callable[..., str]


@pytest.fixture
def train(deepwell: CommandLine, tmp_path: Path) -> Train:
    """train(data, ...) runs a very short training with all runs below tmp_path/runs."""

    def run(*words: object, quick: bool = True) -> Said:
        return deepwell("train", *words, "--out", tmp_path / "runs", "--quiet", *(QUICK if quick else ()))

    return run


@pytest.fixture
def refused(train: Train, tmp_path: Path) -> Refused:
    """refused(data, ...) asserts that a training is refused before it begins, and gives the error text."""

    def run(*words: object, quick: bool = True) -> str:
        said = train(*words, quick=quick)
        assert (said.code, said.out) == (2, ""), said
        assert said.err.startswith("error: ")
        assert "Traceback" not in said.err
        assert made(tmp_path / "runs") == []
        return said.err

    return run


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    """Where `train` puts its first run on a table."""
    return tmp_path / "runs" / "tabular" / "001"


@pytest.fixture(scope="session")
def forks() -> Iterator[Nursery]:
    """The process that forks lives, one for all tests."""
    with nursery() as found:
        yield found


@pytest.fixture(scope="session")
def undisturbed(forks: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Place]:
    """undisturbed("MLP"): the place of a training that nobody disturbed, made once; its subject is `.subject`."""
    folder = tmp_path_factory.mktemp("undisturbed")
    asked, found = subjects(folder), dict[str, Place]()

    def give(name: str) -> Place:
        if name not in found:
            found[name] = Place(folder / name.replace(" ", "-"), forks, asked[name])
            life = found[name].train()
            assert life["code"] == 0, life
        return found[name]

    return give
