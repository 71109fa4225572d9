"""How long frames took, as the summary has it and as it is told."""

import numpy as np

from ranet_jax.evaluation.sequences import Segmented
from ranet_jax.online_learning import OnlineLearner
from ranet_jax.segmenter import Segmenter


def summarize_times(
    segmented: Segmented, segmenter: Segmenter, learner: OnlineLearner | None
) -> dict[str, object]:
    """Summarizes what segmenting took.

    Args:
        segmented: the times; where there is a learner, of one sequence at least.
        segmenter: that segmented them.
        learner: that learned the first frames; None where nothing was learned.

    Returns:
        The fields of `summary.json` that are about time and about learning.
    """
    seconds = segmented.seconds
    milliseconds = 1000 * np.array(seconds or [np.nan])
    # Not `learner.seconds`, in which sequences are that came to no end and have no frames here.
    learned = sum(segmented.learned.values())
    summary: dict[str, object] = {
        "frames": len(seconds),
        "ms_per_frame_median": float(np.median(milliseconds)),
        "ms_per_frame_95th_percentile": float(np.percentile(milliseconds, 95)),
        "compile_seconds": segmenter.compile_seconds,
        # As the paper counts: what was learned before a video is spread over its frames.
        "seconds_per_frame": (sum(seconds) + learned) / max(len(seconds), 1),
        "online_steps": learner.steps if learner else 0,
    }
    if learner:
        summary |= {
            "online_rate": learner.rate,
            "online_seed": learner.seed,
            "online_seconds_per_video": learned / len(segmented.learned),
            "online_compile_seconds": learner.compile_seconds,
        }
    return summary


def print_times(summary: dict[str, object]) -> None:
    """Prints what segmenting took.

    Args:
        summary: of `summarize_times`, with `device` and `precision`.
    """
    print(
        f"{summary['ms_per_frame_median']:.1f} ms a frame (median), "
        f"{summary['ms_per_frame_95th_percentile']:.1f} ms (95th percentile), without disk and "
        f"{summary['compile_seconds']:.1f} s of compilation, on {summary['device']}, "
        f"{summary['precision']}"
    )
    if summary["online_steps"]:
        print(
            f"online learning, {summary['online_steps']} steps at {summary['online_rate']:g}: "
            f"{summary['online_seconds_per_video']:.1f} s a video; spread over its frames "
            f"{summary['seconds_per_frame']:.3f} s a frame with segmentation, without "
            f"{summary['online_compile_seconds']:.1f} s of compilation"
        )
