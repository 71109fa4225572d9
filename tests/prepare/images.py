"""Small sets of images and videos as they are downloaded."""

from pathlib import Path

import numpy as np
from PIL import Image

from ranet_jax.data.synthetic import write_davis

SIZE = (24, 32)


def draw_pair(seed: int, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """An image of noise, and a mask of 0 and 255 with a part of both."""
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[4:12, 3 + seed % 8 : 20] = 255
    return image, mask


def write_images(source: Path, count: int, images: str = "images", masks: str = "masks") -> None:
    """Writes a saliency set: 0.jpg, 1.jpg, ... and masks of the same names."""
    for folder in (source / images, source / masks):
        folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image, mask = draw_pair(index)
        Image.fromarray(image).save(source / images / f"{index}.jpg")
        Image.fromarray(mask).save(source / masks / f"{index}.png")


def write_clip(root: Path, name: str, frames: int, image_set: str = "train") -> None:
    """Writes a sequence of noise with objects 1 and 2, laid out like DAVIS-2017."""
    pairs = [draw_pair(seed) for seed in range(frames)]
    masks = np.stack([np.where(mask, 1, 0) for _, mask in pairs]).astype(np.uint8)
    masks[:, 14:20, 4:9] = 2
    write_davis(root, name, np.stack([image for image, _ in pairs]), masks, image_set)


def list_tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and what is in it, but for the lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
