# The two commands of a newcomer, and the checks of CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

VERSION_OF = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VERSION := $(call VERSION_OF,$(PYTHON))
TOO_OLD := 2.6 2.7 3.4 3.5 3.6 3.7 3.8 3.9 3.10
ifeq ($(VERSION),)
$(error no $(PYTHON) is installed: make run PYTHON=... names one, 3.11 or newer)
endif
ifneq ($(filter $(VERSION),$(TOO_OLD)),)
$(error $(PYTHON) is Python $(VERSION), 3.11 or newer is needed: make run PYTHON=... names one)
endif

.PHONY: run test check bench soak

# Where this is set each of the tests' processes compiles the whole project anew.
unexport PYTHONDONTWRITEBYTECODE

run: $(VENV)/run.stamp
	$(BIN)/python scripts/run_collection.py --quick-test --models smollm2_135m --evaluate auto

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q -n auto -m "not slow"

check: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict .

# A quarter of an hour; prints one table and writes benchmarks/RESULTS.md.
bench: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks.run_all

# ARGUMENTS="--tasks 1000 --kills 10" makes it shorter.
soak: $(VENV)/test.stamp
	nice $(BIN)/python -m benchmarks.soak $(ARGUMENTS)

# What another Python installed would fail later, and less plainly.
ifneq ($(call VERSION_OF,$(BIN)/python),$(VERSION))
.PHONY: $(BIN)/python
endif
$(BIN)/python:
	@test ! -e $(VENV) || echo "$(VENV) is not of Python $(VERSION): making it anew"
	@rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(BIN)/python requirements.txt requirements-local.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-local.txt
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements-dev.txt requirements-export.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
