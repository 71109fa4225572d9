"""Own evaluations set beside the published rows of each table, all cells as text."""

from typing import NamedTuple

from ranet_jax.tables.published import SPEED, TABLES, Row, Table
from ranet_jax.tables.runs import Run, place_run


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
    """Builds all tables.

    Args:
        runs: own evaluations.

    Returns:
        The tables by their key in `published.TABLES`.
    """
    placed = [(place_run(run), run) for run in runs]
    return {
        key: build_grid(table, [(places[key], run) for places, run in placed if key in places])
        for key, table in TABLES.items()
    }
