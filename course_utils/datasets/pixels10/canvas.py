"""A stack of 32×32 pictures that are painted on together, one shape at a time.

Shapes are given by (approximate) signed distances: negative inside, positive outside, in object
units, and their edge is one pixel soft. Only additions, multiplications, divisions, square roots
and comparisons of float32 numbers decide a pixel: these are rounded in one way on every processor
(IEEE 754), while sines and powers aren't.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from course_utils.datasets.pixels10.streams import Floats

SIDE = 32
NUM_PIXELS = SIDE * SIDE
NUM_CHANNELS = 3

Number = float | Floats  # the same for all pictures, or one for each: shape (n, 1)
Point = tuple[Number, Number]

# Sines are rounded to multiples of 2⁻¹⁴, far coarser than what platforms disagree about.
_SINES = (np.round(np.sin(np.deg2rad(np.arange(450))) * 2**14) / 2**14).astype(np.float32)

_PIXELS = np.arange(NUM_PIXELS)
PIXEL_X = (_PIXELS % SIDE).astype(np.float32)[None] - np.float32(15.5)  # (1, 1024), from the centre
PIXEL_Y = (_PIXELS // SIDE).astype(np.float32)[None] - np.float32(15.5)


def colour(red: float, green: float, blue: float) -> Floats:
    """A colour, 0–255 per channel, that broadcasts over pictures and pixels: (3, 1, 1)."""
    return np.array([red, green, blue], np.float32)[:, None, None]


def between(part: Floats, start: Number, end: Number) -> Floats:
    """What lies at ``part`` (0–1) of the way from ``start`` to ``end``."""
    return np.asarray(start + part * (end - start), np.float32)


@dataclass
class Canvas:
    """Pictures and the coordinates in which the next shapes are given.

    Attributes:
        planes: (3, n, 1024) colour channels, 0–255.
        x: (n, 1024) coordinate of each pixel, to the right, in object units.
        y: (n, 1024) coordinate of each pixel, downwards.
        scale: (n, 1) pixels per unit.
    """

    planes: Floats
    x: Floats
    y: Floats
    scale: Floats

    @classmethod
    def blank(cls, num_images: int) -> "Canvas":
        """Black pictures, with coordinates in pixels from the centre."""
        return cls(
            np.zeros((NUM_CHANNELS, num_images, NUM_PIXELS), np.float32),
            np.broadcast_to(PIXEL_X, (num_images, NUM_PIXELS)),
            np.broadcast_to(PIXEL_Y, (num_images, NUM_PIXELS)),
            np.ones((1, 1), np.float32),
        )

    def some(self, indices: NDArray[np.int64]) -> "Canvas":
        """A copy of some of the pictures; :meth:`put` brings it back."""
        return Canvas(
            self.planes[:, indices],
            self.x[indices],
            self.y[indices],
            self.scale if len(self.scale) == 1 else self.scale[indices],
        )

    def put(self, indices: NDArray[np.int64], pictures: "Canvas") -> None:
        """Replace some of the pictures."""
        self.planes[:, indices] = pictures.planes

    def placed(
        self,
        position_x: Floats,
        position_y: Floats,
        size: Floats,
        degrees: Floats,
        *,
        mirror: Floats,
        lean: Number = 0.0,
        width: Number = 1.0,
    ) -> "Canvas":
        """The same pictures, in the coordinates of objects placed there.

        Args:
            position_x: (n, 1) centre of the object, in pixels from the picture's centre.
            position_y: (n, 1) the same, downwards.
            size: (n, 1) pixels per object unit; objects reach about one unit from their centre.
            degrees: (n, 1) whole degrees, clockwise.
            mirror: (n, 1) 1, or -1 for objects that look to the left.
            lean: how far the objects' tops move sideways, as a share of their height.
            width: how wide the objects are, as a share of their full width.
        """
        angle = degrees.astype(np.int64) % 360
        sine, cosine = _SINES[angle] / size, _SINES[angle + 90] / size
        dx, dy = PIXEL_X - position_x, PIXEL_Y - position_y
        x, y = (cosine * dx + sine * dy) * mirror, cosine * dy - sine * dx
        return Canvas(self.planes, np.asarray((x - lean * y) / width, np.float32), y, size)

    def paint(self, distance: Floats, paint: Floats, opacity: Number = 1.0) -> None:
        """Cover the inside of a shape.

        Args:
            distance: (n, 1024) signed distance to the shape's edge, in object units.
            paint: (3, n, 1), (3, 1, 1) or (3, n, 1024) colour.
            opacity: 1 hides what was there, 0 leaves it.
        """
        coverage = 0.5 - distance * self.scale
        np.clip(coverage, 0, 1, out=coverage)
        coverage *= opacity
        change = paint - self.planes
        change *= coverage
        self.planes += change

    def ellipse(self, centre: Point, radii: Point, paint: Floats, opacity: Number = 1.0) -> None:
        """Paint an upright ellipse."""
        dx, dy = (self.x - centre[0]) / radii[0], (self.y - centre[1]) / radii[1]
        dx *= dx
        dy *= dy
        dx += dy
        distance = np.sqrt(dx, out=dx) - 1
        distance *= np.asarray(np.minimum(radii[0], radii[1]), np.float32)
        self.paint(distance, paint, opacity)

    def box(self, centre: Point, half_sides: Point, paint: Floats, opacity: Number = 1.0) -> None:
        """Paint an upright rectangle."""
        dx = np.abs(self.x - centre[0]) - half_sides[0]
        dy = np.abs(self.y - centre[1]) - half_sides[1]
        self.paint(np.maximum(dx, dy, out=dx), paint, opacity)

    def line(
        self, ends: tuple[Point, Point], radius: Number, paint: Floats, opacity: Number = 1.0
    ) -> None:
        """Paint a thick line with round ends, ``radius`` being half its width."""
        start, end = ends
        along_x = np.asarray(end[0] - start[0], np.float32)
        along_y = np.asarray(end[1] - start[1], np.float32)
        square = along_x * along_x + along_y * along_y
        dx, dy = self.x - start[0], self.y - start[1]
        part = dx * (along_x / square)
        part += dy * (along_y / square)
        np.clip(part, 0, 1, out=part)
        dx -= part * along_x
        dy -= part * along_y
        dx *= dx
        dy *= dy
        dx += dy
        self.paint(np.sqrt(dx, out=dx) - radius, paint, opacity)

    def polygon(self, corners: Sequence[Point], paint: Floats, opacity: Number = 1.0) -> None:
        """Paint a convex polygon; its corners go round clockwise as seen on the screen."""
        distance = np.full_like(self.x, -np.inf)
        for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
            normal_x = np.asarray(y2 - y1, np.float32)
            normal_y = np.asarray(x1 - x2, np.float32)
            length = np.sqrt(normal_x * normal_x + normal_y * normal_y)
            edge = (self.x - x1) * (normal_x / length)
            edge += (self.y - y1) * (normal_y / length)
            np.maximum(distance, edge, out=distance)
        self.paint(distance, paint, opacity)
