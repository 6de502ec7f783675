"""One image file, brought to 8-bit RGB, upright and in the size asked for."""

import io
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

# Pillow decodes these by itself; for others, such as EPS, it would start another program.
FORMATS = (
    *(["AVIF"] if features.check("avif") else []),
    *("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"),
)

MAX_PIXELS = 50_000_000
SMALLEST_SIZE, LARGEST_SIZE = 8, 512

_OTHER_FORMATS = {
    **dict.fromkeys(
        (".heic", ".heif"),
        "it is in the iPhone's format HEIC: save it as JPEG (Settings, Camera, Formats, Most "
        "Compatible makes new ones so)",
    ),
    **dict.fromkeys((".svg", ".svgz"), "it is a drawing without pixels: save it as PNG"),
    **dict.fromkeys((".eps", ".ps", ".pdf"), "it is a page without pixels: save it as PNG"),
    **dict.fromkeys(
        (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"),
        "it is a camera's raw file: save it as JPEG",
    ),
    **dict.fromkeys(
        (".psd", ".xcf", ".jxl", ".jp2"),
        "its format isn't known: save it as JPEG or PNG with the program that made it",
    ),
}
_ENDINGS = {
    *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    *_OTHER_FORMATS,
}
NO_PICTURE = f"it is damaged or not one of {', '.join(FORMATS)}"
_GREY_16 = ("PNG", "PPM")  # their 16 bits of grey may come as whole numbers of 32 bits
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


class NoPictureError(ValueError):
    """What was read is nothing that looks like a picture."""


def ending(name: str) -> str:
    """What a file's name ends with, in small letters: ``".png"``, or nothing.

    As :func:`os.path.splitext` sees it, for names with forward slashes, in half the time.
    """
    stem, dot, end = name.rpartition(".")
    if not dot or "/" in end or not stem.rpartition("/")[2].strip("."):
        return ""
    return f".{end}".lower()


def is_named_as_picture(name: str) -> bool:
    """Whether a file's name ends as those of pictures do, readable ones or not."""
    return ending(name) in _ENDINGS


def may_be_picture(name: str) -> bool:
    """Whether a file is named as a picture, or has no ending that would tell."""
    kind = ending(name)
    return not kind or kind in _ENDINGS


def read(content: bytes, name: str, size: int) -> NDArray[np.uint8]:
    """Decode the picture in a file.

    Transparent parts become white; of an animation the first picture counts.

    Args:
        content: The file's bytes.
        name: Its name, which helps to say what is wrong.
        size: Side in pixels of the square that is cut from the picture's middle.

    Returns:
        The picture (size, size, 3).

    Raises:
        NoPictureError: It isn't one, or one of a format that can't be read.
        ValueError: It is one, damaged or too large; the message says so.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return np.asarray(_as_rgb(image, size))
    except UnidentifiedImageError as error:
        raise NoPictureError(_advice(content, name)) from error
    except Exception as error:  # a damaged file makes Pillow raise almost anything
        raise ValueError(str(error) or type(error).__name__) from error


def _advice(content: bytes, name: str) -> str:
    """Why a file isn't a picture for Pillow."""
    is_heic = content[4:8] == b"ftyp" and content[8:12] in _HEIC
    if not content:
        return "it is empty"
    return _OTHER_FORMATS.get(".heic" if is_heic else ending(name), NO_PICTURE)


def _as_rgb(image: Image.Image, size: int) -> Image.Image:
    """Bring an opened image, not decoded yet, to 8-bit RGB, upright, and to the size."""
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"it has {image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")
    image.draft("RGB", (2 * size, 2 * size))  # JPEG: decode no more than needed
    has_16_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format in _GREY_16)
    with suppress(Exception):  # whatever a camera wrote about how it was held
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        if not has_16_bits:
            raise ValueError(
                "its pixels have more than 16 bits or fractions, for which black and white aren't "
                "fixed; save it with 8 bits per colour"
            )
        levels = np.asarray(image).astype(np.int64).clip(0, 65_535)
        image = Image.fromarray((levels >> 8).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return ImageOps.fit(image.convert("RGB"), (size, size))
