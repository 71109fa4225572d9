"""The legs after `configs/compact.py` in which the weights that ship were trained, or tried.

Each is a recipe that starts from an earlier one: docs/compact.md tells which, and what it did. The
fifth was never run.
"""
