"""Which files of a folder count, in which order, and the lists of names beside them."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ranet_jax.errors import InputError

IMAGE_SUFFIXES = (
    ".bmp",
    ".jfif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
"""Files that are images; whatever else lies in a folder is passed over."""

OTHER_SUFFIXES = (".avif", ".gif", ".heic", ".heif", ".jp2")
"""Files that are images, too, but are not read as frames."""


def list_images(folder: Path, suffixes: Iterable[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Lists the images of a folder.

    Args:
        folder: which exists.
        suffixes: in lower case, of the files that count.

    Returns:
        Its images in the order of `sort_images`.
    """
    return sort_images(folder.iterdir(), suffixes)


def sort_images(paths: Iterable[Path], suffixes: Iterable[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Picks the images among files, and puts them in the order in which people count.

    Frame 2 comes before frame 10, whether or not the numbers are padded. Names that begin with a
    dot never count: macOS leaves `._00000.jpg` beside 00000.jpg on foreign disks.

    Args:
        paths: of files and folders.
        suffixes: in lower case, of the files that count.

    Returns:
        The images.

    Raises:
        InputError: one of them is a link to nothing.
    """
    suffixes = tuple(suffixes)
    named = [path for path in paths if path.suffix.lower() in suffixes and not is_hidden(path)]
    for path in named:
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path} is a link that leads nowhere; mend it, or take it away")
    return sorted((path for path in named if path.is_file()), key=_count)


def name_mixture(images: Iterable[Path], folder: Path) -> str | None:
    """What to say of a folder whose images may not all be frames of one video.

    Args:
        images: of the folder.
        folder: that they are in.

    Returns:
        A line that names the kinds that are mixed, an image that is named unlike the others, and
        kinds that are passed over; None where there is none of these.
    """
    images = list(images)
    kinds = sorted({path.suffix.lower() for path in images})
    others = sorted({path.suffix.lower() for path in folder.iterdir() if not is_hidden(path)})
    passed = [one for one in others if one in OTHER_SUFFIXES]
    mixed = f"has {', '.join(kinds)}, all of which are frames" if len(kinds) > 1 else ""
    over = f"has {', '.join(passed)}, which are passed over" if passed else ""
    stray = _find_stray(images)
    named = f"has {', '.join(stray)}, named unlike the others, as a frame too" if stray else ""
    found = " and ".join(filter(None, (mixed, named, over)))
    return f"{folder} {found}; choose by a glob such as '*.jpg'" if found else None


def _find_stray(images: Iterable[Path]) -> list[str]:
    """Names of the few images whose names differ from those of the others by more than numbers."""
    form = {path.name: re.sub("[0-9]+", "0", path.stem) for path in images}
    usual, count = Counter(form.values()).most_common(1)[0]
    stray = [name for name, one in form.items() if one != usual]
    return stray if 2 * len(stray) < count else []


def is_hidden(path: Path) -> bool:
    """Whether a file is no one's data: its name begins with a dot, as that of .DS_Store does."""
    return path.name.startswith(".")


def check_stems(images: Iterable[Path], where: str, remedy: str) -> None:
    """Refuses images whose names differ in their suffix alone.

    Args:
        images: of one video, or of a training set.
        where: they are, for the message.
        remedy: what to do, for the message.

    Raises:
        InputError: two of them would have one name.
    """
    stem, copies = Counter(path.stem for path in images).most_common(1)[0]
    if copies > 1:
        raise InputError(
            f"{where} has {copies} images named {stem}, so that one name would mean two; {remedy}"
        )


def read_lines(path: Path) -> list[str]:
    """Reads a list of names, a line each; see `read_text`.

    Args:
        path: of the list.

    Returns:
        Its lines without line ends and without blanks around them; no empty ones.

    Raises:
        InputError: as `read_text`.
        OSError: it cannot be read.
    """
    return [line for line in map(str.strip, read_text(path).splitlines()) if line]


def read_text(path: Path) -> str:
    """Reads names from a text, as any editor of any system leaves it.

    A byte order mark says how the file is encoded (UTF-8, or UTF-16 as Windows' Notepad and
    PowerShell write it); without one it is UTF-8, and what is not is kept as file names keep it.

    Args:
        path: of the text.

    Returns:
        The text, without a byte order mark; line ends as they are.

    Raises:
        InputError: it begins as UTF-16 does and is none.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            return content.decode("utf-16")
        return os.fsdecode(content.removeprefix(b"\xef\xbb\xbf"))
    except UnicodeDecodeError:
        raise InputError(f"{path} is damaged UTF-16; save it again as UTF-8") from None


def _count(path: Path) -> tuple:
    """What to sort by: numbers in a name by their value, then all of the path."""
    parts = re.split(r"([0-9]+)", path.stem)  # without the suffix: frame before frame2
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], str(path)
