# Every target makes what it needs itself. `make` alone lists them.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# Most of a stack test is waiting: two files at a time, each on a stack of its own.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help env native demo test unit faults mysql bench lint clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@echo "making the environment in $(VENV) …"
	@python3 -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

env: $(STAMP) ## the Python environment

native: env ## get and build the real components (cached outside the checkout)
	@docker/native/stack build

demo: native ## the whole path, alive in this terminal; Ctrl-C stops everything
	@$(BIN)/headrace demo $(ARGS)

test: native lint ## all tests, the ones on the real components included
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

unit: env ## the fast tests only: offline, seconds
	@$(BIN)/python -m pytest tests/unit tests/component -q $(ARGS)

faults: native ## the fault tests, those included that `make test` leaves out
	@$(BIN)/python -m pytest tests/faults -m "not mysql" $(ARGS)

mysql: native ## the tests on MySQL, fetched from Debian unstable where there is none
	@$(BIN)/python -m pytest tests -m mysql $(SIDE_BY_SIDE) $(ARGS)

bench: native ## the figures that README quotes
	@$(BIN)/python -m bench $(ARGS)

lint: env ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean: ## remove the environment (the cache outside the checkout stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
