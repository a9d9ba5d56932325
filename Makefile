VENV := .venv
HOST ?= 127.0.0.1
PORT ?= 8000
PYTHON ?= python3

.PHONY: help serve test check bench lock clean
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A stamp for each lock, so that a second call installs nothing.
$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-test.lock
	$(VENV)/bin/python -m pip install --quiet --requirement requirements-test.lock
	touch $@

serve: $(VENV)/.installed ## Serve the released forests on HOST:PORT
	$(VENV)/bin/acorn serve --host $(HOST) --port $(PORT)

test: $(VENV)/.installed-test ## Run all tests
	$(VENV)/bin/python -m pytest

check: $(VENV)/.installed-test ## Lint, format, types, layers
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.installed-test ## Measure what sharing passes is worth
	$(VENV)/bin/python -m benchmarks.passes

lock: ## Pin the newest versions that pyproject.toml allows
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet torch==2.13.0 setuptools .
	build/lock/bin/python -m pip freeze --all --exclude acorn-nas --exclude pip | sed 's/+cpu//' > requirements.lock
	build/lock/bin/python -m pip install --quiet '.[test]'
	build/lock/bin/python -m pip freeze --all --exclude acorn-nas --exclude pip | sed 's/+cpu//' > requirements-test.lock

clean: ## Remove the environment and what tools leave behind
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
