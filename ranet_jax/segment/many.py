"""Many videos, one after another: which they are, and what came of each."""

import csv
import glob
import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ranet_jax.errors import InputError, find_reason
from ranet_jax.media.listing import IMAGE_SUFFIXES, OTHER_SUFFIXES, is_hidden, read_text
from ranet_jax.remarks import remark

_COLUMNS = ("video", "mask")  # of a list; some have "frame" as well

_BESIDE = (".csv", ".json", ".log", ".lrv", ".md", ".psd", ".srt", ".thm", ".txt", ".xcf", ".xml")
"""What cameras, people and paint programs leave beside videos, and is none."""


class Entry(NamedTuple):
    """One video of many.

    Attributes:
        name: of its folder of results.
        source: of the video, as for `open_video`.
        mask_paths: file of each mask by frame index; frame 0 has one.
    """

    name: str
    source: str
    mask_paths: Mapping[int, Path]


def is_list(source: str) -> bool:
    """Whether what was given as a video is a list of videos."""
    return Path(source).suffix.lower() == ".csv"


def read_list(path: Path) -> list[Entry]:
    """Reads a list of videos.

    Args:
        path: of a CSV file with the columns `video` and `mask`, and `frame` if some masks are not
            of the first one; a row for each mask. A video is a file, a folder of frames or a
            pattern of their names; paths are relative to the list's folder.

    Returns:
        The videos in the order of their first rows.

    Raises:
        InputError: it is no such file, or two videos would have one folder of results.
    """
    masks: dict[str, dict[int, Path]] = {}
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        columns = reader.fieldnames or ()
        if not columns:
            raise InputError(f"{path} is empty; give a line video,mask and one for each mask")
        if sorted(columns) not in (sorted(_COLUMNS), sorted((*_COLUMNS, "frame"))):
            raise InputError(
                f"{path} has the columns {', '.join(columns)}; its first line must be "
                "video,mask or video,mask,frame, with commas"
            )
        for row in reader:
            if None in row:
                raise InputError(
                    f"{path}, line {reader.line_num}: more values than columns; put quotes "
                    "around a name that has a comma"
                )
            _add_row(masks, row, f"{path}, line {reader.line_num}", path.parent)
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; give a CSV file with the columns video,mask, or a video"
        ) from None
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as a CSV file ({error})") from None
    if not masks:
        raise InputError(f"{path} has no line below its first; give one for each mask")
    entries = [
        Entry(*_find_video(path.parent, video), mask_paths=of_video)
        for video, of_video in masks.items()
    ]
    return _check_entries(entries, path)


def _add_row(
    masks: dict[str, dict[int, Path]], row: Mapping[str, str | None], where: str, folder: Path
) -> None:
    """Takes one row of a list: a mask of a video."""
    video, mask = (row["video"] or "").strip(), (row["mask"] or "").strip()
    frame = (row.get("frame") or "0").strip()
    if not video or not mask:
        raise InputError(f"{where}: the {'mask' if video else 'video'} is missing; give both")
    if not frame.isdecimal():
        raise InputError(f"{where}: frame {frame} is no number; frames are counted from 0")
    # All of it now, and not hours later when its turn comes.
    _, source = _find_video(folder, video)
    is_pattern = glob.has_magic(video) and any(glob.iglob(source))
    for name in [mask] if is_pattern else [video, mask]:
        if not (folder / name).exists():
            raise InputError(f"{where}: {folder / name} does not exist; mend the line, or drop it")
    of_video = masks.setdefault(video, {})
    if int(frame) in of_video:
        raise InputError(f"{where}: frame {frame} of {video} has a mask already; drop one")
    of_video[int(frame)] = folder / mask


def pair_folders(videos: Path, masks: Path) -> list[Entry]:
    """Finds the videos of a folder and the masks of their first frames.

    Args:
        videos: folder of video files, or of folders of frames.
        masks: folder of images with the names of the videos.

    Returns:
        The videos that have a mask, by name.

    Raises:
        InputError: one of them is no folder, none of the videos has a mask, or one has two.
    """
    for folder in (videos, masks):
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; --masks takes one, and a folder of videos")
    paths = [path for path in _list_videos(videos) if path.resolve() != masks.resolve()]
    named = [(_name_video(path), path) for path in paths]
    names = {name for name, _ in named}
    images: dict[str, Path] = {}
    for image in sorted(masks.iterdir()):
        if _is_image(image):
            if image.stem in images:
                raise InputError(f"{image} and {images[image.stem]} are masks of one video")
            images[image.stem] = image
    alone = [path.name for name, path in named if name not in images]
    alone += [image.name for name, image in images.items() if name not in names]
    if alone and names & images.keys():
        some = ", ".join(alone[:5]) + (", ..." if len(alone) > 5 else "")
        remark(f"of videos and masks {len(alone)} have no partner and are left out: {some}")
    if named and not names & images.keys():
        path = named[0][1]
        raise InputError(
            f"no video of {videos} has a mask in {masks}; masks have the names of their videos, "
            f"such as {named[0][0]}.png for {path.name}"
        )
    entries = [Entry(name, str(path), {0: images[name]}) for name, path in named if name in images]
    return _check_entries(entries, videos)


def _list_videos(folder: Path) -> list[Path]:
    """What may be a video in a folder: an image is none if something else has its name."""
    paths = [
        path
        for path in sorted(folder.iterdir())
        if not is_hidden(path) and path.suffix.lower() not in _BESIDE
    ]
    names = {_name_video(path) for path in paths if not _is_image(path)}
    return [path for path in paths if not (_is_image(path) and path.stem in names)]


def _is_image(path: Path) -> bool:
    """Whether a file is an image by its name; an animation is one, too."""
    is_one = path.suffix.lower() in IMAGE_SUFFIXES + OTHER_SUFFIXES
    return is_one and not is_hidden(path) and not path.is_dir()


def _find_video(folder: Path, video: str) -> tuple[str, str]:
    """The name and the source of a video of a list; a pattern has the name of its folder."""
    path = folder / video
    if path.exists() or not glob.has_magic(video):
        return _name_video(path), str(path)
    return _name_video(path.parent), str(Path(glob.escape(str(folder)), video))


def _name_video(path: Path) -> str:
    """The name that a video's mask and results have: a folder's may have dots in it."""
    return Path(os.path.abspath(path)).name if path.is_dir() else path.stem


def _check_entries(entries: list[Entry], where: Path) -> list[Entry]:
    """Refuses a list of no videos, or of two whose results would go into one folder."""
    if not entries:
        raise InputError(f"{where} has no video with a mask; masks have the names of their videos")
    sources: dict[str, str] = {}
    for entry in entries:
        if other := sources.get(entry.name):
            raise InputError(
                f"{entry.source} and {other} have one name, {entry.name}, and so one folder of "
                "results; rename one"
            )
        sources[entry.name] = entry.source
        if 0 not in entry.mask_paths:
            raise InputError(f"{entry.source} has no mask of its first frame, number 0")
    return entries


def find_unusable(entries: Sequence[Entry], check: Callable[[Entry], None]) -> dict[str, str]:
    """Checks all videos before the first is segmented, and says at once which cannot be.

    Args:
        entries: the videos.
        check: raises an error for one that cannot be segmented.

    Returns:
        Why these cannot be, by name.

    Raises:
        InputError: none of them can be.
    """
    failures = {}
    for entry in entries:
        if reason := _try(check, entry):
            failures[entry.name] = reason
            print(f"{entry.name} is left out: {reason}", flush=True)
    if failures and len(failures) == len(entries):
        raise InputError("no video can be segmented; the lines above say why")
    return failures


def run_all(
    entries: Sequence[Entry], failures: Mapping[str, str], run: Callable[[Entry], str]
) -> None:
    """Segments videos one after another, and says at the end what came of each, a line each.

    Args:
        entries: the videos.
        failures: why some are left out, of `find_unusable`.
        run: segments one; gives what came of it.

    Raises:
        InputError: some could not be segmented; the others are.
    """
    failures = dict(failures)
    done: dict[str, str] = {}

    def run_one(entry: Entry) -> None:
        done[entry.name] = run(entry)

    for entry in entries:
        if entry.name not in failures:
            print(f"--- {entry.name}")
            if reason := _try(run_one, entry):
                failures[entry.name] = reason
    lines = done | failures
    print("---", *(f"{entry.name}: {lines[entry.name]}" for entry in entries), sep="\n")
    failed = [entry.name for entry in entries if entry.name in failures]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(entries)} videos were not segmented ({', '.join(failed)}); the "
            "lines above say why"
        )


def _try(work: Callable[[Entry], None], entry: Entry) -> str | None:
    """Does something for one video; gives why it could not be done, None where it could."""
    try:
        work(entry)
    except (InputError, OSError) as error:
        reason = find_reason(error)
        if reason is None:
            raise
        return reason
    return None
