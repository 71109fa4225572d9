"""DAVIS on disk: which sequences a split has, and where their frames and annotations are."""

import re
from dataclasses import dataclass
from pathlib import Path

from ranet_jax.errors import InputError
from ranet_jax.media.listing import check_stems, list_images, read_lines

HOMEPAGE = "https://davischallenge.org"


@dataclass(frozen=True)
class Split:
    """A part of DAVIS.

    Attributes:
        year: of the release whose lists and rules apply.
        lists: names of the lists that make it up.
        scored: whether all frames are annotated, so that results can be scored.
    """

    year: int
    lists: tuple[str, ...]
    scored: bool = True

    @property
    def binary(self) -> bool:
        """Whether all non-zero pixels of a mask are one object, as in 2016."""
        return self.year == 2016


SPLITS = {
    "davis16-train": Split(2016, ("train",)),
    "davis16-val": Split(2016, ("val",)),
    "davis16-trainval": Split(2016, ("train", "val")),
    "davis17-train": Split(2017, ("train",)),
    "davis17-val": Split(2017, ("val",)),
    "davis17-test-dev": Split(2017, ("test-dev",), scored=False),
}


@dataclass(frozen=True)
class Sequence:
    """One video of DAVIS.

    Attributes:
        name: of the sequence.
        frames: paths of the frames, in order; numbers may have gaps.
        masks: path of each frame's annotation. Only the first is sure to exist.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path, ...]


def _read_list(root: Path, split: Split, name: str) -> list[str]:
    """Names of the sequences in a list of either release."""
    candidates = [root / "ImageSets" / str(split.year) / f"{name}.txt"]
    if split.year == 2016:
        # The 2016 release lists paths, "/JPEGImages/480p/bear/00000.jpg /Annotations/...".
        candidates.append(root / "ImageSets" / "480p" / f"{name}.txt")
    for path in candidates:
        if path.is_file():
            names = [_read_name(line) for line in read_lines(path)]
            if not names:
                raise InputError(f"{path} is empty; take it from {HOMEPAGE} again")
            return list(dict.fromkeys(names))
    raise InputError(
        f"{candidates[0]} does not exist; the DAVIS folder must hold "
        f"ImageSets, JPEGImages and Annotations; get it from {HOMEPAGE}"
    )


def _read_name(line: str) -> str:
    """The sequence that a line of a list is about: its name, or the paths of one of its frames."""
    if "/" not in line and "\\" not in line:
        return line  # which may have blanks in it
    # The 2016 release: frame, blank, annotation. Both end in the sequence's folder and a file.
    frame = re.split(r"(?<=\.(?:jpg|png))\s", line, maxsplit=1, flags=re.IGNORECASE)[0]
    return Path(frame.replace("\\", "/")).parent.name


def find_sequence(root: Path, name: str, max_frames: int | None = None) -> Sequence:
    """Finds a sequence by its name, whatever split it is of.

    Args:
        root: the DAVIS folder.
        name: of the sequence.
        max_frames: how many frames to keep; all when None.

    Returns:
        The sequence.

    Raises:
        InputError: it has no frames or no first annotation.
    """
    folder = root / "JPEGImages" / "480p" / name
    # DAVIS's frames are JPEGs; a set of one's own in its layout may have others.
    images = list_images(folder) if folder.is_dir() else []
    photographs = [image for image in images if image.suffix.lower() in (".jpg", ".jpeg")]
    frames = tuple(photographs or images)[:max_frames]
    if not frames:
        raise InputError(f"{folder} has no frames (*.jpg); unpack {name} again")
    check_stems(frames, str(folder), "rename one, or move it away")
    annotations = root / "Annotations" / "480p" / name
    masks = tuple(annotations / f"{frame.stem}.png" for frame in frames)
    if not masks[0].is_file():
        raise InputError(f"{masks[0]} does not exist; {name} needs the mask of its first frame")
    return Sequence(name, frames, masks)


def find_sequences(
    root: Path, split: Split, chosen: list[str] | None = None, max_frames: int | None = None
) -> list[Sequence]:
    """Finds the sequences of a split, in the order of its lists.

    Args:
        root: the DAVIS folder, in the layout of the 2016 or of the 2017 release.
        split: which part.
        chosen: names to keep; all when None.
        max_frames: how many frames of each sequence to keep; all when None.

    Returns:
        The sequences.

    Raises:
        InputError: the folder or the list is missing, a chosen name is not in the list, a sequence
            has no frames or no first annotation, or, in a split that is scored, lacks one.
    """
    if not root.is_dir():
        raise InputError(
            f"{root} does not exist; download DAVIS from {HOMEPAGE} and unpack it there"
        )
    names = [name for part in split.lists for name in _read_list(root, split, part)]
    unknown = sorted(set(chosen or []) - set(names))
    if unknown:
        raise InputError(f"{', '.join(unknown)} not in the split; it has {', '.join(names)}")
    sequences = [
        find_sequence(root, name, max_frames) for name in names if not chosen or name in chosen
    ]
    if split.scored:
        missing = [mask for sequence in sequences for mask in sequence.masks if not mask.is_file()]
        if missing:
            raise InputError(f"{missing[0]} does not exist ({len(missing)} annotations missing)")
    return sequences
