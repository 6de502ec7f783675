"""The pictures of an experiment: a data set for each seed."""

from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Any

from course_utils import datasets
from course_utils.datasets.base import ImageDataset
from course_utils.labs import miniature

_NUM_KEPT = 12  # data sets; with a lesson's usual numbers each takes 5 MB


def load(dataset: str, *, seeds: Iterable[int], **settings: Any) -> dict[int, ImageDataset]:
    """Load or draw a data set once for each seed.

    Those of pixels10 are kept for the next experiment, which often begins with the same; not so
    where a knob is a list or a dictionary.

    Args:
        dataset: as in :func:`course_utils.datasets.load`.
        seeds: each draws the pictures, or which of the pictures are taken.
        **settings: all else that it takes.

    Returns:
        The data sets by seed.
    """
    seeds = list(dict.fromkeys(seeds))
    kept = dataset == "pixels10" and all(isinstance(one, Hashable) for one in settings.values())

    def one(seed: int) -> ImageDataset:
        if kept:
            return _draw(seed, tuple(sorted(settings.items())))
        return datasets.load(dataset, seed=seed, **settings)

    return dict(zip(seeds, miniature.in_parallel(one, seeds, label="pictures"), strict=True))


@lru_cache(maxsize=_NUM_KEPT)
def _draw(seed: int, settings: tuple[tuple[str, Any], ...]) -> ImageDataset:
    return datasets.load("pixels10", seed=seed, **dict(settings))
