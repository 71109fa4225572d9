"""The paper's pictures, from own results."""
