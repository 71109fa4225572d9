# make demo: set up .venv and see it run; make demo-train: training included; make test: style and tests.
PYTHON ?= python3

.PHONY: demo demo-train test clean

demo: demo-train

demo-train: .venv/ready
	.venv/bin/python -m examples.train_on_clips

test: .venv/ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/python -m pytest

.venv/ready: pyproject.toml requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv out
