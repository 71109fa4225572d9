"""The pictures: the numbers they are drawn from are the network's, and every kind writes one."""

import functools
import importlib
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ranet_jax.data.synthetic import write_davis
from ranet_jax.errors import InputError, run_command
from ranet_jax.figures import __main__ as command
from ranet_jax.figures import make as figures
from ranet_jax.figures.inspection import (
    Inspection,
    arrange_scores,
    choose_positions,
    find_position,
    inspect_frame,
    number_objects,
)
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.models.ranking import RankingAttention
from ranet_jax.protocol import Protocol, build
from ranet_jax.segmenter import Segmenter
from ranet_jax.tables.published import SCORES, TABLES
from ranet_jax.tables.runs import read_run
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network

pytest.importorskip("matplotlib", reason="matplotlib is an extra, ranet-jax[figures]")
drawing = importlib.import_module("ranet_jax.figures.drawing")

H, W = 160, 288


@functools.cache
def network():
    model = small_ranet()
    return Network(model, init_params(model, 0), {})


@functools.cache
def clip():
    """Two objects, so large that their box is the whole canvas, and their ids."""
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 120, (3, H, W, 3)).astype(np.uint8)
    masks = np.zeros((3, H, W), np.uint8)
    for index in range(3):
        masks[index, 10:150, 20 + index : 140] = 3
        masks[index, 10:150, 150:270] = 7
    frames[masks == 3] += 60
    frames[masks == 7] += 120
    return frames, masks


@functools.cache
def inspected():
    frames, masks = clip()
    return inspect_frame(network(), list(frames[:2]), masks[0])


def test_similarity_is_that_of_the_networks_own_features():
    """Kernels are means of 2x2 features, so those of the current frame give means of its maps."""
    (first, second, _), masks = clip()
    model, params = network()[:2]
    labels = number_objects(masks[0], np.array([3, 7]))
    init, _ = build(model, 2)
    kernels, other = (init(params, frame, labels).kernels for frame in (first, second))
    means = inspected().similarity.reshape(45, H // 32, 2, W // 32, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(means.reshape(45, 45), kernels @ other.T, atol=1e-3)
    assert means.std() > 0.01


def test_the_rest_is_what_the_segmenter_sees_and_makes():
    frames, masks = clip()
    model, params = network()[:2]
    labels = number_objects(masks[0], np.array([3, 7]))
    init, step = build(model, 2)
    _, expected = step(params, init(params, frames[0], labels), frames[1])
    found = inspected()
    assert np.mean(found.labels != expected) < 1e-3
    np.testing.assert_array_equal(found.ids, [3, 7])
    np.testing.assert_array_equal(found.template, frames[0])
    np.testing.assert_array_equal(found.frame, frames[1])
    np.testing.assert_array_equal(np.array([0, 3, 7])[found.template_labels], masks[0])
    assert found.merged.shape == (2, 2, H // 8, W // 8, 2 * model.width)
    assert not np.array_equal(found.merged[0], found.merged[1])


def test_scores_are_weighted_maxima_where_the_ranking_network_is_silent():
    """Untrained, it adds zero."""
    found = inspected()
    share = (found.template_labels == 1).reshape(H // 32, 32, W // 32, 32).mean((1, 3)).ravel()
    expected = np.where(share > 0, share * found.similarity.max((1, 2)), np.nan)
    np.testing.assert_allclose(found.scores[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("learned_scores", [True, False])
@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_scores_order_positions_as_the_model_does(ranking_rule, learned_scores):
    generator = np.random.default_rng(1)
    similarity = jnp.asarray(generator.uniform(-1, 1, (1, 45, 10, 18)), jnp.float32)
    similarity *= jnp.asarray(generator.uniform(0.2, 1, (1, 45, 1, 1)), jnp.float32)
    everything = jnp.asarray(generator.dirichlet((1, 1, 1), 45).T, jnp.float32)
    everything *= everything > 0.25
    cells = everything[None, 1:]
    everything = everything.at[0].set(1 - cells[0].sum(axis=0))
    module = RankingAttention(16, 28, ranking_rule, learned_scores)
    params = network().params["ranking"]["network"]
    conv = {
        "kernel": generator.normal(size=params["conv2"]["conv"]["kernel"].shape),
        "bias": np.zeros(1),
    }
    params = {"network": params | {"conv2": {"conv": jax.tree.map(jnp.float32, conv)}}}

    @jax.jit
    def rank(params):
        variables = {"params": params}
        maps, kept = module.apply(variables, similarity, cells, mutable=["intermediates"])
        (ranked,) = kept["intermediates"]["ranked"]
        return maps, [arrange_scores(*stream, 45)[0] for stream in ranked]

    maps, scores = rank(params if learned_scores else {})
    scores = np.stack(scores, axis=1)
    peak = np.asarray(similarity[0].max(axis=(1, 2)))
    unlearned = np.where(cells[0] > 0, cells[0] * peak, np.nan)
    difference = np.nanmax(np.abs(scores[:, 0] - unlearned))
    assert difference > 0.01 if learned_scores else difference < 1e-6
    rivals = (
        everything[jnp.array([[0, 2], [0, 1]])] if ranking_rule == "multi" else jnp.ones((2, 1, 45))
    )
    for slot in range(2):
        for stream, weights in enumerate((cells[0, slot, None], rivals[slot])):
            # The candidates of the stream, and which of them each kept map is.
            candidates = np.asarray(weights[..., None, None] * similarity)
            found = np.moveaxis(np.asarray(maps[stream][0, slot]), -1, 0)
            found = found[found.any(axis=(1, 2))]
            distance = np.abs(candidates[:, :, None] - found).max(axis=(-2, -1)).min(axis=0)
            assert (distance.min(axis=0) < 1e-6).all()
            order = list(dict.fromkeys(distance.argmin(axis=0).tolist()))
            ranked = np.argsort(-np.nan_to_num(scores[slot, stream], nan=-np.inf))
            assert order == ranked[: len(order)].tolist()
            assert len(order) > 4


@pytest.mark.parametrize("scale", [1, 3])
def test_a_pixel_lies_in_its_cell(scale):
    mask = np.zeros((H * scale, W * scale), np.uint8)
    mask[60 * scale : 120 * scale, 100 * scale : 180 * scale] = 9
    # The box of rows 60..119 and columns 100..179, 1.5 times larger in the canvas's shape, and what
    # of it each of the 5 x 9 cells shows.
    y0, y1, x0, x1 = 45, 133, 60, 218
    for y, x in ((61, 101), (90, 140), (118, 101), (118, 178)):
        row, column = int((y + 0.5 - y0) / (y1 - y0) * 5), int((x + 0.5 - x0) / (x1 - x0) * 9)
        assert find_position((y * scale, x * scale), mask, network()) == 9 * row + column
    assert find_position((90, 140), np.full((H, W), 1, np.uint8), network()) == 9 * 2 + 4


@pytest.mark.parametrize("pixel", [(-1, 5), (5, -1), (H, 5), (5, W)])
def test_a_pixel_outside_the_frame_is_refused(pixel):
    with pytest.raises(InputError, match=r"outside the frame of 160 rows and 288 columns"):
        find_position(pixel, np.ones((H, W), np.uint8), network())


def test_a_pixel_on_no_object_is_refused():
    with pytest.raises(InputError, match="5,6 is on no object"):
        find_position((5, 6), clip()[1][0], network())


def test_positions_are_spread_over_the_object_alone():
    labels = np.zeros((H, W), np.uint8)
    labels[32:96, 64:192] = 2
    chosen = choose_positions(labels, slot=1, count=3)
    inside = [9 * row + column for row in (1, 2) for column in (2, 3, 4, 5)]
    assert (chosen[0], chosen[-1], len(chosen)) == (inside[0], inside[-1], 3)
    assert set(chosen) <= set(inside)
    assert choose_positions(labels, slot=1, count=99) == inside
    tiny = np.zeros((H, W), np.uint8)
    tiny[40:45, 40:45] = 1
    assert choose_positions(tiny, slot=0, count=3) == [10]


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
        np.array([1]), frames[0], labels, frames[1], labels, similarity, scores, merged
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


def summary(folder, **fields):
    folder.mkdir()
    content = {
        "split": "davis16-val",
        "sequences": ["a"] * 20,
        "frames": 1356,
        "scores": dict.fromkeys(SCORES, 0.4),
        "seconds_per_frame": 0.2,
        "device": "1 x test",
    } | fields
    (folder / "summary.json").write_text(json.dumps(content))
    return f"full={folder}"


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


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set with one video, and a checkpoint."""
    root = tmp_path_factory.mktemp("data")
    write_davis(root / "DAVIS", "video", *clip(), "val")
    save_network(root / "network", network())
    return root


def run(monkeypatch, data, out, kind, *more):
    """Runs the command on the video."""
    monkeypatch.setattr(sys, "argv", ["figures", kind, *more, "--out", str(out)])
    if kind != "speed":
        sys.argv += ["--checkpoint", str(data / "network"), "--split", "davis17-val"]
        sys.argv += ["--data-dir", str(data / "DAVIS"), "--sequence", "video"]
    command.main()


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("maps", ["--frame", "1", "--object", "7", "--pixels", "20,30", "60,200"]),
        ("maps", ["--frame", "1"]),
        ("scores", ["--frame", "1"]),
        ("samples", []),
        ("overlays", ["--count", "2"]),
        ("speed", []),
    ],
)
def test_every_kind_writes_a_picture(monkeypatch, tmp_path, data, kind, more):
    monkeypatch.setattr(drawing, "DPI", 40)
    # Compiled before, by the tests above.
    monkeypatch.setattr(Segmenter, "compile", lambda self, objects: build(self.model, objects))
    run(monkeypatch, data, tmp_path / "out", kind, *more)
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == ("speed.png" if kind == "speed" else f"video_{kind}.png")
    picture = np.asarray(Image.open(path).convert("L"))
    assert min(picture.shape) > 100
    assert np.mean(picture < 128) > 0.005, "blank"


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("maps", ["--frame", "0"], "frame 0 is the template"),
        ("scores", ["--frame", "3"], "video has 3 frames"),
        ("scores", ["--frame", "1", "--object", "2"], "video has 3, 7"),
        ("maps", ["--frame", "1", "--pixels", "0,0"], "on no object"),
        ("overlays", ["--count", "0"], "at least 1"),
        ("overlays", ["--max-frames", "0"], "at least 1"),
    ],
)
def test_what_is_not_there_is_refused(monkeypatch, tmp_path, data, kind, more, message):
    with pytest.raises(InputError, match=message):
        run(monkeypatch, data, tmp_path, kind, *more)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "selection", "message"),
    [("scores", "spatial", "ranks nothing"), ("maps", "features", "correlates nothing")],
)
def test_a_network_without_it_is_refused(monkeypatch, tmp_path, data, kind, selection, message):
    other = Network(small_ranet().clone(selection=selection), {}, {})
    monkeypatch.setattr(figures, "load_network", lambda path: other)
    with pytest.raises(InputError, match=message):
        run(monkeypatch, data, tmp_path, kind, "--frame", "1")


def test_a_network_without_learned_scores_has_a_picture_of_its_scores(monkeypatch, tmp_path, data):
    model = small_ranet().clone(learned_scores=False)
    other = Network(model, init_params(model, 0), {})
    monkeypatch.setattr(figures, "load_network", lambda path: other)
    monkeypatch.setattr(drawing, "DPI", 40)
    run(monkeypatch, data, tmp_path / "out", "scores", "--frame", "1")
    assert (tmp_path / "out" / "video_scores.png").stat().st_size > 1000


def test_speed_refuses_another_split_and_masks_without_times(monkeypatch, tmp_path, data):
    other = summary(tmp_path / "other", split="davis17-val")
    with pytest.raises(InputError, match="is of davis17-val"):
        run(monkeypatch, data, tmp_path, "speed", other)
    timeless = summary(tmp_path / "timeless")
    path = tmp_path / "timeless" / "summary.json"
    path.write_text(path.read_text().replace("seconds_per_frame", "other"))
    with pytest.raises(InputError, match="has no times"):
        run(monkeypatch, data, tmp_path, "speed", timeless)


def test_a_missing_matplotlib_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    for name in ("drawing", "make"):
        monkeypatch.delitem(sys.modules, f"ranet_jax.figures.{name}")
        monkeypatch.delattr(f"ranet_jax.figures.{name}")
    monkeypatch.setattr(sys, "argv", ["figures", "speed", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        run_command(command.main)
    assert end.value.code == 2
    assert "pip install 'ranet-jax[figures]'" in capsys.readouterr().err


def test_what_is_done_around_the_network_is_seen():
    """Frames kept on a larger canvas than the network's: what it sees is cut from them."""
    frames, masks = clip()
    masks = masks * (masks == 7)
    protocol = Protocol(frame_canvas=(2 * H, 2 * W), locality=0.05)
    found = inspect_frame(network()._replace(protocol=protocol), list(frames[:2]), masks[0])
    released = inspect_frame(network(), list(frames[:2]), masks[0])
    assert found.frame.shape == released.frame.shape == (H, W, 3)
    # The boxes are equal up to half a pixel of the smaller canvas.
    assert np.mean(found.template_labels != released.template_labels) < 0.02
    assert np.abs(found.template.astype(int) - released.template).mean() < 30
    assert not np.array_equal(found.template, released.template)
    # No object outside of the neighbourhood of what it was.
    rows, columns = np.nonzero(found.template_labels)
    rows_now, columns_now = np.nonzero(found.labels)
    assert abs(rows_now.min() - rows.min()) < 20 and abs(columns_now.max() - columns.max()) < 20
