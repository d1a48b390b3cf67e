# Two commands for people: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check -q

# The tests of the plugin that `qwoty-host plugin new` makes.
TEMPLATE = qwoty_integrations_host/scaffold/template/tests

.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(VENV)/ready  ## make .venv with everything in it

$(VENV)/ready: pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml tools/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@echo "Setting up $(VENV) (a minute or two, once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt --upgrade pip
	@$(PIP) install -c constraints.txt --group dev -e . -e plugins/slack -e plugins/stripe_invoice -e tools/stripe_simulator
	@touch $@

demo: setup  ## watch an accepted quote become a paid invoice, on this machine alone
	@$(BIN)/python tools/demo.py

test: setup  ## run all tests
	@$(BIN)/python -m pytest -n auto --dist worksteal

crash: setup  ## kill a host at every boundary, break everything else, kill workers under load; writes docs/reliability.md (an hour)
	@rm -f tests/crash/results.json
	@$(BIN)/python -m pytest -n 8 --maxschedchunk=1 --deaths=all --write-results tests/crash/test_crashes.py
	@$(BIN)/python -m pytest -n auto --write-results tests/faults
	@$(BIN)/python -m pytest --fleet --write-results tests/fleet/test_killed_workers.py
	@$(BIN)/python tools/write_reliability.py

storm: setup  ## play seeded storms; SEEDS=1-5000, SEED=4711, RESUME=1 (adds the result to docs/reliability.md)
	@cd tests && ../$(BIN)/python -m storm $(if $(SEED),--seed='$(SEED)',--seeds=$(or $(SEEDS),1-2000) $(if $(RESUME),--resume))
	@$(if $(RESUME),$(BIN)/python tools/write_reliability.py)

fleet: setup  ## kill workers under the load of 200 quotes, for minutes
	@$(BIN)/python -m pytest tests/fleet --fleet -s

bench: setup  ## measure the host side by side on a quiet machine; writes docs/performance.md (35 minutes)
	@$(BIN)/python -m benchmarks $(BENCH)

check: setup  ## what must be clean before a commit: style, types, imports, published schemas, house rules
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo
	@MYPYPATH=$(TEMPLATE) $(BIN)/mypy --explicit-package-bases $(wildcard $(TEMPLATE)/*.py)
	@$(BIN)/python -m pytest tests/test_house_rules.py

fix: setup  ## format, and mend what can be mended by itself
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

schemas: setup  ## write the published schemas anew from the code
	@$(BIN)/python tools/write_schemas.py

docs: setup  ## write the reference pages anew from the code, and build the documentation into site/
	@$(BIN)/python tools/write_reference.py
	@$(BIN)/zensical build --strict

record: setup  ## record cassettes from Stripe test mode (needs STRIPE_TEST_KEY)
	@$(BIN)/python tools/record_cassettes.py

clean:  ## remove what the other targets made
	rm -rf $(VENV) .demo site .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.PHONY: help setup demo test crash storm fleet bench check fix schemas docs record clean
