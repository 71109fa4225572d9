"""What the servers of the benchmarks take."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from ranet_jax.files import replace_file


def write_zip(path: Path, files: Mapping[str, Path]) -> None:
    """Packs masks for a benchmark's server.

    Args:
        path: the zip; appears under its name only when it is complete.
        files: each mask by its name in the zip, in the order in which they are packed; none may
            be missing.
    """
    with (
        replace_file(path) as unfinished,
        # PNG files are compressed already. ZIP's time begins in 1980, that of files in 1970.
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive,
    ):
        for name, file in files.items():
            archive.write(file, name)
