"""Drawn letters in two styles, thin strokes and bold ones, for the swap of styles.

Both styles write the same ten letters on the same grounds. Nothing says which thin letter belongs
to which bold one: the two sets are drawn independently.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils.datasets.base import ImageSplit
from course_utils.datasets.pixels10.canvas import NUM_CHANNELS, SIDE, Canvas, Point, between
from course_utils.datasets.pixels10.scenes import add_noise
from course_utils.datasets.pixels10.streams import Floats, bits, uniform
from course_utils.labs.miniature import LabError

STYLES = ("thin", "bold")
PICTURE_SIDE = SIDE // 2  # pixels

# Each letter as strokes from point to point, x to the right and y down, from -1 to 1.
_STROKES: dict[str, tuple[tuple[Point, Point], ...]] = {
    "A": (((-0.7, 0.9), (0, -0.9)), ((0, -0.9), (0.7, 0.9)), ((-0.4, 0.2), (0.4, 0.2))),
    "C": (((0.6, -0.9), (-0.6, -0.9)), ((-0.6, -0.9), (-0.6, 0.9)), ((-0.6, 0.9), (0.6, 0.9))),
    "E": (
        *(((-0.6, -0.9), (-0.6, 0.9)), ((-0.6, -0.9), (0.6, -0.9))),
        *(((-0.6, 0), (0.4, 0)), ((-0.6, 0.9), (0.6, 0.9))),
    ),
    "H": (((-0.6, -0.9), (-0.6, 0.9)), ((0.6, -0.9), (0.6, 0.9)), ((-0.6, 0), (0.6, 0))),
    "L": (((-0.5, -0.9), (-0.5, 0.9)), ((-0.5, 0.9), (0.6, 0.9))),
    "N": (((-0.6, 0.9), (-0.6, -0.9)), ((-0.6, -0.9), (0.6, 0.9)), ((0.6, 0.9), (0.6, -0.9))),
    "T": (((-0.7, -0.9), (0.7, -0.9)), ((0, -0.9), (0, 0.9))),
    "V": (((-0.7, -0.9), (0, 0.9)), ((0.7, -0.9), (0, 0.9))),
    "X": (((-0.7, -0.9), (0.7, 0.9)), ((0.7, -0.9), (-0.7, 0.9))),
    "Z": (((-0.6, -0.9), (0.6, -0.9)), ((0.6, -0.9), (-0.6, 0.9)), ((-0.6, 0.9), (0.6, 0.9))),
}
NAMES = tuple(_STROKES)

GRAIN = 6.0  # standard deviation of the noise, in levels of 0–255

# How the letters stand, from and to, in pixels of 32 or degrees: place, size, angle.
_POSES = {
    "aligned": ((-1.5, 1.5), (10.0, 12.0), (-8.0, 8.0)),
    "free": ((-7.0, 7.0), (8.0, 12.0), (-30.0, 30.0)),
}
POSES = tuple(_POSES)
_NUM_NUMBERS = 10
_CHUNK = 128  # pictures painted at once


def draw(
    num_images: int, *, style: str, seed: int, split: str = "train", pose: str = "aligned"
) -> ImageSplit:
    """Draw letters in one style; the same arguments give the same pictures everywhere.

    The first n of more than n pictures are what ``draw(n)`` gives.

    Args:
        num_images: how many, from 1.
        style: "thin" (white strokes) or "bold" (broad orange ones).
        seed: a whole number from 0.
        split: names an independent sequence of pictures, such as "train" or "test".
        pose: "aligned": upright and in the middle; or "free": turned by up to 30 degrees, larger
            or smaller, and anywhere in the picture.

    Returns:
        Pictures (n, 16, 16, 3); ``labels``, the place of the letter in :data:`NAMES`; and the
        attributes ``letter``, ``style``, ``angle`` (degrees, clockwise), ``position_x``,
        ``position_y`` and ``size`` (pixels of the picture).

    Raises:
        LabError: a value that is not allowed.
    """
    if style not in STYLES:
        raise LabError(f"style is {style!r}; it must be 'thin' or 'bold'")
    if pose not in POSES:
        raise LabError(f"pose is {pose!r}; it must be 'aligned' or 'free'")
    for name, value, least in (("num_images", num_images, 1), ("seed", seed, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise LabError(f"{name} is {value!r}; it must be a whole number from {least}")
    place, size, angle = _POSES[pose]
    numbers = uniform(seed, f"{split}/{style}", num_images, _NUM_NUMBERS)
    labels = (numbers[:, 0] * len(NAMES)).astype(np.int64)
    table = pd.DataFrame(
        {
            "letter": np.array(NAMES, object)[labels],
            "style": style,
            "angle": np.rint(between(numbers[:, 1], *angle)).astype(np.int64),
            "position_x": between(numbers[:, 2], *place),
            "position_y": between(numbers[:, 3], *place),
            "size": between(numbers[:, 4], *size),
        }
    )
    images = np.empty((num_images, PICTURE_SIDE, PICTURE_SIDE, NUM_CHANNELS), np.uint8)
    for label, strokes in enumerate(_STROKES.values()):
        alike = np.flatnonzero(labels == label)
        for start in range(0, len(alike), _CHUNK):
            some = alike[start : start + _CHUNK]
            images[some] = _paint(strokes, table.iloc[some], numbers[some, 5:], style)
    add_noise(images, np.full(num_images, GRAIN), bits(seed, f"{split}/{style}/grain"))
    table[["position_x", "position_y", "size"]] /= 2  # drawn at twice the size, then halved
    return ImageSplit(images, labels, table)


def _paint(
    strokes: tuple[tuple[Point, Point], ...], table: pd.DataFrame, numbers: Floats, style: str
) -> NDArray[np.uint8]:
    """Paint one letter n times, without grain: (n, 16, 16, 3).

    numbers (n, 5) vary colours and strokes.
    """
    canvas = Canvas.blank(len(table))
    ground, stroke, *tones = np.ascontiguousarray(numbers.T)[:, :, None]
    canvas.planes += _colour([ground] * 3, [(30, 60), (40, 70), (70, 110)])

    def column(name: str) -> Floats:
        return table[name].to_numpy(np.float32)[:, None]

    placed = canvas.placed(
        column("position_x"),
        column("position_y"),
        column("size"),
        column("angle"),
        mirror=np.ones((len(table), 1), np.float32),
    )
    if style == "thin":
        paint = _colour([tones[0]] * 3, [(190, 250)] * 3)
        radius = between(stroke, 0.1, 0.14)
    else:
        paint = _colour(tones, [(210, 250), (110, 170), (30, 60)])
        radius = between(stroke, 0.24, 0.3)
    for ends in strokes:
        placed.line(ends, radius, paint)
    planes = canvas.planes.reshape(NUM_CHANNELS, -1, SIDE, SIDE)
    rows = planes[:, :, ::2] + planes[:, :, 1::2]
    halved = np.float32(0.25) * (rows[..., ::2] + rows[..., 1::2]) + np.float32(0.5)
    return np.moveaxis(np.clip(halved, 0, 255).astype(np.uint8), 0, -1)


def _colour(numbers: list[Floats], ranges: list[tuple[float, float]]) -> Floats:
    """A colour for each picture, (3, n, 1), from a number and a range for each channel."""
    return np.stack([between(number, *ends) for number, ends in zip(numbers, ranges, strict=True)])
