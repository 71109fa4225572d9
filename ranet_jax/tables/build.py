"""Own results beside the published ones: python -m ranet_jax.tables [NAME=]SUMMARY ... [--out DIR].

A SUMMARY is a `summary.json` of `evaluate.py`, or the folder it is in. Which row it belongs to
follows from its split, its steps of online learning and the network that it describes. What a
network does not know of itself is said by NAME: "no image pre-training" or "no video fine-tuning",
or any name for a row of its own. Every summary gets a line; what was not measured stays empty.
"""

import argparse
import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import rich.markup
from rich.console import Console
from rich.table import Table as RichTable

from ranet_jax.errors import InputError
from ranet_jax.files import replace_text
from ranet_jax.models.ranet import RANet
from ranet_jax.tables.published import SCORES, SOURCES, SPEED, TABLES, Row, Table
from ranet_jax.weights.checkpoint import describe_model

SIZES = {
    "davis16-val": (20, 1376),
    "davis16-trainval": (50, 3455),
    "davis17-val": (30, 1999),
    "davis17-test-dev": (30, 2086),
}
"""Sequences and frames of each split that has a table."""

VARIANTS = {
    ("selection", "spatial"): "no ranking",
    ("selection", "maximum"): "maximum",
    ("selection", "features"): "no correlation",
    ("use_previous", False): "no previous mask",
    ("activation", "softmax"): "softmax over objects",
}
"""The paper's name for what a field of the network is set to."""

FULL = "full"
"""The name of a network that is the paper's in every field."""


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
    path = path / "summary.json" if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path} does not exist; evaluate.py writes it at the end of a run")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        split, sequences = summary["split"], summary["sequences"]
        scores = [] if split == "davis17-test-dev" else [summary["scores"][name] for name in SCORES]
        if not isinstance(sequences, list) or any(isinstance(score, str) for score in scores):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is no summary of evaluate.py; run that again") from None
    if split not in SIZES:
        raise InputError(f"{path} is of {split}; there are tables of {', '.join(SIZES)}")
    if not name and "model" not in summary:
        raise InputError(
            f"{path} does not say which network it is of; write {FULL}={argument} if it is the "
            "paper's network, an ablation's name if it is one, and any other NAME= else"
        )
    return Run(path, name or name_variant(summary["model"]), summary)


def name_variant(fields: dict[str, Any]) -> str:
    """The paper's name for a network.

    Args:
        fields: as `checkpoint.describe_model` gives them.

    Returns:
        `FULL`, or what it lacks, and whether it is of another size.
    """
    names = [name for (field, value), name in VARIANTS.items() if fields.get(field) == value]
    released = describe_model(RANet())
    if any(fields[field] != released[field] for field in ("blocks", "width", "canvas", "kept")):
        names.append("another size")
    return ", ".join(names) or FULL


def place_run(run: Run) -> dict[str, str]:
    """Finds the rows of an evaluation: the method by the key of each table it belongs to."""
    method = "RANet+" if run.steps else "RANet"
    places = {run.summary["split"]: method if run.name == FULL else f"{method}, {run.name}"}
    if run.summary["split"] == "davis16-val":
        if run.name == FULL:
            places["online"] = method
        if not run.steps:
            places["ablations"] = run.name
    return places


class Grid(NamedTuple):
    """A table ready to be written, all cells as text.

    Attributes:
        title: what it is about.
        header: names of the columns.
        rows: of cells.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def build_grid(table: Table, runs: list[tuple[str, Run]]) -> Grid:
    """Sets evaluations beside published rows.

    The lines of a method stand together: the published ones, then a line for each evaluation, and
    an empty one where the paper's row was not measured.

    Args:
        table: the published rows.
        runs: evaluations and the methods they are of.

    Returns:
        The table.
    """
    methods = [row.method for row in table.rows] + [method for method, _ in runs]
    rows = []
    for method in dict.fromkeys(methods):
        published = [row for row in table.rows if row.method == method]
        rows += [_write_published(row, table.columns) for row in published]
        own = [run for name, run in runs if name == method]
        rows += [_write_own(method, run, table.columns) for run in own]
        if not own and any(row.source == "paper" for row in published):
            rows.append((method, "here", *("" for _ in table.columns), "", ""))
    header = ("method", "numbers", *table.columns, "device", "source")
    return Grid(table.title, header, tuple(rows))


def _write_published(row: Row, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Cells of a published row, exactly as published."""
    numbers = (str(row.numbers.get(column, "")) for column in columns)
    return (row.method, "published", *numbers, "", row.source)


def _write_own(method: str, run: Run, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Cells of an evaluation."""
    notes = ["here"]
    if run.steps:
        notes.append(f"{run.steps} steps")
    if run.covered:
        notes.append(f"PARTIAL: {run.covered}")
    numbers = run.numbers
    cells = (
        "" if column not in numbers else f"{numbers[column]:.{3 if column == SPEED else 1}f}"
        for column in columns
    )
    return (method, ", ".join(notes), *cells, run.summary.get("device", ""), str(run.path))


def build_grids(runs: list[Run]) -> dict[str, Grid]:
    """All tables by their key."""
    placed = [(place_run(run), run) for run in runs]
    return {
        key: build_grid(table, [(places[key], run) for places, run in placed if key in places])
        for key, table in TABLES.items()
    }


NOTES = (
    "Scores in per cent. PARTIAL: not the whole split, so not comparable with the other lines.",
    *(f"{name}: {source}" for name, source in SOURCES.items()),
)
"""What stands below the tables."""


def print_grids(grids: dict[str, Grid], console: Console) -> None:
    """Prints tables as text."""
    for grid in grids.values():
        table = RichTable(title=grid.title)
        for column in grid.header:
            measured = column in (*SCORES, SPEED)
            table.add_column(column, justify="right" if measured else "left", no_wrap=measured)
        for row in grid.rows:
            table.add_row(*map(rich.markup.escape, row))
        console.print(table)
    for note in NOTES:
        console.print(note, highlight=False)


def format_markdown(grids: dict[str, Grid]) -> str:
    """Tables as Markdown."""
    lines = []
    for grid in grids.values():
        lines += [f"## {grid.title}", ""]
        for row in (grid.header, tuple("---" for _ in grid.header), *grid.rows):
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in NOTES), ""])


def format_csv(grid: Grid) -> str:
    """A table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([grid.header, *grid.rows])
    return text.getvalue()


def write_grids(grids: dict[str, Grid], out: Path) -> None:
    """Writes `tables.txt`, `tables.md` and a CSV file a table, each complete or not at all.

    Args:
        grids: by key.
        out: the folder; made where it does not exist.
    """
    text = io.StringIO()
    print_grids(grids, Console(file=text, width=200))
    files = {f"{key}.csv": format_csv(grid) for key, grid in grids.items()}
    files |= {"tables.txt": text.getvalue(), "tables.md": format_markdown(grids)}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        replace_text(out / name, content)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ranet_jax.tables", description=__doc__)
    parser.add_argument(
        "summaries",
        nargs="*",
        metavar="[NAME=]SUMMARY",
        help="summary.json of evaluate.py, or its folder; none for the published numbers alone",
    )
    parser.add_argument("--out", type=Path, help="write tables.txt, tables.md and CSV files here")
    args = parser.parse_args()
    grids = build_grids([read_run(argument) for argument in args.summaries])
    # Narrower, the cells could not be read.
    print_grids(grids, Console(width=max(Console().width, 160)))
    if args.out:
        write_grids(grids, args.out)
        print(f"wrote {args.out}/tables.txt, tables.md and {len(grids)} CSV files")
