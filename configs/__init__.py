"""Recipes: a file each, with its command and what it needs; and what several share."""
