# Baro: the two commands a new user needs are `make demo` and `make test`.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TEST_PROCESSES ?= auto
export NO_MKDOCS_2_WARNING = 1
export BARO_HOME ?= $(CURDIR)/.baro

.PHONY: help install demo clean-demo test lint format docs tables bench soak science-report notebook

help:            ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## +/\t/' | expand -t 16

install: $(VENV)/installed  ## the environment: product, test tools, linters

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,dev]'
	touch $@

demo: install    ## run the demo plant; Ctrl-C stops it
	$(BIN)/baro demo

clean-demo:      ## remove the demo's data
	rm -rf .baro

test: install    ## run all tests, side by side
	BIN=$(BIN) sh tests/peers.sh
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

soak: install    ## the long runs: chaos, and ten thousand tamperings
	BARO_SOAK=1 $(BIN)/python -m pytest -m slow --timeout 1800

lint: install    ## linters, types, import contracts, documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet

docs: install    ## build the documentation into site/
	$(BIN)/mkdocs build --strict

tables: install  ## the pages that are made of data and of the tests: docs/validation, the table of file formats
	$(BIN)/python -m tests.validation.tables
	$(BIN)/python -m tests.edge.formats.tables

notebook: install  ## run the notebook of the tutorial, and put its outputs and figures into its pages
	$(BIN)/python -m tests.docs.notebook

science-report: install  ## what the chemometrics reaches on real data, as docs/science.md
	$(BIN)/python -m tests.science.report

format: install  ## put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: install   ## run every benchmark; each ends with one line of JSON
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done
