"""Pictures of a result: objects painted over their frame, and frames written as a video."""

import os
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from ranet_jax.data.images import PALETTE
from ranet_jax.errors import InputError

_COLOURS = np.array(PALETTE, np.uint8).reshape(256, 3)
# The same hues at full strength: DAVIS's first colours are too dark for a line on a dark picture.
_LINES = (_COLOURS / np.maximum(_COLOURS.max(1, keepdims=True), 1) * 255).round().astype(np.uint8)
_OPACITY = 0.5


def paint_overlay(frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Paints every object over a frame: a translucent fill and a thin solid contour.

    The fill has the object's colour in DAVIS masks, so that an overlay and its mask can be compared
    by eye; the contour is a brighter shade of it. The contour lies inside the object, and
    background pixels keep their values.

    Args:
        frame: uint8 RGB array [h, w, 3].
        labels: uint8 array [h, w] of object ids, 0 is background.

    Returns:
        A new uint8 RGB array [h, w, 3].
    """
    painted = cv2.addWeighted(frame, 1 - _OPACITY, np.take(_COLOURS, labels, axis=0), _OPACITY, 0)
    # One pixel on a small frame, two at 480p, four at 1080p: equally thin to the eye.
    thickness = max(1, round(min(labels.shape) / 270))
    window = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    contour = cv2.dilate(labels, window) != cv2.erode(labels, window)
    painted[contour] = _LINES[labels[contour]]
    return cv2.copyTo(painted, labels, frame.copy())


def write_video(path: Path, frames: Iterable[np.ndarray], frame_rate: float | Fraction) -> None:
    """Writes frames as an H.264 MP4 which browsers play.

    The file gets its name only when it is complete; a run that is interrupted leaves no broken
    video behind, and one which is killed leaves at most `.NAME.partial`. H.264's usual colour
    format halves both sides, so an odd side is lengthened by repeating its last row or column:
    one pixel too many does less harm than losing a pixel of a result.

    Args:
        path: the MP4 file; its folder must exist. A file of that name is replaced.
        frames: uint8 RGB arrays [h, w, 3] of one size, taken one at a time.
        frame_rate: frames per second.

    Raises:
        InputError: the file cannot be created, there are no frames, or their sizes differ.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{path} would be an empty video; give at least one frame")
    height, width = first.shape[:2]
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.touch()
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); create its folder or choose another"
        ) from None
    try:
        with av.open(str(partial), "w", "mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream(
                "libx264",
                Fraction(frame_rate).limit_denominator(1001),
                options={"crf": "18"},
                width=width + width % 2,
                height=height + height % 2,
                pix_fmt="yuv420p",
            )
            # Without these, players guess the colours from the size of the picture.
            stream.codec_context.colorspace = Colorspace.ITU709
            stream.codec_context.color_primaries = ColorPrimaries.BT709
            stream.codec_context.color_trc = ColorTrc.BT709
            stream.codec_context.color_range = ColorRange.MPEG
            for frame in chain([first], frames):
                if frame.shape != first.shape:
                    raise InputError(
                        f"{path}: a frame is {frame.shape[1]} x {frame.shape[0]} but the first is "
                        f"{width} x {height}; the frames of a video must have one size"
                    )
                even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
                picture = av.VideoFrame.from_ndarray(even, "rgb24").reformat(
                    format="yuv420p", dst_colorspace=Colorspace.ITU709
                )
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
