"""What an evaluation found, written as the benchmark's CSV files, a table and a JSON summary."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ranet_jax.evaluation.metrics import Scores, average
from ranet_jax.files import replace_text

SUMMARY = "summary.json"
"""The file among the results that says what a run found, and how."""


def name_csv(split_set: str) -> tuple[str, str]:
    """The names of the benchmark's two files, of all and of each sequence, for a set like "val"."""
    return f"global_results-{split_set}.csv", f"per-sequence_results-{split_set}.csv"


def write_csv(folder: Path, split_set: str, results: Mapping[str, list[Scores]]) -> None:
    """Writes the two CSV files of the benchmark's tool, replacing those of an earlier run.

    Args:
        folder: where the files of `name_csv` go; made where it does not exist.
        split_set: the set the sequences are from, such as "val".
        results: the scores of objects 1..N of every sequence, in the order of the rows.
    """
    overall = average(chain.from_iterable(results.values()))
    rows = []
    for sequence, objects in results.items():
        for identifier, scores in enumerate(objects, start=1):
            measures = scores.measures()
            means = (_format(measures[name]) for name in ("J-Mean", "F-Mean"))
            rows.append([f"{sequence}_{identifier}", *means])
    folder.mkdir(parents=True, exist_ok=True)
    of_all, of_each = (folder / name for name in name_csv(split_set))
    _write_rows(of_all, overall, [map(_format, overall.values())])
    _write_rows(of_each, ["Sequence", "J-Mean", "F-Mean"], rows)


MEANS = {"J-Mean": "J", "F-Mean": "F", "J&F-Mean": "J&F"}
"""The measures that tables on the screen have, and how these call them."""


def print_table(results: Mapping[str, list[Scores]]) -> None:
    """Prints the mean measures of every sequence and the seven numbers of the whole set.

    Args:
        results: the scores of objects 1..N of every sequence, in the order of the rows.
    """
    sequences = Table("Sequence", title="Means over objects")
    for column in MEANS.values():
        sequences.add_column(column, justify="right")
    for sequence, objects in results.items():
        measures = average(objects)
        sequences.add_row(sequence, *(_format(measures[name]) for name in MEANS))

    overall = Table("Measure", title="Overall")
    overall.add_column("Value", justify="right")
    for name, value in average(chain.from_iterable(results.values())).items():
        overall.add_row(name, _format(value))

    console = Console()
    console.print(sequences)
    console.print(overall)


def compare_methods(scores: Mapping[str, Mapping[str, float]], title: str, path: Path) -> None:
    """Prints the mean measures of several methods as a table, and writes it into a file.

    Args:
        scores: the seven measures of each method, by its name.
        title: of the table.
        path: the file; its folder must exist.
    """
    table = Table("Method", *MEANS.values(), title=title)
    for method, measures in scores.items():
        table.add_row(method, *(_format(measures[name]) for name in MEANS))
    Console().print(table)
    with path.open("w") as file:
        Console(file=file, width=100).print(table)


def write_summary(path: Path, summary: Mapping[str, object]) -> None:
    """Writes what a run found as JSON, sorted and indented, replacing that of an earlier run.

    Args:
        path: the file; its folder must exist.
        summary: strings, numbers, and lists and mappings of them.
    """
    replace_text(path, json.dumps(summary, indent=2, sort_keys=True) + "\n")


def _format(fraction: float) -> str:
    """A measure as the benchmark's tool writes it."""
    return f"{fraction:.3f}"


def _write_rows(path: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    replace_text(path, text.getvalue())
