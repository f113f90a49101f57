# Every task of this project; `make` alone lists them. What CI runs is `make check test`.

PYTHON     ?= $(if $(wildcard .venv/python-*),.venv/bin/python,python3)
DATA       ?= data/interviews.csv
RATINGS    ?= data/ratings.json
EXPERIMENT ?= pool
SIGNALS    ?=
MODEL      ?=
NAME       ?=
JOURNAL    ?= experiments/journal.db
PORT       ?= 8000
FORCE      ?=
DATASETS   ?=
PEERS      ?=
REPEATS    ?=
UPGRADE    ?=

BIN     := .venv/bin
SAMPLE  := -n 1200 --seed 2026
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# Empty files that mark what is installed in .venv, for one Python version.
VENV    := .venv/python-$(VERSION)
TRAIN   := .venv/train-$(VERSION)
SERVE   := .venv/serve-$(VERSION)
SPARK   := .venv/spark-$(VERSION)
DEV     := .venv/dev-$(VERSION)
QUICK   := experiments/models/interviews-pool/record.json
BENCH   := experiments/benchmark/bench.py
PEERS_PYTHON := .venv-peers/bin/python

# .venv is ours, so its compiled modules are kept; else each command would compile its libraries again, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help quickstart install spark pins data team prior train compare promote predict serve ui test coverage test-lowest check \
        format bench bench-peers docs clean

help: ## list every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make train DATA=my.csv SIGNALS=my.toml EXPERIMENT=pool NAME=my-model"
	@echo "  make compare DATA=my.csv SIGNALS=my.toml"
	@echo "  make promote MODEL=my-model FORCE='reason for promoting it anyway'"
	@echo "  make predict RATINGS=my.json MODEL=my-model"
	@echo "  make bench DATASETS=folder PEERS=ours,lr REPEATS=2"
	@echo "  make test PYTHON=python3.13"

quickstart: $(QUICK) ## set up, train on the sample, record and register the model, predict an interview
	@echo "Its report: experiments/models/interviews-pool/report.html. To train again: make train NAME=interviews-pool"
	@echo
	@echo "---- data/ratings.json, one SIMULATED interview:"
	@echo
	@$(BIN)/predictor predict data/ratings.json --model interviews-pool
	@echo
	@echo "---- What next:"
	@echo "  make ui                                   see the training run in MLflow"
	@echo "  make compare                              rank every experiment in experiments/"
	@echo "  source .venv/bin/activate                 so that your shell finds predictor"
	@echo "  predictor signals form > my.json          rate an interview of your own, then:"
	@echo "  make predict RATINGS=my.json"
	@echo "  predictor signals infer my.csv --outcome COLUMN --person COLUMN > my.toml"
	@echo "  make train DATA=my.csv SIGNALS=my.toml    train on a file of your own"

# Trained again only where the data or the code are newer.
$(QUICK): data/interviews.csv $(wildcard predictor/*.py predictor/*/*.py predictor/*/*/*.py) | $(TRAIN)
	@$(BIN)/predictor train data/interviews.csv --name interviews-pool --register
	@echo

install: $(DEV) ## make .venv with all that any target needs, pinned and checked by hash

spark: $(SPARK) ## add Spark to .venv: half a gigabyte

# One environment a Python version: another PYTHON makes a new .venv.
$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv --clear .venv
	@touch $@

# Each target installs what it needs, once, and again where its pins change.
.venv/%-$(VERSION): pins/%.txt pins/uv.txt pins/install.py pyproject.toml | $(VENV)
	@echo "Installing the pinned packages of pins/$*.txt into .venv ..."
	@$(BIN)/python pins/install.py $*
	@touch $@

data: $(TRAIN) ## write the SIMULATED samples data/interviews.csv and data/greenhouse again, reproducible byte for byte
	@$(BIN)/predictor simulate data/interviews.csv $(SAMPLE)
	@$(BIN)/predictor simulate data/greenhouse --greenhouse --seed 2026

data/interviews.csv: | $(TRAIN)
	@$(BIN)/predictor simulate $@ $(SAMPLE)

# The walk-through of data/README.md, line by line; a test checks that they are the same.
# On a second run the model equals the champion, so promote exits with 1; that is not a failure here.
team: $(TRAIN) ## from a SIMULATED team's Greenhouse export to a promoted model, audit and card, in team/
	$(BIN)/predictor scorecards greenhouse data/greenhouse --out team/interviews.csv
	$(BIN)/predictor scorecards greenhouse data/greenhouse --out team/interviews.csv --groups team/groups.csv --reason 'Offer declined=yes' --reason 'Other=no'
	$(BIN)/predictor train team/interviews.csv --signals team/interviews.toml --cards team/interviews-cards.csv --name team
	$(BIN)/predictor panels team/interviews-cards.csv --signals team/interviews.toml --model team --out team/panels.html
	$(BIN)/predictor promote team || test $$? -eq 1
	$(BIN)/predictor audit team/interviews.csv --model team --cards team/interviews-cards.csv --groups team/groups.csv --attribute sex=sex --attribute race=race
	$(BIN)/predictor card --model team

prior: $(TRAIN) ## write the SIMULATED prior from published effects again, the same numbers each time
	@$(BIN)/python -c 'from predictor.learning.published import build_published as build; from predictor.model.offer_model import PUBLISHED; build().save(PUBLISHED)'

train: $(TRAIN) ## train on DATA with SIGNALS and EXPERIMENT, record the run
	@$(BIN)/predictor train "$(DATA)" --experiment "$(EXPERIMENT)" $(if $(SIGNALS),--signals "$(SIGNALS)") $(if $(NAME),--name "$(NAME)")

compare: $(TRAIN) ## train every experiment on the same folds of DATA and rank them
	@$(BIN)/predictor compare "$(DATA)" $(if $(SIGNALS),--signals "$(SIGNALS)") $(if $(NAME),--name "$(NAME)")

promote: $(TRAIN) ## make MODEL the champion if it is significantly better, or with FORCE="reason"
	@test -n "$(MODEL)" || { echo "name a model: make promote MODEL=interviews-pool"; exit 2; }
	@$(BIN)/predictor promote "$(MODEL)" $(if $(FORCE),--force "$(FORCE)")

predict: $(TRAIN) ## predict the interviews of RATINGS by MODEL
	@$(BIN)/predictor predict "$(RATINGS)" $(if $(MODEL),--model "$(MODEL)")

serve: $(TRAIN) $(SERVE) ## serve the champion over HTTP with a journal, on this machine only
	@$(BIN)/predictor serve --journal "$(JOURNAL)" --port "$(PORT)" $(if $(MODEL),--model "$(MODEL)")

ui: $(TRAIN) ## open MLflow on the recorded runs, on this machine only
	@$(BIN)/predictor ui

ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# One process more than cores, since tests of servers and clusters wait much of their time. tests/conftest.py puts slow
# files first; --no-loadscope-reorder keeps that order.
PROCESSES = $(shell $(BIN)/python -c 'import os; print(os.cpu_count() + 1)')

test: $(DEV) ## run the tests, one process per file
	@$(ONE_THREAD) $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Of lines and of branches; what runs in other processes (servers, workers) is not counted. Fails below the floor in
# pyproject.toml.
coverage: $(DEV) ## run the tests and measure what they cover
	@$(ONE_THREAD) $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder \
	  --cov=predictor --cov-branch --cov-report=term:skip-covered

# Installs the lowest versions that pyproject.toml allows, and today's test tools. Warnings are not errors here
# (-W default), time limits are off (profile ci), and one check of scikit-learn is skipped: in 1.6 it renames the classes of
# one of the two samples that it compares; tests/learning/test_weights.py makes the same comparison.
LOWEST := .venv-lowest/bin
CORE   := tests/learning/test_classifier.py tests/learning/test_weights.py tests/model tests/ratings tests/sources \
	  tests/batch/test_reading.py tests/batch/test_coding.py tests/pipeline/test_run.py

test-lowest: ## run the suite's core with the lowest declared versions (Python 3.11 or 3.12)
	@test -x $(LOWEST)/uv || { $(PYTHON) -m venv .venv-lowest && $(LOWEST)/python -m pip install --quiet uv; }
	@$(LOWEST)/uv pip install --quiet --python $(LOWEST)/python --resolution lowest-direct -e '.[train,batch,serve,cluster]'
	@$(LOWEST)/uv pip install --quiet --python $(LOWEST)/python pytest pytest-xdist hypothesis httpx
	@$(ONE_THREAD) $(LOWEST)/python -m pytest -W default --hypothesis-profile ci -n auto --dist loadfile -k 'not check_sample_weight_equivalence' $(CORE)

check: $(DEV) ## lint, formatting, types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(DEV) ## format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

RUN = $(BENCH) run "$(DATASETS)" $(if $(PEERS),--peers "$(PEERS)") $(if $(REPEATS),--repeats "$(REPEATS)")

bench: $(TRAIN) ## compare with other libraries on the data sets of DATASETS
	@test -n "$(DATASETS)" || { echo "name a folder of data sets: make bench DATASETS=folder"; exit 2; }
	@$(BIN)/python $(RUN)
	@test ! -x $(PEERS_PYTHON) || $(PEERS_PYTHON) $(RUN)
	@$(BIN)/python $(BENCH) report

# Peers are the other libraries that the benchmark compares with. Some need gigabytes and pandas below 3, so they have an
# environment of their own.
bench-peers: .venv-peers/installed ## make .venv-peers with the large libraries that the benchmark compares with

.venv-peers/installed: experiments/benchmark/peers.txt
	@test -x $(PEERS_PYTHON) || $(PYTHON) -m venv .venv-peers
	@echo "Installing the benchmark's peers into .venv-peers (some gigabytes, once) ..."
	@$(PEERS_PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Versions stay as they are where they still fit; UPGRADE=1 takes the newest. dev holds all but Spark, and the others
# take its versions, so that every combination fits together. hatchling builds the project, see pins/install.py.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command 'make pins' $(if $(UPGRADE),--upgrade)
LIKE_DEV = -c pins/dev.txt - pyproject.toml

pins: $(VENV) ## write the pins again from pyproject.toml, for every platform and Python version
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r pins/uv.txt
	@echo uv | $(COMPILE) - -o pins/uv.txt
	@echo hatchling | $(COMPILE) - pyproject.toml --extra train --extra batch --extra serve --extra cluster --extra dev -o pins/dev.txt
	@echo hatchling | $(COMPILE) $(LIKE_DEV) -o pins/predict.txt
	@for extra in train serve spark; do echo hatchling | $(COMPILE) $(LIKE_DEV) --extra $$extra -o pins/$$extra.txt || exit; done

docs: $(DEV) ## write the blocks of output in the documentation again, and the API reference
	@$(BIN)/python experiments/docs.py

clean: ## remove what was made: .venv, caches, models and runs
	@rm -rf team .venv .venv-peers .venv-lowest build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@rm -rf experiments/models experiments/drift experiments/artifacts experiments/mlflow.db*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
