"""Drawn creatures that stand for identities, so that recognition can be studied without faces.

A creature is a few strokes and blobs seen from the side: a body on legs, a neck and a head without
eyes or mouth, a tail, feelers, plates on its back, spots. Which identity has which of them follows
from the seed; its pictures differ in angle, place, size, stride, light and background.

There are two groups. *Varied* creatures differ from each other in everything; *plain* ones resemble
each other, as far as ``plain_spread`` says. The groups stand for no group of people.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils.datasets.base import Datasheet, ImageDataset, ImageSplit
from course_utils.datasets.pixels10.backgrounds import NUM_TEXTURE_NUMBERS, smooth_texture
from course_utils.datasets.pixels10.canvas import (
    NUM_CHANNELS,
    PIXEL_X,
    PIXEL_Y,
    SIDE,
    Canvas,
    between,
)
from course_utils.datasets.pixels10.scenes import add_noise
from course_utils.datasets.pixels10.streams import Floats, bits, uniform
from course_utils.labs.miniature import LabError

GROUPS = ("plain", "varied")
PLAIN_SPREAD = 0.35  # of the plain creatures' attributes, as a share of the varied ones'
MAX_IDENTITIES = 100_000

# Each trait is a number in [0, 1); this is the middle that plain creatures lie around. They are
# pale green with dark blue marks, so that they stand out from the ground as well as varied ones do.
_MIDDLES = {
    **{"red": 0.7, "green": 1.0, "blue": 0.8},
    **{"second red": 0.1, "second green": 0.1, "second blue": 0.35},
    **dict.fromkeys(("length", "height", "legs", "leg length", "neck", "head", "snout"), 0.5),
    **dict.fromkeys(("feelers", "feeler angle", "tail", "tail angle", "plates"), 0.5),
    **dict.fromkeys(("spots", "spot size", "saddle"), 0.5),
}
_NUM_VIEW_NUMBERS = 13

_ANGLE = (-15.0, 15.0)  # degrees
_PLACE = (-2.0, 2.0)  # pixels from the picture's centre
_SIZE = (8.5, 11.5)  # pixels for one unit: creatures reach about one from their centre
_LIGHT = (0.8, 1.15)  # factor on every colour
_NOISE = (2.0, 8.0)  # standard deviation, in levels of 0–255
_GROUND = (90.0, 150.0)  # level of the ground, 0–255
_TINT = (-15.0, 15.0)  # what is added to each of its channels
_TEXTURE = 12.0  # levels by which it is lighter or darker in places

_CHUNK = 128  # pictures painted at once

DATASHEET = Datasheet(
    title="creatures: drawn creatures as identities",
    source=(
        "Synthetic: each 32×32 picture is painted from random numbers by this course's own code "
        "(course_utils.labs.drawn.creatures). A creature is a body on legs, without eyes or mouth."
    ),
    consent="None needed: there are no people in the pictures and nobody's pictures behind them.",
    license="CC BY 4.0",
    known_faults=(
        "Two pictures of a creature differ in far fewer ways than two photographs of a person.",
        "That plain creatures resemble each other was decided by those who drew them. The two "
        "groups stand for no group of people, and a difference between them is not evidence about "
        "people.",
        "A result on these pictures shows that a mechanism can occur, not that it does occur, or "
        "how strongly, in photographs or in any product.",
    ),
    citations=(
        "Gebru et al. 2021, Datasheets for Datasets, doi:10.1145/3458723 (the form of this sheet)",
    ),
)


def draw(
    identities: Iterable[int],
    num_views: int,
    *,
    seed: int,
    split: str = "train",
    plain_spread: float = PLAIN_SPREAD,
) -> ImageSplit:
    """Draw pictures of creatures; the same arguments give the same pictures everywhere.

    A view of a creature depends on nothing but its identity, its number and the seed: not on which
    others are drawn, nor on how many views there are.

    Args:
        identities: whole numbers from 0, each once. Even ones are plain, odd ones varied.
        num_views: pictures of each, from 1.
        seed: a whole number from 0; another seed has other creatures.
        split: "train" or "test": which of two independent sequences of views.
        plain_spread: 0 to 1: how much the plain creatures differ from each other, as a share of
            how much the varied ones do.

    Returns:
        Pictures (n, 32, 32, 3), all views of the first identity before those of the second;
        ``labels``, the place in ``identities``; and the attributes ``identity``, ``group`` (of
        :data:`GROUPS`), ``view`` (its number, from 0), ``angle`` (degrees, clockwise),
        ``position_x`` and ``position_y`` (pixels from the picture's centre), ``size`` (pixels for
        half of a creature), ``mirrored`` (0 or 1), ``light`` (factor on the colours) and ``noise``
        (standard deviation, in levels of 0–255).

    Raises:
        LabError: a value that is not allowed.
    """
    numbers = list(identities)
    _check(numbers, num_views, seed, split, plain_spread)
    which = np.asarray(numbers, np.int64)
    traits = _traits(which, seed, plain_spread)
    columns = _NUM_VIEW_NUMBERS + NUM_TEXTURE_NUMBERS
    views, textures = np.split(
        np.concatenate([uniform(seed, f"{split}/{one}", num_views, columns) for one in which]),
        [_NUM_VIEW_NUMBERS],
        axis=1,
    )
    labels = np.repeat(np.arange(len(which)), num_views)
    attributes = pd.DataFrame(
        {
            "identity": which[labels],
            "group": groups_of(which)[labels],
            "view": np.tile(np.arange(num_views), len(which)),
            "angle": np.rint(between(views[:, 0], *_ANGLE)).astype(np.int64),
            "position_x": between(views[:, 1], *_PLACE),
            "position_y": between(views[:, 2], *_PLACE),
            "size": between(views[:, 3], *_SIZE),
            "mirrored": (views[:, 4] < 0.5).astype(np.int64),
            "light": between(views[:, 5], *_LIGHT),
            "noise": between(views[:, 6] * views[:, 6], *_NOISE),
        }
    )
    images = np.empty((len(labels), SIDE, SIDE, NUM_CHANNELS), np.uint8)
    for start in range(0, len(labels), _CHUNK):
        part = slice(start, start + _CHUNK)
        images[part] = _paint(
            traits[labels[part]], views[part, 7:], textures[part], attributes.iloc[part]
        )
    noise = attributes["noise"].to_numpy(np.float64).reshape(-1, num_views)
    for index, one in enumerate(which):
        add_noise(
            images[index * num_views :][:num_views],
            noise[index],
            bits(seed, f"{split}/noise/{one}"),
        )
    return ImageSplit(images, labels, attributes)


def load(
    identities: Iterable[int],
    num_views: int,
    *,
    num_test_views: int = 5,
    seed: int,
    plain_spread: float = PLAIN_SPREAD,
) -> ImageDataset:
    """Draw a data set in which each creature is a class.

    Args:
        identities: whole numbers from 0, each once.
        num_views: training pictures of each.
        num_test_views: test pictures of each.
        seed: as in :func:`draw`.
        plain_spread: as in :func:`draw`.
    """
    numbers = list(identities)
    train, test = (
        draw(numbers, number, seed=seed, split=split, plain_spread=plain_spread)
        for split, number in (("train", num_views), ("test", num_test_views))
    )
    names = tuple(f"creature {one}" for one in numbers)
    return ImageDataset("creatures", train, test, names, DATASHEET, group="group")


def groups_of(identities: Iterable[int]) -> NDArray[np.object_]:
    """The group of each identity: "plain" for even numbers, "varied" for odd ones."""
    return np.array(GROUPS, object)[np.asarray(list(identities), np.int64) % 2]


def _check(
    identities: list[int], num_views: object, seed: object, split: object, plain_spread: object
) -> None:
    if not identities:
        raise LabError("identities is empty; creatures are drawn of at least one")
    for one in identities:
        if not _is_whole(one, 0) or one >= MAX_IDENTITIES:
            raise LabError(
                f"an identity is {one!r}; it must be a whole number from 0 to "
                f"{MAX_IDENTITIES - 1:,}"
            )
    if len(set(identities)) < len(identities):
        twice = next(one for one in identities if identities.count(one) > 1)
        raise LabError(f"identity {twice} is there twice; each is given once, with num_views views")
    if not _is_whole(num_views, 1):
        raise LabError(f"num_views is {num_views!r}; it must be a whole number from 1")
    if not _is_whole(seed, 0):
        raise LabError(f"seed is {seed!r}; it must be a whole number from 0")
    if split not in ("train", "test"):
        raise LabError(f"split is {split!r}; it must be 'train' or 'test'")
    is_number = isinstance(plain_spread, int | float | np.number) and math.isfinite(plain_spread)
    if not is_number or not 0 <= plain_spread <= 1:  # type: ignore[operator]
        raise LabError(f"plain_spread is {plain_spread!r}; it must be a number from 0 to 1")


def _is_whole(value: object, least: int) -> bool:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and value >= least  # type: ignore[operator]


def _traits(identities: NDArray[np.int64], seed: int, plain_spread: float) -> Floats:
    """What each creature looks like: (identities, traits), numbers in [0, 1]."""
    traits = uniform(seed, "creatures", int(identities.max()) + 1, len(_MIDDLES))[identities]
    spread = np.where(groups_of(identities) == "plain", plain_spread, 1).astype(np.float32)[:, None]
    middles = np.array(list(_MIDDLES.values()), np.float32)
    return middles + spread * (traits - middles)


def _paint(
    traits: Floats, views: Floats, textures: Floats, table: pd.DataFrame
) -> NDArray[np.uint8]:
    """Paint pictures without noise: (n, 32, 32, 3)."""
    canvas = Canvas.blank(len(traits))
    ground = between(views[:, :1], *_GROUND) + between(views[:, 1:4], *_TINT)
    canvas.planes += ground.T[:, :, None] + _TEXTURE * smooth_texture(textures)

    def column(name: str) -> Floats:
        return table[name].to_numpy(np.float32)[:, None]

    placed = canvas.placed(
        position_x=column("position_x"),
        position_y=column("position_y"),
        size=column("size"),
        degrees=column("angle"),
        mirror=1 - 2 * column("mirrored"),
    )
    _paint_creature(placed, traits, stride=between(views[:, 4:5], -0.12, 0.12))
    slope = between(views[:, 5:6], -0.25, 0.25) * np.float32(1 / SIDE)
    canvas.planes *= column("light") + slope * (PIXEL_X + PIXEL_Y)
    canvas.planes += 0.5
    np.clip(canvas.planes, 0, 255, out=canvas.planes)
    return np.moveaxis(canvas.planes.astype(np.uint8), 0, -1).reshape(-1, SIDE, SIDE, NUM_CHANNELS)


@dataclass(frozen=True)
class _Creature:
    """What is painted, and the sizes that several of its parts share."""

    canvas: Canvas
    look: dict[str, Floats]  # trait -> (n, 1)
    body: Floats  # colours, (3, n, 1)
    shade: Floats
    second: Floats
    length: Floats  # half of the body's
    height: Floats
    middle: Floats  # how far down the body's middle is


def _paint_creature(canvas: Canvas, traits: Floats, *, stride: Floats) -> None:
    """Paint creatures that look to the right, each from its traits."""
    look = dict(zip(_MIDDLES, np.ascontiguousarray(traits.T)[:, :, None], strict=True))
    channels = ("red", "green", "blue")
    body = np.stack([between(look[name], 40, 235) for name in channels])
    creature = _Creature(
        canvas,
        look,
        body=body,
        shade=np.float32(0.6) * body,
        second=np.stack([between(look[f"second {name}"], 10, 250) for name in channels]),
        length=between(look["length"], 0.42, 0.8),
        height=between(look["height"], 0.2, 0.5),
        middle=between(look["leg length"], 0.25, -0.3),
    )
    _paint_tail(creature)
    _paint_legs(creature, stride)
    _paint_plates(creature)
    centre, height = (0.0, creature.middle), creature.height
    canvas.ellipse(centre, (creature.length, height), body)
    saddle = _first(0, 2 * look["saddle"] - 0.3)
    canvas.ellipse(centre, (0.3 * creature.length, height), creature.second, saddle)
    _paint_head(creature)
    _paint_spots(creature)


def _first(index: int, number: Floats) -> Floats:
    """1 where there is a part with this index among ``number`` of them, else 0: its opacity."""
    return (index < np.floor(number)).astype(np.float32)


def _paint_tail(creature: _Creature) -> None:
    look, length, y = creature.look, creature.length, creature.middle
    reach = between(look["tail"], 0.0, 0.6)
    end = (-length - reach, y + between(look["tail angle"], 0.5, -0.9) * reach)
    creature.canvas.line(((-0.8 * length, y), end), 0.08, creature.second)
    tuft = _first(0, look["tail angle"] + 0.45)
    creature.canvas.ellipse(end, (0.13, 0.13), creature.second, tuft)


def _paint_legs(creature: _Creature, stride: Floats) -> None:
    """From two to five legs, as far apart as the body is long."""
    number = np.floor(between(creature.look["legs"], 2, 6))
    number = np.minimum(number, np.float32(5))
    for index in range(5):
        part = np.asarray(index / (number - 1), np.float32)
        x = np.asarray(creature.length * between(part, -0.75, 0.75), np.float32)
        foot = x + (stride if index % 2 else -stride)
        ends = ((x, creature.middle), (foot, 0.9))
        creature.canvas.line(ends, 0.075, creature.shade, _first(index, number))


def _paint_plates(creature: _Creature) -> None:
    """From none to four plates along the back."""
    top = creature.middle - creature.height
    for index in range(4):
        x = creature.length * (0.36 * index - 0.6)
        corners = [(x - 0.15, top + 0.2), (x, top - 0.22), (x + 0.15, top + 0.2)]
        creature.canvas.polygon(
            corners, creature.second, _first(index, 5 * creature.look["plates"])
        )


def _paint_head(creature: _Creature) -> None:
    """A blob on a neck, without eyes or mouth, with up to three feelers."""
    canvas, look, y = creature.canvas, creature.look, creature.middle
    radius = between(look["head"], 0.14, 0.28)
    head_x, head_y = 0.95 * creature.length, y - between(look["neck"], 0.05, 0.6)
    for index in range(3):
        tip = head_x + between(look["feeler angle"], -0.3, 0.35) + 0.16 * (index - 1)
        ends = ((head_x, head_y), (tip, head_y - radius - 0.28))
        canvas.line(ends, 0.05, creature.second, _first(index, 4 * look["feelers"]))
    canvas.line(((0.6 * creature.length, y), (head_x, head_y)), 0.13, creature.body)
    snout = head_x + radius + between(look["snout"], -0.1, 0.3)
    canvas.line(((head_x, head_y), (snout, head_y + 0.12)), 0.08, creature.shade)
    canvas.ellipse((head_x, head_y), (radius, radius), creature.body)


def _paint_spots(creature: _Creature) -> None:
    """From none to four spots on the body."""
    radius = between(creature.look["spot size"], 0.06, 0.15)
    places = [(-0.55, 0.1), (0.5, -0.2), (-0.1, 0.45), (0.1, -0.5)]
    for index, (across, down) in enumerate(places):
        centre = (across * creature.length, creature.middle + down * creature.height)
        opacity = _first(index, 5 * creature.look["spots"])
        creature.canvas.ellipse(centre, (radius, radius), creature.second, opacity)
