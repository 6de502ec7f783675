"""The same scenes in pixels10's palette A and in its palette B.

Two halves of a test split show different scenes, of which one half may be easier by luck. Twins
differ in their colours only, so that their difference says more from as many pictures.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_utils.datasets import pixels10
from course_utils.datasets.base import ImageSplit
from course_utils.labs.miniature import Network

PALETTES = ("A", "B")


def twins(
    num_images: int, *, seed: int, split: str = "test", **knobs: Any
) -> dict[str, ImageSplit]:
    """Draw pictures twice.

    Args:
        num_images: how many scenes.
        seed: fixes the scenes, which are those of ``datasets.load("pixels10", seed=seed)``.
        split: which of its two parts, ``"train"`` or ``"test"``.
        **knobs: as in :func:`course_utils.datasets.pixels10.draw`, but for ``palette_prevalence``.

    Returns:
        The pictures by palette, in the same order.
    """
    return {
        palette: pixels10.draw(
            num_images, seed=seed, split=split, palette_prevalence=float(palette == "B"), **knobs
        )
        for palette in PALETTES
    }


def mix(pictures: dict[str, ImageSplit], palettes: NDArray[np.str_]) -> ImageSplit:
    """Take each scene in the palette that is named for it.

    Args:
        pictures: from :func:`twins`.
        palettes: (n,) "A" or "B".
    """
    is_b = palettes == "B"
    images = np.where(is_b[:, None, None, None], pictures["B"].images, pictures["A"].images)
    attributes = pictures["A"].attributes.assign(palette=palettes)
    return ImageSplit(images, pictures["A"].labels, attributes)


def accuracies(network: Network, pictures: dict[str, ImageSplit]) -> dict[str, float]:
    """Give the share of right answers to each part of some labelled pictures."""
    return {
        name: float((network.predict(part.images).argmax(axis=1) == part.labels).mean())
        for name, part in pictures.items()
    }
