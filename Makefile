# One target per habit; `make help` lists them. Everything runs in .venv, which `setup` makes.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
TOOL_PATH := $(CURDIR)/operator:$(CURDIR)/hack

# The lock is written from the packages as published, whatever this machine's pip is told, and names no place to get
# them from.
COMPILE := env -u PIP_FIND_LINKS $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-options --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
REQUIREMENTS = $(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); print(*$(1), sep="\n")'
RUNTIME := p["project"]["dependencies"]
BUILD := p["build-system"]["requires"]
PLAN := p["project"]["optional-dependencies"]["plan"]
ALL := $(RUNTIME) + $(PLAN) + p["dependency-groups"]["dev"]
MODELSERVER := p["dependency-groups"]["modelserver"]
RELEASE := p["dependency-groups"]["release"]
# Requirements come from standard input; the comments that say who wants a package name the file instead.
SAY_SOURCE = sed -e 's/-r -$$/pyproject.toml/' -e '/^ *\#  *-c requirements/d'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup tools demo demo-quick chaos test test-fast test-long lint fmt crds charts lock image release bench bench-core storm mutations audit clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv from the hash-locked requirements (does nothing when they are installed)

$(STAMP): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Leeward needs Python 3.11 or newer; name one with: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	@touch $@

tools: setup ## Find the local fleet's binaries, or build them from pinned Go modules (once)
	hack/fleet tools

demo: setup ## Play every scene on three local regions; results in out/demo/ (15 minutes)
	hack/demo

demo-quick: setup ## Lose one region under load and take it back (4 minutes)
	hack/demo --quick

test: tools ## All tests: unit, properties, scenarios, simulation, and the fleet
	$(BIN)/python -m pytest tests/chart/test_release.py
	hack/test -m "not long"

test-fast: setup ## The tests that need no fleet
	$(BIN)/python -m pytest -m "not fleet and not long"

chaos: tools ## Break a fleet in every way under load, from a seed (SEED=1 MINUTES=10); a report in out/chaos/
	hack/chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10)

test-long: tools ## Storms and chaos, for a night
	hack/test -m long

lint: setup ## Style, format, types, layers, and drift of CRDs and charts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=$(TOOL_PATH) $(BIN)/lint-imports
	$(BIN)/python hack/generate-crds --check
	$(BIN)/python hack/generate-charts --check
	$(BIN)/python hack/generate-schema --check
	$(BIN)/python hack/generate-reference --check

fmt: setup ## Format, and mend what can be mended without a person
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

crds: setup ## Write crds/, the schema of recorded decisions, docs/reference and what charts repeat, from the code
	$(BIN)/python hack/generate-crds
	$(BIN)/python hack/generate-schema
	$(BIN)/python hack/generate-charts
	$(BIN)/python hack/generate-reference

charts: setup ## Write what charts and docs/install.md repeat: rights, CRDs, tables of values
	$(BIN)/python hack/generate-charts

lock: setup ## Write requirements/ from pyproject.toml (UPGRADE=--upgrade: the newest allowed)
	$(call REQUIREMENTS,$(ALL)) | $(COMPILE) $(UPGRADE) --output-file requirements/dev.txt -
	$(call REQUIREMENTS,$(RUNTIME)) | $(COMPILE) --constraint requirements/dev.txt --output-file requirements/run.txt -
	$(call REQUIREMENTS,$(MODELSERVER)) | $(COMPILE) --constraint requirements/dev.txt --output-file requirements/modelserver.txt -
	$(call REQUIREMENTS,$(BUILD)) | $(COMPILE) --constraint requirements/dev.txt --output-file requirements/build.txt -
	$(call REQUIREMENTS,$(RELEASE)) | $(COMPILE) --constraint requirements/dev.txt --output-file requirements/release.txt -
	@for file in dev run modelserver build release; do \
		$(SAY_SOURCE) "requirements/$$file.txt" > "requirements/$$file.new" && mv "requirements/$$file.new" "requirements/$$file.txt"; done

image: ## Build the operator's image with buildah (IMAGE=name, BASE=another Debian or `packages`, BUILD_FLAGS=…)
	IMAGE="$(IMAGE)" BASE="$(BASE)" BUILD_FLAGS="$(BUILD_FLAGS)" hack/image

release: tools ## Build what a release has into dist/, from the tag at HEAD (IMAGE=no: without an image)
	hack/release

bench: setup ## All comparisons on a fleet, and of sizing; results in bench/results/ (hours; each has --help)
	hack/bench
	hack/bench-surge
	hack/bench-capacity

bench-core: setup ## Time the decision core, and compare it with simpler policies in the same storms (an hour)
	hack/bench-core

storm: setup ## 100,000 storms against the decision core, on every core (hours); SEEDS=n for another number
	@mkdir -p out
	PYTHONPATH=$(TOOL_PATH) $(BIN)/python -m leeward simulate --seeds $(or $(SEEDS),100000) --plot out/storms.png

mutations: setup ## Break the core in two dozen ways, and see that tests or storms notice each (half an hour)
	hack/mutation-check

audit: setup ## Compare the locked packages with known faults (ADVISORIES=../advisory-database: a clone of that of pypa)
	$(BIN)/python hack/audit $(or $(ADVISORIES),../advisory-database)

clean: ## Remove caches and results, not the environment and not the built binaries
	rm -rf out dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find operator hack tests -type d -name __pycache__ -prune -exec rm -rf {} +
