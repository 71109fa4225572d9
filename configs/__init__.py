"""Recipes: a file each, with its command, its cost and its score; and what several share."""
