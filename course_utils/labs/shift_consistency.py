"""Does a network give a picture that is moved a little the same class?

The measure is Zhang's (2019, PMLR 97:7324–7334): the share of pictures for which two random shifts
get the same prediction, be it right or wrong.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils import augmentation, models
from course_utils.datasets.base import ImageDataset
from course_utils.labs import miniature


def measure(
    data: ImageDataset,
    *,
    seeds: Iterable[int],
    epochs: int,
    poolings: Iterable[models.Pooling] = models.POOLINGS,
    max_shift: int = 3,
) -> pd.DataFrame:
    """Train a miniature network with each kind of pooling and shift its test pictures.

    Args:
        data: what to train and test on.
        seeds: one training for each; a seed fixes the weights, the order of the pictures and the
            shifts, and is the same for all kinds of pooling, so that they can be compared in pairs.
        epochs: passes over the training pictures.
        poolings: the kinds of pooling to compare.
        max_shift: the largest shift in each direction, in pixels.

    Returns:
        One row per pooling and seed: ``pooling``, ``seed``, ``shift_consistency``, ``accuracy``
        and ``gap`` (accuracy of the best-served group of ``data.group`` minus the worst-served).
    """

    def run(setting: tuple[int, models.Pooling]) -> list[dict[str, Any]]:
        seed, pooling = setting
        network = miniature.train(data, seed=seed, epochs=epochs, pooling=pooling)
        generator = np.random.default_rng(seed)
        first, second = (
            network.predict(
                shift_randomly(data.test.images, max_shift=max_shift, generator=generator)
            ).argmax(axis=1)
            for _ in range(2)
        )
        evaluation = network.evaluate(data)
        assert evaluation.by_group is not None  # evaluate() always groups
        by_group = evaluation.by_group.accuracy
        return [
            {
                "pooling": pooling,
                "seed": seed,
                "shift_consistency": float(np.mean(first == second)),
                "accuracy": evaluation.accuracy.value,
                "gap": by_group.max() - by_group.min(),
            }
        ]

    # Seed by seed, so that two threads seldom need the same architecture at a time.
    settings = product(seeds, poolings)
    return miniature.table(run, settings, label="seed × pooling")


def shift_randomly(
    images: NDArray[np.uint8], *, max_shift: int, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Move each picture by its own random whole number of pixels, across and down.

    Args:
        images: (n, height, width, 3).
        max_shift: the largest shift in each direction, in pixels.
        generator: where the shifts are drawn from, each from −max_shift to max_shift.

    Returns:
        The moved pictures, of the same shape; what comes in at the edge is the picture's mirror
        image, so no black border gives the shift away.
    """
    if not 0 <= max_shift < min(images.shape[1:3]):
        raise ValueError(
            f"max_shift is {max_shift}; it lies between 0 and the picture's side, "
            f"{min(images.shape[1:3])}"
        )
    offsets = generator.integers(0, 2 * max_shift + 1, (len(images), 2)) - max_shift
    return augmentation.move(images, *offsets.T)
