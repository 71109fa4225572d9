"""The flags by which commands choose their network."""

import argparse
import sys

import jax
import pytest

from ranet_jax import compilation, machine
from ranet_jax.convert import __main__ as convert
from ranet_jax.errors import InputError
from ranet_jax.export import __main__ as export
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.network_flags import (
    add_computation_flags,
    add_network_flags,
    choose_network,
    set_up_computation,
)
from ranet_jax.protocol import Protocol
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights import packed
from ranet_jax.weights.checkpoint import load_network, save_network
from ranet_jax.weights.network import Network
from ranet_jax.weights.packed import write_packed

MODEL = RANet((1, 1, 1, 1), width=8, head_width=8, canvas=(64, 96), top_k=4, learned_scores=False)


@pytest.fixture
def network():
    return Network(MODEL, init_params(MODEL, 0), {}, Protocol(locality=0.25))


def choose(*flags):
    parser = argparse.ArgumentParser()
    add_network_flags(parser)
    return choose_network(parser.parse_args([str(flag) for flag in flags]))


def test_checkpoint_and_packed_file_alike(tmp_path, network, capsys):
    save_network(tmp_path / "folder", network)
    write_packed(tmp_path / "file.safetensors", network)
    for path in (tmp_path / "folder", tmp_path / "file.safetensors"):
        chosen = choose("--checkpoint", path)
        assert (chosen.model, chosen.protocol) == (MODEL, Protocol(locality=0.25))
        flags = ("--canvas", "96x160", "--frame-canvas", "480x864", "--locality", "0")
        chosen = choose("--checkpoint", path, *flags)
        assert chosen.model.canvas == (96, 160)
        assert chosen.protocol == Protocol(0.0, (480, 864))
        said = [f"network: {path}, canvas 64x96", f"network: {path}, canvas 96x160"]
        assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize("asked", [True, False])
def test_half_pixels_are_the_networks_unless_asked_for_or_not(tmp_path, network, asked):
    path = tmp_path / "folder"
    save_network(path, network._replace(protocol=Protocol(half_pixels=not asked)))
    assert choose("--checkpoint", path).protocol.half_pixels is not asked
    flag = "--half-pixels" if asked else "--no-half-pixels"
    assert choose("--checkpoint", path, flag).protocol.half_pixels is asked


@pytest.mark.parametrize(
    ("told", "lacks"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16 f16c", False),
        ("flags\t\t: fpu amx_bf16", False),
        ("Features\t: fp asimd bf16 i8mm", False),
        ("flags\t\t: fpu avx2 f16c", True),
        ("Features\t: fp asimd", True),
        ("processor\t: 0", False),
    ],
)
def test_bfloat16_needs_a_processor_that_has_it(tmp_path, monkeypatch, told, lacks):
    path = tmp_path / "cpuinfo"
    path.write_text(f"{told}\n")
    monkeypatch.setattr(machine, "PROCESSORS", path)
    assert machine.lacks_bfloat16() is lacks


def set_up(*flags):
    """The precision that flags of a computation lead to."""
    parser = argparse.ArgumentParser()
    add_computation_flags(parser)
    arguments = parser.parse_args([*flags, "--no-cache"])
    try:
        set_up_computation(arguments)
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        jax.config.update("jax_enable_x64", False)
    return arguments.precision


@pytest.mark.parametrize("device", ["fast CPU", "CPU", "CPU without bfloat16", "gpu"])
def test_a_cpu_computes_in_bfloat16_where_that_is_faster(monkeypatch, capsys, device):
    monkeypatch.setattr("ranet_jax.remarks._said", set())
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu" if device == "gpu" else "cpu")
    monkeypatch.setattr(compilation, "has_fast_bfloat16", lambda: device == "fast CPU")
    monkeypatch.setattr(compilation, "lacks_bfloat16", lambda: device == "CPU without bfloat16")
    assert set_up() == set_up("--precision", "float32") == "float32"
    assert set_up("--precision", "float64") == "float64"
    assert not capsys.readouterr().err
    asked = set_up("--precision", "bfloat16")
    assert asked == ("bfloat16" if device in ("fast CPU", "gpu") else "float32")
    reasons = {
        "CPU": f"jax {jax.__version__} computes bfloat16 in float32 on this CPU; computing in",
        "CPU without bfloat16": "this processor has no instructions for bfloat16; computing in",
    }
    said = capsys.readouterr().err
    assert reasons.get(device, "") in said and bool(said) is (device in reasons)


def test_an_encoder_alone_segments_nothing(tmp_path, network, monkeypatch):
    path = tmp_path / "encoder"
    save_network(path, network._replace(encoder_alone=True))
    encoder = load_network(path, encoder_suffices=True)
    assert encoder.encoder_alone, "training may start from it"
    write_packed(tmp_path / "encoder.safetensors", encoder)

    def call(command, *arguments):
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        command.main()

    for load in (
        lambda: load_network(path),
        lambda: load_network(tmp_path / "encoder.safetensors"),
        lambda: choose("--checkpoint", path),
        lambda: Segmenter.from_checkpoint(path),
        lambda: call(convert, "export", path, tmp_path / "a.npz"),
        lambda: call(export, path, tmp_path / "exported"),
    ):
        with pytest.raises(InputError, match=r"is an ImageNet encoder.*--config\.init_from=\S*enc"):
            load()


def test_without_a_checkpoint_the_shipped_weights_are_taken_and_named(
    tmp_path, network, capsys, monkeypatch
):
    monkeypatch.setattr(packed, "SHIPPED", tmp_path / "shipped.safetensors")
    with pytest.raises(InputError, match=r"shipped\.safetensors is missing.*give --checkpoint"):
        choose()
    write_packed(tmp_path / "shipped.safetensors", network)
    assert choose().model == MODEL
    assert capsys.readouterr().out == (
        "network: the compact weights that come with this program, canvas 64x96\n"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--canvas", "256"), "--canvas 256: give height x width"),
        (("--frame-canvas", "0x10"), "--frame-canvas 0x10: give height x width"),
        (("--locality", "2"), "--locality 2.0: give 0 to 1"),
        (("--canvas", "100x160"), "canvas 100x160: give multiples of 32"),
        (("--canvas", "32x320"), "--canvas 32x320: give height x width from 64 on"),
        (
            ("--memory-templates", "2"),
            "--memory-templates: nothing is remembered; give --memory-every",
        ),
        (("--memory-confidence", "1"), "--memory-confidence: nothing is remembered"),
    ],
)
def test_flags_that_make_no_sense(tmp_path, network, flags, message):
    write_packed(tmp_path / "file.safetensors", network)
    with pytest.raises(InputError, match=message):
        choose("--checkpoint", tmp_path / "file.safetensors", *flags)
