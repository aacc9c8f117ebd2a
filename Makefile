# make app    start the app            make lint      ruff: rules and format
# make test   the tests                make types     mypy, strict
# make bench  all of benchmarks/        make browser   the tests that drive a real browser
# make slow   the slow tests           make check     lint, types and tests
# make docs   build the docs site into .docs/site/, strictly
# make web    fetch ONNX Runtime Web, so that models can run in the visitor's browser (needs npm)
#
# PYTHON=python3.12 chooses the interpreter, PORT=8600 the app's port, ARGS='-k losses' goes to pytest,
# JOBS=4 lets four files of tests run at once instead of two,
# HOST=0.0.0.0 opens the app to other machines (docs/SECURITY.md says what else that takes),
# CONSTRAINTS=constraints.txt installs the exact versions that the continuous integration uses.

PYTHON ?= python3
HOST ?= localhost
PORT ?= 8501
ARGS ?=
JOBS ?= 2
CONSTRAINTS ?=

VENV := .venv
RUN := $(VENV)/bin/python -m
INSTALL := $(RUN) pip install $(if $(CONSTRAINTS),-c $(CONSTRAINTS))

ONNXRUNTIME_WEB := 1.30.0

.PHONY: web app test slow browser lint types bench docs check clean

app: $(VENV)/.app-installed
	$(RUN) streamlit run app/main.py --server.address $(HOST) --server.port $(PORT)

test: $(VENV)/.dev-installed
	OMP_NUM_THREADS=1 $(RUN) pytest -n $(JOBS) --dist loadfile $(ARGS)

slow: $(VENV)/.dev-installed
	$(RUN) pytest -m slow $(ARGS)

browser: $(VENV)/.dev-installed
	$(RUN) pytest -m browser $(ARGS)

web: .web/.onnxruntime-$(ONNXRUNTIME_WEB)

.web/.onnxruntime-$(ONNXRUNTIME_WEB):
	@command -v npm >/dev/null || { echo "make web needs npm: install Node.js, which brings it."; exit 1; }
	mkdir -p .web
	npm install --prefix .web --no-save --no-package-lock --no-audit --no-fund --ignore-scripts \
	  onnxruntime-web@$(ONNXRUNTIME_WEB)
	@touch $@

lint: $(VENV)/.dev-installed
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: $(VENV)/.dev-installed
	$(RUN) mypy

bench: $(VENV)/.dev-installed
	@set -e; for script in $$(grep -l '^if __name__' benchmarks/*.py); do echo "$$script"; $(VENV)/bin/python "$$script"; done

docs: $(VENV)/.docs-installed
	$(RUN) tools.docs_site
	$(VENV)/bin/zensical build --strict -f .docs/mkdocs.yml
	@echo "Open .docs/site/index.html."

check: lint types test

clean:
	rm -rf $(VENV) .docs .pytest_cache .ruff_cache .mypy_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Terrastill needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app-installed: requirements.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.docs-installed: requirements-docs.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements-docs.txt
	@touch $@

# The second touch: what the tests need includes what the app needs.
$(VENV)/.dev-installed: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements-dev.txt
	@touch $(VENV)/.app-installed $@
