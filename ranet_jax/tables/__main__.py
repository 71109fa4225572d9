"""Own results beside the published ones: python -m ranet_jax.tables [NAME=]SUMMARY ... [--out DIR].

A SUMMARY is a `summary.json` of `evaluate.py`, or the folder it is in. Which row it belongs to
follows from its split, its steps of online learning and the network that it describes. What a
network does not know of itself is said by NAME: "no image pre-training" or "no video fine-tuning",
or any name for a row of its own. Every summary gets a line; what was not measured stays empty.
"""

from pathlib import Path

from rich.console import Console

from ranet_jax.errors import run_command
from ranet_jax.flag_parser import FlagParser
from ranet_jax.tables.formats import print_grids, write_grids
from ranet_jax.tables.grids import build_grids
from ranet_jax.tables.runs import read_run


def main() -> None:
    """Reads the flags, prints the tables and writes them."""
    parser = FlagParser(prog="python -m ranet_jax.tables", description=__doc__)
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


if __name__ == "__main__":
    run_command(main)
