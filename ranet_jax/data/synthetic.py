"""Generated clips with exact masks: photographed textures that move over a photographed background.

They need no download, so that the demo runs anywhere and a small model can be trained at once: the
photos are some which scikit-image ships inside its wheel, all free of copyright restrictions.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ranet_jax.data.textures import BACKGROUNDS, TEXTURES, read_photo, tint_photo
from ranet_jax.errors import InputError
from ranet_jax.media.masks import write_mask

GENERATED = "generated"
"""The name of the set of generated clips, which needs nothing prepared."""

MOST_DRAWN = 5
"""Objects of a generated clip at most."""

_VERTICES = 256
_SUBPIXELS = 4


@dataclass(frozen=True)
class _Motion:
    """An object's outline and pose in every frame.

    Attributes:
        outlines: float [t, vertices, 2], in the object's own coordinates, where its area is 1.
        linear: float [t, 2, 2], turns, scales and stretches those into pixels.
        centres: float [t, 2], (x, y) in the picture.
    """

    outlines: np.ndarray
    linear: np.ndarray
    centres: np.ndarray


def generate_clip(
    generator: np.random.Generator,
    frames: int,
    size: tuple[int, int] = (192, 320),
    objects: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Generates a clip of moving objects, and its masks.

    Each object is a blob, star, ellipse or polygon with a photo of its own, which moves, turns,
    grows and deforms smoothly; the background pans, the light changes and the sensor is noisy.
    Equal generators give equal clips, bit for bit. The background and the first objects do not
    depend on how many objects follow.

    Args:
        generator: source of all randomness.
        frames: number of frames, t.
        size: (height, width) of the picture.
        objects: number of objects, at most `MOST_DRAWN`; later ones occlude earlier ones.

    Returns:
        Frames, uint8 RGB [t, h, w, 3], and masks, uint8 ids [t, h, w]: a pixel belongs to the
        object that covers more than half of it. Every object is visible in the first frame.

    Raises:
        InputError: too many objects, or scikit-image is not installed.
    """
    if not 0 <= objects <= MOST_DRAWN:
        raise InputError(f"a clip has 0 to {MOST_DRAWN} objects, not {objects}; ask for fewer")
    scene, light, *own = (
        np.random.default_rng(seed) for seed in generator.integers(2**63, size=2 + objects)
    )
    background = scene.choice(BACKGROUNDS)
    textures = scene.permutation([name for name in TEXTURES if name != background])[:objects]
    clip = _pan_background(scene, background, frames, size)
    masks = np.zeros((frames, *size), np.uint8)
    motions = _place_objects(own, frames, size)
    for identifier, drawn in enumerate(zip(own, textures, motions, strict=True), 1):
        motion = drawn[-1]
        patch, warps = _dress_object(*drawn)
        for index in range(frames):
            coverage = _cover_pixels(motion, index, size)
            painted = cv2.warpAffine(
                patch, warps[index], size[::-1], borderMode=cv2.BORDER_REFLECT_101
            )
            clip[index] = cv2.blendLinear(painted, clip[index], coverage, 1 - coverage)
            masks[index][coverage > 0.5] = identifier
    return _expose_frames(light, clip), masks


def write_davis(
    root: Path, name: str, frames: np.ndarray, masks: np.ndarray, image_set: str
) -> None:
    """Writes a clip as a sequence of a data set laid out like DAVIS-2017 at 480p.

    The name enters the image set last, so that an interrupted run lists no half sequence, unless it
    replaced one of that name.

    Args:
        root: the data set's folder; it is created, and a sequence of that name replaced.
        name: the sequence.
        frames: uint8 RGB array [t, h, w, 3], written as JPEG of quality 95.
        masks: uint8 array [t, h, w] of object ids.
        image_set: the list the sequence belongs to, such as `train` or `val`.
    """
    pictures = root / "JPEGImages" / "480p" / name
    annotations = root / "Annotations" / "480p" / name
    for folder in (pictures, annotations):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("[0-9]*.*"):
            old.unlink()
    for index, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        Image.fromarray(frame).save(pictures / f"{index:05d}.jpg", quality=95)
        write_mask(annotations / f"{index:05d}.png", mask)
    listing = root / "ImageSets" / "2017" / f"{image_set}.txt"
    listing.parent.mkdir(parents=True, exist_ok=True)
    names = listing.read_text().split() if listing.exists() else []
    if name not in names:
        listing.write_text("\n".join([*names, name]) + "\n")


def _drift(generator: np.random.Generator, frames: int, low: float, high: float) -> np.ndarray:
    """A quantity that changes smoothly and stays within its limits, float [t]."""
    amplitude = generator.uniform(0.4, 1) * (high - low) / 2
    middle = generator.uniform(low + amplitude, high - amplitude)
    turns = np.arange(frames) / generator.uniform(50, 110) + generator.uniform()
    return middle + amplitude * np.sin(2 * np.pi * turns)


def _rotate(angles: np.ndarray) -> np.ndarray:
    """Rotation matrices, float [t, 2, 2]."""
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([cosine, -sine, sine, cosine], -1).reshape(-1, 2, 2)


def _aim(linear: np.ndarray, side: tuple[int, int], centres: np.ndarray) -> np.ndarray:
    """Warps, float [t, 2, 3], that bring the middle of a picture of `side` (h, w) to `centres`."""
    middle = (np.array(side[::-1]) - 1) / 2
    return np.concatenate([linear, (centres - linear @ middle)[..., None]], axis=-1)


def _pan_background(
    generator: np.random.Generator, name: str, frames: int, size: tuple[int, int]
) -> np.ndarray:
    """Shows the part of a photo that a slowly moving camera sees, uint8 [t, h, w, 3]."""
    photo = read_photo(name)
    height, width = size
    zoom = 1.2 * max(height / photo.shape[0], width / photo.shape[1])
    photo = _resize(photo, (round(photo.shape[0] * zoom), round(photo.shape[1] * zoom)))
    photo = tint_photo(generator, photo[:, :: generator.choice([-1, 1])], name)
    slack = (np.array(photo.shape[1::-1]) - size[::-1]) / 2
    look = generator.uniform(-0.5, 0.5, 2) * slack
    pan = np.stack([_drift(generator, frames, -0.05, 0.05) * width for _ in range(2)], -1)
    angles = _drift(generator, frames, -0.03, 0.03)
    scales = _drift(generator, frames, 1, 1.08)[:, None, None]
    centres = (np.array(size[::-1]) - 1) / 2 + look + pan
    warps = _aim(scales * _rotate(angles), photo.shape[:2], centres)
    return np.stack(
        [
            cv2.warpAffine(photo, warp, size[::-1], borderMode=cv2.BORDER_REFLECT_101)
            for warp in warps
        ]
    )


def _resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes to (height, width) without aliasing."""
    method = cv2.INTER_AREA if size[0] < picture.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(picture, size[::-1], interpolation=method)


def _draw_outline(generator: np.random.Generator, frames: int) -> np.ndarray:
    """Draws a shape of area 1 around the origin whose rim swells slightly, float [t, n, 2]."""
    around = np.arange(_VERTICES) * (2 * np.pi / _VERTICES)
    radius = np.ones(_VERTICES)
    kind = generator.choice(["blob", "star", "ellipse", "polygon"])
    if kind == "blob":
        for waves in range(2, 6):
            height = generator.uniform(0, 0.5) / waves
            radius += height * np.cos(waves * around + generator.uniform(0, 2 * np.pi))
    elif kind == "star":
        radius += generator.uniform(0.15, 0.3) * np.cos(generator.integers(4, 8) * around)
    elif kind == "polygon":
        sector = 2 * np.pi / generator.integers(3, 7)
        radius = 1 / np.cos(around % sector - sector / 2)
    radius /= np.sqrt(np.pi * np.mean(radius**2))
    waves = generator.integers(2, 4)
    swell = 1 + sum(
        _drift(generator, frames, -0.06, 0.06)[:, None] * wave(waves * around)
        for wave in (np.cos, np.sin)
    )
    aspect = np.sqrt(generator.uniform(1, 1.6))
    circle = np.stack([np.cos(around) * aspect, np.sin(around) / aspect], -1)
    return (radius * swell)[..., None] * circle


def _draw_motion(generator: np.random.Generator, frames: int, size: tuple[int, int]) -> _Motion:
    """Draws an object of 5 to 20 % of the picture, and its way, mostly inside the picture."""
    height, width = size
    side = np.sqrt(generator.uniform(0.065, 0.16) * height * width)
    scales = side * _drift(generator, frames, 0.9, 1.1)[:, None, None]
    angles = generator.uniform(-0.8, 0.8) + _drift(generator, frames, -0.5, 0.5)
    stretch = _drift(generator, frames, 0.92, 1.08)
    stretches = np.stack([stretch, 1 / stretch], -1)[:, None, :]
    margin = 0.55 * side
    centres = [_drift(generator, frames, margin, extent - 1 - margin) for extent in (width, height)]
    return _Motion(
        _draw_outline(generator, frames),
        scales * _rotate(angles) * stretches,
        np.stack(centres, -1),
    )


def _cover_pixels(motion: _Motion, index: int, size: tuple[int, int]) -> np.ndarray:
    """Measures which part of each pixel an object covers, float32 [h, w] in 0..1."""
    outline = motion.outlines[index] @ motion.linear[index].T + motion.centres[index]
    # OpenCV counts from the middle of a pixel, takes 1/16 of it as its unit, and fills the rim too,
    # which makes the object an eighth of a pixel wider; picture and mask both follow from this.
    corners = np.rint(((outline + 0.5) * _SUBPIXELS - 0.5) * 16).astype(np.int32)
    canvas = np.zeros((size[0] * _SUBPIXELS, size[1] * _SUBPIXELS), np.uint8)
    cv2.fillPoly(canvas, [corners], 255, shift=4)
    return cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA) / np.float32(255)


def _place_objects(
    generators: list[np.random.Generator], frames: int, size: tuple[int, int]
) -> list[_Motion]:
    """Draws objects until each leaves half of every earlier one visible in the first frame."""
    motions, visible, areas = [], [], []
    for generator in generators:
        tries = 0
        while True:
            tries += 1
            motion = _draw_motion(generator, frames, size)
            covered = _cover_pixels(motion, 0, size) > 0.5
            left = [mask & ~covered for mask in visible]
            shown = [np.count_nonzero(mask) for mask in left]
            if tries == 40 or all(s > a / 2 for s, a in zip(shown, areas, strict=True)):
                break
        motions.append(motion)
        visible = [*left, covered]
        areas.append(np.count_nonzero(covered))
    return motions


def _dress_object(
    generator: np.random.Generator, name: str, motion: _Motion
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts an object's texture from the middle of a photo.

    Returns:
        The texture, uint8 [s, s, 3], and the warps, float [t, 2, 3], that lay it on the object.
    """
    photo = read_photo(name)
    reach = np.abs(motion.outlines).max()
    pixels = int(np.ceil(2 * reach * np.sqrt(np.linalg.det(motion.linear).max())))
    # Within the middle 70 %: there a photo has its subject, and the retina no black corners.
    side = round(generator.uniform(0.45, 0.7) * min(photo.shape[:2]))
    top, left = (
        round(extent / 2 - side / 2 + generator.uniform(-0.5, 0.5) * max(0.7 * extent - side, 0))
        for extent in photo.shape[:2]
    )
    patch = _resize(photo[top : top + side, left : left + side], (pixels, pixels))
    warps = _aim(motion.linear * (2 * reach / pixels), (pixels, pixels), motion.centres)
    return tint_photo(generator, patch, name), warps


def _expose_frames(generator: np.random.Generator, clip: np.ndarray) -> np.ndarray:
    """Lets the light change in strength and colour, and adds the sensor's noise."""
    strength = _drift(generator, len(clip), 0.85, 1.1)
    gains = [strength * _drift(generator, len(clip), 0.95, 1.05) for _ in range(3)]
    noise = np.float32(generator.uniform(1.5, 4))
    exposed = np.empty_like(clip)
    for index, gain in enumerate(np.stack(gains, -1).astype(np.float32)):
        grain = generator.standard_normal(clip.shape[1:], np.float32) * noise
        exposed[index] = np.clip(np.rint(clip[index] * gain + grain), 0, 255)
    return exposed
