"""The whole path without a download, training included: make demo-train.

    python -m examples.train_on_clips    # in the folder of the repository

Trains the small variant on generated clips (`configs/demo.py`), segments held-out clips with it,
and compares its score with that of the untrained network and of repeating the first mask: 5 to 10
minutes on two cores. Leaves training sheets, masks, an overlay video and the table in
out/demo-train, which it writes anew.
"""

import argparse
import shutil
from itertools import chain
from pathlib import Path

import jax
import ml_collections
import numpy as np
from PIL import Image

from configs.demo import get_config
from ranet_jax.data.clips import Clip, generate_clips
from ranet_jax.data.synthetic import write_davis
from ranet_jax.errors import run_command
from ranet_jax.evaluation.report import compare_methods
from ranet_jax.evaluation.run import evaluate_masks, evaluate_network
from ranet_jax.evaluation.selection import select_sequences
from ranet_jax.flag_parser import FlagParser
from ranet_jax.machine import describe_processor
from ranet_jax.media.masks import read_davis_mask, write_mask
from ranet_jax.media.overlay import paint_overlay
from ranet_jax.media.video_writer import write_video
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.protocol import TRAINED
from ranet_jax.segmenter import Segmenter
from ranet_jax.training.loop import train
from ranet_jax.training.recipe import make_model
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network

HELD_OUT_SEED = 99
CLIPS = 6
FRAMES = 30


def repeat_first_masks(clips: list[Clip], folder: Path) -> None:
    """Writes the simplest result there is: the first mask for every frame."""
    for clip in clips:
        (folder / clip.name).mkdir(parents=True)
        for index in range(len(clip.frames)):
            write_mask(folder / clip.name / f"{index:05d}.png", clip.masks[0])


def write_overlays(clips: list[Clip], masks: Path, out: Path) -> None:
    """Writes all clips, with their masks painted over, as a video, and some frames as a picture."""
    overlays = [
        [
            paint_overlay(frame, read_davis_mask(masks / clip.name / f"{index:05d}.png"))
            for index, frame in enumerate(clip.frames)
        ]
        for clip in clips
    ]
    write_video(out / "overlay.mp4", chain.from_iterable(overlays), frame_rate=15)
    rows = [np.hstack(clip[:: len(clip) // 4][:4]) for clip in overlays[:3]]
    Image.fromarray(np.vstack(rows)).save(out / "result.png")


def save_untrained(config: ml_collections.ConfigDict, path: Path) -> RANet:
    """Writes the network as training begins with it, and gives its model back."""
    model = make_model(config)
    save_network(path, Network(model, init_params(model, config.seed), {}, TRAINED))
    return model


def run_demo(config: ml_collections.ConfigDict, out: Path) -> dict[str, dict[str, float]]:
    """Trains, segments, compares.

    Args:
        config: the recipe.
        out: folder of all results; replaced.

    Returns:
        The means of the seven measures, for each method.
    """
    shutil.rmtree(out, ignore_errors=True)
    davis, run = out / "DAVIS", out / "run"
    model = save_untrained(config, out / "untrained")
    clips = generate_clips(HELD_OUT_SEED, CLIPS, FRAMES, model.canvas)
    for clip in clips:
        write_davis(davis, clip.name, np.array(clip.frames), np.array(clip.masks), "val")
    repeat_first_masks(clips, out / "repeated")

    print(f"{out} is written anew; stopped, the demo begins at the beginning")
    print(f"training {config.steps} steps on generated clips; sheets of samples: {run / 'sheets'}")
    train(config, run)
    selection = select_sequences("davis17-val", davis)
    networks = {"untrained network": out / "untrained", "trained network": run}
    method = "first mask repeated"
    print(f"\n{method}:")
    scores = {method: evaluate_masks(selection, out / "repeated", out / "masks" / "0")["scores"]}
    for number, (method, checkpoint) in enumerate(networks.items(), start=1):
        print(f"\n{method}:")
        segmenter = Segmenter.from_checkpoint(checkpoint)
        folder = out / "masks" / str(number)
        summary = evaluate_network(selection, segmenter, str(checkpoint), folder)
        scores[method] = summary["scores"]
    write_overlays(clips, folder, out)
    return scores


def main() -> None:
    """Runs the demo and writes the table."""
    FlagParser(
        prog="python -m examples.train_on_clips",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    out = Path("out") / "demo-train"
    scores = run_demo(get_config(), out)
    device = f"{jax.devices()[0].device_kind}, {describe_processor()}"
    compare_methods(scores, f"{CLIPS} held-out clips, on {device}", out / "table.txt")
    print(f"overlay video: {out}/overlay.mp4, sheets: {out}/run/sheets, table: {out}/table.txt")


if __name__ == "__main__":
    run_command(main)
