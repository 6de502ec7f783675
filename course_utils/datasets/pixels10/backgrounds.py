"""The six backgrounds, each a function that paints the whole canvas.

``pose`` is (NUM_BACKGROUND_NUMBERS, n, 1): numbers in [0, 1) that vary the scene from picture to
picture. ``texture`` is (n, 1024), smooth random light and dark in [-1, 1].
"""

from collections.abc import Callable

import numpy as np

from course_utils.datasets.pixels10.canvas import NUM_PIXELS, SIDE, Canvas, between, colour
from course_utils.datasets.pixels10.streams import Floats

NUM_BACKGROUND_NUMBERS = 12
NUM_TEXTURE_NUMBERS = 64  # an 8 × 8 grid

_GRID = 8
_POSITIONS = np.arange(SIDE, dtype=np.float32) * np.float32((_GRID - 1) / SIDE)
_BEFORE = _POSITIONS.astype(np.int64)
_PART = _POSITIONS - _BEFORE.astype(np.float32)


def smooth_texture(numbers: Floats) -> Floats:
    """Stretch 8×8 grids of numbers in [0, 1), given as (n, 64), to (n, 1024) in [-1, 1]."""
    grid = 2 * numbers.reshape(-1, _GRID, _GRID) - 1
    part = _PART[:, None]
    rows = grid[:, _BEFORE] * (1 - part) + grid[:, _BEFORE + 1] * part
    full = rows[:, :, _BEFORE] * (1 - _PART) + rows[:, :, _BEFORE + 1] * _PART
    return np.asarray(full.reshape(-1, NUM_PIXELS), np.float32)


def _varied(base: Floats, pose: Floats) -> Floats:
    """The colour ``base``, a little different in each picture."""
    return base + between(pose[:3], -28, 28)


def _fade(canvas: Canvas, top: Floats, bottom: Floats) -> None:
    """Fill the canvas with a vertical gradient."""
    part = (canvas.y + 16) * np.float32(1 / SIDE)
    np.add(top, part * (bottom - top), out=canvas.planes)


def _ripple(coordinate: Floats) -> Floats:
    """A triangle wave in [-1, 1] with period 1."""
    phase = coordinate - np.floor(coordinate)
    return np.abs(4 * phase - 2) - 1


def sky(canvas: Canvas, pose: Floats, texture: Floats) -> None:
    """Blue above, paler below, with clouds."""
    blue = _varied(colour(85, 135, 200), pose)
    _fade(canvas, blue, 0.4 * blue + 0.6 * colour(180, 195, 205))
    for index in (3, 6):
        x, y = between(pose[index], -16, 16), between(pose[index + 1], -14, 14)
        width = between(pose[index + 2], 4, 9)
        canvas.ellipse((x, y), (width, 0.4 * width), colour(235, 235, 240), 0.6)
        canvas.ellipse((x + 0.4 * width, y - 2), (0.5 * width, 2.5), colour(235, 235, 240), 0.6)
    canvas.planes += 8 * texture


def sea(canvas: Canvas, pose: Floats, texture: Floats) -> None:
    """Water with waves below a horizon."""
    _fade(canvas, _varied(colour(125, 160, 195), pose), colour(185, 190, 195))
    horizon = between(pose[3], -9, 0)
    water = _varied(colour(45, 105, 150), pose)
    waves = _ripple(canvas.y * between(pose[4], 0.2, 0.35) + 0.5 * texture) * 14 + 10 * texture
    canvas.paint(horizon - canvas.y, water + waves)


def grass(canvas: Canvas, pose: Floats, texture: Floats) -> None:
    """A meadow under a pale sky."""
    _fade(canvas, _varied(colour(130, 165, 200), pose), colour(190, 195, 195))
    horizon = between(pose[3], -15, -3)
    meadow = _varied(colour(100, 150, 65), pose)
    blades = _ripple(canvas.x * 0.37 + canvas.y * 0.11 + texture) * 12 + 14 * texture
    canvas.paint(horizon - canvas.y, meadow + blades)


def forest(canvas: Canvas, pose: Floats, texture: Floats) -> None:
    """Dark leaves, tree trunks and the forest's floor."""
    leaves = _varied(colour(60, 95, 60), pose)
    _fade(canvas, leaves, leaves + 20)
    canvas.planes += 22 * texture
    bark = _varied(colour(95, 75, 60), pose[3:])
    for index in (6, 7, 8):
        canvas.box((between(pose[index], -16, 16), 0), (between(pose[9], 0.8, 2.2), 16), bark)
    floor = between(pose[10], 5, 12)
    canvas.paint(floor - canvas.y, _varied(colour(120, 105, 70), pose) + 12 * texture)


def street(canvas: Canvas, pose: Floats, texture: Floats) -> None:
    """Houses with windows behind a road."""
    _fade(canvas, colour(160, 175, 190), colour(180, 180, 180))
    left = between(pose[6], -8, 8)
    for side, index in ((-1.0, 0), (1.0, 3)):
        wall = _varied(colour(140, 120, 110), pose[index:])
        roof = between(pose[index + 6], -15, -4)
        canvas.paint(np.maximum(roof - canvas.y, side * (left - canvas.x)), wall)
    pane_x = _ripple(canvas.x * 0.16 + pose[8]) - 0.3
    pane_y = _ripple(canvas.y * 0.16 + pose[10]) - 0.3
    panes = np.minimum(pane_x, pane_y)
    below_roofs = np.maximum(between(pose[6], -15, -4), between(pose[9], -15, -4)) + 2 - canvas.y
    canvas.paint(np.maximum(-3 * panes, below_roofs), colour(85, 95, 110), 0.7)
    kerb = between(pose[11], 0, 6)
    canvas.paint(kerb - canvas.y, _varied(colour(115, 115, 120), pose) + 8 * texture)
    dashes = np.maximum(np.abs(canvas.y - kerb - 5) - 0.6, -4 * _ripple(canvas.x * 0.1 + pose[7]))
    canvas.paint(dashes, colour(225, 225, 215), 0.9)


def indoor(canvas: Canvas, pose: Floats, texture: Floats) -> None:
    """A wall with a picture on it, and the floor."""
    wall = _varied(colour(170, 150, 125), pose)
    _fade(canvas, wall, wall - 20)
    x, y = between(pose[6], -12, 12), between(pose[7], -13, -4)
    canvas.box((x, y), (between(pose[8], 3, 6), between(pose[9], 3, 5)), colour(95, 75, 60))
    canvas.box(
        (x, y), (between(pose[8], 2, 5), between(pose[9], 2, 4)), _varied(wall + 25, pose[3:])
    )
    floor = between(pose[10], 2, 11)
    boards = _ripple(canvas.y * 0.23 + 0.02 * canvas.x) * 8 + 8 * texture
    canvas.paint(floor - canvas.y, _varied(colour(135, 95, 65), pose[3:]) + boards)


BACKGROUNDS: dict[str, Callable[[Canvas, Floats, Floats], None]] = {
    function.__name__: function for function in (sky, sea, grass, forest, street, indoor)
}
