"""What a training example is."""

from typing import NamedTuple

import numpy as np

FRAME_SCALE = 2
"""Side of the frame canvas, on which later frames are, over that of the network's canvas: what is
cut from them is nearly as sharp as what is cut from the image itself."""


class Example(NamedTuple):
    """One training example. All but later frames are cut to their boxes and enlarged to the canvas.

    Attributes:
        template: uint8 RGB [h, w, 3].
        template_labels: uint8 [h, w]; 0 is background and each of 1..n occurs.
        frame: uint8 RGB [h, w, 3], the current view.
        previous: uint8 [h, w], 0..n, the damaged mask that the box of the current view comes from.
        labels: uint8 [h, w], 0..n, what is to be predicted.
        box: int32 [4], what the current view was cut to, in pixels of the frame canvas.
        later_frames: uint8 RGB [t, `FRAME_SCALE` * h, `FRAME_SCALE` * w, 3], the frames after the
            current one, whole, on the frame canvas.
        later_labels: uint8 [t, `FRAME_SCALE` * h, `FRAME_SCALE` * w], 0..n, what is to be predicted
            for them.
    """

    template: np.ndarray
    template_labels: np.ndarray
    frame: np.ndarray
    previous: np.ndarray
    labels: np.ndarray
    box: np.ndarray
    later_frames: np.ndarray
    later_labels: np.ndarray
