"""Weights of PyTorch in, weights for PyTorch out."""
