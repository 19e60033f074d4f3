# The front door: people and CI call the same targets. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VENDOR := daemon/slurmlens/hub/web/static/vendor
C_FILES = $(wildcard $(foreach folder,cext cext/client cext/cdef cext/tests slurm_hooks slurm_hooks/spank slurm_hooks/spank/tests deploy/workloads bench/programs,$(folder)/*.[ch]))
ARGS ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  ARGS=…             more arguments for demo, the tests and bench"

.PHONY: setup
setup: $(INSTALLED) hooks $(VENDOR)/uPlot.iife.min.js ## Debian packages, virtualenv, C parts, browser part; quick when all is there

.PHONY: packages
packages: python
	@$(PYTHON) -m deploy.install

# A bare Debian has no Python; it brings no service, so plain apt may install it.
.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { apt-get update -q && apt-get install -q --yes --no-install-recommends python3; }

$(BIN)/python: | packages
	@$(PYTHON) -m venv $(VENV)

# The C extension is built by the editable install, so its sources count as well.
$(INSTALLED): Makefile pyproject.toml setup.py requirements.lock $(wildcard cext/*.[ch] cext/*.py cext/cdef/*) | $(BIN)/python
	@echo "installing the Python parts, building the C extension"
	@PIP_CONSTRAINT=requirements.lock PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install -q --use-pep517 -e '.[hub,postgresql,kafka,graph,campaign,openmdao,galaxy,pdf,nvidia,dev]'
	@touch $@

.PHONY: hooks
hooks: | packages
	@$(MAKE) -s -C slurm_hooks
	@$(MAKE) -s -C slurm_hooks/spank

$(VENDOR)/uPlot.iife.min.js: web/package.json web/package-lock.json web/.npmrc $(wildcard web/src/*.js) | packages
	@$(MAKE) -s -C web
	@touch $@

.PHONY: components
components: packages ## the real servers that tests and bench talk to, fetched and built; quick when all is there
	@PYTHONUNBUFFERED=1 $(PYTHON) -m deploy.components

.PHONY: demo
demo: python ## a small real Slurm with everything on it, ending with a URL; ARGS=--exit-after-check for tests
	@PYTHONUNBUFFERED=1 $(PYTHON) -m deploy.demo $(ARGS)

.PHONY: walkthrough
walkthrough: setup components ## the ancestor's walkthrough, ten steps on the whole stack, with pictures in build/walkthrough
	@PYTHONUNBUFFERED=1 $(PYTHON) -m deploy.walkthrough $(ARGS)

# Unit tests share nothing, so two processes run them; suites on real servers share those and the machine, so they run
# one after another. Status 5 says that nothing was chosen (ARGS may name tests of one half alone).
PYTEST := $(BIN)/pytest --durations=25
PROCESSES ?= 2

.PHONY: test
test: setup components ## every test but the slow ones, on the real parts
	$(PYTEST) -m "not slow and not component" -n $(PROCESSES) --dist loadfile $(ARGS) || test $$? = 5
	$(PYTEST) -m "not slow and component" $(ARGS) || test $$? = 5

.PHONY: screenshots
screenshots: setup ## the pictures in docs/images, made anew; look at them before you commit them
	SLURMLENS_IMAGES=docs/images $(PYTEST) tests/browser/test_every_page.py -k pictures $(ARGS)
	$(PYTEST) tests/browser/test_job_page.py -k picture_of_the_readme && cp tests/artifacts/readme-job-page.png docs/images/job-page.png

.PHONY: test-slow
test-slow: setup components ## the slow tests alone; installs Podman on top, for the stack in containers
	@$(PYTHON) -m deploy.install --containers
	$(PYTEST) -m "slow and not galaxy" $(ARGS)

.PHONY: test-galaxy
test-galaxy: setup ## the tools and the trigger on a real Galaxy 26.1, fetched the first time: 1.1 GB, 5 minutes
	$(PYTEST) -m galaxy tests/galaxy $(ARGS)

.PHONY: test-postgresql
test-postgresql: setup components ## the tests of the hub's history again, on a real PostgreSQL
	$(PYTEST) --history-on postgresql -m "not slow" tests/unit/hub $(ARGS)

.PHONY: test-soak
test-soak: setup ## 1,000 faults over 1,000,000 events, every one judged; ARGS="--seed S" goes on, --help tells more
	PYTHONPATH=tests:. $(BIN)/python -m conservation.soak $(ARGS)

.PHONY: test-mutation
test-mutation: setup ## break the delivery on purpose, in a copy: the judge must see each of it
	PYTHONPATH=tests:. $(BIN)/python -m conservation.mutations $(ARGS)

.PHONY: lint
lint: $(INSTALLED) ## ruff, mypy, the dependency rule, the one style of C
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	$(BIN)/mypy
	$(BIN)/mypy --strict deploy
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: $(INSTALLED) ## what lint asks for and a program can do by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(C_FILES)

.PHONY: docs
docs: $(INSTALLED) ## the documentation as a site in build/site, which needs no network to be read; every link checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

.PHONY: golden
golden: $(INSTALLED) ## rewrite the golden files; review them as code
	$(BIN)/pytest -m "not slow and not slurm and not browser" --update-golden $(ARGS)

.PHONY: bench
bench: setup components ## the targets' table, measured, into docs/performance.md
	$(BIN)/python -m bench.run $(ARGS)

include packaging/package.mk

.PHONY: clean
clean: ## remove what was built and fetched here, and what killed instances left
	@$(PYTHON) -m deploy clean
	$(MAKE) -s -C slurm_hooks clean
	$(MAKE) -s -C slurm_hooks/spank clean
	rm -rf $(VENV) .cache build daemon/slurmlens.egg-info web/node_modules $(VENDOR) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find daemon deploy tests bench cext -name __pycache__ -prune -exec rm -rf {} +
