"""A network in little that matches colours: what is around networks is tested with it at once."""

import jax
import jax.numpy as jnp
import numpy as np

from ranet_jax.models.ranet import RANet
from ranet_jax.models.resnet import normalize_frame

CANVAS = (96, 160)
"""3 x 5 cells, of which the inner ones are all object where the box is that of a rectangle."""

BACKGROUND, RED, GREEN, BLUE = (
    np.array(colour, np.uint8)
    for colour in ((60, 60, 60), (220, 40, 40), (40, 220, 40), (40, 40, 220))
)


class ColourNetwork(RANet):
    """Finds each object wherever a colour of its templates is, whatever the previous mask.

    Attributes:
        softness: the larger, the less sure.
    """

    canvas: tuple[int, int] = CANVAS
    softness: float = 0.02

    def apply(self, variables, *inputs, method=None):
        if method == "template":
            return self._pool(inputs[0])
        logits = self._match(*inputs)
        return (logits, self._pool(inputs[2])) if method == "segment_and_look" else logits

    def _pool(self, frame):
        cells = frame.reshape(frame.shape[0], 3, 32, 5, 32, 3)
        return cells.mean(axis=(2, 4)).reshape(frame.shape[0], 15, 3)

    def _match(self, kernels, cells, frame, previous):
        distance = jnp.abs(frame[:, :, :, None] - kernels[:, None, None]).max(axis=-1)
        distance = jnp.where(cells[:, :, None, None] > 0.99, distance[:, None], 9.0).min(axis=-1)
        return (0.2 - distance) / self.softness  # [b, n, h, w]


def normalize(colour):
    """A colour as the network sees it."""
    return np.asarray(normalize_frame(jnp.asarray(colour[None, None]), jnp.float32))[0, 0]


def paint(*rectangles, size=CANVAS):
    """A frame with rectangles of a colour, (y0, y1, x0, x1, colour) each."""
    frame = np.empty((*size, 3), np.uint8)
    frame[:] = BACKGROUND
    for y0, y1, x0, x1, colour in rectangles:
        frame[y0:y1, x0:x1] = colour
    return frame


def mark(**ids):
    """A mask of what has a colour in a frame: `mark(frame=frame, red=1)`."""
    frame = ids.pop("frame")
    mask = np.zeros(frame.shape[:2], np.uint8)
    for name, one in ids.items():
        colour = {"red": RED, "green": GREEN, "blue": BLUE}[name]
        mask[(frame == colour).all(axis=-1)] = one
    return mask


def same(tree, other):
    """Whether two states are equal in every number."""
    return all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
    )
