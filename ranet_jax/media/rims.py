"""Rims: values that smoothing, resizing or lossy storage put between the objects of a mask.

A mask drawn with a soft brush, resized by a photo program or saved as JPEG has pixels along its
edges that are no object, but a mixture of those on both sides. They are told from real objects by
where they lie: an object has an inside, a rim has none and separates a lower from a higher value.
"""

from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np

FEW = 17
"""Distinct values, beside the background, up to which a file may be what it seems: ids alone."""

_CLOSE = 8  # by which the outskirts of a wide blur differ from what it blurs
_CLOSE_LOSSY = 40  # by which JPEG changes what was one colour
_EVEN = 1  # by which neighbours inside an object may differ after smoothing
_EVEN_LOSSY = 16
_AROUND_IT = 0.5  # of an object's pixels differ less than a third of what they may
_LEAST_LOSSY = 16  # pixels inside an object; fewer of one colour come about by chance
_LARGE = 0.25  # of a value's pixels, inside: more than a rim or noise has
_SOME = 0.1
_NOISE = 12  # by which JPEG's noise differs from what was one colour
_MOSTLY = 0.8
_BETWEEN = 0.6  # of a value's pixels, for it to be a rim
_TOUCHED = 0.5  # of all edges, for a rim of few values
_SOFT = 0.5  # of all that is painted may be rim; of a single object more, because half is half
_SOFT_ALONE = 0.8
_STRANGE = 0.02  # of all that is painted may be no mixture of two real values
_MIXED = 64  # by which a mixture may differ from its line in a JPEG, whose colours are coarser
_WIDEST = 12  # pixels between a rim and what it belongs to, where there are several objects
_AROUND = np.ones((5, 5), np.uint8)  # a rim of one value may be two pixels wide
_NINE = np.ones((3, 3), np.uint8)


class Settled(NamedTuple):
    """A mask without its rims.

    Attributes:
        pixels: as they were given, rims replaced by the object or background they belong to.
        moved: number of pixels that were replaced.
    """

    pixels: np.ndarray
    moved: int


def settle_rims(pixels: np.ndarray, *, lossy: bool) -> Settled | None:
    """Replaces rims, if there are any, by what is beside them.

    Args:
        pixels: int32 [h, w, c], 0 in all channels being the background.
        lossy: whether the file's format changes pixels.

    Returns:
        What is left; the very pixels where there is no rim. None where a rim cannot be told from
        objects: what is there has no inside, or most of it is rim.
    """
    keys, colours = _number(pixels)
    counts = np.bincount(keys.ravel())
    if counts.size < 2:
        return Settled(pixels, 0)
    inner = np.bincount(keys[_find_flat(keys)], minlength=counts.size)
    many = counts.size > FEW + 1
    full = inner >= np.maximum(1, _SOME * counts)
    if not lossy and not many and not _is_noisy(colours, counts, inner):
        if not _has_rim(pixels, keys, full):
            return Settled(pixels, 0)
        return _assign(pixels, keys, colours, np.flatnonzero(full), 0)
    if not lossy and many and 2 * _find_large(counts, inner).sum() > counts.size:
        return Settled(pixels, 0)
    settled = None
    if not lossy and many:
        real = _pick_real(pixels, keys, colours, _CLOSE, _EVEN, 1)
        settled = _assign(pixels, keys, colours, real, _CLOSE)
    if settled is None:  # of a lossy format now, or once
        real = _pick_real(pixels, keys, colours, _CLOSE_LOSSY, _EVEN_LOSSY, _LEAST_LOSSY)
        settled = _assign(pixels, keys, colours, real, _CLOSE_LOSSY)
    return settled


def is_smoothed(ids: np.ndarray) -> bool:
    """Whether values that are said to be ids are rather those of a mask that was smoothed.

    Ids follow one another. What was smoothed has values all over, or many that have no inside and
    lie between their neighbours.

    Args:
        ids: integers [h, w], 0 is background.

    Returns:
        Whether they are.
    """
    counts = np.bincount(ids.ravel())
    inner = np.bincount(ids[_find_flat(ids)], minlength=counts.size)
    full = inner >= np.maximum(1, _SOME * counts)
    loose = (~full)[ids]
    if not loose.any():
        return False
    if counts.size > 2 * np.count_nonzero(counts):
        return True
    between = _find_between(ids[..., None])
    return bool(between[loose].mean() > _TOUCHED)


def find_inner(values: np.ndarray) -> set[int]:
    """The values of a mask that have an inside.

    Args:
        values: integers [h, w].

    Returns:
        Those with a pixel whose eight neighbours are equal to it.
    """
    return set(np.unique(values[_find_flat(values)]).tolist())


def _number(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the distinct values: int32 [h, w], and the value of each, int32 [n, c]."""
    packed = np.zeros(pixels.shape[:2], np.int64)
    for channel in np.moveaxis(pixels, -1, 0):
        packed = packed << 16 | channel
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    colours = pixels.reshape(-1, pixels.shape[-1])[first]
    return inverse.reshape(packed.shape).astype(np.int32), colours


def _find_flat(keys: np.ndarray) -> np.ndarray:
    """Where a pixel and its eight neighbours are equal, bool [h, w]."""
    keys = keys.astype(np.float32)  # exact up to 2^24, and OpenCV takes no integers of 32 bits
    return cv2.erode(keys, _NINE) == cv2.dilate(keys, _NINE)


def _find_large(counts: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Which values have an inside worth the name, bool [n]."""
    return inner >= _LARGE * counts


def _is_noisy(colours: np.ndarray, counts: np.ndarray, inner: np.ndarray) -> bool:
    """Whether a lossless file has the noise of a lossy one, from which it was made.

    Then there are scattered values, all of them close to one that is not, and not only to the
    background: ids are small numbers, and a tiny object 1 is close to it, too.
    """
    large = _find_large(counts, inner)
    if large.all() or large.sum() < 2:
        return False
    gaps = np.abs(colours[:, None] - colours[large]).max(-1)  # [n, large]
    apart = np.abs(colours[large][:, None] - colours[large]).max(-1)
    apart = apart[~np.eye(len(apart), dtype=bool)].min() > _CLOSE_LOSSY
    noise = ~large & (gaps.min(-1) <= _NOISE)
    objects = np.asarray(colours[large].any(-1))
    beside_objects = objects[gaps[noise].argmin(-1)].any() if noise.any() else False
    return bool(apart and beside_objects and noise.sum() > _MOSTLY * (~large).sum())


def _pick_real(
    pixels: np.ndarray, keys: np.ndarray, colours: np.ndarray, close: int, even: int, least: int
) -> np.ndarray:
    """The numbers of values that have an inside, the most frequent first, none close to another.

    Noise may have left no two pixels of an object equal: inside is where neighbours differ by no
    more than `even`, and all values that are close count together.
    """
    steady = np.ones(keys.shape, bool)
    for channel in np.moveaxis(pixels, -1, 0):
        channel = channel.astype(np.float32)
        steady &= cv2.dilate(channel, _NINE) - cv2.erode(channel, _NINE) <= even
    inner, counts = (np.bincount(one, minlength=len(colours)) for one in (keys[steady], keys.flat))
    left, real = inner.copy(), []
    while left.max() > 0:
        one = int(left.argmax())
        differ = np.abs(colours - colours[one]).max(1)
        alike = differ <= close
        # Noise lies around a value; a gradient passes it by evenly.
        around = counts[differ <= close / 3].sum() > _AROUND_IT * counts[alike].sum()
        enough = max(least, _SOME * counts[alike].sum())
        apart = np.abs(colours[real] - colours[one]).max(1).min() > close if real else True
        if around and apart and left[alike].sum() >= enough:
            real.append(one)
        left[alike] = 0
    return np.array(real, int)


def _has_rim(pixels: np.ndarray, keys: np.ndarray, full: np.ndarray) -> bool:
    """Whether a mask of few values, `full` if they have an inside, was smoothed nevertheless."""
    solid = np.zeros(keys.shape, bool)
    for one in np.flatnonzero(full).tolist():
        solid |= _keep_solid(keys == one)
    between = ~solid & _find_between(pixels)
    if not between.any():
        return False
    all_of = np.bincount(keys[~solid], minlength=full.size)
    between_of = np.bincount(keys[between], minlength=full.size)
    rims = ~full & (between_of >= _BETWEEN * np.maximum(all_of, 1))
    if pixels.max() == 255 and full.sum() == 2 and rims[~full].all():
        return True  # as bright as can be, and all else lies between it and the background
    if rims.sum() >= 3 and 2 * rims.sum() >= (~full).sum() and full.sum() > 1:
        return True
    edges = touched = 0
    for axis in (0, 1):
        ahead, behind = (slice(1, None), slice(None, -1))
        one, other = ((a, slice(None)) if axis == 0 else (slice(None), a) for a in (ahead, behind))
        differ = keys[one] != keys[other]
        edges += differ.sum()
        touched += (differ & (between[one] | between[other])).sum()
    return full.sum() > 1 and touched > _TOUCHED * edges


def _find_between(pixels: np.ndarray) -> np.ndarray:
    """Where a pixel lies between its neighbours in every channel that changes, bool [h, w]."""
    inside, changes = np.ones(pixels.shape[:2], bool), np.zeros(pixels.shape[:2], bool)
    for channel in np.moveaxis(pixels, -1, 0):
        channel = channel.astype(np.float32)
        low, high = cv2.erode(channel, _AROUND), cv2.dilate(channel, _AROUND)
        inside &= (low == high) | ((low < channel) & (channel < high))
        changes |= low < high
    return inside & changes


def _keep_solid(region: np.ndarray) -> np.ndarray:
    """The parts of a region, bool [h, w], that have an inside."""
    region = region.astype(np.uint8)
    parts = np.asarray(cv2.connectedComponents(region, connectivity=8)[1], np.int64)
    counts = np.bincount(parts.ravel())
    inner = np.bincount(parts[cv2.erode(region, _NINE) > 0], minlength=counts.size)
    kept = inner >= np.maximum(1, _SOME * counts)
    kept[0] = False
    return kept[parts]


def _assign(
    pixels: np.ndarray, keys: np.ndarray, colours: np.ndarray, real: np.ndarray, close: int
) -> Settled | None:
    """Gives every pixel one of the real values; None where too much would have to be guessed."""
    is_background = colours[real].max(1, initial=0) <= close
    if real.size < 2 or is_background.all():
        return None
    distances = np.stack([np.abs(colours - one).max(1) for one in colours[real]])  # [real, n]
    sure, owner = (distances.min(0) <= close)[keys], distances.argmin(0)[keys]
    strange = _find_strange(colours, colours[real])[keys] & ~sure
    if strange.sum() > _STRANGE * (~is_background[owner]).sum():
        return None
    if real.size > 2:
        # Between two objects may lie the very value of a third one, which is not there.
        for one in range(real.size):
            region = sure & (owner == one)
            sure &= ~region | _keep_solid(region)
        from scipy.ndimage import distance_transform_edt  # here, as it takes long and few masks do

        away, (rows, columns) = distance_transform_edt(~sure, return_indices=True)
        if away.max() > _WIDEST:
            return None
        owner = owner[rows, columns]
    clean = colours[real].copy()
    clean[is_background] = 0
    painted = ~is_background[owner]
    if (painted & ~sure).sum() > (_SOFT if real.size > 2 else _SOFT_ALONE) * painted.sum():
        return None
    settled = clean[owner].astype(pixels.dtype)
    return Settled(settled, int((settled != pixels).any(-1).sum()))


def _find_strange(colours: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Which colours are no mixture of two real ones, bool [n]."""
    strange = np.ones(len(colours), bool)
    for one, other in combinations(real, 2):
        whole = (other - one).astype(np.float64)
        rest = colours[strange]
        share = ((rest - one) @ whole / (whole @ whole)).clip(0, 1)
        far = np.abs(rest - (one + share[:, None] * whole)).max(1) > _MIXED
        strange[strange] = far
    return strange
