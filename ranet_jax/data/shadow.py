"""Shadows and reflections, drawn onto single images before their warps.

They move with an object, touch it and are as dark or of the same colours, and yet are background:
a network that has seen few of them lets its masks run into them.
"""

import cv2
import numpy as np

_LEAN = 1.5
"""How far a shadow leans to the side at most, as a share of its object's height."""


def draw_shadow(
    image: np.ndarray, mask: np.ndarray, identifier: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the shadow of one object, or its reflection, half of the time each.

    The object is laid down about the foot of its box: a shadow shorter and leaning to a side, more
    often to the front than to the back, a reflection upside down. Neither covers an object.

    Args:
        image: uint8 RGB [h, w, 3].
        mask: uint8 [h, w] of ids, 0 background.
        identifier: the object's id, which occurs in the mask.
        generator: source of randomness; equal states give equal results.

    Returns:
        The image with it, uint8 [h, w, 3], and where it lies, bool [h, w], nowhere on an object.
        The mask stays true, as both are background.
    """
    own = (mask == identifier).astype(np.uint8)
    size = mask.shape[::-1]
    _, y, _, height = cv2.boundingRect(own)
    # A little above the lowest pixel, so that what is drawn touches the object.
    foot = y + height * generator.uniform(0.85, 1)
    reflected = generator.random() < 0.5
    if reflected:
        lean, stretch = generator.uniform(-0.1, 0.1), -generator.uniform(0.6, 1)
    else:
        lean = generator.uniform(-_LEAN, _LEAN)
        stretch = generator.uniform(0.1, 0.9) * generator.choice([-1, -1, 1])
    # (x, y) goes to (x + lean * (foot - y), foot + stretch * (y - foot)).
    warp = np.array([[1, -lean, lean * foot], [0, stretch, foot - stretch * foot]])
    coverage = cv2.warpAffine(own.astype(np.float32), warp, size)
    blur = generator.uniform(0.005, 0.05) * height
    coverage = cv2.GaussianBlur(coverage, (0, 0), max(blur, 0.5))
    picture = cv2.warpAffine(image, warp, size) if reflected else image
    dark = generator.uniform(0.3, 0.9) if reflected else generator.uniform(0.2, 0.7)
    strength = generator.uniform(0.5, 1)
    coverage *= mask == 0
    place = coverage > 0.5
    coverage *= np.float32(strength)
    dimmed = cv2.convertScaleAbs(picture, alpha=dark)
    return cv2.blendLinear(dimmed, image, coverage, 1 - coverage), place
