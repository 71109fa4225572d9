"""A frame to paint on, and from what was painted on it to a mask of object ids."""

import tempfile
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
from gradio.components.image_editor import EditorValue
from PIL import Image
from scipy.ndimage import distance_transform_edt

from ranet_jax.errors import InputError
from ranet_jax.media.palette import PALETTE

BRUSHES = np.where(np.array(PALETTE[3:21]).reshape(6, 3) > 0, 255, 0)
"""Colours to paint with, RGB [6, 3]: row k - 1 paints object k, in the hue it has in an overlay."""

# Of a picture on a screen, height and width: large enough to paint on, small enough to send often.
_ROOM = (600, 960)
_TOLERANCE = 32


def fit_picture(frame: np.ndarray) -> np.ndarray:
    """Resizes a frame, aspect kept, to fill the room there is for it; a small one is enlarged.

    Args:
        frame: uint8 RGB [h, w, 3].

    Returns:
        uint8 RGB of the picture's size.
    """
    height, width = _find_picture_size(frame.shape[:2])
    method = cv2.INTER_AREA if height < frame.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(frame, (width, height), interpolation=method)


def _find_picture_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the picture of a frame of that size."""
    scale = min(room / side for room, side in zip(_ROOM, size, strict=True))
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def find_shown(labels: np.ndarray) -> np.ndarray:
    """Finds the objects that somebody sees who is to correct a frame.

    Args:
        labels: of the frame, uint8 [h, w].

    Returns:
        Ids, in order: those that are left when the labels went through the frame's picture and
        back, as a painting does; in a small picture tiny objects are lost.
    """
    picture = resize_labels(labels, _find_picture_size(labels.shape))
    ids = np.unique(resize_labels(picture, labels.shape))
    return ids[ids > 0]


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes labels by nearest neighbour, from a frame to its picture or back.

    Args:
        labels: uint8 [h, w].
        size: height and width to resize to.

    Returns:
        uint8 labels of that size.
    """
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def paint_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Paints a mask as somebody would; `read_painting` reads it back.

    Args:
        mask: ids 0..6, uint8 [h, w].
        size: height and width of the picture that is painted on.

    Returns:
        uint8 RGBA [height, width, 4].
    """
    strokes = np.vstack([np.zeros((1, 4)), np.insert(BRUSHES, 3, 255, axis=1)]).astype(np.uint8)
    return strokes[resize_labels(mask, size)]


def read_painting(strokes: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """Turns brush strokes into the mask of a frame.

    Brushes blend at their edges: with the empty picture, where alpha says how much of a pixel is
    covered, and with strokes below, which may look like a third brush (half red and half green is
    olive, and yellow is a brush). So only a pixel in one of `BRUSHES` names its object itself; any
    other painted pixel belongs to the object of the nearest one that does.

    Args:
        strokes: what was painted alone, uint8 RGBA [h, w, 4]; None for nothing.
        size: height and width of the frame.

    Returns:
        uint8 [height, width]: k where brush k covers more than half of a pixel, else 0.

    Raises:
        InputError: nothing is painted.
    """
    if strokes is None:
        strokes = np.zeros((1, 1, 4), np.uint8)
    painted = strokes[..., 3] > 127
    distance = np.abs(strokes[..., None, :3].astype(np.int16) - BRUSHES).max(-1)  # [h, w, brushes]
    sure = painted & (distance.min(-1) <= _TOLERANCE)
    if not sure.any():
        raise InputError("nothing is painted; paint over each object in a colour of its own")
    rows, columns = distance_transform_edt(~sure, return_distances=False, return_indices=True)
    ids = np.where(painted, (distance.argmin(-1) + 1)[rows, columns], 0)
    return resize_labels(ids.astype(np.uint8), size)


def show_painting(picture: np.ndarray, mask: np.ndarray | None, folder: Path) -> gr.ImageEditor:
    """Puts a picture into the editor.

    Args:
        picture: uint8 RGB [h, w, 3].
        mask: what is painted on it already, uint8 of the frame's size; None for nothing.
        folder: of the visit, for the files.

    Returns:
        What changes of the editor.
    """
    # Files of other names each time, because browsers keep what they once loaded.
    place = Path(tempfile.mkdtemp(dir=folder))
    Image.fromarray(picture).save(place / "frame.png")
    layers = []
    if mask is not None:
        Image.fromarray(paint_mask(mask, picture.shape[:2])).save(place / "layer.png")
        layers.append(str(place / "layer.png"))
    value: EditorValue = {
        "background": str(place / "frame.png"),
        "layers": layers,
        "composite": None,
    }
    # The column is some 600 wide; a portrait is shown smaller, so that all of it fits a screen.
    height = min(700, 120 + 560 * picture.shape[0] // picture.shape[1])
    return gr.ImageEditor(value=value, height=height, visible=True)
