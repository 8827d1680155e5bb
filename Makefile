# The two commands of a newcomer, and the checks of CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check bench soak

run: $(VENV)/run.stamp
	$(BIN)/python scripts/run_collection.py --quick-test --models smollm2_135m

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q -n auto -m "not slow"

check: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict .

# Under ten minutes; prints one table and writes benchmarks/RESULTS.md.
bench: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks.run_all

# ARGUMENTS="--tasks 1000 --kills 10" makes it shorter.
soak: $(VENV)/test.stamp
	nice $(BIN)/python -m benchmarks.soak $(ARGUMENTS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(VENV)/bin/python requirements.txt requirements-local.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-local.txt
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements-dev.txt requirements-export.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
