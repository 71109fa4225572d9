"""Segmenting a split of DAVIS and scoring the masks: what `evaluate.py` runs."""

import argparse
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ranet_jax.data.davis import SPLITS, Sequence, find_sequences
from ranet_jax.errors import InputError
from ranet_jax.evaluation import report
from ranet_jax.evaluation.metrics import average, score_folders
from ranet_jax.files import replace_file, replace_folder
from ranet_jax.machine import describe_machine
from ranet_jax.media.images import read_frame
from ranet_jax.media.listing import is_hidden
from ranet_jax.media.masks import read_mask, write_mask
from ranet_jax.online import RATE, OnlineLearner
from ranet_jax.protocol import PRECISIONS
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights.checkpoint import describe_model


def segment_sequence(
    segmenter: Segmenter,
    sequence: Sequence,
    folder: Path,
    *,
    binary: bool,
    learner: OnlineLearner | None = None,
    report_frame: Callable[[], None] = lambda: None,
    report_step: Callable[[int], None] = lambda step: None,
) -> list[float]:
    """Segments a sequence and writes its masks, the first being the given one.

    Args:
        segmenter: the network.
        sequence: frames and first mask.
        folder: of the masks. It is replaced when all of them are written, and not before.
        binary: whether all non-zero pixels of the mask are one object.
        learner: learns the first frame beforehand; None to segment offline.
        report_frame: called after every frame.
        report_step: called after every step of learning, with its number.

    Returns:
        Seconds of every frame but the first, from pixels on the host to labels on the host.
        Learning is not in them; see `OnlineLearner.seconds`.

    Raises:
        InputError: a frame or the mask cannot be used; it is named.
    """
    foreign = [path for path in folder.glob("*") if path.suffix != ".png" and not is_hidden(path)]
    if foreign:
        raise InputError(
            f"{foreign[0]} is no mask, so {folder} is not replaced; choose another --out"
        )
    frame = read_frame(sequence.frames[0])
    labels = read_mask(sequence.masks[0], frame.shape[:2], binary=binary)
    try:
        params = learner.learn(frame, labels, report_step) if learner else None
        tracker = segmenter.start(frame, labels, params)
    except InputError as error:
        raise InputError(f"{sequence.masks[0]}: {error}") from None
    seconds = []
    with replace_folder(folder) as unfinished:
        for path in sequence.frames:
            if path != sequence.frames[0]:
                frame = read_frame(path)
                start = time.perf_counter()
                try:
                    labels = tracker.step(frame)
                except InputError as error:
                    raise InputError(f"{path}: {error}") from None
                seconds.append(time.perf_counter() - start)
            write_mask(unfinished / f"{path.stem}.png", labels)
            report_frame()
    return seconds


def segment_split(
    segmenter: Segmenter,
    sequences: list[Sequence],
    folder: Path,
    *,
    binary: bool,
    learner: OnlineLearner | None = None,
) -> list[float]:
    """Segments sequences one after another, with a progress bar.

    Args:
        segmenter: the network.
        sequences: of the split.
        folder: where a folder of masks a sequence is written.
        binary: whether all non-zero pixels of a mask are one object.
        learner: learns each first frame beforehand; None to segment offline.

    Returns:
        Seconds of every frame but the first ones.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.2f} frames/s"),
        TimeRemainingColumn(),
    )
    seconds: list[float] = []
    total = sum(len(sequence.frames) for sequence in sequences)
    with Progress(*columns) as progress:
        task = progress.add_task("", total=total, rate=0.0)
        start = time.perf_counter()

        def report_frame() -> None:
            progress.advance(task)
            elapsed = time.perf_counter() - start - segmenter.compile_seconds
            elapsed -= learner.compile_seconds if learner else 0
            progress.update(
                task, description=sequence.name, rate=progress.tasks[0].completed / elapsed
            )

        def report_step(step: int) -> None:
            progress.update(task, description=f"{sequence.name}, learned step {step}")

        for sequence in sequences:
            progress.update(task, description=sequence.name)
            seconds += segment_sequence(
                segmenter,
                sequence,
                folder / sequence.name,
                binary=binary,
                learner=learner,
                report_frame=report_frame,
                report_step=report_step,
            )
    return seconds


def write_submission(folder: Path, sequences: list[Sequence], path: Path) -> None:
    """Packs masks for the benchmark's server: SEQUENCE/FRAME.png at the top of a zip.

    Args:
        folder: of the masks, a folder a sequence.
        sequences: which to pack.
        path: the zip; appears under its name only when it is complete.
    """
    with (
        replace_file(path) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive,
    ):
        for sequence in sequences:
            for mask in sequence.masks:
                name = f"{sequence.name}/{mask.name}"
                archive.write(folder / name, name)


def check_out(out: Path, data_dir: Path) -> None:
    """Refuses to write results over the data set they are made from."""
    for part in ("Annotations", "JPEGImages"):
        if out.resolve().is_relative_to((data_dir / part).resolve()):
            raise InputError(f"--out {out} lies inside {data_dir / part}; choose another folder")


def check_results(results: Path, sequences: list[Sequence]) -> None:
    """Refuses a folder that lacks masks, before anything is written.

    The first and the last frame are not scored and may be missing, as the benchmark allows.
    """
    needed = [results / s.name / mask.name for s in sequences for mask in s.masks[1:-1]]
    missing = [path for path in needed if not path.is_file()]
    if missing:
        raise InputError(
            f"{missing[0]} does not exist ({len(missing)} of {len(needed)} result masks missing); "
            "--results must hold a folder of masks a sequence"
        )


def evaluate(
    split_name: str,
    data_dir: Path,
    out: Path,
    *,
    checkpoint: Path | None = None,
    results: Path | None = None,
    precision: str = "float32",
    chosen: list[str] | None = None,
    max_frames: int | None = None,
    online_steps: int = 0,
    online_rate: float = RATE,
    seed: int = 0,
) -> dict[str, object]:
    """Segments a split and scores it, or scores masks that exist.

    Args:
        split_name: one of `SPLITS`.
        data_dir: the DAVIS folder.
        out: where masks, CSV files and `summary.json` go.
        checkpoint: of the network; None to score `results`.
        results: folder with a folder of masks a sequence; None to segment.
        precision: of the computation.
        chosen: names of the sequences; all when None.
        max_frames: frames of each sequence; all when None.
        online_steps: of learning each first frame before its sequence is segmented; 0 for none.
        online_rate: of this learning.
        seed: of this learning.

    Returns:
        What `summary.json` holds.

    Raises:
        InputError: as the parts do.
    """
    if results and online_steps:
        raise InputError("--online-steps trains a network and --results has none; leave one out")
    split = SPLITS[split_name]
    sequences = find_sequences(data_dir, split, chosen, max_frames)
    rule = "all ids of a mask are one object" if split.binary else "one object an id"
    print(f"{split_name}: {len(sequences)} sequences of {data_dir}")
    print(
        f"annotations: {data_dir / 'Annotations' / '480p'} (by the rules of {split.year}: {rule})"
    )
    check_out(out, data_dir)
    if results:
        check_results(results, sequences)
    segmenter = Segmenter.from_checkpoint(checkpoint, precision) if checkpoint else None
    learner = OnlineLearner(segmenter, online_steps, online_rate, seed) if online_steps else None

    # An old score must not outlive the masks it was made from, should this run be interrupted.
    set_name = "".join(split.lists)
    out.mkdir(parents=True, exist_ok=True)
    submission = out / f"{split_name}.zip"
    for stale in [out / "summary.json", submission, *out.glob("*_results-*.csv")]:
        stale.unlink(missing_ok=True)

    summary: dict[str, object] = {
        "split": split_name,
        "sequences": [sequence.name for sequence in sequences],
        "max_frames": max_frames,
    }
    summary |= describe_machine()
    if segmenter:
        seconds = segment_split(segmenter, sequences, out, binary=split.binary, learner=learner)
        milliseconds = 1000 * np.array(seconds or [np.nan])
        summary |= {
            "checkpoint": str(checkpoint),
            "model": describe_model(segmenter.model),
            "precision": precision,
            "frames": len(seconds),
            "ms_per_frame_median": float(np.median(milliseconds)),
            "ms_per_frame_95th_percentile": float(np.percentile(milliseconds, 95)),
            "compile_seconds": segmenter.compile_seconds,
            # As the paper counts: what was learned before a video is spread over its frames.
            "seconds_per_frame": (sum(seconds) + (learner.seconds if learner else 0))
            / max(len(seconds), 1),
            "online_steps": online_steps,
        }
        print(
            f"{summary['ms_per_frame_median']:.1f} ms a frame (median), "
            f"{summary['ms_per_frame_95th_percentile']:.1f} ms (95th percentile), without disk and "
            f"{segmenter.compile_seconds:.1f} s of compilation, on {summary['device']}, {precision}"
        )
        if learner:
            summary |= {
                "online_rate": online_rate,
                "online_seed": seed,
                "online_seconds_per_video": learner.seconds / len(sequences),
                "online_compile_seconds": learner.compile_seconds,
            }
            print(
                f"online learning, {online_steps} steps at {online_rate:g}: "
                f"{summary['online_seconds_per_video']:.1f} s a video; spread over its frames "
                f"{summary['seconds_per_frame']:.3f} s a frame with segmentation, without "
                f"{learner.compile_seconds:.1f} s of compilation"
            )
    else:
        summary["results"] = str(results)
    if split.scored:
        scores = score_folders(
            results or out,
            {sequence.name: sequence.masks for sequence in sequences},
            binary=split.binary,
            processes=min(os.cpu_count() or 1, len(sequences)),
        )
        summary["scores"] = average([one for objects in scores.values() for one in objects])
        report.write_csv(out, set_name, scores)
        report.print_table(scores)
    else:
        write_submission(results or out, sequences, submission)
        print(f"wrote {submission}; its server has the annotations and scores it")
    report.write_summary(out / "summary.json", summary)
    return summary


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="evaluate.py", description=__doc__)
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("data/DAVIS"),
        help="the DAVIS folder (default: data/DAVIS)",
    )
    parser.add_argument("--checkpoint", type=Path, help="of ranet_jax.convert, or a training run")
    parser.add_argument("--out", type=Path, help="where all results go (default: out/SPLIT)")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--sequences", type=lambda names: names.split(","), help="a,b: only these")
    parser.add_argument("--max-frames", type=int, help="only this many frames of each sequence")
    parser.add_argument(
        "--online-steps",
        type=int,
        default=0,
        help="learn each first frame for this many steps before segmenting (default: 0, none)",
    )
    parser.add_argument(
        "--online-rate", type=float, default=RATE, help=f"of this learning (default: {RATE:g})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of this learning (default: 0)")
    parser.add_argument("--results", type=Path, help="score the masks in this folder, no network")
    args = parser.parse_args()
    if (args.checkpoint is None) == (args.results is None):
        raise InputError(
            "give --checkpoint (no trained weights come with this version; see 'Weights' in "
            "README.md) or --results, and not both"
        )
    if args.max_frames is not None and args.max_frames < 3:
        raise InputError("--max-frames must be at least 3: the first and the last are not scored")
    jax.config.update("jax_enable_x64", args.precision == "float64")
    evaluate(
        args.split,
        args.data_dir,
        args.out or Path("out") / args.split,
        checkpoint=args.checkpoint,
        results=args.results,
        precision=args.precision,
        chosen=args.sequences,
        max_frames=args.max_frames,
        online_steps=args.online_steps,
        online_rate=args.online_rate,
        seed=args.seed,
    )
