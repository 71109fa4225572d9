"""Online learning: it learns, it repeats exactly, and nothing of one video reaches the next."""

import argparse
import functools
import json

import cv2
import jax
import numpy as np
import pytest

from configs.static_pretrain import get_config
from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.pairs import make_static_example
from ranet_jax.errors import InputError
from ranet_jax.evaluation import run as evaluation
from ranet_jax.evaluation.run import Learning
from ranet_jax.evaluation.scoring import Scored
from ranet_jax.evaluation.selection import select_sequences
from ranet_jax.evaluation.sequences import Segmented
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_davis_mask, write_mask
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.online_flags import add_online_flags
from ranet_jax.online_learning import OnlineLearner, load_examples
from ranet_jax.protocol import RELEASED, Protocol
from ranet_jax.segmenter import Segmenter
from ranet_jax.training.recipe import make_augmentation
from ranet_jax.weights.packed import load_shipped
from tests.coloured_masks import mask_of, paint, texture

CANVAS = (96, 160)
RATE_OF_THE_PAPER = 1e-6
RATE = 1e-3  # an untrained network is to learn in few steps


@functools.cache
def learner():
    """Shared by all tests, which have two objects each, because a gradient takes XLA 20 s."""
    model = RANet(blocks=(1, 1, 1, 1), width=8, head_width=8, canvas=CANVAS, top_k=10)
    return OnlineLearner(Segmenter(model, init_params(model, 0)), steps=3, rate=RATE)


def segmenter():
    return learner()._segmenter


def first_frame(seed):
    mask = mask_of((120, 200), (0.5, 0.3, 0.3, 0.12, 30), (0.5, 0.7, 0.25, 0.1, 0))
    return np.where(mask[..., None] > 0, paint(mask), texture(mask.shape, seed)), mask


def segment(frame, mask, params=None):
    """The masks of two later frames, in which everything has moved."""
    tracker = segmenter().start(frame, mask, params)
    return [tracker.step(np.roll(frame, shift, axis=1)) for shift in (5, 10)]


def assert_equal(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def largest_difference(params, others):
    return max(
        jax.tree.leaves(jax.tree.map(lambda a, b: float(np.abs(a - b).max()), params, others))
    )


@pytest.mark.slow
def test_the_loss_on_the_first_frame_falls(monkeypatch):
    monkeypatch.setattr(learner(), "steps", 10)
    frame, mask = first_frame(0)
    steps = []
    learned = learner().learn(frame, mask, steps.append)
    assert steps == list(range(1, 11))
    begin, update = learner().compile(2)
    (unseen,) = load_examples(frame, mask, Augmentation(canvas=CANVAS), 1, seed=100)
    before, after = (
        float(update(begin(params), unseen)[1][0]) for params in (segmenter().params, learned)
    )
    assert after < 0.8 * before
    offline = segment(frame, mask)
    assert any((a != b).any() for a, b in zip(segment(frame, mask, learned), offline, strict=True))


@pytest.mark.slow
def test_a_video_leaves_no_trace():
    before = jax.tree.map(np.array, segmenter().params)
    first, second = first_frame(1), first_frame(2)
    offline = segment(*second)
    alone = learner().learn(*second)
    spent, compiled = learner().seconds, learner().compile_seconds
    other = learner().learn(*first)
    again = learner().learn(*second)
    assert largest_difference(other, alone) > RATE / 10
    assert_equal(again, alone)
    assert_equal(segment(*second, again), segment(*second, alone))
    assert_equal(segmenter().params, before)
    assert_equal(segment(*second), offline)
    assert learner().compile_seconds == compiled > 0
    assert learner().seconds > spent


@pytest.mark.slow
def test_the_seed_decides(monkeypatch):
    frame, mask = first_frame(1)
    learned = learner().learn(frame, mask)
    monkeypatch.setattr(learner(), "seed", 1)
    assert largest_difference(learner().learn(frame, mask), learned) > RATE / 10


def test_the_rate_is_that_of_the_weights_unless_it_is_given():
    model, params = segmenter().model, segmenter().params
    assert OnlineLearner(segmenter(), 3).rate == RATE_OF_THE_PAPER
    other = Segmenter(model, params, protocol=Protocol(online_rate=0.5))
    assert OnlineLearner(other, 3).rate == 0.5
    assert OnlineLearner(other, 3, 0.1).rate == 0.1
    parser = argparse.ArgumentParser()
    add_online_flags(parser)
    assert parser.parse_args([]).online_rate is None
    assert load_shipped().protocol.online_rate == 1e-4


def test_examples_follow_from_seed_and_step_alone():
    frame, mask = first_frame(0)
    augmentation = Augmentation(canvas=CANVAS)
    loaded = list(load_examples(frame, mask, augmentation, 5, seed=3))
    assert len(loaded) == 5
    for step in reversed(range(5)):
        generator = np.random.default_rng([3, step])
        example = make_static_example(frame, mask, augmentation, generator)
        assert loaded[step].keys() == example._asdict().keys()
        for name, array in example._asdict().items():
            np.testing.assert_array_equal(loaded[step][name], array[None])
    assert (loaded[0]["frame"] != loaded[1]["frame"]).any()


@pytest.mark.slow
def test_the_recipe_is_that_of_stage_1():
    config = get_config()
    assert pytest.approx(config.optimizer.learning_rate / 10) == RELEASED.online_rate
    augmentation = make_augmentation(config.augmentation, (480, 864))
    assert Augmentation() == augmentation
    # Adam begins with a tenth of the first gradient, which is clipped.
    begin, update = learner().compile(2)
    frame, mask = first_frame(1)
    (example,) = load_examples(frame, mask, Augmentation(canvas=CANVAS), 1, seed=0)
    (params, (_, (adam, _))), (_, norm) = update(begin(segmenter().params), example)
    squares = [np.square(leaf).sum() for leaf in jax.tree.leaves(adam.mu)]
    assert norm > config.optimizer.clip_norm
    assert np.sqrt(sum(squares)) == pytest.approx(0.1 * config.optimizer.clip_norm, rel=1e-4)
    assert largest_difference(params, segmenter().params) == pytest.approx(RATE, rel=1e-2)


def test_ids_need_not_be_consecutive():
    frame, mask = first_frame(1)
    assert_equal(learner().learn(frame, mask * 40), learner().learn(frame, mask))


def test_what_cannot_be_learned_is_refused(monkeypatch):
    frame, mask = first_frame(0)
    with pytest.raises(InputError, match="the mask is empty"):
        learner().learn(frame, 0 * mask)
    with pytest.raises(InputError, match=r"the mask is \(10, 10\)"):
        learner().learn(frame, mask[:10, :10])
    for arguments, message in (
        ({"steps": -1}, "of -1 steps; give at least 1"),
        ({"steps": 1, "rate": 0.0}, "rate of 0.0; give one above 0"),
        ({"steps": 1, "rate": float("nan")}, "rate of nan"),
        ({"steps": 1, "seed": -1}, "seed -1"),
    ):
        with pytest.raises(InputError, match=message):
            OnlineLearner(segmenter(), **arguments)
    broken = jax.tree.map(lambda x: x * np.float32(np.nan), segmenter().params)
    monkeypatch.setattr(segmenter(), "_params", broken)
    with pytest.raises(InputError, match=r"not finite at step 1 .*use a rate below 0\.001"):
        learner().learn(frame, mask)


@pytest.fixture
def davis(tmp_path):
    """Two sequences that move to the right."""
    root = tmp_path / "DAVIS"
    for seed, name in enumerate(("first", "second"), 1):
        frame, mask = first_frame(seed)
        for folder in ("JPEGImages", "Annotations"):
            (root / folder / "480p" / name).mkdir(parents=True)
        for index in range(4):
            image = np.roll(frame, 5 * index, axis=1)
            cv2.imwrite(str(root / f"JPEGImages/480p/{name}/{index:05d}.jpg"), image)
            labels = np.roll(mask, 5 * index, axis=1)
            write_mask(root / f"Annotations/480p/{name}/{index:05d}.png", labels)
    listing = root / "ImageSets/2017/val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("first\nsecond\n")
    return root


@pytest.fixture
def evaluate(tmp_path, davis):
    """`evaluate` with the network and the learner that are compiled already."""

    def run(out, learning=None, chosen=None):
        folder = tmp_path / out
        selection = select_sequences("davis17-val", davis, chosen)
        summary = evaluation.evaluate_network(selection, segmenter(), "any", folder, learning)
        assert json.loads((folder / "summary.json").read_text()) == summary
        masks = {
            str(path.relative_to(folder)): read_davis_mask(path)
            for path in sorted(folder.glob("*/*"))
        }
        return summary, masks

    return run


def share_learner(monkeypatch):
    def give(of_segmenter, steps, rate, seed):
        assert of_segmenter is segmenter() and (steps, rate, seed) == (3, RATE, 0)
        learner().seconds = 0.0
        return learner()

    monkeypatch.setattr(evaluation, "OnlineLearner", give)


def test_no_steps_learn_nothing(monkeypatch, davis, evaluate):
    monkeypatch.setattr(evaluation, "OnlineLearner", None)  # calling it would fail
    summary, masks = evaluate("out")
    assert summary["online_steps"] == 0
    assert summary.keys().isdisjoint({"online_rate", "online_seconds_per_video"})
    assert summary["seconds_per_frame"] < 2 * summary["ms_per_frame_95th_percentile"] / 1000
    (sequence,) = select_sequences("davis17-val", davis, ["first"]).sequences
    frames = [read_frame(path) for path in sequence.frames]
    tracker = segmenter().start(frames[0], read_davis_mask(sequence.masks[0]))
    for index, frame in enumerate(frames[1:], 1):
        np.testing.assert_array_equal(masks[f"first/{index:05d}.png"], tracker.step(frame))


def test_evaluation_learns_each_video_for_itself(monkeypatch, evaluate, capsys):
    share_learner(monkeypatch)
    learning = Learning(3, RATE)
    summary, both = evaluate("both", learning)
    _, alone = evaluate("alone", learning, ["second"])
    assert "online learning, 3 steps at 0.001: " in capsys.readouterr().out
    assert_equal({name: both[name] for name in alone}, alone)
    assert len(both) == 2 * len(alone) == 8
    _, offline = evaluate("offline")
    assert any((both[name] != offline[name]).any() for name in both)
    assert summary["online_steps"] == 3 and summary["online_rate"] == RATE
    assert summary["online_seed"] == 0
    assert summary["online_compile_seconds"] == learner().compile_seconds


def test_learning_is_spread_over_the_frames(monkeypatch, evaluate):
    share_learner(monkeypatch)

    def segment_split(segmenter, learner, *_):
        learner.seconds = 9.0  # one of them for a sequence that came to no end
        return Segmented([0.5] * 3 + [1.5] * 3, {"first": 3.0, "second": 5.0}, {})

    monkeypatch.setattr(evaluation, "segment_split", segment_split)
    monkeypatch.setattr(evaluation, "score_folders", lambda *_, **__: Scored({}, {}))
    monkeypatch.setattr(evaluation.report, "print_table", lambda *_: None)
    monkeypatch.setattr(evaluation.report, "write_csv", lambda *_: None)
    monkeypatch.setattr(evaluation, "average", lambda *_: {})
    summary, _ = evaluate("out", Learning(3, RATE))
    assert summary["online_seconds_per_video"] == 4.0
    assert summary["seconds_per_frame"] == pytest.approx((8.0 + 6.0) / 6)
    assert summary["ms_per_frame_median"] == 1000.0
