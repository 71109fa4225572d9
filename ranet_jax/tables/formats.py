"""Tables printed, and written as text, Markdown and CSV."""

import csv
import io
from pathlib import Path

import rich.markup
from rich.console import Console
from rich.table import Table as RichTable

from ranet_jax.files import replace_text
from ranet_jax.tables.grids import Grid
from ranet_jax.tables.published import SCORES, SOURCES, SPEED

NOTES = (
    "Scores in per cent. PARTIAL: not the whole split, so not comparable with the other lines.",
    *(f"{name}: {source}" for name, source in SOURCES.items()),
)
"""What stands below the tables."""


def print_grids(grids: dict[str, Grid], console: Console) -> None:
    """Prints tables as text.

    Args:
        grids: by key.
        console: to print to.
    """
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
    """Formats tables as Markdown.

    Args:
        grids: by key.

    Returns:
        The text of a file.
    """
    lines = []
    for grid in grids.values():
        lines += [f"## {grid.title}", ""]
        for row in (grid.header, tuple("---" for _ in grid.header), *grid.rows):
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in NOTES), ""])


def format_csv(grid: Grid) -> str:
    """Formats a table as CSV.

    Args:
        grid: the table.

    Returns:
        The text of a file.
    """
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
