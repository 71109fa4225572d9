"""What the benchmark's server takes."""

import zipfile
from pathlib import Path

from ranet_jax.data.davis import Sequence
from ranet_jax.files import replace_file


def write_submission(folder: Path, sequences: list[Sequence], path: Path) -> None:
    """Packs masks for the benchmark's server: SEQUENCE/FRAME.png at the top of a zip.

    Args:
        folder: of the masks, a folder a sequence; none may be missing.
        sequences: which to pack.
        path: the zip; appears under its name only when it is complete.
    """
    with (
        replace_file(path) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive,
    ):
        for sequence in sequences:
            for mask in sequence.masks:
                name = f"{sequence.name}/{mask.name}"
                archive.write(folder / name, name)
