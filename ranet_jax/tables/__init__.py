"""The paper's tables, from own results."""
