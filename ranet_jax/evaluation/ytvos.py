"""YouTube-VOS: objects that appear in the middle of a video, and its rules for results.

Its folder holds `JPEGImages/VIDEO/*.jpg`, `Annotations/VIDEO/*.png` and, in the official splits,
`meta.json`. An object joins in the first frame whose annotation has it. Where annotations of later
frames have it too, results are scored on them; the benchmark's server has those of its own split.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.evaluation.left_out import report_left_out
from ranet_jax.evaluation.metrics import boundary_accuracy, region_similarity
from ranet_jax.files import replace_folder
from ranet_jax.media.images import read_frame
from ranet_jax.media.listing import check_stems, is_hidden, list_images
from ranet_jax.media.masks import read_davis_mask, write_mask
from ranet_jax.segmenter import Segmenter
from ranet_jax.tracker import Tracker

SPLIT = "ytvos"
"""What the command calls it."""


class SparseVideo(NamedTuple):
    """One video, annotated in some of its frames.

    Attributes:
        name: of its folder.
        frames: paths of all of them, in order; numbers may have gaps.
        annotations: by the stem of their frame.
        joins: ids of the objects by the stem of the frame in which they appear.
        wanted: stems of the frames that results are given for.
    """

    name: str
    frames: tuple[Path, ...]
    annotations: Mapping[str, Path]
    joins: Mapping[str, list[int]]
    wanted: frozenset[str]


class Usable(NamedTuple):
    """Which videos can be evaluated.

    Attributes:
        videos: these.
        left_out: why each of the others cannot be, by its name; one line.
    """

    videos: list[SparseVideo]
    left_out: dict[str, str]

    def without(self, failures: dict[str, str]) -> "Usable":
        """Leaves videos out, and says so.

        Args:
            failures: why, by their names.

        Returns:
            The others.

        Raises:
            InputError: none remains.
        """
        report_left_out(failures, len(self.videos))
        videos = [video for video in self.videos if video.name not in failures]
        return Usable(videos, self.left_out | failures)


def find_videos(root: Path, chosen: list[str] | None = None) -> Usable:
    """Finds the videos of a split.

    Args:
        root: its folder, such as `valid`.
        chosen: names to keep; all when None.

    Returns:
        The videos by name; one of which a file cannot be used is left out.

    Raises:
        InputError: the folder is none of YouTube-VOS, a name is not in it, or no video can be used.
    """
    for part in ("JPEGImages", "Annotations"):
        if not (root / part).is_dir():
            raise InputError(
                f"{root / part} does not exist; --data-dir must hold JPEGImages and Annotations, "
                "as the folder valid of https://youtube-vos.org does"
            )
    folders = (root / "Annotations").iterdir()
    names = sorted(path.name for path in folders if path.is_dir() and not is_hidden(path))
    if not names:
        raise InputError(f"{root / 'Annotations'} has no videos; unpack it again")
    if resolutions := {"480p", "Full-Resolution"} & set(names):
        raise InputError(
            f"{root / 'Annotations' / min(resolutions)} is of DAVIS, not of YouTube-VOS; give "
            "--split davis16-val or davis17-val"
        )
    if unknown := sorted(set(chosen or []) - set(names)):
        raise InputError(f"{', '.join(unknown)} not in {root / 'Annotations'}")
    described = _read_meta(root / "meta.json")
    wanted = [name for name in names if not chosen or name in chosen]
    videos, broken = [], {}
    for name in wanted:
        try:
            videos.append(_find_video(root, name, described))
        except InputError as error:
            broken[name] = str(error)
    report_left_out(broken, len(wanted))
    return Usable(videos, broken)


def _read_meta(path: Path) -> Mapping[str, Any]:
    """What `meta.json` says of the videos; nothing where there is none."""
    if not path.exists():
        return {}
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
        of_objects = {
            name: {int(one): list(object_["frames"]) for one, object_ in video["objects"].items()}
            for name, video in videos.items()
        }
        if not all(frames for objects in of_objects.values() for frames in objects.values()):
            raise ValueError("an object without frames")
        return of_objects
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not the meta.json of YouTube-VOS ({type(error).__name__}: {error}); take "
            "it from the archive again, or move it away"
        ) from None


def _find_video(root: Path, name: str, videos: Mapping[str, Any]) -> SparseVideo:
    """One video, with the frames in which its objects appear."""
    folder = root / "JPEGImages" / name
    frames = tuple(list_images(folder)) if folder.is_dir() else ()
    masks = list_images(root / "Annotations" / name)
    annotations = {path.stem: path for path in masks}
    stems = [path.stem for path in frames]
    if not frames or not annotations:
        missing = folder if not frames else root / "Annotations" / name
        raise InputError(f"{missing} has no images; unpack {name} again")
    for images in (frames, masks):
        check_stems(images, str(images[0].parent), f"unpack {name} again")
    if strangers := sorted(annotations.keys() - set(stems)):
        raise InputError(f"{annotations[strangers[0]]} has no frame {folder / strangers[0]}.jpg")
    of_meta: dict[int, list[str]] = videos.get(name, {})
    order = {stem: index for index, stem in enumerate(stems)}
    joins: dict[str, list[int]] = {}
    known: set[int] = set()
    for stem in stems:
        if stem in annotations:
            found = np.unique(read_davis_mask(annotations[stem])).tolist()
            # With a description an object joins in the first of its frames, and not in an earlier
            # annotation that happens to show it.
            new = [
                one
                for one in found
                if one
                and one not in known
                and order.get(of_meta.get(one, [stem])[0], 0) <= order[stem]
            ]
            if new:
                joins[stem] = new
                known |= set(new)
    if not joins:
        raise InputError(f"{next(iter(annotations.values()))} has no object; nor has any of {name}")
    wanted = frozenset(stem for of_object in of_meta.values() for stem in of_object) & set(stems)
    return SparseVideo(name, frames, annotations, joins, wanted or frozenset(stems))


def segment_sparse_video(segmenter: Segmenter, video: SparseVideo, folder: Path) -> list[float]:
    """Segments a video, objects joining where they appear, and writes the masks that are wanted.

    Args:
        segmenter: the network.
        video: the video.
        folder: of the masks; appears when all of them are written.

    Returns:
        Seconds of every frame after the first object's.

    Raises:
        InputError: a frame or an annotation cannot be used; it is named.
    """
    seconds: list[float] = []
    tracker: Tracker | None = None
    with replace_folder(folder) as unfinished:
        for path in video.frames:
            frame = read_frame(path)
            labels = np.zeros(frame.shape[:2], np.uint8)
            try:
                if tracker:
                    start = time.perf_counter()
                    labels = tracker.step(frame)
                    seconds.append(time.perf_counter() - start)
                if path.stem in video.joins:
                    given = read_davis_mask(video.annotations[path.stem], frame.shape[:2])
                    given = np.where(np.isin(given, video.joins[path.stem]), given, 0)
                    given = given.astype(np.uint8)
                    if tracker:
                        labels = tracker.add(frame, given)
                    else:
                        tracker = segmenter.start(frame, given, name=video.name)
                        labels = given
            except InputError as error:
                raise InputError(f"{path}: {error}") from None
            if path.stem in video.wanted:
                write_mask(unfinished / f"{path.stem}.png", labels)
    return seconds


def score_sparse_video(video: SparseVideo, folder: Path) -> dict[int, tuple[float, float]]:
    """Scores the masks of a video on the annotations after those in which objects appear.

    Args:
        video: the video.
        folder: of its masks.

    Returns:
        Mean J and F of each object for which there is any such annotation, by its id.

    Raises:
        InputError: a mask is missing or cannot be used.
    """
    values: dict[int, list[tuple[float, float]]] = {}
    seen: set[int] = set()
    for path in video.frames:
        if path.stem in video.annotations and path.stem in video.wanted:
            truth = read_davis_mask(video.annotations[path.stem])
            # Where nobody is annotated but those who appear, it says nothing about the others.
            if seen & set(np.unique(truth).tolist()):
                found = read_davis_mask(folder / f"{path.stem}.png", truth.shape)
                for one in seen:
                    pair = found == one, truth == one
                    values.setdefault(one, []).append(
                        (region_similarity(*pair), boundary_accuracy(*pair))
                    )
        seen |= set(video.joins.get(path.stem, []))
    means = {one: np.mean(pairs, axis=0) for one, pairs in sorted(values.items())}
    return {one: (float(j), float(f)) for one, (j, f) in means.items()}
