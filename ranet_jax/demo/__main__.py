"""Segments a real clip with the weights that come with this, and scores it: make demo.

Leaves masks, an overlay video, a picture and a table in out/demo, and ends with a command to try on
a video of one's own.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from ranet_jax.compilation import keep_compiled
from ranet_jax.demo.clip import CLIP, FIRST_MASK
from ranet_jax.errors import InputError, run_command
from ranet_jax.evaluation.metrics import average
from ranet_jax.evaluation.report import compare_methods
from ranet_jax.evaluation.scoring import score_sequence
from ranet_jax.flag_parser import FlagParser
from ranet_jax.machine import describe_processor
from ranet_jax.media.masks import read_davis_mask
from ranet_jax.media.overlay import paint_overlay
from ranet_jax.media.video import open_video
from ranet_jax.segment.job import Job, run_job
from ranet_jax.segmenter import Segmenter

SHOWN = 4
"""Frames in the picture."""


def read_masks(folder: Path) -> list[np.ndarray]:
    """Reads the masks of a folder in order, uint8 [h, w] each."""
    return [read_davis_mask(path) for path in sorted(folder.glob("*.png"))]


def draw_picture(clip: Path, masks: list[np.ndarray]) -> np.ndarray:
    """Some frames of a clip side by side, objects painted over, at half their size.

    Args:
        clip: video file.
        masks: of its frames, uint8 [h, w].

    Returns:
        uint8 RGB.
    """
    chosen = np.linspace(0, len(masks) - 1, SHOWN).round().astype(int)
    with open_video(str(clip)) as video:
        panels = [
            paint_overlay(frame.image, mask)[::2, ::2]
            for index, (frame, mask) in enumerate(zip(video, masks, strict=True))
            if index in chosen
        ]
    return np.hstack(panels)


def run_demo(segmenter: Segmenter, clip: Path, out: Path) -> dict[str, dict[str, float]]:
    """Segments a clip from its first mask, and scores it beside that mask repeated.

    Args:
        segmenter: the network.
        clip: video file; NAME-masks beside it has its true masks.
        out: folder of the results; those of an earlier demo are replaced.

    Returns:
        The seven measures of each method.

    Raises:
        InputError: the clip is not there.
    """
    truth_folder = clip.with_name(f"{clip.stem}-masks")
    if not clip.is_file() or not truth_folder.is_dir():
        raise InputError(
            f"{clip} is not there: the demo's clip comes with the repository, not with the "
            "installed package; run it from a clone"
        )
    truths = read_masks(truth_folder)
    first = min(truth_folder.glob("*.png"))
    job = Job(
        source=str(clip),
        mask_paths={0: first},
        out=out,
        overwrite=True,
    )
    run_job(job, segmenter, None)
    found = read_masks(out / "masks")
    Image.fromarray(draw_picture(clip, found)).save(out / "result.png")
    methods = {"first mask repeated": [truths[0]] * len(truths), "this network": found}
    return {
        name: average(score_sequence(masks, truths, clip.stem)) for name, masks in methods.items()
    }


def main() -> None:
    """Runs the demo and prints what came of it."""
    FlagParser(prog="make demo", description=__doc__).parse_args()
    keep_compiled()
    out = Path("out") / "demo"
    scores = run_demo(Segmenter.pretrained(), CLIP, out)
    compare_methods(scores, f"{CLIP.name}, on {describe_processor()}", out / "table.txt")
    print(f"look at {out}/overlay.mp4, {out}/result.png and {out}/masks; now a video of your own:")
    program = f"{_name(Path(sys.executable))} -m ranet_jax.segment"
    print(f"    {program} {_name(CLIP)} --mask {_name(FIRST_MASK)} --out out/mine")


def _name(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


if __name__ == "__main__":
    run_command(main)
