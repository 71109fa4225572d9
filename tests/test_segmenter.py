"""The segmenter on the small variant: purity, slots, and what the protocol says at its edges."""

import contextlib
import dataclasses
import functools

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.geometry.box import cut_frame, cut_labels, find_box
from ranet_jax.models.ranet import RANet, init_params, small_ranet
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.protocol import build
from ranet_jax.segmenter import Segmenter
from ranet_jax.slots import MAX_OBJECTS
from ranet_jax.template_bank import start_bank
from tests.coloured_masks import overlap


@functools.cache
def network(ranking_rule="single"):
    model = small_ranet(ranking_rule)
    return model, init_params(model, 0)


@functools.cache
def segmenter(ranking_rule="single"):
    return Segmenter(*network(ranking_rule))


def clip(frames=4, size=(160, 288), seed=0):
    """Frames of noise with a brighter rectangle that moves, and the labels of the first."""
    generator = np.random.default_rng(seed)
    video = generator.integers(0, 120, (frames, *size, 3)).astype(np.uint8)
    for index, frame in enumerate(video):
        frame[60:120, 100 + 4 * index : 180 + 4 * index] += 100
    labels = np.zeros(size, np.uint8)
    labels[60:120, 100:180] = 1
    return video, labels


@pytest.mark.slow
def test_scan_over_frames_equals_the_loop():
    model, params = network()
    init, step = build(model)
    video, labels = clip()
    state = init(params, video[0], labels)
    _, scanned = jax.lax.scan(functools.partial(step, params), state, jnp.asarray(video[1:]))
    for frame, expected in zip(video[1:], scanned, strict=True):
        state, found = step(params, state, frame)
        # Compiled together, sums are taken in another order, and a pixel at 0.5 may tip.
        assert np.mean(found != expected) < 1e-3
        assert 0.01 < np.mean(found > 0) < 0.99


@pytest.mark.slow
def test_vmap_over_clips_equals_one_at_a_time():
    model, params = network()
    init, step = build(model)
    clips = [clip(2, seed=seed) for seed in (1, 2)]
    video = jnp.stack([frames for frames, _ in clips])
    labels = jnp.stack([labels for _, labels in clips])
    states = jax.vmap(init, (None, 0, 0))(params, video[:, 0], labels)
    _, found = jax.vmap(step, (None, 0, 0))(params, states, video[:, 1])
    for index in range(2):
        state = init(params, video[index, 0], labels[index])
        _, expected = step(params, state, video[index, 1])
        assert np.mean(found[index] != expected) < 1e-3
        assert 0.01 < np.mean(expected > 0) < 0.99


def test_state_is_small_and_keeps_its_structure():
    model, params = network()
    init, step = build(model, slots=2)
    video, labels = clip(2)
    state = init(params, video[0], labels)
    before = jax.tree.map(np.array, state)
    after, _ = step(params, state, video[1])
    assert jax.tree.map(lambda x: (x.shape, x.dtype), before) == jax.tree.map(
        lambda x: (x.shape, x.dtype), after
    )
    np.testing.assert_array_equal(before.kernels, after.kernels)
    assert not np.array_equal(before.labels, after.labels)
    assert all(x.is_deleted() for x in jax.tree.leaves(state)), "the state is donated"
    assert not any(x.is_deleted() for x in jax.tree.leaves((params, after)))


@pytest.mark.parametrize("ranking_rule", ["single", pytest.param("multi", marks=pytest.mark.slow)])
def test_room_for_more_objects_changes_nothing(ranking_rule):
    """Padded slots are empty: the masks are those of a step that has no room to spare."""
    model, params = network(ranking_rule)
    video, labels = clip(2)
    labels[130:155, 20:80] = 2
    masks = []
    for slots in (2, 4):
        init, step = build(model, slots)
        masks.append(step(params, init(params, video[0], labels), video[1])[1])
    assert np.mean(masks[0] != masks[1]) < 1e-3
    assert set(np.unique(masks[1])) == {0, 1, 2}


def test_no_compilation_within_a_slot_size(monkeypatch):
    said = []
    note = lambda text: contextlib.nullcontext(said.append(text))  # noqa: E731
    monkeypatch.setattr("ranet_jax.segmenter.remark_if_slow", note)
    video, labels = clip(2)
    tool = Segmenter(*network())
    for objects in (4, 5):
        mask = labels.copy()
        for identifier in range(2, objects + 1):
            mask[5:40, 70 * (identifier - 2) : 70 * (identifier - 2) + 50] = identifier
        tool.start(video[0], mask).step(video[1])
        if objects == 4:
            seconds = tool.compile_seconds
    assert tool.compile_seconds == seconds > 0
    (text,) = said
    assert "is being compiled for up to 5 objects; the first time takes" in text


def decide(probabilities, monkeypatch):
    """Labels of a step whose network answers with these probabilities a slot, everywhere."""
    model, params = network()
    h, w = model.canvas
    logits = jnp.log(jnp.asarray(probabilities) / (1 - jnp.asarray(probabilities)))
    logits = jnp.broadcast_to(logits[:, None, None], (len(probabilities), h, w))
    monkeypatch.setattr(RANet, "apply", lambda *args, **kwargs: logits[None])
    n = len(probabilities)
    state = start_bank(
        jnp.zeros((model.positions, 128)),
        jnp.ones((n, model.positions)),
        jnp.ones((h, w), jnp.uint8),
        1,
    )
    _, labels = build.__wrapped__(model, n).step(params, state, np.zeros((h, w, 3), np.uint8))
    assert len(np.unique(labels)) == 1
    return int(labels[0, 0])


@pytest.mark.parametrize(
    ("probabilities", "winner"),
    [([0.5], 0), ([0.51], 1), ([0.6, 0.7], 2), ([0.7, 0.6], 1), ([0.8, 0.8], 2), ([0.4, 0.5], 0)],
)
def test_largest_probability_wins_and_of_equals_the_highest(monkeypatch, probabilities, winner):
    assert decide(probabilities, monkeypatch) == winner


def frames_seen(monkeypatch, labels, frame):
    """What a step hands to the network as current frame and previous mask."""
    model, params = network()
    seen = {}

    def apply(self, variables, kernels, cells, frame, previous):
        seen.update(frame=frame, previous=previous)
        return jnp.zeros(previous.shape)

    monkeypatch.setattr(RANet, "apply", apply)
    state = start_bank(jnp.zeros((model.positions, 128)), jnp.ones((1, model.positions)), labels, 1)
    with jax.disable_jit():
        build.__wrapped__(model).step(params, state, frame)
    return np.asarray(seen["frame"][0]), np.asarray(seen["previous"][0, 0])


def test_object_that_vanished_is_searched_on_the_whole_canvas(monkeypatch):
    frame = clip(1)[0][0]
    seen, previous = frames_seen(monkeypatch, jnp.zeros(frame.shape[:2], jnp.uint8), frame)
    np.testing.assert_allclose(seen, normalize_frame(frame, jnp.float32), atol=1e-5)
    assert not previous.any()


def test_object_that_is_there_is_searched_in_its_box(monkeypatch):
    video, labels = clip(1)
    seen, previous = frames_seen(monkeypatch, jnp.asarray(labels), video[0])
    box = find_box(jnp.asarray(labels) > 0)
    cut = cut_frame(normalize_frame(video[0], jnp.float32), box, labels.shape)
    np.testing.assert_allclose(seen, cut, atol=1e-5)
    np.testing.assert_array_equal(previous, cut_labels(jnp.asarray(labels), box, labels.shape))
    assert previous.mean() > 2 * labels.mean(), "the object is large in its box"


def test_mask_that_touches_the_border_keeps_its_box_inside(monkeypatch):
    video, labels = clip(1)
    labels[:] = 0
    labels[40:100, :50] = 1
    seen, previous = frames_seen(monkeypatch, jnp.asarray(labels), video[0])
    box = find_box(jnp.asarray(labels) > 0)
    assert box[1] == 0 and box[0] > 0 and box[3] < labels.shape[1]
    assert previous[:, 0].any() and np.isfinite(seen).all()


@pytest.mark.parametrize("size", [(480, 854), (333, 217), (64, 64)])
def test_any_size_and_any_ids(size):
    generator = np.random.default_rng(0)
    video = generator.integers(0, 256, (2, *size, 3)).astype(np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[10:30, 10:40] = 7
    mask[35:60, 5:55] = 200
    tracker = segmenter("multi").start(video[0], mask)
    found = tracker.step(video[1])
    assert found.shape == size
    assert found.dtype == np.uint8
    assert set(np.unique(found)) == {0, 7, 200}
    assert tracker.ids.tolist() == [7, 200]


def test_videos_do_not_disturb_one_another():
    (first, mask_1), (second, mask_2) = clip(3, seed=1), clip(3, seed=2)
    alone = segmenter().start(first[0], mask_1)
    expected = [alone.step(frame) for frame in first[1:]]
    a, b = segmenter().start(first[0], mask_1), segmenter().start(second[0], mask_2)
    for index in (1, 2):
        np.testing.assert_array_equal(a.step(first[index]), expected[index - 1])
        b.step(second[index])


def test_bfloat16_keeps_params_and_scores_wide():
    model, params = network()
    video, labels = clip(1)
    state = build(model, precision="bfloat16").init(params, video[0], labels)
    assert state.kernels.dtype == jnp.bfloat16
    assert state.cells.dtype == jnp.float32


def test_kernels_are_rounded_once_and_give_what_rounding_in_each_frame_gives():
    model = RANet((1, 1, 1, 1), width=8, head_width=8, canvas=(64, 96), top_k=4)
    params = init_params(model, 0)
    exact = Segmenter(model, params)
    assert exact.rounded_params is exact.params, "nothing is rounded in float32"
    rounded = Segmenter(model, params, "bfloat16").rounded_params
    video, labels = clip(2, (64, 96))
    labels[10:40, 20:60] = 1
    init, step = build(model, precision="bfloat16")
    results = [step(given, init(given, video[0], labels), video[1]) for given in (params, rounded)]
    for found, expected in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_array_equal(found, expected)
    dtypes = {
        path: leaf.dtype for path, leaf in flax.traverse_util.flatten_dict(rounded, sep="/").items()
    }
    assert dtypes["encoder/resnet/conv1/kernel"] == jnp.bfloat16
    assert dtypes["encoder/resnet/norm1/scale"] == jnp.float32
    assert dtypes["ranking/network/conv1/conv/kernel"] == jnp.float32, "scores are never rounded"


@pytest.mark.slow
def test_bfloat16_draws_the_picture_of_float32():
    # Maps in their place: where they are ranked, two that are nearly equal may change places, and
    # an untrained network then draws another picture.
    model = dataclasses.replace(small_ranet(), selection="spatial")
    params = init_params(model, 0)
    video, labels = clip(2)

    def segment(precision, last=video[1]):
        tracker = Segmenter(model, params, precision, probabilities=True).start(video[0], labels)
        return tracker.step(last), tracker.probability.ravel()

    found, probability = segment("bfloat16")
    expected, wide = segment("float32")
    assert 0.1 < np.mean(expected) < 0.9, "nothing would be said of an empty or a full picture"
    assert overlap(found == 1, expected == 1) > 0.75
    assert np.corrcoef(probability, wide)[0, 1] > 0.97
    # The measure tells pictures apart: the frame before gives another one.
    _, other = segment("float32", video[0])
    assert np.corrcoef(other, wide)[0, 1] < 0.9


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((160, 288), np.uint8), "empty"),
        (np.ones((100, 100), np.uint8), "its frame"),
    ],
)
def test_unusable_first_masks(mask, message):
    with pytest.raises(InputError, match=message):
        segmenter().start(clip(1)[0][0], mask)


def test_frame_of_another_size():
    video, labels = clip(1)
    with pytest.raises(InputError, match="start anew"):
        segmenter().start(video[0], labels).step(np.zeros((100, 100, 3), np.uint8))


def mark_objects(*ids, size=(160, 288)):
    """A mask of objects of these ids, side by side."""
    mask = np.zeros(size, np.uint8)
    for place, identifier in enumerate(ids):
        mask[40:110, 5 + 70 * place : 60 + 70 * place] = identifier
    return mask


def test_objects_change_mid_video_without_compilation():
    tool = segmenter("multi")
    video, _ = clip(4)
    tracker = tool.start(video[0], mark_objects(3, 7, 9, 200))
    tracker.step(video[1])
    seconds = tool.compile_seconds
    tracker.mark(video[2], mark_objects(200, 9, 40, 41))  # 3 and 7 go, 40 and 41 come
    assert tracker.ids.tolist() == [9, 40, 41, 200]
    found = tracker.step(video[3])
    assert tool.compile_seconds == seconds
    assert len(np.unique(found)) > 2
    # From here on nothing of what was before counts.
    anew = tool.start(video[2], mark_objects(200, 9, 40, 41))
    np.testing.assert_array_equal(found, anew.step(video[3]))


@pytest.mark.parametrize(
    ("size", "mask", "message"),
    [
        ((160, 288), mark_objects(), "empty"),
        ((160, 288), mark_objects(1, size=(200, 288)), "its frame"),
        ((160, 288), 300 * mark_objects(1).astype(np.int32), "must be uint8 or bool, not int32"),
        ((200, 288), mark_objects(1, size=(200, 288)), "the first is"),
    ],
)
def test_a_mark_that_fails_leaves_the_tracker_going(size, mask, message):
    video, labels = clip(3)
    undisturbed, tracker = (segmenter("multi").start(video[0], 7 * labels) for _ in range(2))
    for one in (undisturbed, tracker):
        one.step(video[1])
    with pytest.raises(InputError, match=message):
        tracker.mark(np.zeros((*size, 3), np.uint8), mask)
    assert tracker.ids.tolist() == [7]
    np.testing.assert_array_equal(tracker.step(video[2]), undisturbed.step(video[2]))


def test_probability_is_that_of_the_labels():
    tool = Segmenter(*network("multi"), probabilities=True)
    video, _ = clip(2)
    mask = mark_objects(200, 9, 40, 3)
    tracker = tool.start(video[0], mask)
    assert tracker.probability is None
    labels = tracker.step(video[1])
    probability = tracker.probability
    assert probability.shape == (160, 288, 4), "of the objects alone, not of the empty slot"
    assert probability.dtype == np.float32
    assert probability.min() >= 0 and probability.max() <= 1
    chosen = np.array([3, 9, 40, 200])[probability.argmax(axis=-1)]
    np.testing.assert_array_equal(labels, np.where(probability.max(axis=-1) > 0.5, chosen, 0))
    assert len(np.unique(labels)) > 2
    without = segmenter("multi").start(video[0], mask)
    assert np.mean(without.step(video[1]) != labels) < 1e-3
    assert without.probability is None
    tracker.mark(video[1], mask)
    assert tracker.probability is None, "it would be that of an earlier frame"


@pytest.mark.parametrize("frame", [np.zeros((160, 288, 3)), np.zeros((160, 288), np.uint8)])
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(InputError, match=r"must be uint8 \[h, w, 3\]"):
        segmenter().start(frame, clip(1)[1])


def test_a_bool_mask_is_one_object():
    video, labels = clip(1)
    assert segmenter().start(video[0], labels > 0).ids.tolist() == [1]


def test_unknown_precision():
    with pytest.raises(InputError, match="'fp16' is none of float32"):
        Segmenter(*network(), precision="fp16")


def test_float64_without_x64_is_refused():
    with pytest.raises(InputError, match="jax_enable_x64"):
        Segmenter(*network(), precision="float64")


def test_more_objects_than_there_is_room_for():
    with pytest.raises(InputError, match="256 objects; at most 255 fit at once"):
        segmenter().compile(MAX_OBJECTS + 1)
