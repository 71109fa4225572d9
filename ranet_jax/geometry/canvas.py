"""Fitting frames of any size onto the network's canvas, and labels back, on the host."""

import cv2
import numpy as np


def _resize_nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest neighbour with source index `floor(i * in / out)`."""
    rows = np.arange(height) * labels.shape[0] // height
    columns = np.arange(width) * labels.shape[1] // width
    return labels[rows][:, columns]


def _keep_object(fitted: np.ndarray, labels: np.ndarray, lost: int) -> None:
    """Puts a lost object of `labels` on the pixel of `fitted` that shows most of it, if it may."""
    rows, columns = (labels == lost).nonzero()
    height, width = fitted.shape
    places = rows * height // labels.shape[0] * width + columns * width // labels.shape[1]
    found, counts = np.unique(places, return_counts=True)
    for place in found[np.argsort(-counts, kind="stable")]:
        y, x = divmod(int(place), width)
        if not fitted[y, x] or np.count_nonzero(fitted == fitted[y, x]) > 1:
            fitted[y, x] = lost
            return


def fit_image(
    size: tuple[int, int], canvas: tuple[int, int], *, cover: bool = False
) -> tuple[int, int, int, int]:
    """Where an image is put on the canvas: aspect kept, both sides made even, centred.

    Args:
        size: height and width of the image.
        canvas: height and width.
        cover: whether the image is to cover the canvas, with parts of it outside; if not, all of it
            fits in. Training chooses by `Augmentation.cover`; segmenting always fits.

    Returns:
        y, x, height and width of the image on the canvas.
    """
    scale = (max if cover else min)(canvas[0] / size[0], canvas[1] / size[1])
    # A panorama still keeps two rows; the epsilon keeps 0.999... of an exact fit from losing two.
    height, width = (max(2, int(side * scale + 1e-6) // 2 * 2) for side in size)
    return (canvas[0] - height) // 2, (canvas[1] - width) // 2, height, width


class Canvas:
    """The place of a video's frames on the canvas.

    A frame that fits with one side touching, such as DAVIS's 480 x 854 on 480 x 864, is not
    resized. Any other is scaled to fit, aspect kept, both sides made even, and centred on black.

    Attributes:
        size: height and width of the video's frames.
    """

    def __init__(self, size: tuple[int, int], canvas: tuple[int, int]) -> None:
        """Places frames of `size` (height, width) on a canvas of `canvas` (height, width)."""
        self.size = size
        self._canvas = canvas
        y, x, h, w = fit_image(size, canvas)
        self._start, self._scaled = (y, x), (h, w)

    def _place(self, scaled: np.ndarray) -> np.ndarray:
        """Centres a scaled image on an empty canvas."""
        placed = np.zeros((*self._canvas, *scaled.shape[2:]), scaled.dtype)
        (y, x), (h, w) = self._start, self._scaled
        placed[y : y + h, x : x + w] = scaled
        return placed

    def fit_frame(self, frame: np.ndarray) -> np.ndarray:
        """Fits a frame: half-pixel bilinear.

        Args:
            frame: uint8 RGB, [h, w, 3] of the video's size.

        Returns:
            uint8 RGB, the canvas's size.
        """
        if self._scaled != self.size:
            frame = cv2.resize(frame, self._scaled[::-1], interpolation=cv2.INTER_LINEAR)
        return self._place(frame)

    def fit_labels(self, labels: np.ndarray) -> np.ndarray:
        """Fits labels: nearest neighbour, and a pixel for each object that this would lose.

        Args:
            labels: [h, w] of the video's size.

        Returns:
            Labels of the canvas's size, 0 on its border. An object is not among them only if there
            is no room: where it lies, each pixel is the last one of another object.
        """
        fitted = _resize_nearest(labels, *self._scaled)
        if self._scaled != self.size:
            for one in np.setdiff1d(labels, fitted):
                _keep_object(fitted, labels, one)
        return self._place(fitted)

    def locate(self, point: tuple[int, int]) -> tuple[float, float]:
        """Finds where a pixel of a frame is on the canvas.

        Args:
            point: row and column of the pixel.

        Returns:
            Row and column of its centre, where the centre of the canvas's first pixel is 0.5, 0.5.
        """
        sides = zip(point, self.size, self._scaled, self._start, strict=True)
        row, column = (start + (at + 0.5) * scaled / size for at, size, scaled, start in sides)
        return row, column

    def restore_labels(self, labels: np.ndarray) -> np.ndarray:
        """Brings labels of the canvas back to the video's size: border cut off, nearest neighbour.

        Args:
            labels: of the canvas's size.

        Returns:
            Labels [h, w] of the video's size.
        """
        (y, x), (h, w) = self._start, self._scaled
        return _resize_nearest(labels[y : y + h, x : x + w], *self.size)

    def restore_probability(self, probability: np.ndarray) -> np.ndarray:
        """Brings probabilities of the canvas back to the video's size: half-pixel bilinear.

        Args:
            probability: floating point, [canvas height, canvas width, n].

        Returns:
            float32 [h, w, n] of the video's size.
        """
        (y, x), (h, w) = self._start, self._scaled
        inside = probability[y : y + h, x : x + w].astype(np.float32)
        # One object at a time: OpenCV drops a last axis of 1 and takes four channels at most.
        restored = [
            cv2.resize(one, self.size[::-1], interpolation=cv2.INTER_LINEAR)
            for one in np.ascontiguousarray(np.moveaxis(inside, -1, 0))
        ]
        return np.stack(restored, axis=-1)
