# Needs Python 3.11 or newer and make; everything else goes into .venv.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell command -v $(p) >/dev/null 2>&1 && \
	$(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test lint format docs oracle infer figures storm bench ledger-figures \
	crash-matrix soak year clean
.DEFAULT_GOAL := help

help: ## Show what there is to make.
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | \
	awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { \
	echo "rota needs Python 3.11 or newer, and none was found." >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt \
	-e '.[metrics,postgres,sandbox,testing]' --group dev
	@touch $@

demo: $(READY) ## Watch a whole account move between sandboxes.
	$(BIN)/rota demo

test: $(READY) ## Run the suite.
	$(BIN)/pytest -n 2

lint: $(READY) ## Check style, format and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Put style and format right.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## Write the generated pages anew.
	$(BIN)/python -P -c 'from rota.cli import reference, root; print(end=reference.markdown(root))' > docs/cli.new
	mv docs/cli.new docs/cli.md
	$(BIN)/python -P -c 'from rota.cli import matrix; print(end=matrix.page())' > docs/capabilities.new
	mv docs/capabilities.new docs/capabilities.md
	$(BIN)/python -P tests/ten_rules.py
	$(BIN)/python -P tests/terminal.py

RULES ?= 100000
oracle: $(READY) ## Hold random rules against two other readings of the RFC (RULES=100000).
	$(BIN)/python -P tests/oracle_run.py $(RULES)

SEEDS ?= 10000
infer: $(READY) ## Infer the rules behind days, with and without noise (SEEDS=10000).
	$(BIN)/python -P tests/infer_run.py $(SEEDS)

figures: $(READY) ## Measure a migration between sandboxes: time, calls, memory.
	PYTHONPATH=tests $(BIN)/python -P tests/figures.py

storm: $(READY) ## Migrate through storms of errors, and hold the rate (twenty minutes).
	PYTHONPATH=tests $(BIN)/python -P tests/storm.py

BENCH ?=
bench: $(READY) ## Measure beside peers (BENCH='--write --large --rust --peers DIR').
	PYTHONPATH=tests:tests/bench:$$PYTHONPATH $(BIN)/python -P tests/bench/run.py $(BENCH)

LINKS ?= 1000000
ledger-figures: $(READY) ## Measure a ledger of a million links (LINKS=1000000).
	PYTHONPATH=tests $(BIN)/python -P tests/ledger_figures.py $(LINKS)

crash-matrix: $(READY) ## Kill the process at every boundary of a write; write the table.
	PYTHONPATH=tests $(BIN)/python -P tests/crash_matrix.py

EXAMPLES ?= 300
soak: $(READY) ## Run the state machines for long, 10,000 steps of each (EXAMPLES=300).
	PYTHONPATH=tests $(BIN)/python -P tests/soak.py $(EXAMPLES)

YEAR ?= 1000 365 5000
year: $(READY) ## Mirror both ways through a simulated year (YEAR='SCHEDULES DAYS EDITS').
	PYTHONPATH=tests $(BIN)/python -P tests/year.py $(YEAR)

clean: ## Remove what make, the tests and the demo made.
	rm -rf $(VENV) build dist demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find core plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +
