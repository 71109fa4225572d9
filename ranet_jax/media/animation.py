"""Animated images that FFmpeg does not read, or not as they are seen: WebP and PNG."""

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.frames import Frame, Video, check_size
from ranet_jax.media.images import open_image, to_rgb

_SUFFIXES = (".apng", ".png", ".webp")
_DAMAGE = (EOFError, OSError, SyntaxError, ValueError)  # what Pillow raises on a damaged picture
_LEAST = Fraction(1, 100)  # seconds of a frame that asks for none: what browsers make of it at best


def is_animation(path: Path) -> bool:
    """Whether a file is an image that may move; what it is called decides."""
    return path.suffix.lower() in _SUFFIXES


def open_animation(path: Path) -> Video:
    """Opens an animated image as a video.

    A picture that a PNG has for programs which do not know animations is not one of its frames.

    Args:
        path: of the image.

    Returns:
        The video, with the time that each picture stands.

    Raises:
        InputError: no image, or one that does not move.
        OSError: the system does not let it be read.
    """
    first = open_image(path)  # says what is wrong with a damaged file
    with Image.open(path) as image:
        begin = int(getattr(image, "default_image", False))
        count = getattr(image, "n_frames", 1) - begin
        if count < 2:
            raise InputError(
                f"{path} is a single image; give a video, or a folder of frames or a glob in quotes"
            )
        try:
            durations = [_read_duration(image, begin + index) for index in range(count)]
        except _DAMAGE as error:
            raise InputError(
                f"{path} cannot be read to its end ({error}); copy the file again or convert it"
            ) from None
    size = (first.height, first.width)

    def read() -> Generator[Frame, None, None]:
        seconds = Fraction(0)
        with Image.open(path) as image:
            if begin:  # Pillow would paint the frames over it
                image.paste(0, (0, 0, *image.size))
            for index, duration in enumerate(durations):
                try:
                    image.seek(begin + index)
                    image.load()
                except _DAMAGE as error:
                    raise InputError(
                        f"frame {index} of {path} cannot be decoded ({error}); {count - index} of "
                        f"{count} frames are missing; copy the file again or convert it"
                    ) from None
                picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
                picture.info["depth"] = first.info["depth"]
                frame = Frame(f"{index:06d}", to_rgb(picture, str(path)), seconds, duration)
                yield check_size(frame, size, f"frame {index} of {path}")
                seconds += duration

    rate = (count / sum(durations, Fraction(0))).limit_denominator(1001)
    return Video(path.name, size, rate, count, read, time_base=Fraction(1, 1000))


def _read_duration(image: Image.Image, index: int) -> Fraction:
    """Seconds that a picture of an image stands."""
    image.seek(index)
    image.load()  # WebP does not say before
    milliseconds = round(image.info.get("duration") or 0)
    return max(Fraction(milliseconds, 1000), _LEAST)
