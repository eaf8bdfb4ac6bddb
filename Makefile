# Tidemark. Python 3.11 or later is all that these need; PYTHON=/path/to/python names one.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
PARTS := tidemark-shared tidemark-contracts tidemark-consumption tidemark-notifier tidemark-web
PROJECTS := pyproject.toml shared/pyproject.toml $(sort $(wildcard services/*/pyproject.toml))
STAMP := .venv/.set-up

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Make .venv with .venv/bin/tidemark

$(STAMP): requirements.lock $(PROJECTS) scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh && touch $@

.PHONY: run
run: setup ## Start everything, tell the story, and say where to look
	@exec $(BIN)/tidemark up --demo

.PHONY: test
test: setup ## Run the tests, a worker for each core (ARGS="-k …" chooses)
	@$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

.PHONY: test-fast
test-fast: setup ## Run the unit tests alone, which start nothing
	@$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile tests/unit $(ARGS)

.PHONY: faults
faults: setup ## Kill brokers of a cluster of three (TIDEMARK_FAULT_ROUNDS=10 does so ten times)
	@$(BIN)/pytest tests/faults -s $(ARGS)

.PHONY: check
check: setup docs-check ## Format, lint, types, imports between packages, generated documents
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: docs
docs: setup ## Write the generated documents anew
	@$(BIN)/python -m tidemark.documents

.PHONY: docs-check
docs-check: setup ## See that the generated documents are what the code says
	@$(BIN)/python -m tidemark.documents --check

.PHONY: bench
bench: setup ## Measure (ARGS="growth --full" chooses)
	@$(BIN)/python -m bench $(ARGS)

.PHONY: mutants
mutants: setup ## See that the tests notice each planted fault
	@$(BIN)/python tests/mutants $(ARGS)

.PHONY: lock
lock: setup ## Resolve the Python packages anew
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--extra dev $(PROJECTS) $(PARTS:%=--no-emit-package %) -o requirements.lock

.PHONY: kafka-lock
kafka-lock: setup ## Resolve the jars of Kafka anew, with their checksums
	@$(BIN)/python -m tidemark.stack.kafka

.PHONY: clean
clean: ## Remove .venv and what tools keep; the data in .tidemark stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
