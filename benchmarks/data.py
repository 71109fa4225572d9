"""How fast one core makes training examples: python -m benchmarks.data [--images DIR]."""

import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import PIL
from PIL import Image

from configs import static_pretrain
from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.colours import draw_colours
from ranet_jax.data.damage import damage_labels
from ranet_jax.data.pairs import make_static_example, make_video_example
from ranet_jax.data.paste import paste_objects
from ranet_jax.data.synthetic import generate_clip, write_davis
from ranet_jax.data.warp import (
    draw_warp,
    place_image,
    sample_frame,
    sample_labels,
    spread_pixels,
)
from ranet_jax.errors import InputError, run_command
from ranet_jax.flag_parser import FlagParser
from ranet_jax.geometry.canvas import fit_image
from ranet_jax.geometry.host_box import cut_labels, find_box, jitter_box
from ranet_jax.machine import describe_processor
from ranet_jax.media.images import read_frame
from ranet_jax.media.listing import list_images
from ranet_jax.media.masks import read_davis_mask
from ranet_jax.training.recipe import make_augmentation

SAMPLES = 200
_STILLS = (Path("DUTS-TR", "DUTS-TR-Image"), Path("DUTS-TR", "DUTS-TR-Mask"))
_VIDEOS = (Path("DAVIS", "JPEGImages", "480p"), Path("DAVIS", "Annotations", "480p"))


class _Clock:
    """CPU time of each stage, one entry a sample. Unlike wall time it ignores busy neighbours."""

    def __init__(self) -> None:
        self.stages: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Times what runs inside as a stage."""
        start = time.process_time()
        yield
        self.stages[stage].append(time.process_time() - start)

    def print(self, title: str) -> None:
        """Prints median and best of every stage, and how many a core makes at the median."""
        print(f"\n{title:<52}{'median ms':>10}{'best ms':>10}{'a second':>10}")
        for stage, seconds in self.stages.items():
            median, best = np.median(seconds), min(seconds)
            print(f"  {stage:<50}{median * 1e3:10.2f}{best * 1e3:10.2f}{1 / median:10.1f}")


def _write_images(root: Path, generator: np.random.Generator) -> None:
    """Generates stills of the size of DUTS and videos of the size of DAVIS, in their layouts."""
    for folder in _STILLS:
        (root / folder).mkdir(parents=True)
    for index in range(24):
        frames, masks = generate_clip(generator, frames=1, size=(300, 400))
        Image.fromarray(frames[0]).save(root / _STILLS[0] / f"{index}.jpg", quality=95)
        Image.fromarray(masks[0] * 255).save(root / _STILLS[1] / f"{index}.png")
    for index in range(3):
        clip = generate_clip(generator, frames=6, size=(480, 854))
        write_davis(root / "DAVIS", str(index), *clip, "train")


def _pair_files(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """The images of a folder that have a mask, with it, in order."""
    pairs = [(image, masks / f"{image.stem}.png") for image in list_images(images)]
    return [pair for pair in pairs if pair[1].is_file()]


def _read_pair(image: Path, mask: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads an image and its mask of one object."""
    return read_frame(image), read_davis_mask(mask, binary=True)


def _time_stages(
    clock: _Clock,
    image: np.ndarray,
    mask: np.ndarray,
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> None:
    """Times what `make_static_example` consists of, one by one."""
    canvas, size = augmentation.canvas, mask.shape
    with clock.time("  two warps drawn"):
        warps = [
            place_image(
                draw_warp(
                    canvas,
                    fit_image(size, canvas),
                    generator,
                    spline=augmentation.spline,
                    rotation=augmentation.rotation,
                    scaling=augmentation.scaling,
                    shift=augmentation.shift,
                ),
                size,
                fit_image(size, canvas),
                flip=False,
            )
            for _ in range(2)
        ]
    with clock.time("  two masks onto the canvas"):
        template_labels, labels = (
            sample_labels(mask, warp, *map(np.arange, canvas)) for warp in warps
        )
    with clock.time("  previous mask damaged"):
        previous = damage_labels(labels, augmentation.damage, generator)
    with clock.time("  two boxes found, two masks cut to them"):
        boxes = [
            find_box(template_labels),
            jitter_box(find_box(previous), canvas, augmentation.box_jitter, generator),
        ]
        for each, box in zip((template_labels, previous), boxes, strict=True):
            cut_labels(each, box)
    with clock.time("  labels through warp and box"):
        sample_labels(mask, warps[1], *spread_pixels(boxes[1], canvas))
    with clock.time("  colours of two images"):
        images = [cv2.transform(image, matrix) for matrix in draw_colours(0.25, 0.08, generator)]
    for view, each, warp, box in zip(("template", "frame"), images, warps, boxes, strict=True):
        with clock.time(f"  {view} through warp and box"):
            sample_frame(each, warp, box, canvas)


def _time_static(pairs: list[tuple[Path, Path]], generator: np.random.Generator) -> None:
    """Times stage 1, with one object and with several."""
    augmentation, one, several = Augmentation(), _Clock(), _Clock()
    for _ in range(SAMPLES):
        count = 2 + generator.integers(3)
        chosen = [pairs[index] for index in generator.integers(len(pairs), size=count)]
        with one.time("decode image and mask"):
            sample = _read_pair(*chosen[0])
        with one.time("example"):
            make_static_example(*sample, augmentation, generator)
        _time_stages(one, *sample, augmentation, generator)

        with several.time("decode two to four images and masks"):
            sample, *others = (_read_pair(*each) for each in chosen)
        with several.time("paste one to three objects"):
            sample = paste_objects(*sample, others, augmentation, generator)
        with several.time("example"):
            make_static_example(*sample, augmentation, generator)
    one.print("stage 1, one object")
    several.print("stage 1, several objects")


def _time_video(videos: list[list[tuple[Path, Path]]], generator: np.random.Generator) -> None:
    """Times stage 2."""
    clock = _Clock()
    section = static_pretrain.get_config().video_augmentation
    augmentation = make_augmentation(section, Augmentation().canvas)
    for _ in range(SAMPLES):
        video = videos[generator.integers(len(videos))]
        chosen = generator.choice(len(video), 2)
        near = max(0, chosen[1] - 1)
        with clock.time("decode two frames and three masks"):
            template, current = (_read_pair(*video[index]) for index in chosen)
            previous = read_davis_mask(video[near][1], binary=True)
        if template[1].any():
            with clock.time("example"):
                make_video_example(*template, *current, previous, augmentation, generator)
    clock.print("stage 2")


def main() -> None:
    """The command."""
    parser = FlagParser(description=__doc__)
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder that holds DUTS-TR and DAVIS; without it images are generated",
    )
    root = parser.parse_args().images
    cv2.setNumThreads(1)
    generator = np.random.default_rng(0)
    print(f"machine: {describe_processor()}")
    print(
        f"versions: Python {platform.python_version()}, NumPy {np.__version__}, "
        f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        if root is None:
            root = Path(folder)
            _write_images(root, generator)
            print("images: generated, because no --images was given")
        else:
            print(f"images: {root}")
        pairs = _pair_files(*(root / part for part in _STILLS))
        frames, masks = (root / part for part in _VIDEOS)
        videos = [_pair_files(each, masks / each.name) for each in sorted(frames.glob("*"))]
        if not pairs or not any(videos):
            raise InputError(f"{root} must hold {_STILLS[0]} and {_VIDEOS[0]}, with their masks")
        print(f"{len(pairs)} stills, {len(videos)} videos; {SAMPLES} samples, CPU time, one thread")
        _time_static(pairs, generator)
        _time_video([video for video in videos if video], generator)


if __name__ == "__main__":
    run_command(main)
