"""Data sets by name or path, all in one shape: ``load()`` returns an :class:`ImageDataset`."""

import difflib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from course_utils.datasets.base import (
    DatasetError,
    DatasetWarning,
    Datasheet,
    Description,
    ImageDataset,
    ImageSplit,
    expand_home,
    printable,
    warn,
)

__all__ = [
    "NAMES",
    "DatasetError",
    "DatasetWarning",
    "Datasheet",
    "Description",
    "ImageDataset",
    "ImageSplit",
    "load",
    "locate",
]

NAMES = ("pixels10", "cifar10")


def load(
    name_or_path: str | Path,
    *,
    num_train: int | None = None,
    num_test: int | None = None,
    seed: int = 0,
    image_size: int | None = None,
    **knobs: Any,
) -> ImageDataset:
    """Load a data set.

    Args:
        name_or_path: ``"pixels10"`` (drawn from ``seed``), ``"cifar10"`` (downloaded on first
            use), or the path to a folder, zip or tar with a folder of pictures for each class, or
            with ``train`` and ``test`` and such folders in them. What is left out of it, or was
            guessed, is told by a :class:`DatasetWarning` each time.
        num_train: Number of training images, drawn by ``seed`` so that each class keeps its share.
            None takes them all, in the order in which they are stored. Of a folder, zip or tar
            with fewer all are taken, and a warning says so.
        num_test: The same for the test images.
        seed: At least 0.
        image_size: Side in pixels to which the images of a folder, zip or tar are brought, 8 to
            512. None means 32.
        **knobs: What ``pixels10.load`` can vary, such as ``palette_prevalence``.

    Raises:
        DatasetError: No such data set, or it can't be loaded as asked; the message says why.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise DatasetError(
            f"a data set is a name or a path, such as {NAMES[0]!r}, not {name_or_path!r}"
        )
    seed = _whole_number("seed", seed, smallest=0)
    num_train, num_test, image_size = (
        None if value is None else _whole_number(argument, value, smallest=1)
        for argument, value in (
            ("num_train", num_train),
            ("num_test", num_test),
            ("image_size", image_size),
        )
    )
    if name_or_path in NAMES and image_size not in (None, 32):
        raise DatasetError(
            f"{name_or_path} has images of 32×32 pixels: image_size={image_size} works for a "
            "folder, zip or tar only"
        )
    if name_or_path == "pixels10":
        from course_utils.datasets import pixels10

        return pixels10.load(num_train=num_train, num_test=num_test, seed=seed, **knobs)
    if knobs:
        raise DatasetError(
            f"{', '.join(knobs)}: only pixels10, whose images are drawn, can vary that; "
            f"not {name_or_path}"
        )
    data = _load_photographs(name_or_path, image_size, seed)
    if name_or_path not in NAMES:
        num_train = _at_most(data, "train", num_train)
        num_test = _at_most(data, "test", num_test)
    return replace(
        data,
        train=_draw_subset(data, "train", num_train, seed),
        test=_draw_subset(data, "test", num_test, seed),
    )


def locate(name_or_path: str | Path) -> str | Path:
    """Find a data set without loading it.

    A path that begins with ``~/`` lies in the home folder; ``./~`` is a folder called ``~``.

    Returns:
        A known name as it is; a path made absolute.

    Raises:
        DatasetError: No such data set; the message lists the known names.
    """
    if name_or_path in NAMES:
        return name_or_path
    try:
        path = expand_home(name_or_path)
        is_there = name_or_path != "" and path.exists()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{str(name_or_path)!r} can't be looked for: {error}") from None
    if not is_there:
        raise DatasetError(
            f"there is no data set {str(name_or_path)!r}{_did_you_mean(name_or_path)}: known names "
            f"are {' and '.join(NAMES)}; the path to a folder, zip or tar with a folder of "
            f"pictures for each class works too (looked for {printable(path.absolute())})"
        )
    return path.absolute()


def _did_you_mean(name_or_path: str | Path) -> str:
    """The name or the file beside that is written much alike, as a question."""
    typed = str(name_or_path)
    plain = {"".join(filter(str.isalnum, name)): name for name in NAMES}
    folded = "".join(filter(str.isalnum, typed.casefold()))
    close = [plain[name] for name in difflib.get_close_matches(folded, plain, n=1, cutoff=0.75)]
    if not close:
        path = Path(typed).expanduser() if typed.startswith("~/") else Path(typed)
        with suppress(OSError, ValueError, RuntimeError):
            names = [entry.name for entry in path.parent.iterdir() if entry.name[:1] != "."]
            close = [
                str(path.with_name(name))
                for name in difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
            ]
    return f", did you mean {close[0]!r}?" if close else ""


def _load_photographs(name_or_path: str | Path, image_size: int | None, seed: int) -> ImageDataset:
    if name_or_path == "cifar10":
        from course_utils.datasets import cifar10

        return cifar10.load()
    from course_utils.datasets import image_folder

    return image_folder.load(Path(locate(name_or_path)), image_size=image_size, seed=seed)


def _whole_number(argument: str, value: object, *, smallest: int) -> int:
    """The number as one of Python's own, since files and other libraries take no NumPy's."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < smallest:  # type: ignore[operator]
        raise DatasetError(f"{argument} is a whole number of at least {smallest}, not {value!r}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def _at_most(data: ImageDataset, split: str, number: int | None) -> int | None:
    """The number, or None, which means all, if there are fewer images; that is said."""
    there_are = len(getattr(data, split))
    if number is None or number <= there_are:
        return number
    warn(
        f"num_{split} is {number:,}, and {data.name} has {there_are:,} {split} images: all of them "
        "are used"
    )
    return None


def _draw_subset(data: ImageDataset, split: str, number: int | None, seed: int) -> ImageSplit:
    """Draw ``number`` images so that classes keep their shares, and none is lost if avoidable.

    With the same seed, the images of a smaller number are among those of a larger one.
    """
    whole: ImageSplit = getattr(data, split)
    if number is None or number == len(whole):
        return whole
    if number > len(whole):
        raise DatasetError(
            f"num_{split} is {number:,}, but {data.name} has only {len(whole):,} {split} images"
        )
    random = np.random.default_rng([seed, 0 if split == "train" else 1])
    shuffled = random.permutation(len(whole))
    labels = whole.labels[shuffled]
    # Of the n images of a class, taken in turn, the k-th (from 0) is placed at k/n: the first ones
    # of each class come first, and any beginning of the queue has classes in their proportions.
    place = np.empty(len(whole))
    for label in range(len(data.class_names)):
        members = np.flatnonzero(labels == label)
        place[members] = np.arange(len(members)) / len(members)
    chosen = shuffled[np.argsort(place, kind="stable")[:number]]
    return whole.take(random.permutation(chosen))
