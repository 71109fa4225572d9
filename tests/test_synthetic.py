"""Generated clips: repeatable, moving, and with masks that are exactly the visible objects."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ranet_jax.data import synthetic as clips
from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.pipeline import Set, open_sets
from ranet_jax.data.synthetic import GENERATED, MOST_DRAWN, generate_clip, write_davis
from ranet_jax.errors import InputError
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_davis_mask

SIZE = (96, 160)
SEEDS = range(8)


def _generate(seed: int, frames: int = 3, objects: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return generate_clip(np.random.default_rng(seed), frames, SIZE, objects)


def _grow(mask: np.ndarray) -> np.ndarray:
    """Adds the rim of pixels which an object covers by less than half."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def test_shapes_types_and_ids() -> None:
    frames, masks = _generate(0, objects=3)
    assert (frames.shape, frames.dtype) == ((3, *SIZE, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((3, *SIZE), np.uint8)
    assert set(np.unique(masks)) == {0, 1, 2, 3}
    assert not generate_clip(np.random.default_rng(0), 2, SIZE, objects=0)[1].any()


def test_same_seed_same_clip() -> None:
    for first, second in zip(_generate(5, objects=2), _generate(5, objects=2), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (_generate(5)[0] != _generate(6)[0]).mean() > 0.5


def test_clip_follows_the_generators_state() -> None:
    generator = np.random.default_rng(5)
    generate_clip(generator, 2, SIZE)
    state = generator.bit_generator.state
    second = generate_clip(generator, 2, SIZE)[0]
    assert (second != _generate(5, frames=2)[0]).mean() > 0.5
    restored = np.random.default_rng(99)
    restored.bit_generator.state = state
    np.testing.assert_array_equal(generate_clip(restored, 2, SIZE)[0], second)


@pytest.mark.parametrize("seed", SEEDS)
def test_mask_is_what_differs_from_the_background(seed: int) -> None:
    background, _ = _generate(seed, objects=0)
    frames, masks = _generate(seed)
    for picture, bare, mask in zip(frames, background, masks, strict=True):
        changed = (picture != bare).any(axis=-1)
        assert not changed[~_grow(mask)].any()
        assert changed[mask > 0].mean() > 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_later_objects_occlude_earlier_ones(seed: int) -> None:
    first, first_masks = _generate(seed, objects=1)
    both, both_masks = _generate(seed, objects=2)
    front = both_masks == 2
    np.testing.assert_array_equal(both_masks[~front], first_masks[~front])
    for picture, alone, mask in zip(both, first, front, strict=True):
        np.testing.assert_array_equal(picture[~_grow(mask)], alone[~_grow(mask)])


@pytest.mark.parametrize("seed", SEEDS)
def test_objects_fill_5_to_20_percent(seed: int) -> None:
    _, masks = _generate(seed, frames=40)
    shares = (masks > 0).mean(axis=(1, 2))
    assert shares.min() > 0.04
    assert shares.max() < 0.21


def test_mask_is_where_coverage_exceeds_half(monkeypatch: pytest.MonkeyPatch) -> None:
    measure, covers = clips._cover_pixels, []
    monkeypatch.setattr(
        clips, "_cover_pixels", lambda *given: covers.append(measure(*given)) or covers[-1]
    )
    _, masks = _generate(0)
    np.testing.assert_array_equal(masks > 0, np.stack(covers[-3:]) > 0.5)


def test_coverage_of_a_known_square() -> None:
    square = np.array([[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]])
    motion = clips._Motion(square, np.diag([20.0, 10.0])[None], np.array([[30.4, 15.3]]))
    coverage = clips._cover_pixels(motion, 0, (40, 60))
    assert coverage.sum() == pytest.approx(200, rel=0.05)
    rows, columns = np.indices(coverage.shape)
    assert (columns * coverage).sum() / coverage.sum() == pytest.approx(30.4, abs=0.1)
    assert (rows * coverage).sum() / coverage.sum() == pytest.approx(15.3, abs=0.1)


def test_every_object_is_visible_at_first() -> None:
    for seed in range(20):
        _, masks = _generate(seed, frames=1, objects=MOST_DRAWN)
        counts = np.bincount(masks[0].ravel(), minlength=MOST_DRAWN + 1)
        assert counts[1:].min() > 0.01 * masks[0].size


def test_objects_move_smoothly_and_change_shape() -> None:
    for seed in SEEDS:
        _, masks = _generate(seed, frames=30)
        centres = np.array([np.argwhere(mask).mean(axis=0) for mask in masks])
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
        assert np.ptp(centres, axis=0).max() > 5
        assert steps.max() < 0.08 * SIZE[1]
        offset = np.rint(centres[20] - centres[0]).astype(int)
        assert (np.roll(masks[0], offset, (0, 1)) != masks[20]).sum() > 0.02 * masks[0].sum()


def test_background_pans_slowly() -> None:
    farthest = []
    for seed in SEEDS:
        background, _ = _generate(seed, frames=40, objects=0)
        grey = background.mean(axis=-1)
        window = cv2.createHanningWindow(SIZE[::-1], cv2.CV_64F)
        shifts = [cv2.phaseCorrelate(grey[0], late, window)[0] for late in grey[::8]]
        farthest.append(np.linalg.norm(shifts, axis=1).max())
    assert 4 < np.median(farthest) < 0.15 * SIZE[1]


def test_light_changes_and_sensor_is_noisy(monkeypatch: pytest.MonkeyPatch) -> None:
    exposed = _generate(0, frames=30)[0].astype(float)
    monkeypatch.setattr(clips, "_expose_frames", lambda generator, clip: clip)
    bare = _generate(0, frames=30)[0].astype(float)
    gains = exposed.mean(axis=(1, 2)) / bare.mean(axis=(1, 2))
    assert 0.7 < gains.min() < gains.max() - 0.02 < 1.3
    noise = (exposed - bare * gains[:, None, None]).std(axis=(1, 2, 3))
    assert 1 < noise.min() < noise.max() < 5


def test_photos_of_a_clip_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    read, names = clips.read_photo, []
    monkeypatch.setattr(clips, "read_photo", lambda name: names.append(name) or read(name))
    for seed in range(20):
        names.clear()
        generate_clip(np.random.default_rng(seed), 1, (24, 40), MOST_DRAWN)
        assert len(set(names)) == len(names) == MOST_DRAWN + 1


def test_too_many_objects() -> None:
    with pytest.raises(InputError, match="0 to 5 objects, not 6"):
        _generate(0, objects=MOST_DRAWN + 1)


def test_missing_scikit_image_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    clips.read_photo.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[demo\]'"):
        _generate(0)
    with pytest.raises(InputError, match=r"pip install -e '\.\[demo\]'"):
        _open_generated()


def _open_generated() -> list[Set]:
    """Opens the set of a training on generated clips, before anything is drawn of it."""
    return open_sets({GENERATED: 1.0}, Path(), Augmentation(), Augmentation(), reach=1)


def test_needs_neither_jax_nor_scikit_image_to_import() -> None:
    code = "import sys, ranet_jax.data.synthetic; print({'jax', 'skimage'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


def test_davis_round_trip(tmp_path: Path) -> None:
    frames, masks = _generate(3, frames=4, objects=2)
    write_davis(tmp_path, "clip", frames, masks, "val")
    write_davis(tmp_path, "other", frames[:1], masks[:1], "val")
    for index in range(4):
        picture = tmp_path / f"JPEGImages/480p/clip/{index:05d}.jpg"
        annotation = tmp_path / f"Annotations/480p/clip/{index:05d}.png"
        assert np.abs(read_frame(picture).astype(int) - frames[index]).mean() < 4
        np.testing.assert_array_equal(read_davis_mask(annotation, SIZE), masks[index])
    assert (tmp_path / "ImageSets/2017/val.txt").read_text() == "clip\nother\n"


def test_davis_replaces_a_sequence(tmp_path: Path) -> None:
    listing = tmp_path / "ImageSets/2017/train.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("bear")  # as an editor may leave it, without a final newline
    frames, masks = _generate(3, frames=4)
    write_davis(tmp_path, "clip", frames, masks, "train")
    write_davis(tmp_path, "clip", frames[:2], masks[:2], "train")
    assert listing.read_text() == "bear\nclip\n"
    assert len(list((tmp_path / "JPEGImages/480p/clip").iterdir())) == 2
    assert len(list((tmp_path / "Annotations/480p/clip").iterdir())) == 2
