"""The pictures of `figures`, drawn with matplotlib from numbers that come from elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ranet_jax.figures.inspection import Inspection
from ranet_jax.files import replace_file
from ranet_jax.media.overlay import paint_overlay
from ranet_jax.media.sheets import draw_sheet
from ranet_jax.models.ranet import RANet
from ranet_jax.tables.published import SPEED, TABLES
from ranet_jax.tables.runs import Run

DPI = 130
_COLOURS = ("#ff7f0e", "#17becf", "#e377c2", "#bcbd22", "#9467bd", "#8c564b")
_STREAMS = ("foreground", "background")


def write_figure(figure: Figure, path: Path) -> None:
    """Writes a picture as PNG, which appears under its name when it is complete; says where.

    Args:
        figure: the picture.
        path: of the file; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=DPI)
    print(path)


def _show_picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    """Shows a picture without ticks."""
    axes.imshow(picture)
    axes.set_title(title, fontsize=10)
    axes.set(xticks=[], yticks=[], anchor="N")


def _mark_cell(axes: Axes, inspection: Inspection, position: int, colour: str, name: str) -> None:
    """Frames the cell of the template that a position stands for."""
    cell = inspection.cell
    y, x = (cell * place for place in divmod(position, inspection.template.shape[1] // cell))
    axes.add_patch(Rectangle((x, y), cell, cell, fill=False, edgecolor=colour, linewidth=2))
    axes.annotate(
        name, (x + cell / 2, y + cell / 2), color="white", ha="center", va="center", weight="bold"
    )


def _show_map(
    axes: Axes, frame: np.ndarray, values: np.ndarray, title: str, unit: str, **scale: Any
) -> None:
    """Lays a map over the grey frame that it belongs to, with its colour bar below."""
    h, w = frame.shape[:2]
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    _show_picture(axes, np.repeat(grey[..., None], 3, axis=2), title)
    extent = (-0.5, w - 0.5, h - 0.5, -0.5)
    shown = axes.imshow(values, extent=extent, alpha=0.65, interpolation="nearest", **scale)
    axes.figure.colorbar(shown, ax=axes, label=unit, location="bottom", aspect=40, pad=0.03)


def draw_maps(inspection: Inspection, slot: int, positions: Sequence[int], title: str) -> Figure:
    """Draws similarity maps of template positions and the merged features (figure 4 of the paper).

    Args:
        inspection: of a frame.
        slot: of the object whose merged features are drawn.
        positions: of the template, at least one.
        title: of the whole.

    Returns:
        The figure.
    """
    columns = 1 + max(len(positions), 2)
    figure = Figure(figsize=(4 * columns, 6.4), layout="constrained")
    figure.suptitle(title)
    top, bottom = figure.subplots(2, columns)
    template, frame = inspection.template, inspection.frame
    picture = paint_overlay(template, inspection.template_labels)
    _show_picture(top[0], picture, "template in its box, with its mask")
    _show_picture(
        bottom[0], paint_overlay(frame, inspection.labels), "current frame in its box, with result"
    )
    chosen = inspection.similarity[list(positions)]
    scale = {"vmin": chosen.min(), "vmax": chosen.max(), "cmap": "inferno"}
    for number, (axes, position) in enumerate(zip(top[1:], positions, strict=False), 1):
        colour = _COLOURS[number % len(_COLOURS)]
        _mark_cell(top[0], inspection, position, colour, str(number))
        name = f"current frame: similarity to cell {number}"
        values = inspection.similarity[position]
        _show_map(axes, frame, values, name, "similarity (about -1 to 1)", **scale)
        for spine in axes.spines.values():
            spine.set(color=colour, linewidth=3)
    for axes, stream, feature in zip(bottom[1:], _STREAMS, inspection.merged[slot], strict=False):
        name = f"current frame: merged {stream} feature"
        _show_map(axes, frame, feature.mean(axis=-1), name, "mean over channels (no unit)")
    for axes in (*top[1 + len(positions) :], *bottom[3:]):
        axes.set_axis_off()
    return figure


def draw_scores(inspection: Inspection, slot: int, model: RANet, title: str) -> Figure:
    """Draws the ranking scores over the template as heat maps.

    Args:
        inspection: of a frame, with scores.
        slot: of the object.
        model: the network, which says how many maps each stream keeps.
        title: of the whole.

    Returns:
        The figure.
    """
    assert inspection.scores is not None  # None only of a network that ranks nothing
    figure = Figure(figsize=(13, 3.9), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(1, 3)
    template = inspection.template
    picture = paint_overlay(template, inspection.template_labels)
    _show_picture(axes[0], picture, "template in its box, with its mask")
    shape = [side // inspection.cell for side in template.shape[:2]]
    for one, stream, scores in zip(axes[1:], _STREAMS, inspection.scores[slot], strict=True):
        ranked = np.count_nonzero(np.isfinite(scores))
        name = f"{stream}: {ranked} cells ranked, the best {min(ranked, model.top_k)} kept"
        unit = "ranking score (no unit)"
        _show_map(one, template, scores.reshape(shape), name, unit, cmap="inferno")
    learned = " + what the ranking network adds" if model.learned_scores else ""
    figure.supxlabel(
        "score of a cell: the stream's share of it x its highest similarity in the current frame"
        f"{learned}; cells without colour are not in the stream",
        fontsize=9,
    )
    return figure


def draw_overlays(
    shown: Sequence[tuple[int, np.ndarray, np.ndarray, np.ndarray | None]], title: str
) -> Figure:
    """Draws results over frames of a clip, and the annotations below (figure 7 of the paper).

    Args:
        shown: number, uint8 frame [h, w, 3], uint8 result [h, w] and annotation, if there is one.
        title: of the whole.

    Returns:
        The figure.
    """
    annotated = any(truth is not None for *_, truth in shown)
    h, w = shown[0][1].shape[:2]
    height = (1 + annotated) * (3.6 * h / w + 0.4) + 0.4
    figure = Figure(figsize=(3.6 * len(shown), height), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(1 + annotated, len(shown), squeeze=False)
    for column, (number, frame, labels, truth) in enumerate(shown):
        given = ": given mask" if number == 0 else ": result"
        _show_picture(axes[0, column], paint_overlay(frame, labels), f"frame {number}{given}")
        if truth is not None:
            _show_picture(
                axes[1, column], paint_overlay(frame, truth), f"frame {number}: annotation"
            )
    return figure


def draw_samples(examples: dict[str, np.ndarray], predictions: np.ndarray, title: str) -> Figure:
    """Draws training samples, a row each (figure 5 of the paper); see `sheets.draw_sheet`.

    Args:
        examples: the fields of `Example`, uint8 [b, ...].
        predictions: labels, uint8 [b, h, w].
        title: of the whole.

    Returns:
        The figure.
    """
    sheet = draw_sheet(examples, predictions)
    figure = Figure(figsize=(10, 10 * sheet.shape[0] / sheet.shape[1] + 0.4), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots()
    axes.imshow(sheet)
    axes.set_axis_off()
    return figure


def draw_speed(runs: Sequence[Run]) -> Figure:
    """Draws accuracy against time (figure 6 of the paper).

    Methods whose time has no source stand at the right, at their accuracy.

    Args:
        runs: own evaluations of DAVIS16-val with scores and times.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(10, 8.5), layout="constrained")
    figure.suptitle("Accuracy against time, DAVIS16-val; higher and further left is better")
    axes, margin = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1))
    curve = [(row.numbers[SPEED], row.numbers["J&F-Mean"]) for row in TABLES["online"].rows]
    axes.plot(*zip(*curve, strict=True), "o-", color="black", label="RANet and RANet+, published")
    for run, colour in zip(runs, _COLOURS * len(runs), strict=False):
        steps = f", {run.steps} online steps" if run.steps else ""
        part = f", PARTIAL: {run.covered}" if run.covered else ""
        axes.plot(
            run.numbers[SPEED],
            run.numbers["J&F-Mean"],
            "s",
            color=colour,
            markersize=9,
            fillstyle="none" if part else "full",
            label=f"here, {run.name}{steps}{part}\n({run.summary['device']}, {run.path.parent})",
        )
    axes.set(
        xscale="log", xlabel="seconds a frame, online learning included", ylabel="J&F mean (%)"
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="lower left", fontsize=8)
    others = [row for row in TABLES["davis16-val"].rows if not row.method.startswith("RANet")]
    accuracies = [row.numbers["J&F-Mean"] for row in others]
    places = spread_labels(accuracies, gap=1.6)
    for row, accuracy, place in zip(others, accuracies, places, strict=True):
        margin.plot([0, 0.25, 0.4], [accuracy, accuracy, place], color="grey", linewidth=0.8)
        margin.annotate(f"{row.method} {accuracy:.1f}", (0.43, place), fontsize=8, va="center")
    margin.set(xlim=(0, 1.4), xticks=[], title="others, published:\nno source for the time")
    margin.title.set_fontsize(9)
    return figure


def spread_labels(values: Sequence[float], gap: float) -> list[float]:
    """Moves labels down until none is too close to the one above it.

    Args:
        values: where they would stand, in any order.
        gap: the smallest distance.

    Returns:
        Where they stand, likewise.
    """
    places = np.empty(len(values))
    above = np.inf
    for index in np.argsort(values)[::-1]:
        above = places[index] = min(values[index], above - gap)
    return places.tolist()
