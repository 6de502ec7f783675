"""The same scenes in pixels10's palette A and in its palette B.

Two halves of a test split show different scenes, of which one half may be easier by luck. Twins
differ in their colours only, so that their difference says more from as many pictures.
"""

from typing import Any

from course_utils.datasets import pixels10
from course_utils.datasets.base import ImageSplit
from course_utils.labs.miniature import Network

PALETTES = ("A", "B")


def twins(num_images: int, *, seed: int, **knobs: Any) -> dict[str, ImageSplit]:
    """Draw test pictures twice.

    Args:
        num_images: how many scenes.
        seed: fixes the scenes, which are those of ``datasets.load("pixels10", seed=seed).test``.
        **knobs: as in :func:`course_utils.datasets.pixels10.draw`, but for ``palette_prevalence``.

    Returns:
        The pictures by palette, in the same order.
    """
    return {
        palette: pixels10.draw(
            num_images, seed=seed, split="test", palette_prevalence=float(palette == "B"), **knobs
        )
        for palette in PALETTES
    }


def accuracies(network: Network, pictures: dict[str, ImageSplit]) -> dict[str, float]:
    """Give the share of right answers to each part of some labelled pictures."""
    return {
        name: float((network.predict(part.images).argmax(axis=1) == part.labels).mean())
        for name, part in pictures.items()
    }
