"""The demo: an embedded clip, segmented and scored with the weights that ship."""
