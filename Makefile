# Everything runs inside .venv, which `make setup` builds from requirements.lock. `make` alone lists the targets.
PYTHON  ?= python3
PROFILE ?= tiny
VENV    ?= .venv
PYTEST  ?=
PORT    ?= 8000

# `rimlib/__init__.py` has the reason; here for `make lab`, which does not start with rimlib.
export OMP_WAIT_POLICY ?= passive

BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
STARTED := $(shell date +%s)
CLOCK    = echo "$$(( $$(date +%s) - $(STARTED) )) s altogether"

.DEFAULT_GOAL := help
.PHONY: help setup train experiments test check lab demo book live serve lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  settings: PROFILE=$(PROFILE) PORT=$(PORT) PYTHON=$(PYTHON) VENV=$(VENV)"

setup: $(STAMP) ## install the exact versions of requirements.lock into .venv (once; minutes)

$(STAMP): requirements.lock pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make: $(PYTHON) is not there; install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $$($(PYTHON) --version 2>&1) is too old; 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: this Python cannot make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@# pip cannot repair what an interrupted pip left behind, so such an environment is made anew
	@if [ -e "$(VENV)/.installing" ] || ! "$(BIN)/python" -m pip --version >/dev/null 2>&1; then \
	  "$(PYTHON)" -m venv --clear "$(VENV)"; fi
	@touch "$(VENV)/.installing"
	"$(BIN)/python" -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	"$(BIN)/python" -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	"$(BIN)/python" -m pip check
	@"$(BIN)/python" -m ipykernel install --sys-prefix --name python3 --display-name "Python 3 (rimlib)" >/dev/null
	@rm "$(VENV)/.installing" && touch "$(STAMP)"
	@echo "setup: $$(( $$(date +%s) - $(STARTED) )) s"

train: $(STAMP) ## train the model of PROFILE and write its record under runs/
	@"$(BIN)/python" -m course run 04_train --profile "$(PROFILE)" -o "runs/notebooks/04_train-$(PROFILE).ipynb"
	@echo "make train: $$($(CLOCK))"

experiments: $(STAMP) ## run every experiment with three seeds, each row a record in results/runs (a night or more; it can be stopped)
	@"$(BIN)/rim" experiment all --profile "$(PROFILE)" --seeds 3
	@echo "make experiments: $$($(CLOCK))"

test: $(STAMP) ## run every test, the notebooks, the book and the browser included
	@"$(BIN)/python" -m pytest --durations=15 $(PYTEST)
	@echo "make test: $$($(CLOCK))"

check: $(STAMP) ## the formatter, the linters, the types and the floors
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/ruff" check .
	@"$(BIN)/mypy"
	@"$(BIN)/lint-imports"
	@"$(BIN)/codespell"
	@echo "make check: $$($(CLOCK))"

lab: $(STAMP) ## open the notebooks in JupyterLab
	@"$(BIN)/python" -m jupyterlab notebooks

demo: $(STAMP) ## open the demo: type a sentence, get a matte
	@"$(BIN)/rim" demo

book: $(STAMP) ## run every chapter and build the pages, _build/html/index.html
	@"$(BIN)/python" -m course book
	@echo "make book: $$($(CLOCK))"

live: $(STAMP) ## build the live page, the model in a browser, into the book (needs node and npm)
	@"$(BIN)/python" -m course live

serve: $(STAMP) ## serve the built book at http://127.0.0.1:8000/, as the live page needs it
	@"$(BIN)/python" -m course serve --port "$(PORT)"

lock: $(STAMP) ## find new exact versions for requirements.lock (needs uv)
	@command -v uv >/dev/null || { echo "make: uv is not there; install it: pip install uv" >&2; exit 1; }
	@sed -n '/^#/!q;p' requirements.lock > requirements.lock.new
	@uv pip compile pyproject.toml --no-config --all-extras --universal --python-version 3.11 --generate-hashes \
	  --upgrade --no-header --quiet >> requirements.lock.new
	@mv requirements.lock.new requirements.lock

clean: ## remove what was built; keeps .venv, data and runs
	rm -rf _build book/chapters book/status.md build rimlib.egg-info .pytest_cache .hypothesis
	find rimlib tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
