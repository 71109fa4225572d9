"""Evaluating a split of DAVIS: what `evaluate.py` runs.

Everything that can be checked is checked first. What a run finds is put together in a hidden folder
inside `out` and takes the place of old results when all of it is there, and not before.
"""

from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from ranet_jax.evaluation import report
from ranet_jax.evaluation.checks import check_out, find_unusable
from ranet_jax.evaluation.left_out import check_nothing_left_out, report_left_out
from ranet_jax.evaluation.metrics import average
from ranet_jax.evaluation.replacement import check_results_stay, replace_results
from ranet_jax.evaluation.report import SUMMARY
from ranet_jax.evaluation.run_description import describe_network_run, describe_results_run
from ranet_jax.evaluation.scoring import score_folders
from ranet_jax.evaluation.selection import Selection
from ranet_jax.evaluation.sequences import segment_split
from ranet_jax.evaluation.submission import write_zip
from ranet_jax.evaluation.times import print_times, summarize_times
from ranet_jax.files import lock_folder
from ranet_jax.machine import count_cores
from ranet_jax.online_learning import OnlineLearner
from ranet_jax.segmenter import Segmenter


class Learning(NamedTuple):
    """How each first frame is learned before its sequence is segmented.

    Attributes:
        steps: of each sequence, at least 1.
        rate: of learning; that of the network's protocol when None.
        seed: of the examples.
    """

    steps: int
    rate: float | None = None
    seed: int = 0


def evaluate_network(
    selection: Selection,
    segmenter: Segmenter,
    checkpoint: str,
    out: Path,
    learning: Learning | None = None,
) -> dict[str, object]:
    """Segments sequences with a network and scores the masks, or packs them for the server.

    Args:
        selection: of sequences.
        segmenter: the network.
        checkpoint: what the summary calls the network's weights.
        out: where masks, CSV files and `summary.json` go.
        learning: of each first frame; None to segment offline.

    Returns:
        What `summary.json` holds.

    Raises:
        InputError: nothing could be evaluated, and `out` is as it was; or some sequences could not
            be, and the results in `out` are of the others.
    """
    learner = OnlineLearner(segmenter, *learning) if learning else None
    names = [sequence.name for sequence in selection.sequences]
    usable, left_out = _check(selection, out, results=None)
    with lock_folder(out), replace_results(out, names) as new:
        segmented = segment_split(segmenter, learner, usable, new)
        usable, left_out = _leave_out(segmented.failures, usable, left_out)
        summary = describe_network_run(segmenter, checkpoint)
        summary |= summarize_times(segmented, segmenter, learner)
        print_times(summary)
        summary |= _score(usable, left_out, masks=new, new=new)
        report.write_summary(new / SUMMARY, summary)
    _say_what_is_there(selection, summary, out)
    return summary


def evaluate_masks(selection: Selection, results: Path, out: Path) -> dict[str, object]:
    """Scores masks that exist, or packs them for the server.

    Args:
        selection: of sequences.
        results: folder with a folder of masks a sequence.
        out: where CSV files and `summary.json` go.

    Returns:
        What `summary.json` holds.

    Raises:
        InputError: as `evaluate_network`.
    """
    check_results_stay(results, out)
    usable, left_out = _check(selection, out, results)
    with lock_folder(out), replace_results(out, ()) as new:
        summary = describe_results_run(results)
        summary |= _score(usable, left_out, masks=results, new=new)
        report.write_summary(new / SUMMARY, summary)
    _say_what_is_there(selection, summary, out)
    return summary


def _list_files(selection: Selection) -> tuple[str, ...]:
    """Names of the files that a run writes beside the folders of masks."""
    if not selection.split.scored:
        return SUMMARY, f"{selection.split_name}.zip"
    return SUMMARY, *report.name_csv(selection.set_name)


def _check(
    selection: Selection, out: Path, results: Path | None
) -> tuple[Selection, dict[str, str]]:
    """Checks all that can be checked; gives what is usable, and why the rest is not."""
    split = selection.split
    rule = "all ids of a mask are one object" if split.binary else "one object an id"
    count = len(selection.sequences)
    sequences = f"{count} sequences" if count > 1 else "1 sequence"
    print(f"{selection.split_name}: {sequences} of {selection.data_dir}")
    annotations = selection.data_dir / "Annotations" / "480p"
    print(f"annotations: {annotations} (by the rules of {split.year}: {rule})")
    names = None if results else [sequence.name for sequence in selection.sequences]
    check_out(out, selection.data_dir, names, _list_files(selection))
    return _leave_out(find_unusable(selection, results), selection, {})


def _leave_out(
    failures: dict[str, str], selection: Selection, left_out: dict[str, str]
) -> tuple[Selection, dict[str, str]]:
    """Takes sequences out of a selection, and says so; a submission must be whole."""
    report_left_out(failures, len(selection.sequences), must_be_whole=not selection.split.scored)
    return selection.without(set(failures)), left_out | failures


def _score(
    selection: Selection, left_out: dict[str, str], *, masks: Path, new: Path
) -> dict[str, object]:
    """Scores or packs masks, writes what was found, and gives this part of the summary."""
    found: dict[str, object] = {}
    if selection.split.scored:
        truths = {sequence.name: sequence.masks for sequence in selection.sequences}
        processes = min(count_cores(), len(truths))
        scores, failures = score_folders(
            masks, truths, binary=selection.split.binary, processes=processes
        )
        selection, left_out = _leave_out(failures, selection, left_out)
        found["scores"] = average(chain.from_iterable(scores.values()))
        report.write_csv(new, selection.set_name, scores)
        report.print_table(scores)
    else:
        names = [
            f"{sequence.name}/{mask.name}"
            for sequence in selection.sequences
            for mask in sequence.masks
        ]
        write_zip(new / f"{selection.split_name}.zip", {name: masks / name for name in names})
    return found | {
        "split": selection.split_name,
        "sequences": [sequence.name for sequence in selection.sequences],
        "left_out": left_out,
        "max_frames": selection.max_frames,
    }


def _say_what_is_there(selection: Selection, summary: dict[str, Any], out: Path) -> None:
    """Says where results are.

    Raises:
        InputError: they are not of all sequences that were asked for.
    """
    print(f"results: {out}")
    if not selection.split.scored:
        submission = out / f"{selection.split_name}.zip"
        print(f"wrote {submission}; its server has the annotations and scores it")
    check_nothing_left_out(summary["left_out"], len(selection.sequences), "sequences", out)
