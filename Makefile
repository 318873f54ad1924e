# `make run` and `make test` are the two commands of a fresh machine: each makes the environment first.
# Needs Python 3.11 or newer with pip, and make; nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV := .venv/tools/bin/uv
BIN := .venv/bin
CASE ?= examples/snmmi-patient4.yaml

.PHONY: run test test-all check lock docs-figures bench clean setup

run: setup
	$(BIN)/alphatwin run $(CASE)

test: setup
	$(BIN)/pytest -q -n auto -m "not slow"

test-all: setup
	$(BIN)/pytest -q -n auto

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/pytest -q -n auto --doctest-modules src/alphatwin

bench: setup
	$(BIN)/python benchmarks/bench_spine.py

setup: .venv/.ok

# uv is put beside the environment with pip's --target: Debian's pip refuses a global install, and its Python may lack ensurepip
$(UV):
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'alphatwin needs Python 3.11 or newer, this is ' + sys.version.split()[0])"
	mkdir -p .venv
	$(PYTHON) -m pip install -q --disable-pip-version-check --no-warn-script-location --target .venv/tools "uv>=0.9"

.venv/.ok: requirements.lock pyproject.toml src/alphatwin/__init__.py | $(UV)
	test -x $(BIN)/python || $(UV) venv -q --allow-existing --no-project --python $(PYTHON) .venv
	$(UV) pip sync -q --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	touch $@

lock: | $(UV)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --group dev --all-extras --no-emit-index-url --no-header pyproject.toml -o requirements.lock

clean:
	rm -rf .venv results .pytest_cache .mypy_cache .ruff_cache
