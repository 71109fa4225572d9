"""Prepares a training set: python -m ranet_jax.data.prepare NAME --source DIR.

Every image and mask is decoded first; those that cannot be used are left out and reported.
"""

import logging
from pathlib import Path

from ranet_jax.data.davis import SPLITS
from ranet_jax.errors import InputError, run_command
from ranet_jax.flag_parser import FlagParser


def main() -> None:
    """The command."""
    # In here, so that `run_command` can say what is missing where only segmenting was installed.
    from ranet_jax.data.prepare.training_sets import LAYOUTS, prepare
    from ranet_jax.data.records import DATA_DIR

    parser = FlagParser(prog="python -m ranet_jax.data.prepare", description=__doc__)
    known = ", ".join([*SPLITS, *LAYOUTS])
    parser.add_argument("name", help=f"{known}, or a name for a folder of your own")
    parser.add_argument("--source", type=Path, required=True, help="folder the set was unpacked to")
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR, help="where records go")
    parser.add_argument("--images", help="folder of images in the source, if not the usual one")
    parser.add_argument("--masks", help="folder of masks in the source, if not the usual one")
    parser.add_argument("--overwrite", action="store_true", help="prepare again what is prepared")
    args = parser.parse_args()
    if (args.images is None) != (args.masks is None):
        raise InputError("give both --images and --masks, or neither")
    layout = (args.images, args.masks) if args.images else None
    if layout and args.name in SPLITS:
        raise InputError("--images and --masks are for saliency sets; DAVIS has folders of its own")
    # TFDS warns of every set whose name it does not know.
    logging.getLogger("absl").setLevel(logging.ERROR)
    prepare(args.name, args.source, args.data_dir, layout, overwrite=args.overwrite)


def command() -> None:
    """The entry point."""
    run_command(main, kept="no new set was written")


if __name__ == "__main__":
    command()
