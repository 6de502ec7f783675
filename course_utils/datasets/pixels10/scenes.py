"""From a table of attributes to pictures: background, object, light, noise."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils.datasets.pixels10.backgrounds import (
    BACKGROUNDS,
    NUM_BACKGROUND_NUMBERS,
    NUM_TEXTURE_NUMBERS,
    smooth_texture,
)
from course_utils.datasets.pixels10.canvas import NUM_CHANNELS, PIXEL_X, SIDE, Canvas, between
from course_utils.datasets.pixels10.hardships import (
    NUM_CAST_NUMBERS,
    NUM_CLUTTER_NUMBERS,
    NUM_COVER_NUMBERS,
    cast_shadow,
    paint_clutter,
    paint_cover,
)
from course_utils.datasets.pixels10.objects import NUM_POSE_NUMBERS, OBJECTS, Paints
from course_utils.datasets.pixels10.streams import Floats, bits, next_bytes, uniform

# Colours of objects: five that are warm and light, five that are cool and dark.
PALETTES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "A": ((240, 235, 225), (235, 200, 150), (240, 150, 70), (235, 100, 90), (240, 215, 90)),
    "B": ((60, 60, 72), (55, 75, 145), (100, 65, 135), (40, 110, 120), (90, 100, 125)),
}
_MARKS: dict[str, tuple[int, int, int]] = {"A": (50, 55, 75), "B": (205, 215, 230)}

_COMPANION_SIZE = (3.5, 5.5)  # pixels from its centre to its end
_NUM_COLOUR_NUMBERS = 8
_NUM_COMPANION_NUMBERS = 4 + NUM_POSE_NUMBERS + _NUM_COLOUR_NUMBERS

_CHUNK = 128  # images painted at once: a few MB, which stay in the processor's cache
_TRIANGLE_DEVIATION = 104.5  # of the sum of two random bytes


def paint_scenes(
    seed: int, stream: str, labels: NDArray[np.int64], attributes: pd.DataFrame
) -> NDArray[np.uint8]:
    """Paint one picture for each row of ``attributes``.

    Args:
        seed: of the random numbers that vary what the attributes leave open.
        stream: a word before the names of the random streams ("train", "test").
        labels: (n,) index of the object in ``OBJECTS``.
        attributes: n rows: palette, background, size, position_x, position_y, rotation, mirrored,
            contrast, noise.

    Returns:
        (n, 32, 32, 3) pictures.
    """
    num_images = len(labels)
    pose = uniform(seed, f"{stream}/pose", num_images, NUM_POSE_NUMBERS)
    scenery = uniform(seed, f"{stream}/scenery", num_images, NUM_BACKGROUND_NUMBERS)
    texture = uniform(seed, f"{stream}/texture", num_images, NUM_TEXTURE_NUMBERS)
    colours = uniform(seed, f"{stream}/colour", num_images, _NUM_COLOUR_NUMBERS)
    light = uniform(seed, f"{stream}/shadow", num_images, 2)
    clutter = uniform(seed, f"{stream}/clutter", num_images, NUM_CLUTTER_NUMBERS)
    company = uniform(seed, f"{stream}/company", num_images, _NUM_COMPANION_NUMBERS)
    cover = uniform(seed, f"{stream}/cover", num_images, NUM_COVER_NUMBERS)
    cast = uniform(seed, f"{stream}/cast shadow", num_images, NUM_CAST_NUMBERS)
    images = np.empty((num_images, SIDE, SIDE, NUM_CHANNELS), np.uint8)
    for name, background, chosen in _alike(labels, attributes["background"].to_numpy()):
        table = attributes.iloc[chosen]
        canvas = Canvas.blank(len(chosen))
        BACKGROUNDS[background](canvas, _columns(scenery[chosen]), smooth_texture(texture[chosen]))
        paint_clutter(canvas, table["clutter"].to_numpy(), clutter[chosen])
        _paint_companions(canvas, table, company[chosen])
        _paint_object(canvas, name, table, pose[chosen], colours[chosen])
        paint_cover(canvas, table, cover[chosen])
        _light(canvas, light[chosen])
        cast_shadow(canvas, table["shadow"].to_numpy(np.float32), cast[chosen])
        images[chosen] = _develop(canvas, table)
    add_noise(images, attributes["noise"].to_numpy(), bits(seed, f"{stream}/noise"))
    return images


def _alike(
    labels: NDArray[np.int64], backgrounds: NDArray[np.object_]
) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    """The indices of images that share object and background, some at a time."""
    for label, name in enumerate(OBJECTS):
        for background in BACKGROUNDS:
            indices = np.flatnonzero((labels == label) & (backgrounds == background))
            for start in range(0, len(indices), _CHUNK):
                yield name, background, indices[start : start + _CHUNK]


def _columns(numbers: Floats) -> Floats:
    """(n, k) numbers as k columns that broadcast over pixels: (k, n, 1)."""
    return np.ascontiguousarray(numbers.T)[:, :, None]


def _column(table: pd.DataFrame, name: str) -> Floats:
    return table[name].to_numpy(np.float32)[:, None]


def _paint_object(
    canvas: Canvas, name: str, table: pd.DataFrame, pose: Floats, colours: Floats
) -> None:
    placed = canvas.placed(
        position_x=_column(table, "position_x"),
        position_y=_column(table, "position_y"),
        size=_column(table, "size"),
        degrees=_column(table, "rotation"),
        mirror=1 - 2 * _column(table, "mirrored"),
        lean=_column(table, "lean"),
        width=1 - _column(table, "narrowing"),
    )
    paints = _mix_paints(table["palette"].to_numpy(), colours, _column(table, "alike"))
    OBJECTS[name](placed, _columns(pose), paints)


def _paint_companions(canvas: Canvas, table: pd.DataFrame, numbers: Floats) -> None:
    """Put a small thing of another class into the background of some pictures.

    numbers is (n, _NUM_COMPANION_NUMBERS).
    """
    names = table["companion"].to_numpy()
    for name in OBJECTS:
        chosen = np.flatnonzero(names == name)
        if not len(chosen):
            continue
        some = canvas.some(chosen)
        part = numbers[chosen]
        side = np.where(part[:, 0] < 0.5, -1, 1)
        placed = some.placed(
            position_x=(side * between(2 * part[:, 0] % 1, 8, 14)).astype(np.float32)[:, None],
            position_y=between(part[:, 1:2], -13, 13),
            size=between(part[:, 2:3], *_COMPANION_SIZE),
            degrees=np.zeros((len(chosen), 1), np.float32),
            mirror=np.where(part[:, 3:4] < 0.5, -1, 1).astype(np.float32),
        )
        paints = _mix_paints(
            table["palette"].to_numpy()[chosen],
            part[:, -_NUM_COLOUR_NUMBERS:],
            alike=np.zeros((len(chosen), 1), np.float32),
        )
        OBJECTS[name](placed, _columns(part[:, 4 : 4 + NUM_POSE_NUMBERS]), paints)
        canvas.put(chosen, some)


def _mix_paints(palettes: NDArray[np.object_], colours: Floats, alike: Floats) -> Paints:
    """Two colours of each image's palette, a little varied, and what derives from them."""
    is_b = palettes == "B"
    table = np.array([PALETTES["A"], PALETTES["B"]], np.float32)[is_b.astype(int)]
    number = (colours[:, :2] * table.shape[1]).astype(int)
    rows = np.arange(len(table))
    body = table[rows, number[:, 0]] + between(colours[:, 2:5], -20, 20)
    second = table[rows, number[:, 1]] + between(colours[:, 5:8], -20, 20)
    mark = np.array([_MARKS["A"], _MARKS["B"]], np.float32)[is_b.astype(int)]
    return Paints(
        body=_columns(body),
        shade=_columns(0.65 * body),
        light=_columns(0.6 * body + 0.4 * 255),
        mark=_columns(mark),
        second=_columns(second),
        alike=alike,
    )


def _light(canvas: Canvas, numbers: Floats) -> None:
    """Make pictures brighter or darker, and brighter towards one side; numbers (n, 2)."""
    level = between(numbers[:, :1], 0.7, 1.2)
    slope = between(numbers[:, 1:], -0.25, 0.25) * np.float32(2 / SIDE)
    canvas.planes *= level + slope * PIXEL_X


def _develop(canvas: Canvas, table: pd.DataFrame) -> NDArray[np.uint8]:
    """Apply the contrast and round to bytes: (n, 32, 32, 3)."""
    planes = canvas.planes
    planes -= 128
    planes *= _column(table, "contrast")
    planes += 128.5
    np.clip(planes, 0, 255, out=planes)
    pixels = planes.astype(np.uint8)
    return np.moveaxis(pixels, 0, -1).reshape(-1, SIDE, SIDE, NUM_CHANNELS)


def add_noise(
    images: NDArray[np.uint8], deviations: NDArray[np.float64], source: np.random.PCG64
) -> None:
    """Add noise of the given standard deviations (n,), in place and in whole numbers."""
    strengths = np.rint(deviations * (256 / _TRIANGLE_DEVIATION)).astype(np.int16)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        random = next_bytes(source, 2 * chunk.size).reshape(*chunk.shape, 2).astype(np.int16)
        noise = random[..., 0] + random[..., 1] - 255
        noise *= strengths[start : start + _CHUNK, None, None, None]
        noise += 128
        noise >>= 8
        noise += chunk
        chunk[...] = np.clip(noise, 0, 255)
