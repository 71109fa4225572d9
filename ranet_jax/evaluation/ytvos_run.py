"""Evaluating a split of YouTube-VOS: what `evaluate.py --split ytvos` runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ranet_jax.errors import InputError
from ranet_jax.evaluation.left_out import check_nothing_left_out
from ranet_jax.evaluation.replacement import check_results_stay, replace_results
from ranet_jax.evaluation.report import SUMMARY, write_summary
from ranet_jax.evaluation.run_description import describe_network_run, describe_results_run
from ranet_jax.evaluation.scoring import check_results
from ranet_jax.evaluation.submission import write_zip
from ranet_jax.evaluation.ytvos import (
    SPLIT,
    SparseVideo,
    Usable,
    score_sparse_video,
    segment_sparse_video,
)
from ranet_jax.files import lock_folder
from ranet_jax.segmenter import Segmenter

FILES = (SUMMARY, f"{SPLIT}.zip")
"""Names of the files that a run writes beside the folders of masks."""


def evaluate_videos(
    usable: Usable, segmenter: Segmenter, checkpoint: str, out: Path
) -> dict[str, object]:
    """Segments videos, scores them where there is truth, and packs them for the server.

    Args:
        usable: the videos.
        segmenter: the network.
        checkpoint: what the summary calls the network's weights.
        out: where the masks, `ytvos.zip` and `summary.json` go.

    Returns:
        What `summary.json` holds.

    Raises:
        InputError: no video could be evaluated, and `out` is as it was; or some could not be, and
            the results in `out` are of the others.
    """
    names = [*usable.left_out, *(video.name for video in usable.videos)]
    with lock_folder(out), replace_results(out, names) as new:
        seconds, failures = _segment(usable.videos, segmenter, new)
        usable = usable.without(failures)
        summary = describe_network_run(segmenter, checkpoint)
        summary["ms_per_frame_median"] = 1000 * float(np.median(seconds)) if seconds else None
        summary |= _score(usable, masks=new, new=new)
        write_summary(new / SUMMARY, summary)
    _say_what_is_there(summary, out)
    return summary


def evaluate_video_masks(usable: Usable, results: Path, out: Path) -> dict[str, object]:
    """Scores masks that exist where there is truth, and packs them for the server.

    Args:
        usable: the videos.
        results: folder with a folder of masks a video.
        out: where `ytvos.zip` and `summary.json` go.

    Returns:
        What `summary.json` holds.

    Raises:
        InputError: as `evaluate_videos`.
    """
    check_results_stay(results, out)
    usable = usable.without(_find_incomplete(usable.videos, results))
    with lock_folder(out), replace_results(out, ()) as new:
        summary = describe_results_run(results) | _score(usable, masks=results, new=new)
        write_summary(new / SUMMARY, summary)
    _say_what_is_there(summary, out)
    return summary


def _segment(
    videos: list[SparseVideo], segmenter: Segmenter, folder: Path
) -> tuple[list[float], dict[str, str]]:
    """Segments videos; gives the seconds of their frames, and why some came to no end."""
    seconds: list[float] = []
    failures = {}
    for number, video in enumerate(videos, 1):
        try:
            seconds += segment_sparse_video(segmenter, video, folder / video.name)
        except InputError as error:
            failures[video.name] = str(error)
        print(f"{number} of {len(videos)}: {video.name}", flush=True)
    return seconds, failures


def _find_incomplete(videos: list[SparseVideo], results: Path) -> dict[str, str]:
    """Finds videos of which masks are missing; says which, by the video's name."""
    incomplete = {}
    for video in videos:
        try:
            check_results(results / video.name, [f"{stem}.png" for stem in sorted(video.wanted)])
        except InputError as error:
            incomplete[video.name] = str(error)
    return incomplete


def _score(usable: Usable, *, masks: Path, new: Path) -> dict[str, object]:
    """Scores and packs masks, and gives this part of the summary."""
    scores: dict[str, dict[int, tuple[float, float]]] = {}
    failures = {}
    for number, video in enumerate(usable.videos, 1):
        try:
            scores[video.name] = score_sparse_video(video, masks / video.name)
        except InputError as error:
            failures[video.name] = str(error)
        print(f"scored {number} of {len(usable.videos)}: {video.name}", flush=True)
    usable = usable.without(failures)
    names = [f"{video.name}/{stem}.png" for video in usable.videos for stem in sorted(video.wanted)]
    write_zip(new / f"{SPLIT}.zip", {f"Annotations/{name}": masks / name for name in names})
    of_objects = {
        f"{name}_{one}": pair for name, found in scores.items() for one, pair in found.items()
    }
    return {
        "split": SPLIT,
        "videos": [video.name for video in usable.videos],
        "left_out": usable.left_out,
        "scores": _summarize(of_objects),
    }


def _summarize(scores: Mapping[str, tuple[float, float]]) -> dict[str, object] | None:
    """Prints and gives the scores of objects and of all; None where there is no truth."""
    if not scores:
        print("no object is annotated after the frame in which it appears: nothing is scored")
        return None
    table = Table("Object", "J", "F")
    for name, (region, boundary) in scores.items():
        table.add_row(name, f"{region:.3f}", f"{boundary:.3f}")
    region, boundary = (float(mean) for mean in np.mean(list(scores.values()), axis=0))
    overall = (region + boundary) / 2
    table.add_section()
    table.add_row("all", f"{region:.3f}", f"{boundary:.3f}")
    Console().print(table)
    print(f"overall: {overall:.3f}")
    return {"J": region, "F": boundary, "overall": overall, "objects": dict(scores)}


def _say_what_is_there(summary: Mapping[str, Any], out: Path) -> None:
    """Says where the masks for the server are.

    Raises:
        InputError: they are not of all videos that were asked for.
    """
    print(f"results: {out}")
    print(f"masks for the benchmark's server: {out / f'{SPLIT}.zip'}")
    count = len(summary["videos"]) + len(summary["left_out"])
    check_nothing_left_out(summary["left_out"], count, "videos", out)
