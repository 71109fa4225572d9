# make demo: set up .venv and see the whole path run; make test: style, types and all but the slow tests.
PYTHON ?= python3

.PHONY: demo check test test-all clean

demo: .venv/ready
	.venv/bin/python -m ranet_jax.demo

check: .venv/ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright

test: check
	.venv/bin/python -m pytest -m "not slow"

test-all: check
	.venv/bin/python -m pytest

.venv/ready: pyproject.toml requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv out
