# make demo | test | test-gpu | check | fuzz | bench: each sets up .venv first, on a fresh machine too.
# Another Python: make demo PYTHON=python3.13

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PROJECTS := pyproject.toml operators/pyproject.toml $(wildcard plugins/*/pyproject.toml)

.PHONY: help demo test test-gpu check fuzz bench soak clean

help:
	@echo "make demo    restore photographs; look at demo_out/index.html"
	@echo "make test    run the tests"
	@echo "make test-gpu  run the tests that need a CUDA device; skipped where there is none"
	@echo "make check   run the linter, look at the format, run the tests"
	@echo "make fuzz    restore every broken file of the corpus; takes some minutes"
	@echo "make bench   measure quality and speed; takes its time"
	@echo "make soak    restore 10000 small files through workers that are killed; takes its time"

demo: $(READY)
	$(BIN)/restore demo -o demo_out --overwrite

test: $(READY)
	$(BIN)/python -m pytest

test-gpu: $(READY)
	$(BIN)/python -m pytest -m gpu -rs

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

fuzz: $(READY)
	$(BIN)/python tests/corpus

bench: $(READY)
	$(BIN)/python -m benchmarks

soak: $(READY)
	$(BIN)/python -m benchmarks.soak 10000 20

clean:
	rm -rf .venv demo_out .pytest_cache .ruff_cache

$(READY): requirements-dev.txt constraints.txt $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "restore needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name a newer one: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) comes without venv; Debian and Ubuntu have it in a package of its own:" >&2; \
	  echo "    sudo apt install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
