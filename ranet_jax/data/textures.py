"""Photos that come with scikit-image, the textures of generated clips.

All are free of copyright restrictions.
"""

from functools import cache
from pathlib import Path

import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.media.images import read_frame

_COLOUR = (1.0, 1.0, 1.0)
# Each photo and its gains of red, green and blue: the grey ones are tinted.
PHOTOS = {
    "astronaut.png": _COLOUR,
    "brick.png": (1.0, 0.7, 0.58),
    "chelsea.png": _COLOUR,
    "coffee.png": _COLOUR,
    "grass.png": (0.8, 1.0, 0.5),
    "gravel.png": (1.0, 0.92, 0.82),
    "hubble_deep_field.jpg": _COLOUR,
    "ihc.png": _COLOUR,
    "retina.jpg": _COLOUR,
    "rocket.jpg": _COLOUR,
}
# The retina is a disc on black; Hubble's sky and the rocket's are too plain for an object.
BACKGROUNDS = [name for name in PHOTOS if name != "retina.jpg"]
TEXTURES = [name for name in PHOTOS if name not in ("hubble_deep_field.jpg", "rocket.jpg")]


def find_photos() -> Path:
    """The folder of the photos.

    Raises:
        InputError: scikit-image is not installed.
    """
    try:
        import skimage
    except ImportError:
        raise InputError(
            "generated clips use the photos of scikit-image, which is not installed; "
            "pip install -e '.[demo]'"
        ) from None
    return Path(skimage.__file__).parent / "data"


@cache
def read_photo(name: str) -> np.ndarray:
    """Reads a photo from scikit-image's files; its loaders would rather download some of them.

    Args:
        name: one of `PHOTOS`.

    Returns:
        uint8 RGB [h, w, 3].

    Raises:
        InputError: as `find_photos`.
    """
    return read_frame(find_photos() / name)


def tint_photo(generator: np.random.Generator, picture: np.ndarray, name: str) -> np.ndarray:
    """Colours a grey photo, and varies the colours of any.

    Args:
        generator: source of randomness.
        picture: part of the photo, uint8 RGB [h, w, 3].
        name: of the photo, one of `PHOTOS`.

    Returns:
        uint8 RGB [h, w, 3].
    """
    gains = np.array(PHOTOS[name]) * generator.uniform(0.85, 1.1, 3)
    return np.clip(picture * gains, 0, 255).astype(np.uint8)
