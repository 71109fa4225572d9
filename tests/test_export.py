"""A network as files: equal output without this package, on the platforms asked for."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.export
import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.export import __main__ as command
from ranet_jax.export import bundle as export
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.protocol import Protocol, build
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network

EXAMPLE = Path(__file__).parents[1] / "examples" / "run_exported.py"

# Whatever of these the example imports, it fails.
ISOLATED = """
import runpy, sys
for name in ("ranet_jax", "flax", "orbax", "cv2", "safetensors"):
    sys.modules[name] = None
path, *sys.argv[1:] = sys.argv[1:]
runpy.run_path(path, run_name="__main__")
"""


@functools.cache
def network():
    model = small_ranet()
    return Network(model, init_params(model, 0), {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An export with room for two objects, for this machine and for one it does not have."""
    path = tmp_path_factory.mktemp("export") / "deep" / "small"
    export.export_network(network(), path, slots=2, platforms=("cpu", "cuda"))
    return path


@functools.cache
def clip():
    """Three frames of noise, and labels of two objects in the first."""
    video = np.random.default_rng(0).integers(0, 256, (3, 160, 288, 3)).astype(np.uint8)
    labels = np.zeros((160, 288), np.uint8)
    labels[40:110, 60:150] = 1
    labels[20:90, 180:250] = 2
    return video, labels


@functools.cache
def expected():
    """The first state and the labels of the later frames, by this package."""
    functions = build(network().model, slots=2)
    video, labels = clip()
    state = functions.init(network().params, video[0], labels)
    first = jax.tree.map(np.array, state)
    found = []
    for frame in video[1:]:
        state, labels = functions.step(network().params, state, frame)
        found.append(np.asarray(labels))
    return first, found


def load(folder, name):
    return jax.export.deserialize(bytearray((folder / name).read_bytes()))


def test_the_example_gives_equal_masks_without_this_package(folder, tmp_path):
    video, labels = clip()
    names = [tmp_path / f"{index}.png" for index in range(len(video))]
    for name, frame in zip(names, video, strict=True):
        Image.fromarray(frame).save(name)
    Image.fromarray(labels).save(tmp_path / "mask.png")

    def run_example(mask):
        arguments = [EXAMPLE, folder, tmp_path / "out", mask, *names]
        return subprocess.run(
            [sys.executable, "-I", "-c", ISOLATED, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    run = run_example(tmp_path / "mask.png")
    assert run.returncode == 0, run.stderr
    Image.fromarray(3 * labels).save(tmp_path / "many.png")
    for mask, complaint in ("none.png", "does not exist"), ("many.png", "has the id 6; ids are 1"):
        refused = run_example(tmp_path / mask)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
        assert f"{mask} {complaint}" in refused.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.png", "2.png"]
    step = jax.jit(load(folder, "step.jax").call)
    weights = dict(np.load(folder / "weights.npz"))
    state = load(folder, "init.jax").call(weights, video[0], labels)
    for name, frame, ours in zip(("1.png", "2.png"), video[1:], expected()[1], strict=True):
        found = np.asarray(Image.open(tmp_path / "out" / name))
        state, same = step(weights, state, frame)
        np.testing.assert_array_equal(found, same)
        # XLA may round another program otherwise: of this noise a few pixels change sides, 24 of
        # 46 080 on a CPU without AVX-512.
        assert (found != ours).mean() < 1e-3
    assert len(np.unique(expected()[1])) == 3, "both objects and background are seen"


def test_the_state_is_equal_bit_for_bit_and_its_memory_is_reused(folder):
    video, labels = clip()
    weights = dict(np.load(folder / "weights.npz"))
    state = load(folder, "init.jax").call(weights, video[0], labels)
    for name in ("kernels", "cells", "labels"):
        np.testing.assert_array_equal(state[name], getattr(expected()[0], name))
    exported = load(folder, "step.jax")
    assert exported.mlir_module().count("tf.aliasing_output") == len(state)
    step = jax.jit(exported.call, donate_argnums=1)
    step(weights, state, video[1])
    assert all(x.is_deleted() for x in state.values())


def test_weights_are_arguments(folder):
    """With other weights the same file is another network; zeros cannot tell frames apart."""
    video, labels = clip()
    weights = {name: np.zeros_like(x) for name, x in np.load(folder / "weights.npz").items()}
    state = load(folder, "init.jax").call(weights, video[0], labels)
    assert not np.asarray(state["kernels"]).any()
    stored = sum(x.nbytes for x in jax.tree.leaves(network().params))
    assert (folder / "weights.npz").stat().st_size >= stored
    assert (folder / "step.jax").stat().st_size < stored / 2


def test_the_manifest_says_what_the_files_take(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["platforms"] == ["cpu", "cuda"]
    assert list(load(folder, "step.jax").platforms) == ["cpu", "cuda"]
    assert manifest["frame"]["shape"] == [160, 288, 3]
    assert manifest["state"]["cells"] == {"shape": [1, 2, 45], "dtype": "float32"}
    assert manifest["versions"]["jax"] == jax.__version__
    inputs = [*manifest["weights"].values(), *manifest["state"].values(), manifest["frame"]]
    found = [[list(x.shape), x.dtype.name] for x in load(folder, "step.jax").in_avals]
    assert found == [[x["shape"], x["dtype"]] for x in inputs]
    with np.load(folder / "weights.npz") as weights:
        assert list(weights) == list(manifest["weights"])


def test_all_platforms_at_once_run_here_too():
    functions = export.export_functions(network(), 2, "float32", export.PLATFORMS)
    assert functions.step.platforms == ("cpu", "cuda", "tpu")
    video, labels = clip()
    state = functions.init.call(export.flatten_params(network().params), video[0], labels)
    np.testing.assert_array_equal(state["kernels"], expected()[0].kernels)


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
    command.main()


def test_the_command_writes_what_it_is_asked_for(tmp_path, monkeypatch, capsys):
    save_network(tmp_path / "network", network())
    arguments = "--platforms", "tpu", "--slots", "3", "--precision", "bfloat16"
    run_main(monkeypatch, tmp_path / "network", tmp_path / "out", *arguments)
    assert "tpu; 160 x 288, slots for objects: 3, bfloat16" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["state"]["kernels"]["dtype"] == "bfloat16"
    assert manifest["state"]["cells"]["shape"] == [1, 3, 45]
    assert manifest["platforms"] == ["tpu"]


@pytest.mark.parametrize("name", ["init.jax", "step.jax"])
def test_no_argument_is_dropped_from_what_is_written(folder, name):
    """Or the order in the manifest would not be that of the program inside."""
    exported = load(folder, name)
    assert list(exported.module_kept_var_idx) == list(range(len(exported.in_avals)))


def test_nothing_written_is_replaced(folder, monkeypatch):
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        run_main(monkeypatch, "no-checkpoint", folder)
    with pytest.raises(InputError, match="exists already"):
        export.export_network(network(), folder)
    assert (folder / "manifest.json").read_bytes() == before


def test_unknown_platform(tmp_path):
    with pytest.raises(InputError, match="--platforms cpu,gpu: choose from cpu, cuda, tpu"):
        export.export_network(network(), tmp_path / "out", platforms=("cpu", "gpu"))
    assert not list(tmp_path.iterdir())


def test_an_interrupted_export_leaves_nothing(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(KeyboardInterrupt):
        export.export_network(network(), tmp_path / "out", platforms=("cpu",))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_done_around_the_network_is_exported_with_it():
    """A network whose frames are kept on a larger canvas, and whose objects cannot jump."""
    protocol = Protocol(locality=0.05, frame_canvas=(192, 320))
    other = network()._replace(protocol=protocol)
    functions = export.export_functions(other, 2, "float32", ("cpu",))
    video = np.random.default_rng(1).integers(0, 256, (2, 192, 320, 3)).astype(np.uint8)
    labels = np.zeros((192, 320), np.uint8)
    labels[40:110, 60:150], labels[20:90, 180:250] = 1, 2
    weights = export.flatten_params(other.params)
    state = functions.init.call(weights, video[0], labels)
    _, found = jax.jit(functions.step.call)(weights, state, video[1])
    init, step = build(other.model, 2, protocol=protocol)
    _, expected = step(other.params, init(other.params, video[0], labels), video[1])
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) == 3
    manifest = export.describe_export(other, functions, 2, "float32")
    assert manifest["frame"]["shape"] == [192, 320, 3]
    assert manifest["protocol"]["locality"] == 0.05
