"""The ten kinds of object, each a function that paints it on the canvas.

Most have a look-alike: cats and dogs, deer and horses, automobiles and trucks, birds and airplanes.

Objects look to the right, reach about one unit from their centre and stand on y = 0.9.
``pose`` is (NUM_POSE_NUMBERS, n, 1): numbers in [0, 1) that vary the object from picture to
picture. ``paints`` are the colours of its palette.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from course_utils.datasets.pixels10.canvas import Canvas, Number, between, colour
from course_utils.datasets.pixels10.streams import Floats

NUM_POSE_NUMBERS = 8

BLACK = colour(22, 22, 26)
WHITE = colour(245, 245, 240)


@dataclass(frozen=True)
class Paints:
    """The colours of objects, each (3, n, 1)."""

    body: Floats
    shade: Floats  # the same, in shadow: parts that lie behind
    light: Floats  # the same, paler: bellies, muzzles, wings
    mark: Floats  # stands out from the body: windows, stripes, manes
    second: Floats  # another colour of the palette
    alike: Floats  # (n, 1): 1 for an object like its look-alike, without its most telling marks


def airplane(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """Seen from the side and a little from below, with swept wings."""
    sweep, span, tail = between(pose[0], 0, 0.25), between(pose[1], 0.5, 0.85), pose[2]
    fin = between(paints.alike, between(tail, 0.35, 0.6), 0.2)
    canvas.polygon(
        [(-0.1, -0.05), (-0.35 - sweep, -0.75 * span), (-0.15 - sweep, -0.75 * span), (0.3, -0.05)],
        paints.shade,
    )
    canvas.polygon([(-0.98, 0), (-1.05, -fin), (-0.85, -fin), (-0.5, 0)], paints.second)
    canvas.line(((-0.82, 0), (0.8, 0)), between(pose[3], 0.11, 0.17), paints.body)
    canvas.polygon([(-0.65, 0.02), (-0.9, 0.3), (-1.05, 0.3), (-0.95, 0.02)], paints.shade)
    canvas.polygon(
        [(0.35, 0.02), (-0.2 - sweep, span), (-0.45 - sweep, span), (-0.15, 0.02)], paints.light
    )
    canvas.box((0.05, -0.06), (0.5, 0.025), paints.mark, 0.8 * (1 - paints.alike))
    canvas.ellipse((0.78, -0.05), (0.1, 0.05), paints.mark)


def _chosen(number: Floats, share: float) -> Floats:
    """1 for a share of the pictures, 0 for the others: the opacity of an optional part."""
    return (number < share).astype(np.float32)


def _wheel(canvas: Canvas, x: float, radius: Floats, opacity: Number = 1.0) -> None:
    hub = 0.4 * radius
    canvas.ellipse((x, 0.62 - radius), (radius, radius), BLACK, opacity)
    canvas.ellipse((x, 0.62 - radius), (hub, hub), colour(170, 170, 175), opacity)


def automobile(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """From the side: a low body, a cabin with two windows, two wheels."""
    roof = between(pose[0], -0.65, -0.35)
    front = between(pose[1], 0.1, 0.45)
    rear = between(paints.alike, between(pose[2], -0.8, -0.35), -0.8)
    wheel = between(pose[3], 0.2, 0.27)
    canvas.ellipse((0, 0.6), (1.0, 0.12), BLACK, 0.5)
    canvas.polygon([(rear - 0.2, 0), (rear, roof), (front, roof), (front + 0.35, 0)], paints.body)
    glass, pillar = roof + 0.1, 0.5 * (front + rear)
    canvas.polygon(
        [(rear - 0.06, 0), (rear + 0.06, glass), (front - 0.03, glass), (front + 0.2, 0)],
        paints.mark,
    )
    canvas.box((pillar, 0.5 * glass), (0.05, -0.5 * glass), paints.body)
    canvas.line(((-0.85, 0.16), (0.85, 0.16)), 0.16, paints.body)
    canvas.box((0, 0.3), (0.95, 0.12), paints.shade)
    _wheel(canvas, -0.55, wheel)
    _wheel(canvas, 0.58, wheel)
    canvas.ellipse((0.93, 0.12), (0.07, 0.07), colour(250, 235, 150))


def truck(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """From the side: a load behind a cab, three wheels; or a pick-up with two."""
    pickup = np.maximum(_chosen(pose[3], 0.3), paints.alike)
    top = between(pickup, between(pose[0], -0.85, -0.2), 0.05)
    cab = between(pose[1], -0.55, -0.2)
    wheel = between(pose[2], 0.17, 0.22)
    canvas.ellipse((0, 0.6), (1.0, 0.12), BLACK, 0.5)
    canvas.box((0, 0.4), (0.95, 0.07), BLACK)
    canvas.box((-0.32, 0.5 * (top + 0.35)), (0.65, 0.5 * (0.35 - top)), paints.body)
    canvas.box((-0.32, 0.5 * (top + 0.35)), (0.65, 0.06), paints.light, 1 - pickup)
    canvas.polygon(
        [(0.4, 0.45), (0.4, cab), (0.75, cab), (0.98, 0.05), (0.98, 0.45)],
        between(pickup, paints.second, paints.body),
    )
    canvas.polygon([(0.52, 0), (0.52, cab + 0.1), (0.7, cab + 0.1), (0.85, 0)], paints.mark)
    _wheel(canvas, -0.7, wheel)
    _wheel(canvas, -0.25, wheel, 1 - pickup)
    _wheel(canvas, 0.66, wheel)


def bird(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """From the side: standing on two thin legs, or flying with both wings spread."""
    flying = np.maximum(_chosen(pose[4], 0.35), paints.alike)
    tip = between(pose[0], -0.9, 0.4)
    head_y = between(pose[1], -0.45, -0.25)
    tail = between(pose[2], -0.1, 0.35)
    orange = colour(235, 150, 40)
    for x in (-0.05, 0.15):
        canvas.line(((x, 0.4), (x + 0.05, 0.9)), 0.035, orange, 1 - flying)
    canvas.polygon([(0.2, 0), (-0.2, 0), (-0.45, -0.9), (-0.2, -0.9)], paints.shade, flying)
    canvas.polygon([(-0.35, 0.35), (-1.0, tail + 0.2), (-0.95, tail), (-0.3, 0.05)], paints.shade)
    canvas.line(((-0.25, 0.22), (0.2, 0.08)), between(pose[3], 0.26, 0.34), paints.body)
    canvas.ellipse((0.4, head_y), (0.25, 0.25), paints.body)
    canvas.ellipse((0.15, 0.25), (0.25, 0.18), paints.light)
    canvas.polygon(
        [(0.6, head_y - 0.1), (0.98, head_y + 0.06), (0.58, head_y + 0.13)],
        between(paints.alike, orange, paints.shade),
    )
    canvas.polygon([(0.15, 0.1), (-0.3, 0.25), (-0.6, tip), (-0.3, tip)], paints.shade)
    canvas.ellipse((0.46, head_y - 0.06), (0.08, 0.08), WHITE)
    canvas.ellipse((0.48, head_y - 0.06), (0.05, 0.05), BLACK)


def _sitting_body(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """What cats and dogs share: a body seen from the front, two front legs, a head."""
    canvas.ellipse((0, 0.5), (between(pose[3], 0.38, 0.5), 0.48), paints.shade)
    canvas.ellipse((0, 0.45), (0.2, 0.3), paints.light)
    for side in (-1, 1):
        canvas.line(((0.16 * side, 0.45), (0.18 * side, 0.88)), 0.1, paints.body)
    canvas.ellipse((0, -0.2), (between(pose[4], 0.42, 0.5), 0.4), paints.body)


def _eyes(canvas: Canvas, paint: Floats) -> None:
    for side in (-1, 1):
        canvas.ellipse((0.19 * side, -0.28), (0.1, 0.09), paint)
        canvas.ellipse((0.19 * side, -0.28), (0.05, 0.08), BLACK)


def _pointed_ears(canvas: Canvas, height: Floats, paint: Floats, opacity: Number = 1.0) -> None:
    canvas.polygon([(-0.42, -0.25), (-0.38, height), (-0.06, -0.5)], paint, opacity)
    canvas.polygon([(0.06, -0.5), (0.38, height), (0.42, -0.25)], paint, opacity)


def cat(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """Sitting, from the front: pointed ears, green eyes, whiskers, often a long tail."""
    tail = between(pose[1], -0.35, 0.6)
    canvas.line(((0.35, 0.8), (0.8, 0.65)), 0.08, paints.shade)
    canvas.line(((0.8, 0.65), (0.85, tail)), 0.08, paints.shade)
    _sitting_body(canvas, pose, paints)
    ears = between(paints.alike, between(pose[0], -0.95, -0.65), -0.7)
    _pointed_ears(canvas, ears, paints.body)
    striped = _chosen(pose[6], 0.6) * (1 - paints.alike)
    for x in (-0.14, 0.0, 0.14):
        canvas.line(((x, -0.58), (x, -0.44)), 0.035, paints.mark, striped)
    _eyes(canvas, between(paints.alike, colour(190, 215, 80), WHITE))
    canvas.ellipse((0, -0.06), (between(pose[5], 0.12, 0.22), 0.11), paints.light)
    canvas.ellipse((0, -0.12), (0.07, 0.05), colour(225, 120, 130))
    for side in (-1, 1):
        canvas.line(
            ((0.15 * side, -0.06), (0.62 * side, -0.1)), 0.02, WHITE, 0.8 * (1 - paints.alike)
        )


def dog(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """Sitting, from the front: ears that hang or stand, a muzzle with a black nose, a tongue."""
    canvas.line(((0.35, 0.8), (0.78, between(pose[1], 0.0, 0.7))), 0.08, paints.shade)
    _sitting_body(canvas, pose, paints)
    pricked = np.maximum(_chosen(pose[6], 0.4), paints.alike)
    _pointed_ears(canvas, between(pose[0], -0.9, -0.65), paints.shade, pricked)
    drop = between(pose[0], 0.0, 0.3)
    for side in (-1, 1):
        canvas.line(((0.4 * side, -0.42), (0.52 * side, drop)), 0.14, paints.shade, 1 - pricked)
    _eyes(canvas, WHITE)
    tongue = between(pose[2], 0.04, 0.18)
    canvas.ellipse((0, 0.14), (0.09, tongue), colour(225, 95, 110), 1 - paints.alike)
    canvas.ellipse((0, -0.02), (between(pose[5], 0.16, 0.26), 0.17), paints.light)
    canvas.ellipse((0, -0.1), (0.1, 0.07), BLACK)


def _four_legs(canvas: Canvas, pose: Floats, paints: Paints, thickness: float) -> None:
    """Legs of a standing or trotting animal."""
    stride = between(pose[0], -0.2, 0.2)
    for x, swing, paint in (
        (-0.42, -stride, paints.shade), (0.32, stride, paints.shade),
        (-0.52, stride, paints.body), (0.24, -stride, paints.body),
    ):  # fmt: skip
        canvas.line(((x, 0.2), (x + swing, 0.85)), thickness, paint)


def deer(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """From the side: slim legs, a raised neck, antlers, a short tail, spots."""
    head_y = between(pose[1], -0.5, -0.35)
    antler = between(pose[2], 0.25, 0.5)
    _four_legs(canvas, pose, paints, 0.05)
    canvas.line(((-0.45, 0.1), (0.25, 0.08)), between(pose[5], 0.2, 0.26), paints.body)
    canvas.line(((0.3, 0.02), (0.5, head_y)), 0.11, paints.body)
    canvas.line(((0.5, head_y), (0.75, head_y + 0.1)), 0.11, paints.body)
    horn, stag = colour(120, 90, 60), _chosen(pose[3], 0.6) * (1 - paints.alike)
    canvas.polygon(
        [(0.38, head_y - 0.06), (0.36, head_y - 0.28), (0.52, head_y - 0.06)], paints.body
    )
    for lean in (-0.3, 0.12):
        tip = (0.47 + lean, head_y - antler)
        canvas.line(((0.47, head_y - 0.05), tip), 0.035, horn, stag)
        fork = (0.47 + 0.6 * lean, head_y - 0.6 * antler)
        canvas.line((fork, (0.6 + lean, head_y - 0.8 * antler)), 0.03, horn, stag)
    canvas.ellipse((-0.68, 0.05), (0.1, 0.12), WHITE, 1 - 0.5 * paints.alike)
    spotted = _chosen(pose[4], 0.6) * (1 - paints.alike)
    for x, y in ((-0.4, 0), (-0.2, 0.05), (-0.02, -0.02)):
        canvas.ellipse((x, y), (0.05, 0.05), paints.light, spotted)
    canvas.ellipse((0.55, head_y), (0.04, 0.04), BLACK)


def horse(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """From the side: a heavy body, a mane, a long tail."""
    same_hair = np.maximum(_chosen(pose[4], 0.3), paints.alike)
    hair = between(same_hair, paints.mark, paints.shade)
    head_y = between(pose[1], -0.6, -0.3)
    tail = between(pose[2], 0.15, 0.75)
    canvas.line(((-0.65, 0), (between(pose[3], -1.0, -0.75), tail)), 0.09, hair)
    _four_legs(canvas, pose, paints, 0.085)
    canvas.line(((-0.4, 0.05), (0.25, 0.05)), between(pose[5], 0.24, 0.31), paints.body)
    canvas.line(((0.22, -0.1), (0.5, head_y)), 0.17, paints.body)
    canvas.line(((0.12, -0.2), (0.4, head_y - 0.15)), 0.09, hair)
    canvas.line(((0.52, head_y), (0.8, head_y + 0.28)), 0.13, paints.body)
    canvas.polygon(
        [(0.4, head_y - 0.08), (0.48, head_y - 0.32), (0.56, head_y - 0.08)], paints.body
    )
    canvas.ellipse((0.58, head_y - 0.01), (0.045, 0.045), BLACK)


def frog(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """Crouching, from the front: a wide body and mouth, eyes on top, bent legs."""
    width = between(pose[0], 0.5, 0.65)
    eyes = between(pose[1], -0.4, -0.2)
    knee = between(pose[2], 0.0, 0.25)
    for side in (-1, 1):
        canvas.line(((0.45 * side, 0.6), (0.85 * side, knee)), 0.15, paints.shade)
        canvas.line(((0.85 * side, knee), (0.75 * side, 0.7)), 0.1, paints.shade)
        canvas.ellipse((0.75 * side, 0.75), (0.25, 0.08), paints.second)
    canvas.ellipse((0, 0.25), (width, 0.5), paints.body)
    canvas.ellipse((0, 0.5), (0.6 * width, 0.25), paints.light)
    for side in (-1, 1):
        canvas.ellipse((0.34 * side, eyes), (0.22, 0.22), paints.body)
        canvas.ellipse((0.34 * side, eyes - 0.02), (0.14, 0.14), WHITE)
        canvas.ellipse((0.34 * side, eyes - 0.02), (0.08, 0.08), BLACK)
        canvas.line(((0, 0.27), (0.42 * side, 0.14)), 0.035, BLACK, 0.8)
        canvas.line(((0.22 * side, 0.5), (0.3 * side, 0.78)), 0.08, paints.body)


def ship(canvas: Canvas, pose: Floats, paints: Paints) -> None:
    """From the side: a hull, cabins with windows, one or two funnels."""
    deck, bow = between(pose[0], 0.05, 0.2), between(pose[1], 0.85, 1.05)
    bridge = between(pose[2], -0.35, -0.15)
    funnel_x = between(pose[3], -0.4, 0.1)
    for shift, width in ((0.0, 0.1), (0.3, 0.09)):
        canvas.box((funnel_x + shift, bridge - 0.15), (width, 0.25), paints.second)
        canvas.box((funnel_x + shift, bridge - 0.33), (width, 0.07), BLACK)
    canvas.box((-0.1, 0.5 * (bridge + deck)), (0.55, 0.5 * (deck - bridge)), WHITE)
    canvas.box((-0.1, bridge + 0.12), (0.45, 0.04), colour(70, 85, 105))
    canvas.polygon([(-0.95, deck), (bow, deck - 0.08), (0.6, 0.6), (-0.75, 0.6)], paints.body)
    canvas.polygon([(-0.85, 0.42), (0.75, 0.42), (0.6, 0.6), (-0.75, 0.6)], paints.shade)
    canvas.line(((0.55, deck), (0.55, deck - 0.5)), 0.025, BLACK)
    canvas.box((-0.05, 0.66), (1.0, 0.06), WHITE, 0.7)


OBJECTS: dict[str, Callable[[Canvas, Floats, Paints], None]] = {
    function.__name__: function
    for function in (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck)
}
