"""Own evaluations, read from `summary.json`, and the rows of the tables that they belong to."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

from ranet_jax.errors import InputError
from ranet_jax.evaluation.report import SUMMARY
from ranet_jax.models.ablations import ABLATIONS
from ranet_jax.models.ranet import NAMED_MODELS, RANet
from ranet_jax.protocol import RELEASED
from ranet_jax.tables.published import SCORES, SPEED
from ranet_jax.weights.network import (
    build_model,
    build_protocol,
    describe_model,
    name_protocol,
)

SIZES = {
    "davis16-val": (20, 1376),
    "davis16-trainval": (50, 3455),
    "davis17-val": (30, 1999),
    "davis17-test-dev": (30, 2086),
}
"""Sequences and frames of each split that has a table."""

FULL = "full"
"""The name of a network that is the paper's in every field."""

VARIANTS = {
    **{("selection", value): ablation.title for value, ablation in ABLATIONS.items()},
    ("use_previous", False): "no previous mask",
    ("activation", "softmax"): "softmax over objects",
    ("learned_scores", False): "no ranking network",
    ("learned_scores", True): "learned scores",
}
"""The name for what a field of the network is set to; the paper's where it has one."""

SIZE_FIELDS = ("blocks", "width", "head_width", "canvas", "cell", "top_k")
"""Fields of the network that say how large it is."""

FAMILY_FIELDS = ("blocks", "width", "head_width", "cell")
"""Fields of the network by which one with a name in recipes is known, whatever its canvas."""


class Run(NamedTuple):
    """One evaluation.

    Attributes:
        path: of its `summary.json`.
        name: of the network: `FULL`, its ablations, or what the user calls it.
        summary: what the file holds.
    """

    path: Path
    name: str
    summary: dict[str, Any]

    @property
    def steps(self) -> int:
        """Steps of online learning."""
        return self.summary.get("online_steps", 0)

    @property
    def numbers(self) -> dict[str, float]:
        """What was measured, by column: per cent and seconds."""
        measured = {name: 100 * score for name, score in self.summary.get("scores", {}).items()}
        if "seconds_per_frame" in self.summary:
            measured[SPEED] = self.summary["seconds_per_frame"]
        elif "ms_per_frame_median" in self.summary:
            measured[SPEED] = self.summary["ms_per_frame_median"] / 1000
        return measured

    @property
    def covered(self) -> str:
        """What part of the split was segmented, as "4 of 20 sequences"; empty for all of it."""
        sequences, frames = SIZES[self.summary["split"]]
        found, limit = len(self.summary["sequences"]), self.summary.get("max_frames")
        # Scored masks are not counted. The first frame of a sequence is given, not segmented.
        counted = self.summary.get("frames")
        whole = limit is None if counted is None else counted == frames - sequences
        if found == sequences and whole:
            return ""
        limited = f", at most {limit} frames each" if limit else ""
        counted = f", {counted} of {frames - sequences} frames" if counted and not limit else ""
        return f"{found} of {sequences} sequences{limited}{counted}"


def read_run(argument: str) -> Run:
    """Reads an evaluation.

    Args:
        argument: `summary.json` or its folder, with `NAME=` in front where its row has another name
            than the network says.

    Returns:
        The evaluation.

    Raises:
        InputError: there is no such file, it is no summary of a split that has a table, or the name
            is missing and cannot be found out.
    """
    name, named, path = argument.partition("=")
    if not named or Path(argument).exists():
        name, path = "", argument
    path = Path(path)
    path = path / SUMMARY if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path} does not exist; evaluate.py writes it at the end of a run")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        split = summary["split"]
        if split not in SIZES:
            raise InputError(f"{path} is of {split}; there are tables of {', '.join(SIZES)}")
        sequences = summary["sequences"]
        scores = [] if split == "davis17-test-dev" else [summary["scores"][name] for name in SCORES]
        if not isinstance(sequences, list) or any(isinstance(score, str) for score in scores):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is no summary of evaluate.py; run that again") from None
    if not name and "model" not in summary:
        raise InputError(
            f"{path} does not say which network it is of; write {FULL}={argument} if it is the "
            "paper's network, an ablation's name if it is one, and any other NAME= else"
        )
    try:
        return Run(path, name or name_variant(summary), summary)
    except (KeyError, TypeError, AttributeError):
        raise InputError(
            f"{path} describes a network that this version does not know; give it a NAME="
        ) from None


def name_variant(summary: dict[str, Any]) -> str:
    """The paper's name for a network.

    Args:
        summary: of an evaluation, with the network's fields as `weights.network.describe_network`
            gives them, or an earlier version gave them.

    Returns:
        `FULL`, or what it lacks, and whether it is of another size or in another protocol; of a
        network that has a name in recipes that name, with its canvas, and what differs from it.
    """
    fields = describe_model(build_model(summary["model"]))
    bases = {name: describe_model(make()) for name, make in NAMED_MODELS.items()}
    own = (one for one in bases if all(fields[f] == bases[one][f] for f in FAMILY_FIELDS))
    base = next(own, None)
    usual = bases[base] if base else describe_model(RANet())
    names = [
        name for (field, value), name in VARIANTS.items() if fields[field] == value != usual[field]
    ]
    # Neither how a prediction is put back nor a rate that is not used makes another method.
    protocol = dataclasses.replace(
        build_protocol(summary),
        half_pixels=RELEASED.half_pixels,
        online_rate=RELEASED.online_rate,
    )
    if base:
        h, w = fields["canvas"]
        top_k = [] if fields["top_k"] == usual["top_k"] else [f"top_k {fields['top_k']}"]
        return ", ".join([f"{base} at {h} x {w}", *top_k, *names, *name_protocol(protocol)])
    if any(fields[field] != usual[field] for field in SIZE_FIELDS):
        names.append("another size")
    if protocol != RELEASED:
        names.append("another protocol")
    return ", ".join(names) or FULL


def place_run(run: Run) -> dict[str, str]:
    """Finds the rows of an evaluation.

    Args:
        run: the evaluation.

    Returns:
        The method, by the key of each table that it belongs to.
    """
    method = "RANet+" if run.steps else "RANet"
    places = {run.summary["split"]: method if run.name == FULL else f"{method}, {run.name}"}
    if run.summary["split"] == "davis16-val":
        if run.name == FULL:
            places["online"] = method
        if not run.steps:
            places["ablations"] = run.name
    return places
