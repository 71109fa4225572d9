"""What is left out of an evaluation, and how a run says so: alike for every benchmark."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ranet_jax.errors import InputError
from ranet_jax.remarks import remark


def report_left_out(
    failures: Mapping[str, str], count: int, *, must_be_whole: bool = False
) -> None:
    """Says which videos are left out, and why.

    Args:
        failures: why, by the names of the videos.
        count: of the videos that were left until now.
        must_be_whole: whether results of some of the videos are of no use.

    Raises:
        InputError: no video remains, or results must be whole; its words are the first reason.
    """
    if failures and (must_be_whole or len(failures) == count):
        raise InputError(next(iter(failures.values())))
    for name, reason in failures.items():
        remark(f"{name} is left out: {reason}")


def check_nothing_left_out(left_out: Collection[str], count: int, kind: str, out: Path) -> None:
    """Ends a run whose results are not of all that was asked for.

    Args:
        left_out: names of the videos that are missing.
        count: of those that were asked for.
        kind: what the benchmark calls them.
        out: where the results are.

    Raises:
        InputError: some are missing; it names them.
    """
    if left_out:
        raise InputError(
            f"{len(left_out)} of {count} {kind} could not be evaluated and are left out "
            f"({', '.join(left_out)}); what is in {out} is of the others"
        )
