"""Where the clip of the demo lies, in a clone; the installed package does not have it."""

from pathlib import Path

CLIP = Path(__file__).parents[2] / "examples" / "car-shadow.mp4"
"""A video of DAVIS; its true masks lie beside it, in a folder with `-masks` after its name."""

FIRST_MASK = CLIP.with_name("car-shadow-masks") / "000000.png"
"""The mask of its first frame."""
