# make demo: set up .venv, segment and score a real clip; make demo-train: a small training; make test: style, types and
# all but the slow tests; make test-all: the slow ones too.
PYTHON ?= python3
IS_NEW = 'import sys; sys.exit(sys.version_info < (3, 11))'

.PHONY: demo demo-train check test test-all clean

demo: .venv/package
	.venv/bin/python -m ranet_jax.demo

demo-train: .venv/ready
	.venv/bin/python -m examples.train_on_clips

check: .venv/ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright

test: check
	.venv/bin/python -m pytest -m "not slow"

test-all: check
	.venv/bin/python -m pytest
	XLA_FLAGS= .venv/bin/python -m pytest tests/test_xla_optimized.py

# The package alone, which segments and scores; all else needs what development needs.
.venv/package: pyproject.toml requirements.txt
	@$(PYTHON) -c $(IS_NEW) || { echo "error: $(PYTHON) is not Python 3.11 or newer; name one that is: make demo PYTHON=python3.12"; exit 2; }
	.venv/bin/python -c $(IS_NEW) 2> /dev/null || $(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet --editable .
	touch $@

.venv/ready: .venv/package
	.venv/bin/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv out
