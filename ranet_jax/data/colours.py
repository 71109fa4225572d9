"""Colours of the two views of a training example, changed together and a little apart."""

import numpy as np


def draw_colours(together: float, apart: float, generator: np.random.Generator) -> list[np.ndarray]:
    """Draws how the colours of both views change: brightness, contrast and saturation.

    Args:
        together: largest relative change of brightness, contrast and saturation, equal in both.
        apart: the same, drawn for each view on its own.
        generator: source of randomness.

    Returns:
        A matrix for the template and one for the current view, float [3, 4], to be multiplied by
        R, G, B in 0..255 and 1, as `cv2.transform` does.
    """
    pair = generator.uniform(-together, together, 3)
    each = generator.uniform(-apart, apart, (2, 3))
    matrices = []
    for brightness, contrast, saturation in (1 + pair) * (1 + each):
        grey = np.full((3, 1), 1 - saturation) * (0.299, 0.587, 0.114)
        linear = brightness * contrast * (saturation * np.eye(3) + grey)
        matrices.append(np.hstack([linear, np.full((3, 1), 127.5 * (1 - contrast))]))
    return matrices
