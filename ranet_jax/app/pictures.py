"""Pictures and words that follow the work, as HTML."""

import base64

import cv2
import numpy as np

from ranet_jax.app.painting import fit_picture, resize_labels
from ranet_jax.app.visit import Visit
from ranet_jax.media.frames import Frame
from ranet_jax.media.overlay import paint_overlay


def frame_text(text: str) -> str:
    """Puts words in the place of a picture.

    Args:
        text: HTML.

    Returns:
        HTML.
    """
    return f'<div class="empty">{text}</div>'


def summarize(visit: Visit) -> str:
    """Says how far a video is, and how fast it went.

    Args:
        visit: of the video.

    Returns:
        HTML.
    """
    said = f"{visit.finished} frames"
    if visit.frame_count and visit.finished < visit.frame_count:
        said = f"{visit.finished} of {visit.frame_count} frames"
    return f"<p>{said}{f', {visit.rate:.1f} a second' if visit.rate else ''}</p>"


def draw_progress(visit: Visit, frame: Frame, labels: np.ndarray) -> str:
    """Draws the newest frame with its objects, and how far the video is.

    Args:
        visit: of the video.
        frame: the newest that is finished.
        labels: of that frame, uint8 [h, w].

    Returns:
        HTML with the picture in it.
    """
    picture = fit_picture(frame.image)
    picture = paint_overlay(picture, resize_labels(labels, picture.shape[:2]))
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    # Inside the page and not as a file, so that there is nothing to be deleted.
    data = base64.b64encode(jpeg.tobytes()).decode()
    picture = f'<img src="data:image/jpeg;base64,{data}">'
    bar = f'<progress value="{visit.finished}" max="{visit.frame_count}"></progress>'
    return picture + (bar if visit.frame_count else "") + summarize(visit)
