"""What makes pictures hard: things in front and behind, odd viewpoints, bad light.

Each hardship strikes a share of the pictures, which grows with ``difficulty``, and leaves the
others as they are. Each has random numbers of its own, so that ``difficulty`` changes nothing
else, and a picture that is struck at one difficulty is struck in the same way at every higher one.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils.datasets.pixels10.canvas import PIXEL_X, PIXEL_Y, Canvas, between
from course_utils.datasets.pixels10.streams import Floats

NUM_HARDSHIP_NUMBERS = 17
NUM_COVER_NUMBERS = 4
NUM_CAST_NUMBERS = 3
MAX_CLUTTER = 3
NUM_CLUTTER_NUMBERS = 7 * MAX_CLUTTER

# Shares of the pictures that each hardship strikes at difficulty 1.
COVERED = 0.44  # something stands in front of the object
ALIKE = 0.6  # the object lacks the marks by which it is best told from its look-alike
TURNED = 0.06  # the object is tilted, leans, is narrowed and moved: seen from an odd viewpoint
ACCOMPANIED = 0.12  # a small thing of another class is in the background
CLUTTERED = 0.12  # blobs lie about
SHADED = 0.1  # a shadow falls across the picture
FADED = 0.06  # the contrast is low

# How strong they are: from, to.
COVER_WIDTH = (0.28, 0.45)  # as a share of the object's diameter
POSTS = 0.6  # share of covers that are upright; the others are rails, which hide legs and wheels
POST_PLACE = (-0.6, 0.6)  # of the post's middle, in units of half the object's diameter
RAIL_PLACE = (0.15, 0.75)  # the same for rails, downwards
TILT = (8.0, 25.0)  # degrees, either way
LEAN = (0.05, 0.35)  # how far the object's top moves sideways, as a share of its height
NARROWING = (0.05, 0.35)  # of the object's width
SHIFT = (0.0, 3.0)  # pixels, in either direction
SHADOW = (0.3, 0.65)  # of the light
FADING = (0.3, 0.6)  # of the contrast

_LENGTH = 9.0  # of a cover: from edge to edge of any picture
_COVER_COLOURS = np.array(
    [(110, 80, 55), (75, 110, 60), (150, 150, 150), (90, 90, 95), (165, 135, 95)], np.float32
)


def draw_hardships(numbers: Floats, difficulty: float) -> dict[str, NDArray[Any]]:
    """Draw which hardships strike which pictures, and how strongly.

    Args:
        numbers: (n, NUM_HARDSHIP_NUMBERS) in [0, 1).
        difficulty: 0 for none of them, to 1.

    Returns:
        Arrays (n,), 0 where a picture is spared: ``tilt`` (whole degrees), ``shift_x`` and
        ``shift_y`` (pixels), ``lean``, ``narrowing``, ``occlusion``, ``shadow``, ``fading``,
        ``alike`` (0 or 1),
        ``clutter`` (how many blobs), ``companion`` (a number in (0, 1] that chooses its class).
    """
    columns = iter(numbers.T)

    def struck(share: float) -> NDArray[np.bool_]:
        return np.asarray(next(columns) < share * difficulty)

    def strength(low: float, high: float) -> Floats:
        return between(next(columns), low, high)

    def either_way(low: float, high: float) -> Floats:
        centred = 2 * next(columns) - 1
        return np.asarray(np.copysign(between(np.abs(centred), low, high), centred))

    is_covered, width = struck(COVERED), strength(*COVER_WIDTH)
    is_turned, tilt = struck(TURNED), np.rint(either_way(*TILT)).astype(np.int64)
    lean, narrowing = either_way(*LEAN), strength(*NARROWING)
    shift_x, shift_y = either_way(*SHIFT), either_way(*SHIFT)
    is_accompanied, companion = struck(ACCOMPANIED), 1 - next(columns)
    is_cluttered, num_blobs = struck(CLUTTERED), strength(1, 1 + MAX_CLUTTER).astype(np.int64)
    is_shaded, shadow = struck(SHADED), strength(*SHADOW)
    is_faded, fading = struck(FADED), strength(*FADING)
    is_alike = struck(ALIKE)
    found = {
        "tilt": (is_turned, tilt),
        "shift_x": (is_turned, shift_x),
        "shift_y": (is_turned, shift_y),
        "lean": (is_turned, lean),
        "narrowing": (is_turned, narrowing),
        "occlusion": (is_covered, width),
        "companion": (is_accompanied, companion),
        "clutter": (is_cluttered, num_blobs),
        "shadow": (is_shaded, shadow),
        "fading": (is_faded, fading),
        "alike": (is_alike, 1),
    }
    return {name: np.where(is_struck, value, 0) for name, (is_struck, value) in found.items()}


def paint_clutter(canvas: Canvas, counts: NDArray[np.int64], numbers: Floats) -> None:
    """Scatter small blobs in the background; numbers (n, NUM_CLUTTER_NUMBERS)."""
    for index in range(MAX_CLUTTER):
        chosen = np.flatnonzero(counts > index)
        if not len(chosen):
            return
        blob = numbers[chosen, 7 * index : 7 * index + 7].T[:, :, None]
        pictures = canvas.some(chosen)
        centre = between(blob[0], -15, 15), between(blob[1], -15, 15)
        radii = between(blob[2], 1, 3), between(blob[3], 1, 3)
        pictures.ellipse(centre, radii, between(blob[4:7], 30, 230))
        canvas.put(chosen, pictures)


def paint_cover(canvas: Canvas, table: pd.DataFrame, numbers: Floats) -> None:
    """Put a post or a rail in front of some objects; numbers (n, NUM_COVER_NUMBERS)."""
    widths = table["occlusion"].to_numpy(np.float32)
    chosen = np.flatnonzero(widths > 0)
    if not len(chosen):
        return
    position_x, position_y, size = (
        table[name].to_numpy(np.float32)[chosen, None]
        for name in ("position_x", "position_y", "size")
    )
    orientation, slant, place, colour = numbers[chosen].T[:, :, None]
    is_post = orientation < POSTS
    degrees = np.rint(between(slant, -20, 20)) + np.where(is_post, 0, 90)
    pictures = canvas.some(chosen)
    cover = pictures.placed(position_x, position_y, size, degrees, mirror=np.ones_like(size))
    middle = np.where(is_post, between(place, *POST_PLACE), between(place, *RAIL_PLACE))
    paint = _COVER_COLOURS[(colour[:, 0] * len(_COVER_COLOURS)).astype(int)]
    cover.box((middle, 0), (widths[chosen, None], _LENGTH), paint.T[:, :, None])
    canvas.put(chosen, pictures)


def cast_shadow(canvas: Canvas, darkness: Floats, numbers: Floats) -> None:
    """Darken one side of the pictures, with a soft edge; numbers (n, NUM_CAST_NUMBERS)."""
    chosen = np.flatnonzero(darkness > 0)
    if not len(chosen):
        return
    part = numbers[chosen].T[:, :, None]
    across, down = between(part[0], -1, 1), between(part[1], -1, 1)
    length = np.abs(across) + np.abs(down) + np.float32(0.01)
    depth = (across / length) * PIXEL_X + (down / length) * PIXEL_Y - between(part[2], -10, 10)
    depth *= np.float32(0.25)
    np.clip(depth, 0, 1, out=depth)
    depth *= darkness[chosen, None]
    canvas.planes[:, chosen] *= 1 - depth
