"""Where things are in a frame: the canvas, and the box around the objects."""
