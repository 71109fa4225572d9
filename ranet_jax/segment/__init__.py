"""Segmenting your own video."""
