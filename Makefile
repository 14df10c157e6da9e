# Everything a newcomer needs: make demo, make test. Needs Python >= 3.11 and make; the rest is installed into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
STAMP := $(VENV)/.installed

.PHONY: help install demo test lint types layers pytest docs site validate clean

help:
	@echo "make demo      install, simulate a trial, run it, assess and compare, export it, write its report"
	@echo "make test      install, lint, types, import layers, tests and doctests"
	@echo "make validate  measure the gates against the simulated truth, into docs/validation.md"
	@echo "make docs      write the schemas and the tables in docs/ again"
	@echo "make site      build the documentation as a site, with the notebooks executed on the demo, into build/site"
	@echo "make clean     remove the environment, the demo and all caches"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "immunomon needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

demo: install
	$(BIN)/immunomon simulate $(DEMO) --overwrite
	$(BIN)/immunomon check $(DEMO)
	$(BIN)/immunomon run $(DEMO)
	$(BIN)/immunomon assess $(DEMO)/run
	$(BIN)/immunomon compare $(DEMO)/run
	$(BIN)/immunomon mechanism $(DEMO)/run
	$(BIN)/immunomon export $(DEMO)/run
	$(BIN)/immunomon report $(DEMO)/run
	@echo "The report is $(DEMO)/run/report.html - open it in a browser."

# Types and import layers are checked beside the tests, by what the tests leave of the processors; what they print comes
# after the tests' own output, and any of them fails the whole. Bytecode is kept even where the environment says not to:
# the tests start many processes that would compile the package again.
test: export PYTHONDONTWRITEBYTECODE =
test: lint
	@beside=$$(mktemp) || exit 1; \
	$(MAKE) --no-print-directory --keep-going types layers >"$$beside" 2>&1 & checks=$$!; \
	$(MAKE) --no-print-directory pytest; tests=$$?; \
	wait $$checks; checks=$$?; \
	cat "$$beside"; rm -f "$$beside"; \
	exit $$((tests || checks))

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports --no-logo

# Python 3.12 and later count lines by sys.monitoring, which costs a fraction of tracing; before, the lines are marked
# (tests/support/measured_lines.py) and coverage.py makes its report of the marks.
# Before its workers begin, one process compiles what each of them would compile.
PYTEST := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
COMPILE := OPENBLAS_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m support.compiled
pytest: install
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then \
	  $(COMPILE) && \
	  COVERAGE_CORE=sysmon $(PYTEST) --cov --cov-report=term:skip-covered; \
	else \
	  rm -f .coverage .coverage.*; \
	  IMMUNOMON_MEASURE_LINES=1 $(COMPILE) || exit 1; \
	  rm -f .coverage .coverage.*; \
	  IMMUNOMON_MEASURE_LINES=1 $(PYTEST) || exit 1; \
	  $(BIN)/python -m coverage combine --quiet && $(BIN)/python -m coverage report --skip-covered; \
	fi

docs: install
	$(BIN)/python -m immunomon.cli.docs

# The notebooks are executed on the demo, which is made if it is not there yet.
SITE := build/site
site: install
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e ".[site]"
	test -f $(DEMO)/run/report.html || $(MAKE) --no-print-directory demo
	$(BIN)/python site/build.py --out $(SITE) --run $(DEMO)/run

validate: install
	$(BIN)/immunomon validate; measured=$$?; $(BIN)/python -m immunomon.cli.docs && exit $$measured

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
