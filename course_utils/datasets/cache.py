"""Photographs decoded once and memory-mapped ever after.

An entry of the cache is a folder with the class names and, for each split, three ``.npy`` files:
images, labels, and each image's mean pixel value. It is written under a temporary name and renamed
when it is complete, so that no reader ever sees half an entry; of two processes that write the same
one, the first wins.
"""

import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import platformdirs
from numpy.typing import NDArray

from course_utils.datasets.base import DatasetError, ImageSplit

GROUP = "brightness"

# Part of every key: raise it when what is stored changes.
FORMAT = 1


@dataclass(frozen=True, eq=False)
class DecodedSplit:
    """A split on its way into the cache, its images a few at a time."""

    chunks: Iterable[NDArray[np.uint8]]  # each (m, height, width, 3)
    labels: NDArray[np.int64]  # (n,)
    image_shape: tuple[int, ...]  # (height, width, 3)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A data set on its way into the cache."""

    class_names: tuple[str, ...]
    train: DecodedSplit
    test: DecodedSplit


@dataclass(frozen=True, eq=False)
class Stored:
    """A data set in the cache: read-only images, and one attribute, ``brightness``."""

    class_names: tuple[str, ...]
    train: ImageSplit
    test: ImageSplit


def folder() -> Path:
    """The cache's folder: ``$COURSE_CACHE``, or the user's cache folder of this system."""
    return Path(
        os.environ.get("COURSE_CACHE") or platformdirs.user_cache_dir("pixels-and-people")
    ).expanduser()


def load(key: str, decode: Callable[[], Decoded]) -> Stored:
    """Memory-map the data set stored under ``key``, storing it first if needed.

    Args:
        key: Changes whenever the decoded images would.
        decode: Delivers the data set; called only if it isn't stored.
    """
    entry = folder() / f"{key}-v{FORMAT}"
    try:
        if not entry.exists():
            _create(entry, decode)
        try:
            return _read(entry, mmap_mode="r")
        except (OSError, EOFError, ValueError, DatasetError) as error:
            warnings.warn(f"{entry} is damaged ({error}) and is made again", stacklevel=3)
            _remove(entry)
            _create(entry, decode)
            return _read(entry, mmap_mode="r")
    except OSError as error:
        warnings.warn(
            f"the cache can't be written ({error}), so the images stay in memory and are decoded "
            "again next time; set COURSE_CACHE to a folder with room that you may write to",
            stacklevel=3,
        )
        with tempfile.TemporaryDirectory() as scratch:
            _write(Path(scratch), decode)
            return _read(Path(scratch), mmap_mode=None)


def _create(entry: Path, decode: Callable[[], Decoded]) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(entry.parent)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=entry.parent) as scratch:
        unfinished = Path(scratch) / entry.name
        unfinished.mkdir()
        _write(unfinished, decode)
        try:
            unfinished.rename(entry)
        except OSError:
            if not entry.exists():  # else another process was quicker
                raise


def _remove_abandoned(parent: Path) -> None:
    """Delete what processes that were killed more than a day ago had begun to write."""
    for unfinished in parent.glob(".unfinished-*"):
        with suppress(FileNotFoundError):  # its process has just finished
            if unfinished.stat().st_mtime < time.time() - 24 * 3600:
                shutil.rmtree(unfinished, ignore_errors=True)


def _remove(entry: Path) -> None:
    """Take ``entry`` out of readers' sight at once, then delete it."""
    with tempfile.TemporaryDirectory(prefix=".damaged-", dir=entry.parent) as scratch:
        shutil.move(entry, scratch)


def _write(entry: Path, decode: Callable[[], Decoded]) -> None:
    decoded = decode()
    (entry / "class_names.json").write_text(json.dumps(decoded.class_names), encoding="utf-8")
    for name, split in (("train", decoded.train), ("test", decoded.test)):
        brightness = _write_images(entry / f"{name}_images.npy", split)
        np.save(entry / f"{name}_labels.npy", split.labels)
        np.save(entry / f"{name}_brightness.npy", brightness)


def _write_images(path: Path, split: DecodedSplit) -> NDArray[np.float64]:
    """Write the images chunk by chunk; return each one's mean pixel value (n,)."""
    brightness = []
    with path.open("wb") as file:
        shape = (len(split.labels), *split.image_shape)
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        for chunk in split.chunks:
            file.write(np.ascontiguousarray(chunk).data)
            brightness.append(chunk.mean(axis=(1, 2, 3)))
    return np.concatenate(brightness)


def _read(entry: Path, *, mmap_mode: Literal["r"] | None) -> Stored:
    def array(name: str, mode: Literal["r"] | None = None) -> NDArray[Any]:
        return cast(NDArray[Any], np.load(entry / f"{name}.npy", mmap_mode=mode))

    brightness = {split: array(f"{split}_brightness") for split in ("train", "test")}
    threshold = np.median(brightness["train"])
    splits = {
        split: ImageSplit(
            array(f"{split}_images", mmap_mode),
            array(f"{split}_labels"),
            pd.DataFrame({GROUP: np.where(brightness[split] > threshold, "light", "dark")}),
        )
        for split in ("train", "test")
    }
    class_names = json.loads((entry / "class_names.json").read_text(encoding="utf-8"))
    return Stored(tuple(class_names), splits["train"], splits["test"])
