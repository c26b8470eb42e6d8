# make train: an environment with the pinned packages, then the quickstart. make test: the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test check clean

train: .venv/.installed
	$(BIN)/python -m imdb_cls.train experiment=quickstart

test: .venv/.installed-test
	$(BIN)/python -m pytest -n auto

# What a contribution must pass beside the tests.
check: .venv/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11: make PYTHON=python3.12 …" >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.installed: setup.cfg constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	@touch $@
