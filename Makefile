# Everything a fresh machine needs is made by the first target that wants it.
PYTHON ?= python3
BIN := .venv/bin
export DEEPWELL_DATA ?= $(abspath ../shared/data)

.PHONY: demo test lint bench faults conformance docs clean

# torch first and pinned: an unpinned install draws gigabytes of CUDA packages.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/developing: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: .venv/installed
	$(BIN)/deepwell demo

test: .venv/developing lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: .venv/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

conformance: .venv/developing
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 0 -s tests/conformance

faults: .venv/developing
	OMP_NUM_THREADS=1 DEEPWELL_FAULTS=long $(BIN)/python -m pytest tests/faults

bench: .venv/installed
	$(BIN)/python -m benchmarks

docs: .venv/developing
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	$(BIN)/sphinx-build -W -b html docs docs/_build

clean:
	rm -rf .venv docs/_build .mypy_cache .ruff_cache .pytest_cache
