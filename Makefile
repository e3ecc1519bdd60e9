# Every target makes the environment first: uv from PyPI into a local .venv, dependencies pinned with hashes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DISTRIBUTIONS := contracts store sync_worker

.PHONY: help demo test integration lint format bench docs soak clean lock env
help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

env: $(READY)

$(READY): requirements/uv.txt requirements/dev.txt $(DISTRIBUTIONS:%=%/pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Syncline needs Python 3.11 or later: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(DISTRIBUTIONS:%=-e ./%)
	touch $@

lock: $(READY) ## pin requirements/*.in anew
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --upgrade requirements/dev.in -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --constraint requirements/dev.txt $(patsubst %,--no-emit-package syncline-%,contracts store worker) requirements/runtime.in -o requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --upgrade requirements/uv.in -o requirements/uv.txt

demo: $(READY) ## the main job on real text, in a minute; leaves demo-data/ to try `syncline search` on. STACK=real: on a CQL server, Kafka and Qdrant that it starts
ifeq ($(STACK),real)
	$(BIN)/python -m tests.stack demo
else
	$(BIN)/syncline demo --data demo-data
endif

test: $(READY) ## all that CI runs
	$(BIN)/python -m tests.run

lint: $(READY) ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## let ruff write it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## each figure as a ratio to the raw library doing the same in the same run
	$(BIN)/python -m tests.benchmarks

docs: $(READY) ## the library's reference from its docstrings: build/api/index.html
	$(BIN)/python -m tests.docs.api build/api

integration: $(READY) ## faults of real servers (Cassandra, Kafka): broken off, frozen, killed
	$(BIN)/python -m tests.run integration

soak: $(READY) ## the long versions of the tests that crash, hurt and load
	$(BIN)/python -m pytest tests/crash tests/faults tests/distributed tests/statemachine tests/integration/test_index_faults.py --soak -p no:cacheprovider

clean: ## remove the environment and all that was made
	rm -rf $(VENV) demo-data .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
	find . -name __pycache__ -prune -exec rm -rf {} +
