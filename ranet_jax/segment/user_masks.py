"""The masks of one video as people make them, in any paint program, as object ids."""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.media.mask_kinds import VOID, Mask
from ranet_jax.media.masks import decode_mask
from ranet_jax.media.palette import name_davis_colours
from ranet_jax.remarks import remark
from ranet_jax.segment.mask_sizes import describe_shape, resize_mask, say_size
from ranet_jax.slots import MAX_OBJECTS

_WHITE = 0xFFFFFF
_BRIGHTEST = 255, 65535  # white, in images of 8 and of 16 bits
_ALIKE = 40  # by which a colour differs between two lossy files


class UserMask(NamedTuple):
    """A mask and how it was read.

    Attributes:
        labels: uint8 [h, w] of ids, 0 is background.
        ids: the id of each value or colour ("#rrggbb") that is in the file, without background.
    """

    labels: np.ndarray
    ids: dict[str, int]


class _Known(NamedTuple):
    """What is known of the colours of a video's masks.

    Attributes:
        ids: of the object of each colour; two colours may be of one object.
        lossy: colours that may have been others before their file was saved.
        guesses: what to say of those that were taken for others.
    """

    ids: dict[int, int]
    lossy: set[int]
    guesses: list[str]

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return len(set(self.ids.values()))


def read_mask(path: str | Path) -> np.ndarray:
    """Reads a mask as people make them, as `python -m ranet_jax.segment` reads it.

    Args:
        path: of an image: grey or palette ids, 0 and 255, or a colour an object; see
            `read_user_masks`. What was guessed is printed.

    Returns:
        uint8 [h, w] of ids, 0 is background. Colours are numbered anew in each file: where another
        mask of the same video shows another object, give it an id that is free.

    Raises:
        InputError: as `read_user_masks` does.
    """
    return read_user_masks({0: Path(path)}, None)[0].labels


def read_user_masks(
    paths: Mapping[int, Path], size: tuple[int, int] | None, *, resize: bool = False
) -> dict[int, UserMask]:
    """Reads the masks of one video; see `masks.decode_mask` for what may be in a file.

    Colours that are all DAVIS's have DAVIS's ids. Others get ids in the order of red, green and
    blue values, and a colour means the same object in all masks of the video; white is one of them
    where some masks are black and white and others have colours that are not DAVIS's. What was
    guessed is printed.

    Args:
        paths: image file by frame index.
        size: height and width of the frames; None where each mask has its own.
        resize: whether a mask of another size is resized, to the nearest pixel; one of another
            shape is stretched, which is said.

    Returns:
        The masks by frame index.

    Raises:
        InputError: as `decode_mask` does, or a file of another size, without objects, or with more
            objects than the network has room for; one that loses an object when it is resized, or
            lies while the frames stand; or ids in one and colours in another, or palettes that
            disagree.
    """
    masks = _match_kinds(paths, {index: decode_mask(path) for index, path in sorted(paths.items())})
    _refuse_other_palettes(paths, masks)
    coloured = [mask for mask in masks.values() if mask.kind == "colours"]
    by_davis = all(_are_davis(mask) for mask in coloured)
    known = _Known({}, set(), [])
    read, lines = {}, [line for mask in masks.values() for line in mask.remarks]
    for index, mask in masks.items():
        path = paths[index]
        if mask.kind == "colours":
            labels, ids = _number_colours(path, mask, known, by_davis=by_davis)
        else:
            labels, ids = _list_ids(path, mask)
        if size and labels.shape != size:
            if not resize:
                raise InputError(
                    f"{path} is {say_size(labels.shape)} but the frames are {say_size(size)}; "
                    "draw it on a frame, or give --resize-mask"
                )
            lines += describe_shape(path, labels.shape, size)
            labels = resize_mask(path, labels, ids, size)
        if known.objects > MAX_OBJECTS:
            raise InputError(
                f"{path} brings the colours of all masks to {known.objects}; each is an "
                f"object and a video has {MAX_OBJECTS} at most, so draw an object in one colour"
            )
        if not labels.any():
            raise InputError(
                f"{path} has no object; everything in it is 0, black or transparent: paint each "
                "object with a grey value from 1 on, or with a colour"
            )
        read[index] = UserMask(labels, ids)
    for line in lines + known.guesses:
        remark(line)  # now that all can be used: what is refused is one line
    return read


def _match_kinds(paths: Mapping[int, Path], masks: dict[int, Mask]) -> dict[int, Mask]:
    """Makes one kind of colours and white; refuses colours that are no ids beside ids."""
    shown = [index for index, mask in masks.items() if mask.labels.any()]
    coloured = [index for index in shown if masks[index].kind == "colours"]
    others = [index for index in shown if index not in coloured]
    _refuse_other_colours(paths, {index: masks[index] for index in coloured})
    if not others or all(_are_davis(masks[index]) for index in coloured):
        return masks  # of one kind, or of ids: white alone is the id 1
    if all(set(np.unique(masks[index].labels)) <= {0, _WHITE} for index in coloured):
        return masks | {index: _take_for_white(masks[index]) for index in coloured}
    for index in others:
        mask = masks[index]
        if mask.kind != "black and white" or mask.white not in _BRIGHTEST:
            raise InputError(
                f"{paths[coloured[0]]} has colours and {paths[index]} has none, so that it is not "
                "known which objects are the same; paint all of them in the colours of the one, or "
                "save all with ids"
            )
    remark(
        f"{paths[others[0]]} is black and white and {paths[coloured[0]]} has colours: white was "
        "taken for a colour, and each colour for an object of its own"
    )
    return masks | {
        index: masks[index]._replace(labels=_WHITE * masks[index].labels, kind="colours")
        for index in others
    }


def _refuse_other_colours(paths: Mapping[int, Path], coloured: Mapping[int, Mask]) -> None:
    """Refuses a mask in DAVIS's colours, which results have, beside colours of one's own alone."""
    own = [index for index, mask in coloured.items() if not _are_davis(mask)]
    known = {colour for index in own for colour in np.unique(coloured[index].labels)} - {0}
    for index, mask in coloured.items():
        if own and index not in own and known.isdisjoint(np.unique(mask.labels)):
            raise InputError(
                f"{paths[index]} has DAVIS's colours, as results have, and {paths[own[0]]} has "
                "others; paint an object in the same colour in all masks of a video, and a new one "
                "in a colour that is none of DAVIS's"
            )


def _refuse_other_palettes(paths: Mapping[int, Path], masks: Mapping[int, Mask]) -> None:
    """Refuses palettes that disagree: a program that makes one anew gives a colour another id.

    Beside DAVIS's colours, which results have, an id may have a colour of one's own.
    """
    found: dict[tuple[int, int, bool], Path] = {}
    for index, mask in masks.items():
        pairs = _pair_colours(mask)
        colours = np.array([colour for _, colour in pairs], np.int32)
        davis = name_davis_colours(colours)
        by_davis = davis is not None and davis.tolist() == [one for one, _ in pairs]
        for one, colour in pairs:
            found.setdefault((one, colour, by_davis), paths[index])
    for mine, its in combinations(found.items(), 2):
        ((one, colour, by_davis), path), ((other, its_colour, its_by_davis), its_path) = mine, its
        is_result = one == other and (by_davis or its_by_davis)
        if (one == other) != (colour == its_colour) and not is_result:
            raise InputError(
                f"{path} has the id {one} in #{colour:06x} and {its_path} has {other} in "
                f"#{its_colour:06x}, so that it is not known which objects are the same; save both "
                "as RGB, or as grey values that are ids"
            )


def _pair_colours(mask: Mask) -> list[tuple[int, int]]:
    """Ids and their colours, where a mask has both."""
    if mask.kind != "colours":
        return list(mask.colours)
    colours = np.setdiff1d(mask.labels, [0])
    ids = name_davis_colours(colours)
    return [] if ids is None else list(zip(ids.tolist(), colours.tolist(), strict=True))


def _are_davis(mask: Mask) -> bool:
    """Whether a mask's colours are all DAVIS's, so that they are ids."""
    return name_davis_colours(mask.labels) is not None


def _take_for_white(mask: Mask) -> Mask:
    """A black and white mask that was saved with colours."""
    labels = (mask.labels != 0).astype(np.int32)
    return mask._replace(labels=labels, kind="black and white", white=_BRIGHTEST[0])


def _refuse_many(path: Path, count: int, what: str) -> None:
    """Refuses more objects than fit."""
    if count > MAX_OBJECTS:
        raise InputError(
            f"{path} has {count} {what}; each is an object and at most {MAX_OBJECTS} fit, so draw "
            "it with a hard brush, without anti-aliasing, and save it as PNG"
        )


def _list_ids(path: Path, mask: Mask) -> tuple[np.ndarray, dict[str, int]]:
    """Ids of a mask that has them."""
    labels = np.where(mask.labels == VOID, 0, mask.labels).astype(np.uint8)
    found = np.setdiff1d(labels, [0]).tolist()
    _refuse_many(path, len(found), "palette entries" if mask.kind == "palette" else "grey values")
    return labels, {str(mask.white or one): one for one in found}


def _number_colours(
    path: Path, mask: Mask, known: _Known, *, by_davis: bool
) -> tuple[np.ndarray, dict[str, int]]:
    """Ids of a mask of colours; those that are new get the next ids."""
    found = np.setdiff1d(mask.labels, [0]).tolist()
    davis = name_davis_colours(np.array(found, np.int32)) if by_davis else None
    labels, ids = np.zeros(mask.labels.shape, np.uint8), {}
    if davis is None and not mask.is_lossy:
        _recognize(path, found, known)
    for number, colour in enumerate(found):
        if davis is not None:
            one = int(davis[number])
            if one == VOID:
                remark(f"{path} has DAVIS's colour for 'do not care', which is no object")
                continue
        else:
            same = _find_alike(colour, known.ids) if mask.is_lossy else colour
            if mask.is_lossy and same not in known.ids:
                known.lossy.add(same)
            one = known.ids.setdefault(same, known.objects + 1)
        if one <= VOID:
            labels[mask.labels == colour] = one
        ids[f"#{colour:06x}"] = one
    _refuse_many(path, len(ids), "colours")
    return labels, ids


def _recognize(path: Path, colours: Sequence[int], known: _Known) -> None:
    """Gives new colours of a lossless file the ids of those that a lossy one has made of them.

    The closest comes first, and no id that the file shows already is given. Each is noted as a
    guess.
    """
    shown = {known.ids[colour] for colour in colours if colour in known.ids}
    pairs = [
        (_differ(colour, other), colour, other)
        for colour in colours
        if colour not in known.ids
        for other in sorted(known.lossy)
    ]
    for difference, colour, other in sorted(pairs):
        one = known.ids[other]
        if difference <= _ALIKE and colour not in known.ids and one not in shown:
            known.ids[colour] = one
            shown.add(one)
            known.guesses.append(
                f"{path}: #{colour:06x} was taken for #{other:06x} of a file that does not keep "
                "colours; save masks as PNG"
            )


def _differ(colour: int, other: int) -> int:
    """By how much the red, green or blue of two colours differs at most."""
    return max(abs((colour >> bits & 255) - (other >> bits & 255)) for bits in (0, 8, 16))


def _find_alike(colour: int, known: Collection[int]) -> int:
    """The known colour that a lossy file has made this one of; itself if there is none."""
    closest = min(known, key=lambda other: _differ(colour, other), default=colour)
    return closest if _differ(closest, colour) <= _ALIKE else colour
