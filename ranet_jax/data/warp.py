"""Warps of the canvas: thin-plate spline, rotation, scaling and shift as one map of coordinates.

A warp is kept as its nodes, float32 [2, rows, columns]: which point (x, y) every 16th pixel of the
canvas shows. Between nodes it is bilinear by definition, so that image and mask, read through the
same nodes, agree at any zoom, and an image is interpolated only once.
"""

import cv2
import numpy as np

SPACING = 16
"""Pixels of the canvas between two nodes."""

_CONTROLS = 4
"""Control points along each side: 16 in all, as in the paper."""


def thin_plate_spline(points: np.ndarray, controls: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Evaluates the thin-plate spline that moves each control point as given.

    Args:
        points: float [n, 2], where to evaluate it, in any unit.
        controls: float [k, 2], the control points, not all on a line.
        moves: float [k, 2], the displacement of each.

    Returns:
        Displacements of the points, float [n, 2].
    """
    from scipy.interpolate import RBFInterpolator  # here, as it takes long and few commands warp

    # The spline does not depend on the unit of length, its linear system's conditioning does.
    unit = np.ptp(controls, axis=0).max()
    spline = RBFInterpolator(controls / unit, moves, kernel="thin_plate_spline")
    return spline(points / unit)


def draw_warp(
    canvas: tuple[int, int],
    region: tuple[float, float, float, float],
    generator: np.random.Generator,
    *,
    spline: float,
    rotation: float,
    scaling: float,
    shift: float,
) -> np.ndarray:
    """Draws a warp of a region: a thin-plate spline first, then rotation, scaling and shift.

    Every quantity is uniform. Lengths are measured by the region, be it an image or one object of
    a mask.

    Args:
        canvas: height and width of the picture that the warp produces.
        region: y, x, height and width of what is warped. The control points span it edge to edge,
            and it turns around its middle.
        generator: source of randomness.
        spline: largest move of a control point, as a share of the region's sides.
        rotation: largest angle, degrees.
        scaling: largest relative change of size.
        shift: largest shift, as a share of the region's sides.

    Returns:
        Nodes, float32 [2, rows, columns].
    """
    y, x, height, width = region
    sides = np.array([width, height])
    centre = np.array([x, y]) + (sides - 1) / 2
    angle = np.deg2rad(generator.uniform(-rotation, rotation))
    scale = 1 + generator.uniform(-scaling, scaling)
    offset = generator.uniform(-shift, shift, 2) * sides
    moves = generator.uniform(-spline, spline, (_CONTROLS**2, 2)) * sides

    rows, columns = (np.arange(-(-side // SPACING) + 1) * SPACING for side in canvas)
    grid = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    # From the picture back to what it shows, hence everything inverted and in reverse order.
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    points = (grid - centre - offset) @ turn
    ticks = np.linspace(-0.5, 0.5, _CONTROLS)
    controls = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2) * sides
    points += thin_plate_spline(points, controls, moves) + centre
    return points.T.reshape(2, len(rows), len(columns)).astype(np.float32)


def place_image(
    nodes: np.ndarray, size: tuple[int, int], region: tuple[int, int, int, int], *, flip: bool
) -> np.ndarray:
    """Lets a warp read from an image itself instead of from the canvas that it is put on.

    Args:
        nodes: of the warp, in pixels of the canvas.
        size: height and width of the image.
        region: where the image is on the canvas, see `geometry.canvas.fit_image`.
        flip: whether the image is mirrored, left to right.

    Returns:
        Nodes in pixels of the image.
    """
    y, x, height, width = region
    placed = np.stack(
        [
            (nodes[0] - x + 0.5) * (size[1] / width) - 0.5,
            (nodes[1] - y + 0.5) * (size[0] / height) - 0.5,
        ]
    )
    if flip:
        placed[0] = size[1] - 1 - placed[0]
    return placed


def _locate(nodes: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What the pixels at some rows and columns show, float32 [2, rows, columns]."""
    # Not as a product of matrices: BLAS threads of many loader workers would fight over the cores.
    for axis, positions in ((2, columns), (1, rows)):
        low = np.minimum(positions // SPACING, nodes.shape[axis] - 2).astype(int)
        share = (positions / SPACING - low).astype(np.float32)
        steps = np.diff(nodes, axis=axis).take(low, axis)
        steps *= share if axis == 2 else share[:, None]
        steps += nodes.take(low, axis)
        nodes = steps
    return nodes


def sample_labels(
    labels: np.ndarray, nodes: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Looks at labels through a warp: nearest neighbour, 0 outside.

    Args:
        labels: uint8 [h, w], what the nodes point into.
        nodes: of the warp.
        rows: which rows of the canvas to show.
        columns: which columns of the canvas to show.

    Returns:
        uint8 [rows, columns].
    """
    x, y = _locate(nodes, rows, columns)
    return cv2.remap(labels, x, y, cv2.INTER_NEAREST)


def sample_frame(
    image: np.ndarray, nodes: np.ndarray, box: np.ndarray, canvas: tuple[int, int]
) -> np.ndarray:
    """Looks at a box of the canvas through a warp, enlarged to the canvas: half-pixel bilinear.

    Outside the image it is black, as the canvas is at test time. (Mirroring would show a second
    object that the mask denies.)

    Args:
        image: uint8 [h, w, 3], what the nodes point into.
        nodes: of the warp.
        box: of the part to show.
        canvas: height and width.

    Returns:
        uint8, the canvas's size; what `geometry.box.cut_frame` makes of the warped image, but
        interpolated once.
    """
    x, y = _locate(nodes, *spread_pixels(box, canvas))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR)


def spread_pixels(box: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a picture lie that shows a box of the canvas.

    Args:
        box: of the part to show.
        size: height and width of the picture.

    Returns:
        Rows and columns of the canvas, float: half-pixel, and clamped to the box, because at test
        time pixels outside it do not leak in.
    """
    rows, columns = (
        np.clip(start + (np.arange(count) + 0.5) * ((end - start) / count) - 0.5, start, end - 1)
        for count, start, end in zip(size, box[:2], box[2:], strict=True)
    )
    return rows, columns
