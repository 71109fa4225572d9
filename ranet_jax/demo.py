"""The whole path on a generated clip: python -m ranet_jax.demo, or make demo.

Renders a clip, segments and scores it as `evaluate.py` does, and leaves masks, an overlay video
and the score table in out/demo. Needs no download.
"""

import shutil
from pathlib import Path

import numpy as np

from ranet_jax.checkpoint import Network, save_network
from ranet_jax.data.clips import generate_clip, write_davis
from ranet_jax.data.images import read_mask
from ranet_jax.errors import run_command
from ranet_jax.evaluation import evaluate
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.video import paint_overlay, write_video

FRAMES = 30
SEED = 4


def main() -> None:
    """The command."""
    out = Path("out") / "demo"
    shutil.rmtree(out, ignore_errors=True)
    davis, checkpoint, masks = out / "DAVIS", out / "untrained", out / "masks"

    model = small_ranet()
    save_network(checkpoint, Network(model, init_params(model, seed=0), {}))
    frames, truth = generate_clip(np.random.default_rng(SEED), FRAMES, model.canvas)
    write_davis(davis, "clip", frames, truth, "val")

    print("The weights are UNTRAINED: masks and scores show that everything runs, not how well.")
    evaluate("davis17-val", davis, masks, checkpoint=checkpoint)
    overlays = (
        paint_overlay(frame, read_mask(masks / "clip" / f"{index:05d}.png"))
        for index, frame in enumerate(frames)
    )
    write_video(out / "overlay.mp4", overlays, frame_rate=15)
    print(f"masks: {masks / 'clip'}, overlay video: {out / 'overlay.mp4'}, scores: {masks}/*.csv")


if __name__ == "__main__":
    run_command(main)
