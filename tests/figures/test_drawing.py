"""What is drawn is what it was drawn from."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from ranet_jax.figures.inspection import (
    Inspection,
)
from ranet_jax.models.ranet import small_ranet
from ranet_jax.tables.published import TABLES
from ranet_jax.tables.runs import read_run
from tests.figures.example import H, W, clip, summary

pytest.importorskip("matplotlib", reason="matplotlib is an extra, ranet-jax[figures]")


drawing = importlib.import_module("ranet_jax.figures.drawing")


def made_up():
    """An inspection whose numbers are all different."""
    frames, _ = clip()
    labels = np.zeros((H, W), np.uint8)
    labels[:64] = 1
    similarity = np.random.default_rng(2).uniform(-1, 1, (45, 10, 18))
    scores = np.arange(90.0).reshape(1, 2, 45)
    scores[0, 0, 18:] = np.nan
    merged = np.random.default_rng(3).uniform(-1, 1, (1, 2, 20, 36, 4))
    return Inspection(
        np.array([1]), frames[0], labels, frames[1], labels, 32, similarity, scores, merged
    )


def drawn(figure):
    """The maps of a figure, by the title of their axes."""
    axes = [one for one in figure.axes if len(one.images) == 2]
    return {one.get_title(): np.ma.filled(one.images[1].get_array(), np.nan) for one in axes}


def test_maps_are_drawn_as_they_are():
    inspection = made_up()
    maps = drawn(drawing.draw_maps(inspection, 0, [7, 30], "title"))
    assert len(maps) == 4
    for number, position in ((1, 7), (2, 30)):
        np.testing.assert_array_equal(
            maps[f"current frame: similarity to cell {number}"], inspection.similarity[position]
        )
    for index, stream in enumerate(("foreground", "background")):
        np.testing.assert_allclose(
            maps[f"current frame: merged {stream} feature"],
            inspection.merged[0, index].mean(axis=-1),
        )


def test_scores_are_drawn_over_the_template():
    maps = drawn(drawing.draw_scores(made_up(), 0, small_ranet(), "title"))
    foreground = maps["foreground: 18 cells ranked, the best 18 kept"]
    np.testing.assert_array_equal(foreground[:2], np.arange(18).reshape(2, 9))
    assert np.isnan(foreground[2:]).all()
    background = maps["background: 45 cells ranked, the best 28 kept"]
    np.testing.assert_array_equal(background, np.arange(45, 90).reshape(5, 9))


def test_speed_shows_published_and_own_points(tmp_path):
    runs = [
        read_run(summary(tmp_path / "whole")),
        read_run(summary(tmp_path / "part", sequences=["a"], online_steps=5)),
    ]
    axes, margin = drawing.draw_speed(runs).axes
    published, whole, part = axes.lines
    assert published.get_xydata().tolist() == [
        [0.033, 85.5],
        [0.3, 86.2],
        [1.0, 86.8],
        [1.5, 86.9],
        [4.0, 87.1],
    ]
    np.testing.assert_allclose(whole.get_xydata(), [[0.2, 40]])
    assert (whole.get_fillstyle(), part.get_fillstyle()) == ("full", "none")
    assert "PARTIAL: 1 of 20 sequences" in part.get_label()
    assert "5 online steps" in part.get_label()
    others = {row.method for row in TABLES["davis16-val"].rows} - {"RANet", "RANet+"}
    assert {text.get_text().split()[0] for text in margin.texts} == others


def test_labels_keep_their_distance_and_their_order():
    assert drawing.spread_labels([10.0, 50.0, 10.5, 30.0], gap=2) == [8.5, 50.0, 10.5, 30.0]


def test_a_picture_appears_when_it_is_complete(tmp_path, monkeypatch):
    figure = drawing.draw_speed([])
    path = tmp_path / "new" / "speed.png"
    drawing.write_figure(figure, path)
    before = path.read_bytes()

    def fail(self, file, **kwargs):
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(type(figure), "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        drawing.write_figure(figure, path)
    assert path.read_bytes() == before
