"""The kinds of masks: grey values, palette indices and colours, and what may be guessed of each."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.images import convert_colours, find_white, is_lossy
from ranet_jax.media.mask_depth import refuse_reduced, unstretch
from ranet_jax.media.palette import DAVIS, find_background, is_davis, pack, read_palette
from ranet_jax.media.rebuilt_palettes import find_davis_ids, list_colours
from ranet_jax.media.rims import FEW, Settled, is_smoothed, settle_rims

VOID = 255
"""The id of what is neither object nor background: "do not care", as the DAVIS tool has it."""

_GREY = ("1", "L", "LA", "F")
_REDRAW = "draw it on black, with a hard brush, without anti-aliasing, and save it as PNG"


class SoftMaskError(InputError):
    """A mask whose values change so gradually that no edge can be found."""


class Mask(NamedTuple):
    """A mask as a file holds it.

    Attributes:
        labels: int32 [h, w]: 0 is background. Of grey and palette images the ids, `VOID` among
            them; of black and white 0 and 1; of colours red << 16 | green << 8 | blue.
        kind: "grey", "palette", "black and white" or "colours".
        white: the value that is object 1 in black and white; otherwise 0.
        is_lossy: whether its colours may differ a little from those that were saved.
        remarks: what was guessed, a line each.
        colours: of a palette the ids and their colours; see `list_colours`.
    """

    labels: np.ndarray
    kind: str
    white: int = 0
    is_lossy: bool = False
    remarks: tuple[str, ...] = ()
    colours: tuple[tuple[int, int], ...] = ()


def decode_kind(image: Image.Image, name: str) -> Mask:
    """Takes an opened image for the kind of mask that it is; see `masks.decode_mask`.

    Args:
        image: of `open_image`.
        name: to call it by.

    Returns:
        The mask, with what was guessed.

    Raises:
        SoftMaskError: it has no edges.
        InputError: it cannot be known what is an object.
    """
    pictures = image.info.get("pictures", 1)
    if pictures > 1 and image.format != "MPO":  # a camera's JPEG brings a small copy of itself
        raise InputError(
            f"{name} has {pictures} pictures, and a mask is one; save the one that is meant as PNG"
        )
    if image.mode in ("P", "PA"):
        mask = _decode_palette(image, name)
    elif image.mode in _GREY or image.mode.startswith("I"):
        mask = _decode_grey(image, name)
    else:
        mask = _decode_colours(image, name)
    return mask._replace(remarks=mask.remarks + _describe_border(mask, name))


def _describe_border(mask: Mask, name: str) -> tuple[str, ...]:
    """What to say of an object that is all around, as a background is."""
    labels = mask.labels
    if mask.kind in ("grey", "palette"):
        labels = np.where(labels == VOID, 0, labels)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    if not border[0] or (border != border[0]).any():
        return ()
    if (labels == border[0]).all():
        return (
            f"one object of {name} covers all of the frame, so that nothing is background; if that "
            "is a slip, make what is not the object 0 or black",
        )
    return (
        f"one object of {name} covers all of its border, as a background does; if it is the "
        "background, make it 0 or black",
    )


def _decode_grey(image: Image.Image, name: str) -> Mask:
    """Ids of an image of one channel: its values."""
    if image.mode == "1":
        return Mask(np.asarray(image).astype(np.int32), "black and white", 1)
    values = np.asarray(image)
    if image.mode == "F":
        whole = np.isfinite(values).all() and (values == np.rint(values)).all()
        values = values if whole else np.rint(255 * (values / find_white(image, name)))
    values = np.atleast_3d(values)[..., 0].astype(np.int64)
    for extreme in (values.min(), values.max()):
        if not 0 <= extreme <= 65535:
            raise _out_of_range(name, float(extreme))
    alpha = _read_alpha(image)
    values = np.where(alpha == 0, 0, values).astype(np.int32)
    refuse_reduced(image, values, name)
    if not values.any() and (alpha == 0).any():
        return _decode_alpha(alpha, name)
    lossy = is_lossy(image)
    values, moved = unstretch(image, values), 0
    if _is_soft(alpha):  # a soft brush on nothing, which is of one grey to its rim
        there = _settle(alpha[..., None].astype(np.int32), name, "degrees of opacity")
        values, moved = np.where(there.pixels[..., 0] > 0, values, 0), there.moved
    settled = _settle(values[..., None], name, "grey values", lossy=lossy)
    settled = settled._replace(moved=settled.moved + moved)
    labels, remarks = settled.pixels[..., 0], _describe_moved(settled, name)
    found = _list(labels)
    if lossy and len(found) > 1:
        raise InputError(
            f"{name} is a lossy {image.format} of the grey values {_join(found)}, which are not "
            "those that it was drawn in; save the mask as PNG"
        )
    if found and image.mode.startswith("I") and not any(one % 257 for one in found):
        labels, found = labels // 257, [one // 257 for one in found]
        if found != [VOID]:
            remarks += (f"{name} has 16 bits; its values were taken for {_join(found)} of 8 bits",)
    if found == [255] or (found and lossy):
        labels = (labels > 0).astype(np.int32)
        white = 65535 if image.mode.startswith("I") else found[0]
        return Mask(labels, "black and white", white, lossy, remarks)
    if found and found[-1] > 255:
        raise _out_of_range(name, found[-1])
    if len(found) > 1 and VOID not in found and labels.all():
        raise InputError(
            f"{name} has the grey values {_join(found)} and no 0, so that its background is not "
            "known; make it 0"
        )
    if VOID in found and settled.moved:
        raise InputError(
            f"{name} has soft edges and the values {_join(found)}, of which 255 may be an object "
            f"or 'do not care'; {_REDRAW}"
        )
    return Mask(labels, "grey", remarks=remarks + _describe_void(labels, found, name))


def _decode_palette(image: Image.Image, name: str) -> Mask:
    """Ids of a palette image: its indices, unless its colours say that they are none."""
    indices = np.atleast_3d(np.asarray(image))[..., 0].astype(np.int32)
    hidden = _read_alpha(image) == 0
    background = find_background(image, indices, hidden, name)
    remarks = (background.remark,) if background.remark else ()
    if not background.is_index:
        return _decode_colours(image, name, remarks)
    palette, by_davis = read_palette(image), is_davis(image)
    if not by_davis and not remarks:
        ids = find_davis_ids(image, indices, hidden)
        if ids is not None:
            indices, palette, by_davis = ids[indices], DAVIS.copy(), True
            remarks = (
                f"{name} has DAVIS's colours in another order, as programs store them that make a "
                "palette anew; the colours were taken for DAVIS's ids",
            )
    indices = np.where(hidden, 0, indices)
    used = np.unique(indices)
    palette[0] = 0
    if by_davis and not is_smoothed(indices):
        settled = Settled(indices[..., None], 0)  # surely ids, down to objects of a pixel
        labels = indices
    elif by_davis or np.unique(pack(palette[used])).size < used.size:
        settled = _settle(indices[..., None], name, "palette entries")
        labels = settled.pixels[..., 0]
    else:
        settled = _settle(palette[indices], name, "palette entries")
        if settled.moved and used.size > FEW:  # a palette made of a colour image
            return _decode_colours(image, name, remarks)
        place = np.argsort(pack(palette[used]))
        labels = used[place][np.searchsorted(pack(palette[used])[place], pack(settled.pixels))]
    remarks += _describe_moved(settled, name)
    found = _list(labels)
    if found == [VOID] and not by_davis:  # black and white, saved with a palette
        return Mask((labels > 0).astype(np.int32), "black and white", VOID, False, remarks)
    remarks += _describe_void(labels, found, name)
    colours = list_colours(image, [one for one in found if one != VOID], palette)
    return Mask(labels, "palette", remarks=remarks, colours=colours)


def _decode_colours(image: Image.Image, name: str, remarks: tuple[str, ...] = ()) -> Mask:
    """Colours of a colour image."""
    alpha = _read_alpha(image)
    colours = convert_colours(image, name).astype(np.int32)
    colours[alpha == 0] = 0
    refuse_reduced(image, colours, name)
    if not colours.any() and (alpha == 0).any():
        return _decode_alpha(alpha, name, remarks)
    lossy = is_lossy(image)
    if _is_soft(alpha):  # a soft brush on nothing: as it looks on black
        alpha = alpha[..., None].astype(np.int32)
        pixels = np.concatenate([(colours * alpha + 127) // 255, alpha], axis=-1)
        settled = _settle(pixels, name, "colours", lossy=lossy)
        alpha = settled.pixels[..., 3:]
        colours = (settled.pixels[..., :3] * 255 + alpha // 2) // np.maximum(alpha, 1)
    else:
        settled = _settle(colours, name, "colours", lossy=lossy)
        colours = settled.pixels
    labels = pack(colours)
    if labels.all():
        raise InputError(
            f"{name} has colours and nothing black or transparent, so that its background is not "
            "known; make it black"
        )
    remarks += _describe_moved(settled, name)
    return Mask(labels, "colours", is_lossy=lossy, remarks=remarks)


def _decode_alpha(alpha: np.ndarray, name: str, remarks: tuple[str, ...] = ()) -> Mask:
    """One object: what is there at all, in an image that is all black."""
    remarks += (f"{name} is black on nothing; what is not transparent was taken for object 1",)
    return Mask((alpha > 127).astype(np.int32), "black and white", 1, False, remarks)


def _read_alpha(image: Image.Image) -> np.ndarray:
    """How opaque an image is, [h, w] from 0 to 255."""
    if not image.has_transparency_data:
        return np.full(image.size[::-1], 255, np.uint8)
    return np.asarray(image.convert("RGBA"))[..., 3]


def _is_soft(alpha: np.ndarray) -> bool:
    """Whether something fades into nothing; up to two values are how opaque objects are."""
    return np.unique(alpha[(alpha > 0) & (alpha < 255)]).size > 2


def _settle(pixels: np.ndarray, name: str, what: str, *, lossy: bool = False) -> Settled:
    """A mask without its rims; refuses one whose rims cannot be told from objects."""
    settled = settle_rims(pixels, lossy=lossy)
    if settled is None:
        count = np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0).any(1).sum()
        raise SoftMaskError(
            f"{name} has {count} {what}, which are too soft or too much alike to tell objects "
            f"from edges; {_REDRAW}"
        )
    return settled


def _describe_moved(settled: Settled, name: str) -> tuple[str, ...]:
    """What to say of rims that were found."""
    if not settled.moved:
        return ()
    return (
        f"{name} has soft edges: {settled.moved} pixels of values in between were taken for the "
        "object or background that they lie beside",
    )


def _describe_void(labels: np.ndarray, found: list[int], name: str) -> tuple[str, ...]:
    """What to say of 255 beside other ids."""
    if VOID not in found or len(found) == 1:
        return ()
    count = (labels == VOID).sum()
    return (
        f"{name} has {count} pixels of 255 beside other ids: they were taken for 'do not care', "
        "as the DAVIS tool does, and are no object",
    )


def _list(labels: np.ndarray) -> list[int]:
    """The values of a mask, ascending, without background."""
    return np.setdiff1d(labels, [0]).tolist()


def _join(values: list[int]) -> str:
    """Values as people list them, up to a few."""
    return ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")


def _out_of_range(name: str, value: float) -> InputError:
    """The error for what is no id."""
    return InputError(f"{name} has the value {value:.0f}; ids of objects are 1 to 255")
