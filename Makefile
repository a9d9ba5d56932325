VENV := .venv
EXTRAS := .venv-extras
HOST ?= 127.0.0.1
PORT ?= 8000
PYTHON ?= python3
PARALLEL := --numprocesses 2 --dist loadfile

# Tests start many processes; without cached bytecode each would compile all sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help serve test test-slow test-extras check bench docs wheel image-proof lock clean
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Stamp files: a second call installs nothing.
$(VENV)/.installed: requirements.lock pyproject.toml setup.py
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-test.lock
	$(VENV)/bin/python -m pip install --quiet --requirement requirements-test.lock
	touch $@

serve: $(VENV)/.installed ## Serve the released forests on HOST:PORT
	$(VENV)/bin/acorn serve --host $(HOST) --port $(PORT)

test: $(VENV)/.installed-test ## Run all tests but the slow ones
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest $(PARALLEL) -m "not slow"

test-slow: $(VENV)/.installed-test ## Run the slow tests
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest $(PARALLEL) -m slow

# Extras have a separate environment, because torchvision needs another version of torch.
$(EXTRAS)/.installed: requirements-extras.lock pyproject.toml setup.py
	test -x $(EXTRAS)/bin/python || $(PYTHON) -m venv $(EXTRAS)
	$(EXTRAS)/bin/python -m pip install --quiet --requirement requirements-extras.lock
	$(EXTRAS)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

EXTRAS_TESTS := tests/proxies/test_architectures.py tests/proxies/test_real_networks.py \
  tests/service/test_tracing.py tests/spaces/test_onnx.py tests/spaces/test_timm.py \
  tests/test_search_objective.py

# The tests of Ray run in one process, because they would find each other's clusters.
test-extras: $(EXTRAS)/.installed ## Run the tests of Ray, OpenTelemetry, timm, Optuna and pymoo
	OMP_NUM_THREADS=1 $(EXTRAS)/bin/python -m pytest tests/training/test_compute_features.py
	OMP_NUM_THREADS=1 $(EXTRAS)/bin/python -m pytest tests/service/test_ray.py
	OMP_NUM_THREADS=1 $(EXTRAS)/bin/python -m pytest $(PARALLEL) $(EXTRAS_TESTS)

check: $(VENV)/.installed-test ## Check style, format, types and layers
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.installed-test ## Measure time and memory of proxies with shared passes
	$(VENV)/bin/python -m benchmarks.passes

docs: $(VENV)/.installed-test ## Build the documentation in build/site/
	$(VENV)/bin/python -m tests.docs.api_reference docs/api
	$(VENV)/bin/zensical build --strict

wheel: $(VENV)/.installed ## Build the wheel in dist/
	$(VENV)/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

image-proof: $(VENV)/.installed-test ## Run the steps of the Dockerfile in a fresh Debian root (as root)
	$(VENV)/bin/python -m deploy.prove_image

lock: ## Pin the newest versions that pyproject.toml allows
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet torch==2.13.0 setuptools '.[serve]'
	build/lock/bin/python -m pip freeze --all --exclude acorn-nas --exclude pip | sed 's/+cpu//' > requirements.lock
	build/lock/bin/python -m pip install --quiet '.[test]'
	build/lock/bin/python -m pip freeze --all --exclude acorn-nas --exclude pip | sed 's/+cpu//' > requirements-test.lock
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet torch==2.14.1 torchvision==0.29.1 setuptools \
	  '.[bench,evolve,images,otel,ray,report,search,serve,timm]' \
	  beartype hypothesis httpx pytest pytest-timeout pytest-xdist
	build/lock/bin/python -m pip freeze --all --exclude acorn-nas --exclude pip > requirements-extras.lock

clean: ## Remove the environments and the caches of tools
	rm -rf $(VENV) $(EXTRAS) build dist site .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
