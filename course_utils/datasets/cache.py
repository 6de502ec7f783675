"""Photographs decoded once and memory-mapped ever after.

An entry of the cache is a folder with the class names and, for each split, three ``.npy`` files:
images, labels, and each image's mean pixel value. It is written under a temporary name and renamed
when it is complete, so that no reader ever sees half an entry; of two processes that write the same
one, the first wins.

Pictures of one's own can change. Their entry is named after their place and their content, and
remembers their *status*, with which :func:`load_changing` sees, without reading any picture, that
nothing has changed since. When a place has a new entry, its older one is removed; so is each entry
of such pictures that nobody has used for :data:`UNUSED_DAYS`.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, cast

import numpy as np
import pandas as pd
import platformdirs
from numpy.typing import NDArray

from course_utils import files
from course_utils.datasets.base import ImageSplit, expand_home, warn

GROUP = "brightness"

# Part of every key: raise it when what is stored changes.
FORMAT = 2

UNUSED_DAYS = 90

_CHANGING = "image-folder"  # how entries begin that can be out of date
_CHANGING_NAME = re.compile(rf"{_CHANGING}-[0-9a-f]{{16,}}(-[0-9a-f]{{24}})?-v[0-9]+")
_BEGUN = ".unfinished-"
_STATUS = "status.txt"
_NOTES = "notes.json"


@dataclass(frozen=True, eq=False)
class DecodedSplit:
    """A split on its way into the cache, its images a few at a time."""

    chunks: Iterable[tuple[NDArray[np.uint8], NDArray[np.int64]]]  # (m, height, width, 3), (m,)
    max_images: int  # in all chunks together; there may be fewer
    image_shape: tuple[int, ...]  # (height, width, 3)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A data set on its way into the cache."""

    class_names: tuple[str, ...]
    train: DecodedSplit
    test: DecodedSplit
    # Called after the last chunk; raises an error, or returns what is to be said whenever the data
    # set is loaded.
    finish: Callable[[], tuple[str, ...]] = tuple


@dataclass(frozen=True, eq=False)
class Stored:
    """A data set in the cache: read-only images, and one attribute, ``brightness``."""

    class_names: tuple[str, ...]
    train: ImageSplit
    test: ImageSplit
    notes: tuple[str, ...] = ()


class Changing(Protocol):
    """Pictures that somebody may change at any time."""

    @property
    def place(self) -> str:
        """Where they are and how they are decoded, as 16 hexadecimal digits."""

    @property
    def status(self) -> str:
        """Changes whenever they do, and is quick to have; empty where nothing tells that."""

    def digest(self) -> str:
        """What they contain and are called, as 24 hexadecimal digits."""

    def decode(self) -> Decoded:
        """Deliver them."""


def folder() -> Path:
    """The cache's folder: ``$COURSE_CACHE``, or the user's cache folder of this system.

    Raises:
        FileNotFoundError: it lies in the home folder, which the system doesn't know.
    """
    return expand_home(
        os.environ.get("COURSE_CACHE") or platformdirs.user_cache_dir("pixels-and-people")
    )


def load(key: str, decode: Callable[[], Decoded]) -> Stored:
    """Memory-map the data set stored under ``key``, storing it first if needed.

    Args:
        key: Changes whenever the decoded images would.
        decode: Delivers the data set; called only if it isn't stored.
    """
    try:
        entry = folder() / f"{key}-v{FORMAT}"
        if not entry.exists():
            _create(entry, decode)
        try:
            stored = _read(entry)
        except (OSError, EOFError, ValueError, RecursionError) as error:
            if entry.exists():  # and not removed by another process since
                warn(f"{entry} is damaged ({error}) and is made again")
                _remove(entry)
            _create(entry, decode)
            stored = _read(entry)
        with suppress(OSError):  # somebody else's cache, which is used all the same
            os.utime(entry)
        return stored
    except OSError as error:
        warn(
            f"the cache can't be written ({error}), so the images stay in memory and are decoded "
            "again next time; set COURSE_CACHE to a folder with room that you may write to"
        )
        return _keep_in_memory(decode())


def load_changing(pictures: Changing) -> Stored:
    """Memory-map what a place of changing pictures holds now, storing it first if needed."""
    place = f"{_CHANGING}-{pictures.place}"
    if pictures.status:
        for entry in _entries(f"{place}-*-v{FORMAT}"):
            if _status(entry) == pictures.status:
                return load(entry.name.removesuffix(f"-v{FORMAT}"), pictures.decode)
    key = f"{place}-{pictures.digest()}"
    stored = load(key, pictures.decode)
    with suppress(OSError):
        entry = folder() / f"{key}-v{FORMAT}"
        if entry.exists() and _status(entry) != pictures.status:
            files.write_text(entry / _STATUS, pictures.status)
        for other in _entries(f"{place}-*"):
            if other != entry:
                _remove(other)
    return stored


def _entries(pattern: str) -> Iterator[Path]:
    """The entries of changing pictures whose names are of a pattern, and nothing else."""
    with suppress(OSError):
        yield from (
            path
            for path in sorted(folder().glob(pattern))
            if _CHANGING_NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        )


def _status(entry: Path) -> str:
    try:
        return (entry / _STATUS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _create(entry: Path, decode: Callable[[], Decoded]) -> None:
    with files.scratch(entry.parent, _BEGUN) as scratch:
        _remove_unused()
        unfinished = scratch / entry.name
        unfinished.mkdir()
        _write(unfinished, decode())
        try:
            unfinished.rename(entry)
        except OSError:
            if not entry.exists():  # else another process was quicker
                raise


def _remove_unused() -> None:
    for entry in _entries(f"{_CHANGING}-*"):
        with suppress(OSError):
            if entry.stat().st_mtime < time.time() - UNUSED_DAYS * 24 * 3600:
                _remove(entry)


def _remove(entry: Path) -> None:
    """Take ``entry`` out of readers' sight at once, then delete it."""
    with files.scratch(entry.parent, _BEGUN) as scratch:
        shutil.move(entry, scratch)


def _write(entry: Path, decoded: Decoded) -> None:
    (entry / "class_names.json").write_text(json.dumps(decoded.class_names), encoding="utf-8")
    for name, split in (("train", decoded.train), ("test", decoded.test)):
        labels, brightness = _write_images(entry / f"{name}_images.npy", split)
        np.save(entry / f"{name}_labels.npy", labels)
        np.save(entry / f"{name}_brightness.npy", brightness)
    if notes := decoded.finish():
        (entry / _NOTES).write_text(json.dumps(notes), encoding="utf-8")


def _write_images(path: Path, split: DecodedSplit) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Write the images chunk by chunk; return their labels (n,) and mean pixel values (n,).

    They are written, not mapped with ``open_memmap``: on a full disk that kills the process.
    """
    labels, brightness = [np.empty(0, np.int64)], [np.empty(0)]
    with path.open("wb") as file:
        _write_header(file, split.max_images, split)
        for images, their_labels in split.chunks:
            file.write(np.ascontiguousarray(images).data)
            labels.append(their_labels)
            brightness.append(_brightness(images))
        file.seek(0)
        joined = np.concatenate(labels)
        _write_header(file, len(joined), split)
    return joined, np.concatenate(brightness)


def _write_header(file: BinaryIO, number: int, split: DecodedSplit) -> None:
    """Write an array's header, which NumPy makes equally long for any number of images."""
    shape = (number, *split.image_shape)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )


def _brightness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return cast(NDArray[np.float64], images.mean(axis=(1, 2, 3)))


def _read(entry: Path) -> Stored:
    def array(name: str, mode: Literal["r"] | None = None) -> NDArray[Any]:
        return cast(NDArray[Any], np.load(entry / f"{name}.npy", mmap_mode=mode))

    def texts(path: Path) -> tuple[str, ...]:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise ValueError(f"{path.name} holds no texts")
        return tuple(found)

    class_names = texts(entry / "class_names.json")
    for split in ("train", "test"):
        if array(f"{split}_labels").max(initial=-1) >= len(class_names):
            raise ValueError(f"{split}_labels.npy names classes that there are not")
    return _finish(
        class_names,
        {split: array(f"{split}_images", "r") for split in ("train", "test")},
        {split: array(f"{split}_labels") for split in ("train", "test")},
        {split: array(f"{split}_brightness") for split in ("train", "test")},
        texts(entry / _NOTES) if (entry / _NOTES).exists() else (),
    )


def _keep_in_memory(decoded: Decoded) -> Stored:
    images: dict[str, NDArray[np.uint8]] = {}
    labels: dict[str, NDArray[np.int64]] = {}
    for name, split in (("train", decoded.train), ("test", decoded.test)):
        whole = np.empty((split.max_images, *split.image_shape), np.uint8)
        read = [np.empty(0, np.int64)]
        end = 0
        for chunk, their_labels in split.chunks:
            start, end = end, end + len(chunk)
            whole[start:end] = chunk
            read.append(their_labels)
        whole.flags.writeable = False
        images[name], labels[name] = whole[:end], np.concatenate(read)
    notes = decoded.finish()
    brightness = {name: _brightness(images[name]) for name in images}
    return _finish(decoded.class_names, images, labels, brightness, notes)


def _finish(
    class_names: tuple[str, ...],
    images: dict[str, NDArray[np.uint8]],
    labels: dict[str, NDArray[np.int64]],
    brightness: dict[str, NDArray[np.float64]],
    notes: tuple[str, ...],
) -> Stored:
    threshold = np.median(brightness["train"])
    splits = {
        split: ImageSplit(
            images[split],
            labels[split],
            pd.DataFrame({GROUP: np.where(brightness[split] > threshold, "light", "dark")}),
        )
        for split in ("train", "test")
    }
    return Stored(class_names, splits["train"], splits["test"], notes)
