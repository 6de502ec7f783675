"""Does a network give a picture the same class after it has been moved a little?

The measure is the shift consistency at a distance: the share of test pictures that get the same
class, be it right or wrong, before and after a move by exactly so many pixels in one of the four
directions. (Zhang 2019, PMLR 97:7324–7334, compares two copies, each moved at random. Two copies
moved by up to 3 pixels lie anything from 0 to 6 pixels apart in each direction.)

Two explanations of a loss are told apart. If positions are skipped without enough smoothing
(aliasing), a move by the network's total stride skips the same ones again, so that consistency
recovers there. If the last layer has weights of its own for each position, nothing recovers.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils import augmentation, models
from course_utils.labs import miniature, pictures

SMALL = 3  # pixels, a tenth of the picture's side: what the lessons call a small shift
TOTAL_STRIDE = 8  # pixels between neighbours in the miniature's last maps
_DOWN, _RIGHT = np.array([-1, 1, 0, 0]), np.array([0, 0, -1, 1])


def measure(
    dataset: str,
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    image_size: int | None = None,
    poolings: Iterable[models.Pooling] = models.POOLINGS,
    heads: Iterable[models.Head] = ("average",),
    distances: Iterable[int] = range(TOTAL_STRIDE + 2),
) -> pd.DataFrame:
    """Train miniature networks of several kinds and move their test pictures.

    Args:
        dataset: what to train and test on, as in :func:`course_utils.datasets.load`.
        seeds: one training of each kind for each; a seed draws the pictures, the weights, the order
            and the directions, the same for all kinds, so that they can be compared in pairs.
        epochs: passes over the training pictures.
        num_train: training pictures.
        num_test: test pictures.
        image_size: of pictures from a folder.
        poolings: the kinds of pooling, as in :func:`course_utils.models.build`.
        heads: what becomes of the last maps, as there.
        distances: by how many pixels to move; each picture goes in the same direction every time.

    Returns:
        One row per pooling, head, seed and distance: ``pooling``, ``head``, ``seed``, ``distance``
        (pixels), ``shift_consistency`` and ``accuracy`` (of the moved pictures).

    Raises:
        miniature.LabError: a distance is negative or longer than the pictures allow.
    """
    seeds, distances = list(seeds), list(distances)

    loaded = pictures.load(
        dataset, seeds=seeds, num_train=num_train, num_test=num_test, image_size=image_size
    )
    for data in loaded.values():
        _check(distances, data.test.images)

    def run(setting: tuple[int, models.Head, models.Pooling]) -> list[dict[str, Any]]:
        seed, head, pooling = setting
        test = loaded[seed].test
        network = miniature.train(
            loaded[seed], seed=seed, epochs=epochs, pooling=pooling, head=head
        )
        before = network.predict(test.images).argmax(axis=1)
        rows = []
        for distance in distances:
            moved = move(test.images, distance, seed=seed)
            after = network.predict(moved).argmax(axis=1) if distance else before
            rows.append(
                {
                    "pooling": pooling,
                    "head": head,
                    "seed": seed,
                    "distance": distance,
                    "shift_consistency": float(np.mean(before == after)),
                    "accuracy": float(np.mean(after == test.labels)),
                }
            )
        return rows

    # Seed by seed, so that two threads seldom need the same architecture at a time.
    return miniature.table(run, product(seeds, heads, poolings), label="seed × network")


def move(images: NDArray[np.uint8], distance: int, *, seed: int) -> NDArray[np.uint8]:
    """Move each picture up, down, left or right.

    Args:
        images: (n, height, width, 3).
        distance: in pixels, below height and width.
        seed: draws a direction for each picture, the same one for every distance.

    Returns:
        The moved pictures, of the same shape; what comes in at the edge is the picture's mirror
        image, so no black border gives the move away.

    Raises:
        miniature.LabError: the distance is negative or longer than the pictures allow.
    """
    _check([distance], images)
    direction = np.random.default_rng(seed).integers(4, size=len(images))
    return augmentation.move(images, distance * _DOWN[direction], distance * _RIGHT[direction])


def _check(distances: Iterable[int], images: NDArray[np.uint8]) -> None:
    side = min(images.shape[1:3])
    for distance in distances:
        if not 0 <= distance < side:
            raise miniature.LabError(
                f"a distance of {distance} pixels was asked for; pictures with a side of {side} "
                f"can be moved by 0 to {side - 1}"
            )


def at(runs: pd.DataFrame, distance: int, *, column: str = "shift_consistency") -> pd.DataFrame:
    """What was measured at one distance, to be compared in pairs.

    Args:
        runs: from :func:`measure`, with one kind of head.
        distance: one of those measured, in pixels.
        column: ``"shift_consistency"`` or ``"accuracy"``.

    Returns:
        One row per seed and one column per pooling.

    Raises:
        miniature.LabError: nothing was measured at this distance.
    """
    part = runs[runs["distance"] == distance]
    if part.empty:
        there_are = ", ".join(str(one) for one in sorted(runs["distance"].unique()))
        raise miniature.LabError(
            f"nothing was measured at {distance} pixels; the distances are {there_are}"
        )
    return part.pivot_table(column, index="seed", columns="pooling", sort=False)


def recovery(runs: pd.DataFrame, distance: int = TOTAL_STRIDE) -> pd.DataFrame:
    """How far the shift consistency at a distance lies above the mean of its two neighbours.

    A loss that grows smoothly with the distance gives about 0, whatever its cause. Only a cause
    that comes back with a period gives more.

    Args:
        runs: from :func:`measure`, with the distance, one pixel less and one pixel more.
        distance: in pixels.

    Returns:
        One row per seed and one column per pooling.

    Raises:
        miniature.LabError: one of the three was not measured.
    """
    neighbours = (at(runs, distance - 1) + at(runs, distance + 1)) / 2
    return at(runs, distance) - neighbours
