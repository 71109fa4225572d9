"""Finds the files of a training set, checks them, and writes them as records.

How a set of images lies on disk stands in `LAYOUTS` here. Sets of videos have DAVIS's form and
stand in `SPLITS` of `data/davis.py`.

Every image and mask is decoded first; those that cannot be used are left out and reported. Records
get their name when all of them are written, so that an interrupted run leaves none to be read.
"""

import io
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow_datasets as tfds
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ranet_jax.data.davis import SPLITS, find_sequences
from ranet_jax.data.prepare.builder import Pair, SetBuilder
from ranet_jax.data.records import (
    DATA_DIR,
    FOLDER,
    find_versions,
    next_version,
    suggest_other,
)
from ranet_jax.data.synthetic import GENERATED
from ranet_jax.errors import InputError
from ranet_jax.files import lock_folder
from ranet_jax.media.images import read_frame
from ranet_jax.media.listing import IMAGE_SUFFIXES, check_stems, list_images
from ranet_jax.media.masks import read_davis_mask, read_foreground

# Folders of images and of masks in the original downloads. In one folder for both, masks are PNG.
LAYOUTS = {
    "msra10k": ("Imgs", "Imgs"),
    "ecssd": ("images", "ground_truth_mask"),
    "hku-is": ("imgs", "gt"),
    "duts-tr": ("DUTS-TR-Image", "DUTS-TR-Mask"),
}
_USUAL_LAYOUTS = [*LAYOUTS.values(), ("images", "masks"), (".", ".")]
_EXAMPLES = 3

# What is left out, by reason: a line on each file.
LeftOut = dict[str, list[str]]


def find_images(
    name: str, source: Path, layout: tuple[str, str] | None = None
) -> tuple[list[Pair], LeftOut]:
    """Finds the images of a saliency set and their masks, which have the same names.

    Args:
        name: of the set; a known one decides in which folders its files are.
        source: the folder that holds those folders.
        layout: the folders of images and of masks; None for those of the set, or of any known set.

    Returns:
        Pairs in the order of their names, and the files that have no partner.

    Raises:
        InputError: there are no images with masks where they should be.
    """
    if not source.is_dir():
        raise InputError(f"{source} does not exist; unpack {name} there{suggest_other(name)}")
    layouts = [layout or LAYOUTS[name]] if layout or name in LAYOUTS else _USUAL_LAYOUTS
    found = (_list_layout(source, *folders) for folders in layouts)
    images, masks = next((files for files in found if all(files)), ({}, {}))
    if not images:
        wanted = ", ".join(" + ".join(dict.fromkeys(folders)) for folders in layouts)
        raise InputError(
            f"{source} has no images and masks in {wanted}; --source must be the folder that holds "
            "these folders, or name others with --images and --masks"
        )
    left_out = {
        "without a mask": [str(path) for stem, path in images.items() if stem not in masks],
        "without an image": [str(path) for stem, path in masks.items() if stem not in images],
    }
    return [Pair(stem, images[stem], masks[stem]) for stem in images if stem in masks], left_out


def _list_layout(source: Path, images: str, masks: str) -> tuple[dict[str, Path], dict[str, Path]]:
    """Lists the images and the masks of two folders, or of one, by their names without suffix."""

    def list_files(folder: str, suffixes: Iterable[str]) -> dict[str, Path]:
        found = list_images(source / folder, suffixes) if (source / folder).is_dir() else []
        if found:
            check_stems(found, str(source / folder), "rename one, or move it away")
        return {path.stem: path for path in found}

    if images == masks:
        return list_files(images, set(IMAGE_SUFFIXES) - {".png"}), list_files(masks, {".png"})
    return list_files(images, IMAGE_SUFFIXES), list_files(masks, IMAGE_SUFFIXES)


def find_frames(name: str, source: Path) -> tuple[list[Pair], LeftOut]:
    """Finds the frames of a split of DAVIS and their annotations.

    Args:
        name: of the split.
        source: the DAVIS folder, in the layout of either release.

    Returns:
        Pairs by sequence and frame, and the frames that have no annotation.

    Raises:
        InputError: as `find_sequences` does, or a frame is not named by its number.
    """
    # A frame without annotation is left out here, where the scores would miss it.
    pairs = [
        Pair(f"{sequence.name}/{frame.stem}", frame, mask)
        for sequence in find_sequences(source, replace(SPLITS[name], scored=False))
        for frame, mask in zip(sequence.frames, sequence.masks, strict=True)
    ]
    unnumbered = [pair.image for pair in pairs if not pair.image.stem.isdecimal()]
    if unnumbered:
        raise InputError(f"{unnumbered[0]} is not named by its number; rename it like 00012.jpg")
    without = [str(pair.image) for pair in pairs if not pair.mask.is_file()]
    return [pair for pair in pairs if pair.mask.is_file()], {"without a mask": without}


def check_pair(pair: Pair, decode_mask: Callable[[Path], np.ndarray]) -> tuple[str, str] | None:
    """Decodes an image and its mask to see whether they can be used.

    Args:
        pair: the files.
        decode_mask: reads a mask file as ids.

    Returns:
        None if they can; otherwise the reason, and a line that names the file.
    """
    try:
        image, mask = read_frame(pair.image), decode_mask(pair.mask)
    except InputError as error:
        return "unreadable", str(error)
    if image.shape[:2] != mask.shape:
        sizes = [f"{array.shape[1]} x {array.shape[0]}" for array in (mask, image)]
        return "sizes differ", f"{pair.mask} is {sizes[0]}, its image {sizes[1]}"
    if not mask.any():
        return "empty mask", str(pair.mask)
    return None


def write_records(
    name: str, data_dir: Path, pairs: list[Pair], report_record: Callable[[], None]
) -> Path:
    """Writes a set, and removes what was prepared of it before when all is written.

    Args:
        name: of the set; that of a split of DAVIS makes its records frames.
        data_dir: root of all prepared sets.
        pairs: what to write, in this order.
        report_record: called after every record.

    Returns:
        The folder of the records.

    Raises:
        InputError: the folder cannot be made, or another run prepares this set.
    """
    videos: dict[str, list[int]] = {}
    for pair in pairs if name in SPLITS else []:
        sequence, number = pair.name.split("/")
        videos.setdefault(sequence, []).append(int(number))
    folder = data_dir / FOLDER / name
    with lock_folder(folder):
        # Of runs that were killed: with the lock there is none that still writes.
        for unfinished in folder.glob("incomplete.*"):
            shutil.rmtree(unfinished)
        version = next_version(data_dir, name)
        builder = SetBuilder(name, version, data_dir, pairs, videos, report_record)
        tfds.disable_progress_bar()
        # TFDS makes a folder for downloads and tells of them, but there are none.
        with TemporaryDirectory() as downloads, redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_dir=downloads)
        *old, new = find_versions(data_dir, name)
        for version in old:
            shutil.rmtree(version)
    return new


def prepare(
    name: str,
    source: Path,
    data_dir: Path = DATA_DIR,
    layout: tuple[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Prepares a set and prints what was found.

    Args:
        name: of the set: a split of DAVIS, a saliency set, or a new name for a folder of one's own.
        source: the folder the set was unpacked to.
        data_dir: root of all prepared sets.
        layout: folders of images and of masks in the source; None to find them.
        overwrite: whether to prepare again a set that is prepared.

    Raises:
        InputError: the source cannot be used, or the records cannot be written.
    """
    if not re.fullmatch(r"\w[\w-]*", name):  # ml_collections takes no name with a dot in a recipe
        raise InputError(f"{name!r} cannot be a set's name; use letters, digits, _ and -")
    if name == GENERATED:
        raise InputError(f"{name} is the set of clips that are drawn for the demo; choose another")
    if name.startswith("davis") and name not in SPLITS:
        raise InputError(f"{name} is no split of DAVIS; choose one of {', '.join(SPLITS)}")
    if versions := [] if overwrite else find_versions(data_dir, name):
        print(f"{name} is prepared already in {versions[-1]}; --overwrite prepares it again")
        return
    start = time.perf_counter()
    if name in SPLITS:
        pairs, left_out = find_frames(name, source)
        decode_mask = partial(read_davis_mask, binary=SPLITS[name].binary)
    else:
        pairs, left_out = find_images(name, source, layout)
        decode_mask = read_foreground
    left_out = defaultdict(list, left_out)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        usable = []
        for pair in progress.track(pairs, description="checking"):
            if problem := check_pair(pair, decode_mask):
                left_out[problem[0]].append(problem[1])
            else:
                usable.append(pair)
        if not usable:
            raise InputError(f"{source} has nothing to prepare; left out: {_count(left_out)}")
        task = progress.add_task("writing", total=len(usable))
        folder = write_records(name, data_dir, usable, lambda: progress.advance(task))
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    seconds = time.perf_counter() - start
    print(f"{name}: {len(usable)} records, {megabytes:.1f} MB, in {folder} ({seconds:.1f} s)")
    print(f"left out of {source}: {_count(left_out)}")
    _print_examples(left_out)


def _print_examples(left_out: LeftOut) -> None:
    """Prints the first lines on what is left out for each reason."""
    for reason, lines in left_out.items():
        for line in lines[:_EXAMPLES]:
            print(f"  {reason}: {line}")
        if len(lines) > _EXAMPLES:
            print(f"  {reason}: and {len(lines) - _EXAMPLES} more")


def _count(left_out: LeftOut) -> str:
    """Counts what is left out, by reason."""
    counts = [f"{reason}: {len(files)}" for reason, files in left_out.items() if files]
    return ", ".join(counts) or "nothing"
