# Everything a fresh machine needs is made by the first target that wants it.
PYTHON ?= python3
BIN := .venv/bin
export DEEPWELL_DATA ?= $(abspath ../shared/data)

.PHONY: demo test lint bench bench-runs bench-language bench-places bench-keras faults conformance docs clean

# torch first and pinned: an unpinned install draws gigabytes of CUDA packages.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/developing: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,text,vision]"
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

# A part of it: make faults FAULTS="-k signal". A quarter of the kills: DEEPWELL_FAULTS_PART=1/4 make faults FAULTS="-k moment".
# DEEPWELL_FAULTS_RESULTS=benchmarks/results writes the table there as well.
FAULTS ?=
FAULT_TESTS := tests/faults tests/training/test_loop_state.py tests/training/test_checkpoints.py tests/runs/test_resume.py
faults: .venv/developing
	OMP_NUM_THREADS=1 DEEPWELL_FAULTS=long $(BIN)/python -m pytest -p tests.faults.table $(FAULT_TESTS) $(FAULTS)

# The engine beside loops by hand and Keras, e.g. make bench BENCH="--pairs 1 --rows convnet,mlp --no-keras"; then the classic
# first script beside Keras on its backends, 15 minutes (`make bench-keras` installs Keras).
BENCH ?= --save
bench: .venv/installed
	$(BIN)/python -m benchmarks.side_by_side $(BENCH)
	$(BIN)/python -m benchmarks.door

# Whole runs from raw files to scores beside other systems.
bench-runs: .venv/installed
	$(BIN)/python -m benchmarks

# What the engine of language gains: cache, beams, training.
bench-language: .venv/installed
	$(BIN)/python -m benchmarks.language

# Windows of series, pictures with boxes, and what is done with boxes, beside the usual ways.
bench-places: .venv/developing
	$(BIN)/python -m benchmarks.places

# Keras lives apart: its libraries and ours do not share versions.
bench-keras: .venv-keras/installed
.venv-keras/installed: constraints.txt
	$(PYTHON) -m venv .venv-keras
	.venv-keras/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	.venv-keras/bin/python -m pip install --quiet --disable-pip-version-check keras tensorflow-cpu jax
	touch $@

docs: .venv/developing
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	$(BIN)/sphinx-build -W -b html docs docs/_build

clean:
	rm -rf .venv .venv-keras docs/_build .mypy_cache .ruff_cache .pytest_cache
