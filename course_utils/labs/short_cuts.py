"""Does a network learn the object, or what usually lies behind it?

The pictures are pixels10's. In training the background is the class's typical one with a
probability ρ that is more than chance; in testing the same objects stand before their class's
typical background, before any, and before the typical one of another class. What is lost from the
first to the last was owed to the background, or is due to a sight that is unusual; how often the
answer is a class of the background that is shown tells these two apart.

Where the networks look is asked by hiding parts of a picture. Such a map shows something for an
untrained network, too, which is why it is asked as well.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils import datasets
from course_utils.datasets.base import ImageDataset, ImageSplit
from course_utils.datasets.pixels10 import (
    BACKGROUND_NAMES,
    CLASS_NAMES,
    TYPICAL_BACKGROUNDS,
    draw,
)
from course_utils.datasets.pixels10.scenes import paint_scenes
from course_utils.datasets.pixels10.streams import uniform
from course_utils.labs import learners, miniature

CORRELATIONS = (0.0, 0.4, 0.8, 0.95)
TYPICAL, ANY, CONFLICTING = "typical", "any", "conflicting"
UNTRAINED = "untrained"
PATCH = 4  # pixels
GREY = 128  # of what hides a part of a picture
NUM_PICTURES = 24

Predict = Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]]
OcclusionMap = Callable[[Predict, NDArray[np.uint8], int, int], NDArray[np.floating[Any]]]

_TYPICAL = np.array([TYPICAL_BACKGROUNDS[name] for name in CLASS_NAMES], object)


def measure(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    correlations: Iterable[float] = CORRELATIONS,
) -> pd.DataFrame:
    """Train with backgrounds that go with the class ever more often, and swap them in testing.

    Args:
        seeds: one training for each correlation and seed; a seed fixes pictures, weights and order,
            and with the same seed the objects are the same whatever stands behind them.
        epochs: passes over the training pictures.
        num_train: training pictures.
        num_test: test objects, each of which is shown before three backgrounds.
        correlations: ρ in training, each from 0 to 1.

    Returns:
        One row per correlation, seed and background: ``correlation``, ``seed``, ``background``
        (``"typical"`` of the class, ``"any"``, or ``"conflicting"``: typical of another class),
        ``accuracy``, and ``pull`` (share of the pictures that are given another class, of which the
        background shown is typical).

    Raises:
        miniature.LabError: a correlation isn't between 0 and 1.
    """
    correlations = [_checked(correlation) for correlation in correlations]

    def run(seed: int) -> list[dict[str, Any]]:
        pictures = swap_backgrounds(num_test, seed=seed)
        rows = []
        for correlation in correlations:
            network = _train(correlation, seed, epochs=epochs, num_train=num_train)
            for background, split in pictures.items():
                answers = network.predict(split.images).argmax(axis=1)
                shown = split.attributes["background"].to_numpy()
                right = answers == split.labels
                rows.append(
                    {
                        "correlation": correlation,
                        "seed": seed,
                        "background": background,
                        "accuracy": float(right.mean()),
                        "pull": float((~right & (_TYPICAL[answers] == shown)).mean()),
                    }
                )
        return rows

    return miniature.table(run, seeds, label="seed")


def costs(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracy that vanishes when typical backgrounds are swapped for conflicting ones.

    Args:
        runs: from :func:`measure`.

    Returns:
        One row per correlation and seed: ``correlation``, ``seed``, and ``cost``: the accuracy with
        typical backgrounds minus the accuracy with conflicting ones.
    """
    wide = runs.pivot_table(
        "accuracy", index=["correlation", "seed"], columns="background", sort=False
    )
    return (wide[TYPICAL] - wide[CONFLICTING]).rename("cost").reset_index()


def pulls(runs: pd.DataFrame) -> pd.DataFrame:
    """How often a conflicting background decides: one row per seed, one column per correlation."""
    conflicting = runs[runs["background"] == CONFLICTING]
    return conflicting.pivot_table("pull", index="seed", columns="correlation", sort=False)


def swap_backgrounds(num_images: int, *, seed: int) -> dict[str, ImageSplit]:
    """Draw the same objects before three backgrounds.

    Args:
        num_images: how many objects.
        seed: fixes them; they are those of ``datasets.load("pixels10", seed=seed).test``.

    Returns:
        Test pictures: ``"typical"`` of their class, ``"any"`` of the six, equally often, and
        ``"conflicting"``: typical of another class, and not of the object's own.
    """
    typical, random = (
        draw(num_images, seed=seed, split="test", background_correlation=correlation)
        for correlation in (1.0, 0.0)
    )
    others = _other_backgrounds(typical.labels, uniform(seed, "test/conflict", num_images)[:, 0])
    return {TYPICAL: typical, ANY: random, CONFLICTING: repaint(typical, others, seed=seed)}


def _other_backgrounds(
    labels: NDArray[np.int64], numbers: NDArray[np.floating[Any]]
) -> NDArray[np.object_]:
    """The typical background of another class for each, chosen by numbers in [0, 1).

    Each of the classes that have another background than the object's own is equally likely.
    """
    others = np.empty(len(labels), object)
    for label, own in enumerate(_TYPICAL):
        chosen = np.flatnonzero(labels == label)
        known = _TYPICAL[own != _TYPICAL]
        others[chosen] = known[(numbers[chosen] * len(known)).astype(int)]
    return others


def repaint(split: ImageSplit, backgrounds: Any, *, seed: int) -> ImageSplit:
    """Paint drawn test pictures anew before other backgrounds; all else stays as it is.

    Args:
        split: the first test pictures of pixels10 for this seed, none left out.
        backgrounds: the name of one, or one for each picture.
        seed: that the pictures were drawn with.
    """
    attributes = split.attributes.assign(background=backgrounds)
    images = paint_scenes(seed, "test", attributes["true_label"].to_numpy(), attributes)
    return ImageSplit(images, split.labels, attributes)


# --- Where do they look?


def occlusion_map(
    predict: Predict, image: NDArray[np.uint8], label: int, size: int
) -> NDArray[np.float64]:
    """Find what a class's probability loses when a part of the picture is hidden.

    Args:
        predict: gives the class probabilities (n, num_classes) of pictures.
        image: (height, width, 3).
        label: of the class.
        size: the side of the grey squares that hide the picture one after the other, in pixels.

    Returns:
        (height // size, width // size): the probability for the whole picture minus the probability
        with the square in that row and column hidden.

    Source: after Zeiler and Fergus 2014, doi:10.1007/978-3-319-10590-1_53.
    """
    maps = occlusion_maps(predict, image[None], np.array([label]), size=size)
    found: NDArray[np.float64] = maps[0]
    return found


def occlusion_maps(
    predict: Predict, images: NDArray[np.uint8], labels: NDArray[np.int64], *, size: int
) -> NDArray[np.float64]:
    """Make the maps of several pictures at once; as :func:`occlusion_map`.

    Returns:
        (n, height // size, width // size)
    """
    number, height, width = images.shape[:3]
    rows, columns = height // size, width // size
    hidden = np.repeat(images[:, None], rows * columns, axis=1)
    for place in range(rows * columns):
        top, left = size * (place // columns), size * (place % columns)
        hidden[:, place, top : top + size, left : left + size] = GREY
    whole = np.asarray(predict(images), float)[np.arange(number), labels]
    answers = np.asarray(predict(hidden.reshape(-1, *images.shape[1:])), float)
    partial = answers.reshape(number, rows * columns, -1)[np.arange(number), :, labels]
    drops: NDArray[np.float64] = (whole[:, None] - partial).reshape(number, rows, columns)
    return drops


def look(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    correlations: Iterable[float] = (0.0, 0.95),
    num_pictures: int = NUM_PICTURES,
    size: int = PATCH,
) -> pd.DataFrame:
    """Measure how much of the occlusion maps lies on the background.

    The maps are those of the class that each network gives each picture, and what counts is how far
    its probability moves, up or down. The pictures have the typical background and nothing but
    the object before it.

    Args:
        seeds: as in :func:`measure`, whose networks they are.
        epochs: likewise.
        num_train: likewise.
        correlations: ρ in the trainings; the untrained network comes in addition.
        num_pictures: test pictures that are looked at for each seed.
        size: the side of the squares that hide a part of the picture, in pixels.

    Returns:
        One row per network and seed: ``network`` (``"untrained"``, or ``"ρ = 0.95"``), ``seed``,
        ``background_share`` (of the map, mean over the pictures), ``area`` (share of the picture
        that is background: what a map that is equal everywhere would have), and ``likeness``
        (correlation with the untrained network's map).

    Raises:
        miniature.LabError: a correlation isn't between 0 and 1, or the size fits no picture.
    """
    correlations = [_checked(correlation) for correlation in correlations]

    def run(seed: int) -> list[dict[str, Any]]:
        pictures, objects = lone_objects(num_pictures, seed=seed)
        on_object = _by_square(objects, size)
        networks = _networks(correlations, seed, epochs=epochs, num_train=num_train)
        maps = {}
        for name, network in networks.items():
            answers = network.predict(pictures.images).argmax(axis=1)
            maps[name] = np.abs(
                occlusion_maps(network.predict, pictures.images, answers, size=size)
            )
        return [
            {
                "network": name,
                "seed": seed,
                "background_share": float(_shares(one, 1 - on_object).mean()),
                "area": float(1 - on_object.mean()),
                "likeness": float(_correlations(one, maps[UNTRAINED]).mean()),
            }
            for name, one in maps.items()
        ]

    return miniature.table(run, seeds, label="seed")


def examples(
    *,
    seed: int,
    epochs: int,
    num_train: int,
    correlations: Iterable[float] = (0.0, 0.95),
    num_pictures: int = 8,
    size: int = PATCH,
    function: OcclusionMap = occlusion_map,
) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.float64]]]:
    """Make the maps of some pictures, to look at.

    Args:
        seed: as in :func:`look`, and so on.
        epochs: likewise.
        num_train: likewise.
        correlations: likewise.
        num_pictures: likewise.
        size: likewise.
        function: makes a map; a learner's own, or where it isn't written yet, the course's.

    Returns:
        The pictures, and the maps (n, rows, columns) of each network, for the class that the
        network gives the picture.
    """
    pictures, _ = lone_objects(num_pictures, seed=seed)
    networks = _networks(
        [_checked(one) for one in correlations], seed, epochs=epochs, num_train=num_train
    )
    probabilities = np.full((1, 10), 0.1)
    function = learners.choose(
        function,
        occlusion_map,
        lambda images: probabilities.repeat(len(images), axis=0),
        np.array(pictures.images[0]),
        0,
        size,
        exercise="4.4",
    )
    maps = {}
    for name, network in networks.items():
        answers = network.predict(pictures.images).argmax(axis=1)
        maps[name] = np.array(
            [
                function(network.predict, np.array(image), int(answer), size)
                for image, answer in zip(pictures.images, answers, strict=True)
            ]
        )
    return np.asarray(pictures.images), maps


def lone_objects(num_pictures: int, *, seed: int) -> tuple[ImageSplit, NDArray[np.bool_]]:
    """Draw pictures with nothing but an object before its typical background.

    Returns:
        The pictures, and (n, height, width) where the object is: the pixels that stay the same
        whichever background is painted behind it.
    """
    drawn = draw(3 * num_pictures + 20, seed=seed, split="test", background_correlation=1.0)
    table = drawn.attributes
    alone = (
        (table["companion"] == "none") & (table["clutter"] == 0) & (table["occlusion"] == 0)
    ).to_numpy()
    same = np.ones(drawn.images.shape[:3], bool)
    for name in BACKGROUND_NAMES:
        other = repaint(drawn, name, seed=seed)
        same &= (np.asarray(other.images) == np.asarray(drawn.images)).all(axis=-1)
    chosen = np.flatnonzero(alone)[:num_pictures]
    return drawn.take(chosen), same[chosen]


def _by_square(pixels: NDArray[np.bool_], size: int) -> NDArray[np.float64]:
    """(n, rows, columns): the share of each square's pixels that are True."""
    number, height, width = pixels.shape
    if not 1 <= size <= height:
        raise miniature.LabError(
            f"size is {size}; a square that hides a part of a picture has a side of 1 to {height} "
            "pixels"
        )
    rows, columns = height // size, width // size
    squares = pixels[:, : rows * size, : columns * size].reshape(number, rows, size, columns, size)
    shares: NDArray[np.float64] = squares.mean(axis=(2, 4))
    return shares


def _shares(maps: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) which share of each map lies on a part of the picture; a map of zeros is even."""
    mass = maps.sum(axis=(1, 2))
    even = part.mean(axis=(1, 2))
    on_part = (maps * part).sum(axis=(1, 2))
    found: NDArray[np.float64] = np.where(mass > 0, on_part / np.where(mass > 0, mass, 1), even)
    return found


def _correlations(maps: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) Pearson's correlation of each pair of maps; 0 where one is the same everywhere."""
    a, b = (one.reshape(len(one), -1) for one in (maps, others))
    a, b = (one - one.mean(axis=1, keepdims=True) for one in (a, b))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    found: NDArray[np.float64] = (a * b).sum(axis=1) / np.where(scale > 0, scale, 1)
    return found  # 0 where the scale is


def _networks(
    correlations: Iterable[float], seed: int, *, epochs: int, num_train: int
) -> dict[str, miniature.Network]:
    trained = {
        f"ρ = {correlation:g}": _train(correlation, seed, epochs=epochs, num_train=num_train)
        for correlation in correlations
    }
    return {UNTRAINED: _begin(seed, num_train), **trained}


# The pictures need not be drawn again for networks that are there.
@lru_cache(maxsize=100)
def _train(correlation: float, seed: int, *, epochs: int, num_train: int) -> miniature.Network:
    return miniature.train(_load(correlation, seed, num_train), seed=seed, epochs=epochs)


@lru_cache(maxsize=30)
def _begin(seed: int, num_train: int) -> miniature.Network:
    return miniature.untrained(_load(0.0, seed, num_train), seed=seed)


def _load(correlation: float, seed: int, num_train: int) -> ImageDataset:
    return datasets.load(
        "pixels10",
        num_train=num_train,
        num_test=1,  # the test pictures are drawn apart
        seed=seed,
        background_correlation=correlation,
    )


def _checked(correlation: float) -> float:
    if not 0 <= correlation <= 1:
        raise miniature.LabError(
            f"the background correlation is {correlation}; it is a probability from 0 (any "
            "background) to 1 (always the class's typical one)"
        )
    return float(correlation)
