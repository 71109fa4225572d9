"""Traced programs that are kept: the next start takes them, and they compute the same."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax import trace_cache
from ranet_jax.models.ranet import RANet, init_params, small_ranet
from ranet_jax.segmenter import Segmenter
from ranet_jax.template_bank import start_bank
from ranet_jax.trace_cache import trace


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where programs are kept."""
    monkeypatch.setattr(trace_cache, "_find_folder", lambda: tmp_path)
    return tmp_path


def state():
    """The state of a video of one object on a canvas of 4 x 6, with one cell."""
    labels = jnp.zeros((4, 6), jnp.uint8)
    return start_bank(jnp.ones((1, 3)), jnp.ones((1, 1)), labels, 1)


@jax.jit
def step(params, video, frame):
    """Something of `step`'s form that can be checked by heart."""
    return dataclasses.replace(video, labels=frame + params["one"]), video.waited + 1


def take(name="step"):
    """Traces `step` and runs it."""
    arguments = {"one": jnp.ones((), jnp.uint8)}, state(), jnp.full((4, 6), 7, jnp.uint8)
    function, outputs = trace(step, *arguments, name=name, donated=(1,))
    found = jax.jit(function).lower(*arguments).compile()(*arguments)
    assert jax.tree.structure(found) == jax.tree.structure(outputs)
    for one, described in zip(jax.tree.leaves(found), jax.tree.leaves(outputs), strict=True):
        assert (one.shape, one.dtype) == (described.shape, described.dtype)
    after, waited = found
    np.testing.assert_array_equal(after.labels, 8)
    assert waited == state().waited + 1


def test_the_next_start_traces_nothing(folder, monkeypatch):
    take()
    (kept,) = folder.iterdir()
    written = kept.stat().st_mtime_ns

    def refuse(function):
        raise AssertionError("traced anew")

    monkeypatch.setattr(jax.export, "export", refuse)
    take()
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == [written]
    with pytest.raises(AssertionError, match="anew"):
        take("another")
    monkeypatch.setattr(trace_cache, "_SOURCE", "of a newer version")
    with pytest.raises(AssertionError, match="anew"):
        take()


def test_other_shapes_are_another_program(folder):
    double = jax.jit(lambda x: 2 * x)
    for size in (3, 5, 3):
        function, outputs = trace(double, jnp.ones(size), name="double")
        assert outputs.shape == (size,)
        np.testing.assert_array_equal(function(jnp.ones(size)), np.full(size, 2))
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"no program", "half"])
def test_a_damaged_one_is_written_anew_and_that_is_said(folder, content, capsys, monkeypatch):
    monkeypatch.setattr("ranet_jax.remarks._said", set())
    take()
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    take()
    assert f"{kept} is damaged" in capsys.readouterr().err
    assert len(kept.read_bytes()) == len(whole)
    take()
    assert capsys.readouterr().err == ""


def test_nothing_is_kept_where_that_was_not_asked_for(folder, monkeypatch):
    assert (
        trace(
            step, {"one": jnp.ones((), jnp.uint8)}, state(), jnp.ones((4, 6), jnp.uint8), name=None
        ).function
        is step
    )
    monkeypatch.setattr(trace_cache, "_find_folder", lambda: None)
    take()
    assert not list(folder.iterdir())


def test_what_cannot_be_written_is_said_and_leaves_nothing(folder, monkeypatch, capsys):
    monkeypatch.setattr("ranet_jax.remarks._said", set())

    def fail(path, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    take()
    assert "cannot be written (No space left on device)" in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_the_folder_need_not_exist_yet(folder, monkeypatch):
    monkeypatch.setattr(trace_cache, "_find_folder", lambda: folder / "new")
    take()
    assert len(list((folder / "new").iterdir())) == 1


def test_a_network_of_another_class_is_not_kept(folder):
    class Other(RANet):
        pass

    small = small_ranet("single")
    fields = {f.name: getattr(small, f.name) for f in dataclasses.fields(RANet)}
    model = Other(**fields | {"parent": None, "name": None})
    Segmenter(model, init_params(model, 0)).compile(1)
    assert not list(folder.iterdir())


def test_masks_are_the_same(folder, monkeypatch):
    """Of a network: without the folder, at the first start with it, and at the second."""
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (3, 60, 90, 3)).astype(np.uint8)
    mask = np.zeros((60, 90), np.uint8)
    mask[20:40, 30:60] = 1
    model = small_ranet("single")
    params = init_params(model, 0)

    def segment():
        tracker = Segmenter(model, params, probabilities=True).start(frames[0], mask)
        return [(tracker.step(frame), tracker.probability) for frame in frames[1:]]

    first, second = segment(), segment()
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setattr(trace_cache, "_find_folder", lambda: None)
    for kept, again, plain in zip(first, second, segment(), strict=True):
        for one, other, without in zip(kept, again, plain, strict=True):
            np.testing.assert_array_equal(one, without)
            np.testing.assert_array_equal(other, without)
