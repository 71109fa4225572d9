"""The network, the protocol and whole videos against the released implementation, in float64.

Run as a program, it prints the largest difference to each golden file, of which the tests, a minute
or two of CPU time each, compare a part.
"""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.examples import draw_example
from ranet_jax.geometry.box import cut_frame, cut_labels, find_box, paste_probability
from ranet_jax.geometry.canvas import Canvas
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_davis_mask
from ranet_jax.models.layers import upsample_corner_aligned
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.models.template import pool_mask
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights.pytorch import import_network
from tests.conftest import GOLDEN, davis_file, find_davis, needs_davis
from tests.golden.make_weights import make_weights

CANVAS = Canvas((480, 854), (480, 864))
SEQUENCES = ("blackswan", "car-shadow", "libby", "drift-straight")


@functools.cache
def load(name):
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


def frame_of(sequence, index):
    return read_frame(davis_file("JPEGImages", sequence, index))


def mask_of(sequence, index):
    return read_davis_mask(davis_file("Annotations", sequence, index), binary=True)


def split(labels, n):
    return (labels == np.arange(1, n + 1)[:, None, None]).astype(np.float64)


def run_network(released_file, golden, ranking_rule, template_labels, previous_labels):
    """Template and current frame on the full canvas: kernels, logits and all intermediates."""
    network = import_network(released_file, ranking_rule)
    n = int(template_labels.max())
    sequence, first, current = golden["frames"]
    template, frame = (
        normalize_frame(jnp.asarray(CANVAS.fit_frame(frame_of(sequence, index))), jnp.float64)[None]
        for index in (first, current)
    )
    variables = {"params": network.params}
    # One operation after the other, which takes less time than to compile the whole once.
    kernels = network.model.apply(variables, template, method="template")
    cells = pool_mask(jnp.asarray(split(template_labels, n)), 32)[None]
    logits, captured = network.model.apply(
        variables,
        kernels,
        cells,
        frame,
        split(previous_labels, n)[None],
        capture_intermediates=True,
    )
    return kernels, logits, captured["intermediates"], n


def named_intermediates(kernels, logits, captured, n):
    """Ours under the released names: {name: list of [1, h, w, c], a call each}."""
    encoder, decoder = captured["encoder"], captured["decoder"]

    def calls(node, index=0):
        return list(node["__call__"][index][:, None])

    def merged(node):  # foreground and background alternate in the released code
        return [x for pair in zip(calls(node), calls(node, 1), strict=True) for x in pair]

    features, _ = encoder["__call__"][0]
    named = {f"encoder/{name}": [getattr(features, name)] for name in features._fields}
    named |= {"template": [kernels.reshape(1, 15, 27, -1)]}
    ours = {"L3": "reduce3", "L4": "reduce4", "L5": "reduce5", "L_g": "fuse"}
    named |= {theirs: calls(encoder[name]) for theirs, name in ours.items()}
    named["Ranking"] = calls(captured["ranking"]["network"]["conv2"])
    merge = decoder["merge"]
    named |= {"p_1": merged(merge["conv1"]), "res_1": merged(merge["res"])}
    named["p_2"] = merged(merge["conv2"])
    for level, (a, b, c) in {1: (3, 4, 5), 2: (2, 3, 4), 3: (1, 2, 3)}.items():
        for digit, factor in ((a, 1), (b, 2), (c, 4)):
            named[f"ls{level}{digit}"] = calls(decoder[f"skip{level}"][f"reduce{factor}"])
    for level in (1, 2, 3):
        named[f"R{level}.0"] = calls(decoder[f"level{level}_conv1"])
        named[f"R{level}.2"] = calls(decoder[f"level{level}_scales"])
    for level in (1, 2):
        named[f"R{level}.3"] = calls(decoder[f"level{level}_res"])
        named[f"R{level}"] = [upsample_corner_aligned(x, 2) for x in named[f"R{level}.3"]]
    named["R3.3"] = [upsample_corner_aligned(x, 2) for x in named["R3.2"]]
    named["R3.4"] = calls(decoder["level3_res"])
    named["R3"] = named["logit"] = [x[..., None] for x in jnp.swapaxes(logits, 0, 1)]
    named["logit"] = [jnp.moveaxis(logits, 1, -1)]
    named["probability_samples"] = [jax.nn.sigmoid(named["logit"][0])]
    return named


def differences(golden, named):
    """Largest difference to each golden intermediate: its samples, its mean and its deviation."""
    found = {}
    for key in [key.removesuffix("/val") for key in golden if key.endswith("/val")]:
        name, _, call = key.rpartition("/")
        name, call = (name, int(call)) if call.isdigit() else (key, 0)
        ours = np.asarray(named[name][call]).transpose(0, 3, 1, 2)
        assert ours.shape == tuple(golden[f"{key}/shape"]), key
        samples = np.unravel_index(golden[f"{key}/idx"], ours.shape)
        found[key] = max(
            np.abs(ours[samples] - golden[f"{key}/val"]).max(),
            abs(ours.mean() - golden[f"{key}/mean"]),
            abs(ours.std() - golden[f"{key}/std"]),
        )
    probability = np.asarray(named["probability_samples"][0])[0].transpose(2, 0, 1)[:, ::4, ::4]
    # Stored in float32, so this one only tells that the whole map is right.
    assert np.abs(probability - golden["probability"]).max() < 1e-6
    return found


def single_differences(released_file):
    golden = load("net_single")
    sequence, first, current = golden["frames"]
    labels = [CANVAS.fit_labels(mask_of(sequence, i)) for i in (first, int(current) - 1)]
    return differences(
        golden, named_intermediates(*run_network(released_file, golden, "single", *labels))
    )


def multi_differences(released_file):
    golden = load("net_multi")
    labels = golden["template_labels"], golden["previous_labels"]
    return differences(
        golden, named_intermediates(*run_network(released_file, golden, "multi", *labels))
    )


def drawn_differences(released_file):
    """As `single_differences`, on frames that are drawn, which every clone has."""
    golden, network = load("net_drawn"), import_network(released_file, "single")
    example, variables = draw_example(network.model, 1), {"params": network.params}
    template, frame = (
        normalize_frame(example[name], jnp.float64) for name in ("template", "frame")
    )
    kernels = network.model.apply(variables, template, method="template")
    cells = pool_mask(jnp.asarray(example["template_labels"][:, None].astype(float)), 32)
    previous = example["previous"][:, None].astype(float)
    logits = network.model.apply(variables, kernels, cells, frame, previous)
    return {
        name: np.abs(np.asarray(ours).ravel()[golden[f"{name}/idx"]] - golden[f"{name}/val"]).max()
        for name, ours in (("kernels", kernels), ("logits", logits))
    }


@pytest.mark.slow
def test_network_equals_the_released_one_on_drawn_frames(float64, released_file):
    found = drawn_differences(released_file)
    assert np.ptp(load("net_drawn")["logits/val"]) > 5, "and these are not all alike"
    assert {key: value for key, value in found.items() if not value < 1e-8} == {}


def test_boxes_equal_the_released_ones():
    golden, boxed = load("protocol"), jax.jit(find_box)
    for (y0, x0, y1, x1), box in zip(golden["rectangles"], golden["rectangle_boxes"], strict=True):
        mask = np.zeros((480, 864), bool)
        mask[y0 : y1 + 1, x0 : x1 + 1] = True
        assert boxed(mask).tolist() == box.tolist()


def keys_of(golden, sequence):
    keys = [key.removesuffix("/box") for key in golden if key.startswith(f"{sequence}/")]
    keys = sorted({"/".join(key.split("/")[:2]) for key in keys})
    assert len(keys) == 2
    return keys


PROTOCOL_SEQUENCES = ("blackswan", "car-shadow")


def mask_differences(sequence):
    """Of what is pasted back; boxes and cut masks must be equal."""
    golden, boxed, largest = load("protocol"), jax.jit(find_box), 0.0
    y, x = np.mgrid[:480, :864]
    pattern = jnp.asarray(0.5 + 0.5 * np.sin(y / 37) * np.cos(x / 53))[..., None]
    for key in keys_of(golden, sequence):
        labels, index = CANVAS.fit_labels(mask_of(*key.split("/"))), golden[f"{key}/idx"]
        box = boxed(labels > 0)
        assert box.tolist() == golden[f"{key}/box"].tolist()
        mask = np.asarray(cut_labels(jnp.asarray(labels), box, labels.shape))
        assert mask.sum() == golden[f"{key}/mask_area"]
        assert np.array_equal(mask.ravel()[index], golden[f"{key}/mask"])
        pasted = np.asarray(paste_probability(pattern, box, labels.shape)).ravel()[index]
        largest = max(largest, np.abs(pasted - golden[f"{key}/probability_on_canvas"]).max())
    return largest


def frame_differences(sequence):
    """Of frames that are cut to their boxes."""
    golden, largest = load("protocol"), 0.0
    for key in keys_of(golden, sequence):
        frame = normalize_frame(
            jnp.asarray(CANVAS.fit_frame(frame_of(*key.split("/")))), jnp.float64
        )
        cut = np.asarray(
            cut_frame(frame, jnp.asarray(golden[f"{key}/box"]), frame.shape[:2])
        ).reshape(-1, 3)
        largest = max(largest, np.abs(cut[golden[f"{key}/idx"]].T - golden[f"{key}/frame"]).max())
    return largest


@pytest.mark.parametrize(
    "sequence",
    [pytest.param(s, marks=needs_davis(s, kind="Annotations")) for s in PROTOCOL_SEQUENCES],
)
def test_masks_through_their_boxes_equal_the_released_ones(float64, sequence):
    assert mask_differences(sequence) < 1e-9


@pytest.mark.parametrize(
    "sequence", [pytest.param(s, marks=needs_davis(s)) for s in PROTOCOL_SEQUENCES]
)
def test_frames_through_their_boxes_equal_the_released_ones(float64, sequence):
    assert frame_differences(sequence) < 1e-9


@functools.cache
def make_segmenter(released_file, ranking_rule):
    network = import_network(released_file, ranking_rule)
    return Segmenter(network.model, network.params, "float64")


def differing_share(segmenter, golden, sequence):
    """Share of the pixels of a run that differ from the released one's."""
    masks = golden[sequence]
    tracker = segmenter.start(frame_of(sequence, 0), masks[0])
    wrong = [
        np.mean(tracker.step(frame_of(sequence, index)) != masks[index])
        for index in range(1, len(masks))
    ]
    return np.mean(wrong)


@needs_davis("car-shadow")
@pytest.mark.slow
def test_a_video_equals_the_released_one(float64, released_file):
    """One of eight, with the rule that the drawn frames lack; the program below compares all."""
    golden = load("video_multi")
    assert differing_share(make_segmenter(released_file, "multi"), golden, "car-shadow") == 0


if __name__ == "__main__":
    import tempfile
    from pathlib import Path

    jax.config.update("jax_enable_x64", True)
    file = Path(tempfile.mkdtemp()) / "single.npz"
    np.savez(file, **make_weights(0))
    failed = False
    for compare in (drawn_differences, single_differences, multi_differences):
        if compare is not drawn_differences and not find_davis("blackswan"):
            print(f"{compare.__name__}: not compared, blackswan of DAVIS is not in data/DAVIS")
            continue
        worst = compare(file)
        name = max(worst, key=worst.get)
        print(f"{compare.__name__}: {worst[name]:.1e} ({name}), of {len(worst)} intermediates")
        failed |= not worst[name] < 1e-8
    for sequence in filter(find_davis, PROTOCOL_SEQUENCES):
        worst = max(mask_differences(sequence), frame_differences(sequence))
        print(f"protocol of {sequence}: boxes and masks equal, values within {worst:.1e}")
        failed |= not worst < 1e-9
    for ranking_rule in ("single", "multi"):
        for sequence in filter(find_davis, SEQUENCES):
            share = differing_share(
                make_segmenter(file, ranking_rule), load(f"video_{ranking_rule}"), sequence
            )
            print(f"video_{ranking_rule} {sequence}: {share:.1e} of the pixels differ")
            failed |= share > 0
    sys.exit("error: some differ" if failed else 0)
