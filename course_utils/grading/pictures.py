"""Pictures from outside: which of them a page may show.

A picture is believed to be one when Pillow knows its format from its first bytes, its bytes say the
kind that the notebook says, and no browser has to unfold more of it than it can bear.
"""

import base64
import io
import warnings
from collections.abc import Mapping

from PIL import Image

# SVG is left out: it is a document, with scripts and links of its own.
FORMATS: Mapping[str, str] = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
}

OUTPUT_FORMATS = ("image/png", "image/jpeg")  # those that nbconvert and our pages show of outputs

_MAX_PIXELS = 40_000_000
_NO_PICTURE = (
    ValueError,  # no base64
    OSError,
    SyntaxError,  # what PIL says of a broken PNG
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

Attachments = dict[str, dict[str, str]]


def check_picture(data: object, kind: str, *, max_bytes: int) -> str:
    """Check what a notebook has stored as a picture.

    Args:
        data: the picture in base64, perhaps broken into lines; anything else is no picture.
        kind: the MIME type that it should have, one of :data:`FORMATS`.
        max_bytes: how large it may be.

    Returns:
        The picture in base64 without breaks; empty where it is none that a page can bear.
    """
    if kind not in FORMATS or not isinstance(data, str) or len(data) > 2 * max_bytes:
        return ""
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[FORMATS[kind]]) as picture:
                num_pixels = picture.width * picture.height
    except _NO_PICTURE:
        return ""
    fits = num_pixels <= _MAX_PIXELS and len(content) <= max_bytes
    return base64.b64encode(content).decode() if fits else ""


def keep_pictures(attachments: object, *, max_bytes: int = 10_000_000) -> Attachments:
    """Keep of a cell's attachments the pictures that a page may show.

    Args:
        attachments: what the notebook has there, which may be anything.
        max_bytes: how large one picture may be.

    Returns:
        By name, each picture in base64 by its MIME type.
    """
    if not isinstance(attachments, Mapping):
        return {}
    kept = {
        name: {
            kind: checked
            for kind in FORMATS
            if (checked := check_picture(bundle.get(kind), kind, max_bytes=max_bytes))
        }
        for name, bundle in attachments.items()
        if isinstance(name, str) and name.isprintable() and isinstance(bundle, Mapping)
    }
    return {name: bundle for name, bundle in kept.items() if bundle}
