# Everything runs from .venv; nothing is installed outside it. `make demo` and `make test` work on a bare machine
# with Python >= 3.11 (with venv) and make.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
WORKERS ?= 2
SYNC := UV_PYTHON_DOWNLOADS=never $(BIN)/uv sync --frozen --inexact --quiet

.DEFAULT_GOAL := help
.PHONY: help setup demo test check ground coverage suite bench docs size

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

setup: .venv/.ready  ## make the environment from the lock file

.venv/.ready: uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11 or missing: name a newer one, make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "$(PYTHON) has no venv: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test "$$($(BIN)/uv --version 2>/dev/null | cut -d' ' -f2)" = "$(UV_VERSION)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	$(SYNC)
	@touch $@

demo: setup  ## the whole product on embedded parts, on a real recording
	$(BIN)/baseline demo

ground: setup  ## build the real servers for tests, as far as this machine can
	@$(BIN)/python -m tests.ground.build --available

test: ground  ## all tests; those whose server is missing skip and say how to get it
	$(BIN)/pytest -n $(WORKERS) $(PYTEST_ARGS)

check: setup  ## style, types, layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/lint-imports --no-logo
	$(BIN)/mypy

coverage: ground  ## all tests with branch coverage, child processes included
	$(BIN)/coverage erase; $(BIN)/coverage run -m pytest -n $(WORKERS) $(PYTEST_ARGS) && $(BIN)/coverage combine --quiet && $(BIN)/coverage report

suite: setup  ## detection on every data set below DATA (docs/evaluation.md)
	$(BIN)/python -m pipelines.evaluate --suite --data $(or $(DATA),data)

bench: setup  ## the figures of the README
	$(SYNC) --group bench && $(BIN)/python -m benchmarks.stream && $(BIN)/python -m benchmarks.windows && $(BIN)/python -m benchmarks.forests

docs: setup  ## the documents: links, figures, every setting and verb described
	$(BIN)/pytest tests/docs $(PYTEST_ARGS)

size:  ## lines of Python in each room
	@find baseline pipelines tests benchmarks -name '*.py' -exec wc -l {} + 2>/dev/null | awk '$$2 != "total" { n = split($$2, part, "/"); lines[part[1] "/" (n > 2 ? part[2] : "")] += $$1; sum += $$1 } END { for (room in lines) printf "%7d  %s\n", lines[room], room; printf "%7d  all\n", sum }' | sort -k2
