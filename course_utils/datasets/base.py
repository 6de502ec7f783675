"""What every data set looks like once it is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class DatasetError(Exception):
    """A data set can't be loaded; the message says which part, why, and what to do."""


@dataclass(frozen=True)
class Datasheet:
    """Where a data set comes from and what is known to be wrong with it.

    After Gebru et al., "Datasheets for Datasets", doi:10.1145/3458723.
    """

    title: str
    source: str  # who made it, from what
    consent: str  # of the people in the pictures or behind them
    license: str
    known_faults: tuple[str, ...]
    citations: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The training or the test part of a data set."""

    images: NDArray[np.uint8]  # (n, height, width, 3), possibly memory-mapped
    labels: NDArray[np.int64]  # (n,), indices into the data set's class_names
    attributes: pd.DataFrame  # n rows, one per image: palette, background, brightness, …

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.labels) == len(self.attributes):
            raise DatasetError(
                f"images, labels and attributes differ in length: {len(self.images)}, "
                f"{len(self.labels)}, {len(self.attributes)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> "ImageSplit":
        """The images at ``indices`` (n,), in that order, copied."""
        return ImageSplit(
            self.images[indices],
            self.labels[indices],
            self.attributes.iloc[indices].reset_index(drop=True),
        )


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images in a training and a test split, with their datasheet."""

    name: str
    train: ImageSplit
    test: ImageSplit
    class_names: tuple[str, ...]
    datasheet: Datasheet
    group: str  # the attribute by which accuracy is compared unless told otherwise
