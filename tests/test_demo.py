"""The demo on the clip that ships."""

import numpy as np
import pytest
from PIL import Image

from ranet_jax.demo.__main__ import draw_picture, read_masks, run_demo
from ranet_jax.demo.clip import CLIP
from ranet_jax.errors import InputError
from ranet_jax.media.video import open_video
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.segmenter import Segmenter
from tests.filming import film


def test_the_clip_has_a_true_mask_a_frame():
    truths = read_masks(CLIP.with_name("car-shadow-masks"))
    with open_video(str(CLIP)) as video:
        frames = [frame.image for frame in video]
    assert len(frames) == len(truths) == 40
    assert all(frame.shape[:2] == mask.shape for frame, mask in zip(frames, truths, strict=True))
    assert all(set(np.unique(mask)) == {0, 1} for mask in truths)
    # Edges of a mask are edges of its frame: masks and frames belong together.
    for frame, mask in zip(frames, truths, strict=True):
        edges = np.abs(np.diff(frame.mean(axis=-1), axis=1))
        at, beside = (np.diff(one, axis=1) != 0 for one in (mask, np.roll(mask, 40, axis=1)))
        assert edges[at].mean() > 1.5 * edges[beside].mean()
    picture = draw_picture(CLIP, truths)
    assert picture.shape == (240, 4 * 427, 3)


def test_missing_clip_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.mp4 is not there: .* run it from a clone"):
        run_demo(None, tmp_path / "none.mp4", tmp_path / "out")


def test_the_demo_scores_what_it_segments(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), np.uint8)
    clip = tmp_path / "clip.mp4"
    film(clip, frames)
    (tmp_path / "clip-masks").mkdir()
    mask = np.zeros((64, 96), np.uint8)
    mask[10:40, 20:60] = 1
    for index in range(5):
        Image.fromarray(mask).save(tmp_path / "clip-masks" / f"{index:06d}.png")
    model = RANet(
        (1, 1, 1, 1), width=8, head_width=8, canvas=(64, 96), top_k=4, learned_scores=False
    )
    segmenter = Segmenter(model, init_params(model, 0))
    scores = run_demo(segmenter, clip, tmp_path / "out")
    assert scores["first mask repeated"]["J-Mean"] == 1
    assert scores["this network"]["J-Mean"] < 1  # it is untrained
    assert len(read_masks(tmp_path / "out" / "masks")) == 5
    assert (tmp_path / "out" / "result.png").exists()
