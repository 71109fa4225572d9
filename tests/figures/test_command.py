"""The command: every kind writes a picture, and what cannot be is refused."""

import importlib
import sys

import numpy as np
import pytest
from PIL import Image

from ranet_jax.data.synthetic import write_davis
from ranet_jax.errors import InputError, run_command
from ranet_jax.figures import __main__ as command
from ranet_jax.figures import make as figures
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.protocol import build
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network
from tests.figures.example import clip, network, summary

pytest.importorskip("matplotlib", reason="matplotlib is an extra, ranet-jax[figures]")


drawing = importlib.import_module("ranet_jax.figures.drawing")


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
    # Not ahead: one program serves all kinds, and `inspect_frame` too.
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
        ("overlays", ["--count", "0"], "--count 0: give 1 or more"),
        ("overlays", ["--max-frames", "0"], "--max-frames 0: give 1 or more"),
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
    assert "pip install -e '.[figures]'" in capsys.readouterr().err
