"""Segmenting the splits of DAVIS, and scoring masks."""
