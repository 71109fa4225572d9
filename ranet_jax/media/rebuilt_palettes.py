"""Palettes that a program made anew: it stores the colours in use, in an order of its own."""

import numpy as np
from PIL import Image

from ranet_jax.media.palette import DAVIS, name_davis_colours, pack, read_palette


def find_davis_ids(
    image: Image.Image, indices: np.ndarray, hidden: np.ndarray
) -> np.ndarray | None:
    """Finds DAVIS's ids in a palette that has DAVIS's colours in another order.

    All that the palette stores must be DAVIS's, not what is in use alone: a palette of one's own
    that has some of these colours is then read one way in all masks.

    Args:
        image: with a palette, whose index 0 is the background.
        indices: its pixels, [h, w].
        hidden: which of them are transparent, [h, w].

    Returns:
        int32 [256], DAVIS's id of each index; None where the colours say nothing.
    """
    palette, shown = read_palette(image), np.unique(indices[~hidden])
    palette[np.setdiff1d(indices, shown)] = 0  # what is transparent has any colour
    colours = pack(palette)
    is_ramp = np.unique(colours).size > 2 and not np.ptp(palette, axis=1).any()
    if is_ramp or np.unique(colours[shown]).size < shown.size:
        return None
    ids = name_davis_colours(colours)
    if ids is not None:
        ids[0] = 0
    return ids


def list_colours(
    image: Image.Image, ids: list[int], colours: np.ndarray
) -> tuple[tuple[int, int], ...]:
    """Lists the colours of ids where a palette may have been made anew.

    Args:
        image: with a palette.
        ids: that are in it, without background.
        colours: of each id, int32 [256, 3].

    Returns:
        Pairs of an id and its colour, red << 16 | green << 8 | blue. None at all for the whole
        palette of DAVIS, for greys that are the ids, and where ids share a colour or are black as
        the background: there the ids are meant.
    """
    packed = pack(colours[ids])
    is_davis = (read_palette(image) == DAVIS).all()
    is_grey = (colours[ids] == np.reshape(ids, (-1, 1))).all()
    if is_davis or is_grey or np.unique([0, *packed]).size <= packed.size:
        return ()
    return tuple(zip(ids, packed.tolist(), strict=True))
