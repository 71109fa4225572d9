"""Recipes: a file each, with its command, its cost and its expected score."""
