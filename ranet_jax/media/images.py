"""Images on disk: opened the right way up, and read as 8-bit RGB whatever their depth."""

import struct
import warnings
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from ranet_jax.errors import InputError
from ranet_jax.remarks import remark

# An image is refused in one line or read: from half as many pixels on Pillow would warn in two.
# Not around each reading, because threads share what is ignored.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, append=True)

# What Pillow raises on a file that is damaged.
_DAMAGE = (SyntaxError, ValueError, EOFError, OverflowError, struct.error)
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281  # tags of TIFF
_ORIENTATION, _LYING = 274, (5, 6, 7, 8)  # a tag of EXIF, and its values for a quarter turn
_LOSSY = ("JPEG", "MPO", "JPEG2000", "AVIF", "HEIF")
_LARGEST = {"L;2": 3, "L;4": 15}  # grey values of few bits, which Pillow stretches to white


class Depth(NamedTuple):
    """What a file says of its depth; `info["depth"]` of an opened image.

    Attributes:
        bits: of a value, where there are more than 8.
        white: the value of white; 0 where the file does not say.
        is_reduced: whether Pillow has dropped the lower 8 of 16 bits.
        largest: the value that Pillow has stretched to white, 255 or 65535; 0 where it has left
            values as they are.
    """

    bits: int
    white: int
    is_reduced: bool
    largest: int


def open_image(path: str | Path | BinaryIO) -> Image.Image:
    """Opens and decodes an image completely, so that a truncated file fails here and by name.

    Args:
        path: of the image, or an image file opened.

    Returns:
        The image in the mode it is stored in, the right way up: a camera's note of how it was held
        (EXIF) is obeyed. `format` is that of the file. Of several pictures the first, and
        `info["pictures"]` is their number; `info["is_lossy"]` says what a WebP is.

    Raises:
        InputError: the file is missing, damaged, no image, or so large that it must be a trap; or
            the system does not let it be read.
    """
    try:
        image = Image.open(path)
        # Pillow reduces 16-bit colours without a word.
        raw = " ".join(str(tile.args) for tile in image.tile)
        largest = _read_largest(image)
        pictures = getattr(image, "n_frames", 1)
        image.load()
        image.info["pictures"] = pictures
        if image.format == "WEBP":
            image.info["is_lossy"] = _is_lossy_webp(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except UnidentifiedImageError:
        raise InputError(
            f"{path} cannot be read as an image: it is empty, damaged, or of a kind that is not "
            "read here; copy it again, or save it as PNG"
        ) from None
    except Image.DecompressionBombError:
        raise InputError(
            f"{path} claims to be an image of more than {2 * (Image.MAX_IMAGE_PIXELS or 0)} "
            "pixels; make it smaller"
        ) from None
    except OSError as error:
        if error.errno is not None:  # the system's reason, not the file's
            raise InputError(f"{path}: {error.strerror}") from None
        raise InputError(f"{path} cannot be read as an image ({error}); copy it again") from None
    except _DAMAGE as error:
        raise InputError(f"{path} cannot be read as an image ({error}); copy it again") from None
    tags = getattr(image, "tag_v2", {})
    upright = _turn(image)
    if "LA;16" in raw:  # Pillow makes colours of grey and alpha of 16 bits
        upright = upright.convert("LA")
    # What a turned copy has lost.
    upright.format = image.format
    upright.info["depth"] = Depth(
        _first(tags.get(_BITS_PER_SAMPLE, 16)),
        _first(tags.get(_MAX_SAMPLE_VALUE, 0)),
        ";16" in raw,
        largest,
    )
    return upright


def _read_largest(image: ImageFile.ImageFile) -> int:
    """The value that Pillow stretches to white when it loads an image; see `Depth`."""
    for tile in image.tile:
        if tile.codec_name.startswith("ppm") and isinstance(tile.args, tuple):
            return tile.args[-1]  # of the header
        for mode, largest in _LARGEST.items():
            if mode in str(tile.args):
                return largest
    return 0


def read_size(path: Path) -> tuple[int, int] | None:
    """Reads what an image says of its size, without its pixels.

    Args:
        path: of the image.

    Returns:
        Height and width as `open_image` gives them, unless its EXIF data stand behind its pixels;
        None where nothing can be read, of which `open_image` says why.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            # A PNG would be decoded to look for them.
            has_exif = image.format != "PNG" or "exif" in image.info
            is_turned = has_exif and image.getexif().get(_ORIENTATION) in _LYING
    except (*_DAMAGE, OSError, KeyError, TypeError, Image.DecompressionBombError):
        return None
    return (width, height) if is_turned else (height, width)


def _is_lossy_webp(file: str | Path | BinaryIO) -> bool:
    """Whether a WebP has a picture of the lossy kind, a chunk "VP8 "."""
    if isinstance(file, str | Path):
        with open(file, "rb") as opened:
            return _is_lossy_webp(opened)
    place = 12  # after "RIFF", its length and "WEBP"
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[:4] == b"VP8 ":
            return len(head) == 8
        length = int.from_bytes(head[4:], "little")
        # Of a picture of an animation, the chunks are inside.
        place += 24 if head[:4] == b"ANMF" else 8 + length + length % 2


def _first(value: Any) -> int:
    """A value of TIFF, which may have one for each channel."""
    return value[0] if isinstance(value, tuple) else value


def _turn(image: Image.Image) -> Image.Image:
    """Turns an image as its EXIF data say; data that are damaged say nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except (*_DAMAGE, OSError, KeyError, TypeError):
        return image


def is_lossy(image: Image.Image) -> bool:
    """Whether the pixels of an opened image may differ from those that were saved."""
    return image.info.get("is_lossy", image.format in _LOSSY)


def read_frame(path: str | Path | BinaryIO, *, in_series: bool = False) -> np.ndarray:
    """Reads a frame as RGB.

    Images of more than 8 bits are scaled by the depth that their file states. Where a file says
    16 bits and nothing in it is brighter than 12 bits allow, it is either very dark or comes from
    a camera of 12 bits: nobody can know, and it is refused. Where 14 bits would do, it is taken for
    dark, and that is said. Transparency is passed over.

    Args:
        path: a JPEG, PNG or other image, or such a file opened.
        in_series: whether an earlier image of the same video could be read, which shows that a dark
            one is dark.

    Returns:
        uint8 array [h, w, 3].

    Raises:
        InputError: as `open_image` does, or nobody can know how bright the image is.
    """
    return to_rgb(open_image(path), str(path), in_series=in_series)


def to_rgb(image: Image.Image, name: str, *, in_series: bool = False) -> np.ndarray:
    """The pixels of an opened image as 8-bit RGB; see `read_frame`.

    Args:
        image: of `open_image`.
        name: to call it by.
        in_series: see `read_frame`.

    Returns:
        uint8 array [h, w, 3].

    Raises:
        InputError: nobody can know how bright it is, or its colours are of a kind that is not
            read.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        white = find_white(image, name, in_series=in_series)
        states_white = 0 < image.info["depth"].largest < white
        if white == 65535 and not states_white and not in_series:
            _remark_if_dark(name, np.asarray(image).max() / 256)
        grey = np.rint(np.asarray(image).astype(np.float64) * (255 / white)).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    pixels = convert_colours(image, name)
    if image.info["depth"].is_reduced and not in_series and 0 < pixels.max() < 16:
        raise _unclear(name, "16 bits a colour, and nothing in it is brighter than 12 bits allow")
    if image.info["depth"].is_reduced and not in_series:
        _remark_if_dark(name, pixels.max())
    return pixels


def _remark_if_dark(name: str, brightest: float) -> None:
    """Says that an image of 16 bits was taken for a dark one, where a camera of 14 is as likely.

    Args:
        name: to call it by.
        brightest: its largest value, of 256.
    """
    if 0 < brightest < 64:
        remark(
            f"{name} has 16 bits, and nothing in it is brighter than 14 bits allow; it was taken "
            "for dark, so if its camera has 14 bits, convert its images to 8 bits"
        )


def convert_colours(image: Image.Image, name: str) -> np.ndarray:
    """Colours as 8-bit RGB, [h, w, 3], whatever is transparent; `name` is the image's in errors."""
    try:
        if image.has_transparency_data:  # RGBA first, or Pillow warns of palettes
            image = image.convert("RGBA")
        return np.asarray(image.convert("RGB"))
    except ValueError as error:
        raise InputError(f"{name} has colours that are not read here ({error})") from None


def find_white(image: Image.Image, name: str, *, in_series: bool = False) -> float:
    """The value of white in an image of one channel and more than 8 bits.

    Args:
        image: of mode F, I or I;16 and its kin.
        name: to call it by.
        in_series: see `read_frame`.

    Returns:
        The value.

    Raises:
        InputError: nothing in the file says so.
    """
    values = np.asarray(image)
    brightest = values.max()
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and brightest <= 1):
            raise _unclear(name, f"numbers from {values.min():g} to {brightest:g}, not 0 to 1")
        return 1.0
    depth = image.info["depth"]
    bits, white = depth.bits, depth.white
    if 255 < white < 65535 and brightest <= white:
        return white
    if bits < 16:
        return 2**bits - 1
    if bits > 16 or values.min() < 0 or brightest > 65535:
        raise _unclear(name, f"{bits}-bit numbers from {values.min()} to {brightest}")
    if 0 < brightest < 4096 and not in_series:
        raise _unclear(name, f"16 bits, and nothing in it is brighter than {brightest}")
    return 65535


def _unclear(name: str, what: str) -> InputError:
    """The error for an image whose brightness is not known."""
    return InputError(
        f"{name} has {what}, so that nobody can know which value is white; "
        "convert its images to 8 bits"
    )
