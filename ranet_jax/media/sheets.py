"""Sheets: pictures of training samples, so that a person sees what the network sees."""

import cv2
import numpy as np

from ranet_jax.media.overlay import paint_overlay

TITLES = ("template and its mask", "current and previous mask", "prediction", "truth")
WIDTH = 320
"""Pixels of a panel."""


def draw_sheet(batch: dict[str, np.ndarray], predictions: np.ndarray) -> np.ndarray:
    """Draws samples, a row each.

    Args:
        batch: the fields of `Example`, [b, ...].
        predictions: labels, uint8 [b, h, w].

    Returns:
        uint8 RGB, one picture with a line of titles.
    """
    rows = []
    for index, prediction in enumerate(predictions):
        template, frame = batch["template"][index], batch["frame"][index]
        pairs = (
            (template, batch["template_labels"][index]),
            (frame, batch["previous"][index]),
            (frame, prediction),
            (frame, batch["labels"][index]),
        )
        height = round(WIDTH * frame.shape[0] / frame.shape[1])
        panels = [
            cv2.resize(paint_overlay(*pair), (WIDTH, height), interpolation=cv2.INTER_AREA)
            for pair in pairs
        ]
        rows.append(np.hstack(panels))
    titles = np.full((20, 4 * WIDTH, 3), 255, np.uint8)
    for column, title in enumerate(TITLES):
        place = (column * WIDTH + 6, 14)
        cv2.putText(titles, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([titles, *rows])
