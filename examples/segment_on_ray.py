"""Segments many videos on the machines of a Ray cluster, or with several processes on this one.

    pip install -e '.[ray]'
    python -m examples.segment_on_ray videos.csv --out results [--workers 2]

The list is that of `python -m ranet_jax.segment videos.csv`, and so are the results: a folder a
video. Each worker loads the network once and takes the next video when it is done with one. Started
again, it goes on where it was stopped. On several machines, start Ray on each beforehand; list,
videos and results must lie where all of them see them under the same name.
"""

import os
from pathlib import Path

from ranet_jax import Segmenter
from ranet_jax.errors import InputError, find_reason, run_command
from ranet_jax.flag_parser import FlagParser
from ranet_jax.segment.job import Job, check_job, run_job
from ranet_jax.segment.many import Entry, find_unusable, read_list


class Worker:
    """A process that has the network."""

    def __init__(self) -> None:
        """Loads the weights that ship; `Segmenter.from_checkpoint` takes others."""
        self._segmenter = Segmenter.pretrained()

    def segment(self, entry: Entry, out: Path) -> tuple[str, str | None]:
        """Segments one video.

        Args:
            entry: the video.
            out: folder of its results.

        Returns:
            Its name, and what is wrong with it; None where it is done.
        """
        try:
            run_job(name_job(entry, out), self._segmenter, None)
        except (InputError, OSError) as error:
            if (reason := find_reason(error)) is None:
                raise
            return entry.name, reason
        return entry.name, None


def name_job(entry: Entry, out: Path) -> Job:
    """One video of the list, gone on with where an earlier worker, or start, has begun it."""
    return Job(entry.source, entry.mask_paths, out, resume=out.exists())


def main() -> None:
    """Reads the flags, and hands out the videos."""
    parser = FlagParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path, help="CSV file with the columns video,mask")
    parser.add_argument("--out", type=Path, required=True, help="folder of all results")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    args = parser.parse_args()
    if args.workers < 1:
        raise InputError(f"--workers {args.workers}: give 1 or more")
    # In here, so that `run_command` can say what to do where Ray is not installed.
    import ray
    from ray.util import ActorPool

    # Workers run elsewhere: no path may depend on where this program was started.
    entries, out = read_list(args.videos.resolve()), args.out.resolve()
    failures = find_unusable(entries, lambda entry: check_job(name_job(entry, out / entry.name)))
    usable = [entry for entry in entries if entry.name not in failures]
    ray.init(log_to_driver=False, include_dashboard=False)
    workers = min(args.workers, len(usable))
    start = ray.remote(num_cpus=1, max_restarts=3, max_task_retries=3)(Worker)
    pool = ActorPool([start.remote() for _ in range(workers)])
    failed = len(failures)
    for name, problem in pool.map_unordered(
        lambda worker, entry: worker.segment.remote(entry, out / entry.name), usable
    ):
        failed += problem is not None
        print(f"{name}: {problem or f'done, in {out / name}'}", flush=True)
    if failed:
        raise InputError(f"{failed} of {len(entries)} videos were not segmented; see above")


if __name__ == "__main__":
    # Workers import this package from where it was started, installed or not.
    os.environ.setdefault("PYTHONPATH", str(Path.cwd()))
    run_command(main)
