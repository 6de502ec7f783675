"""Photographs of one's own: a folder, a zip or a tar with a folder for each class."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from course_utils.datasets import cache, layout, pictures, sources
from course_utils.datasets.base import (
    DatasetError,
    Datasheet,
    ImageDataset,
    ImageSplit,
    printable,
    warn,
)
from course_utils.datasets.layout import Layout, Picture
from course_utils.datasets.sources import Source
from course_utils.progress import is_watched

DEFAULT_IMAGE_SIZE = 32
MAX_DATASET_BYTES = 8 * 2**30
MAX_UNREADABLE = 1 / 10  # of the pictures; more is an error
TEST_SHARE = 1 / 5  # of each class, where nothing says what to test on

_MAX_NAMED = 100  # pictures in a message
_CHUNK = 256  # images


def load(path: Path, *, image_size: int | None = None, seed: int = 0) -> ImageDataset:
    """Load the folder, zip or tar at ``path``, in which nothing is changed or unpacked.

    How it may be laid out, :func:`course_utils.datasets.layout.find` says. Folders in a class
    folder belong to the class, also those that are links. Whatever is left out, such as pictures
    that can't be read, is told each time by a :class:`DatasetWarning`.

    The decoded images are kept in the course's cache. They are taken from there if every file has
    the name, size, times and place on the disk that it had then. Else, and wherever these don't
    tell each change (on Windows, which keeps the time of a file's creation instead of the time of
    the last change of its status), the files' content decides, which takes about a second for
    50,000 small ones.

    Args:
        path: An existing folder or archive.
        image_size: Side in pixels of the square to which each image is brought, cut from its
            middle where it isn't square. None means 32.
        seed: Draws a fifth of each class for testing where the layout doesn't say what to test on.

    Raises:
        DatasetError: The layout isn't right, or more than a tenth of the pictures can't be read;
            the message names them.
    """
    size = DEFAULT_IMAGE_SIZE if image_size is None else image_size
    _check_image_size(size)
    _check_kind(path)
    with closing(sources.open_source(path)) as source:
        found = _Pictures(source, size)
        stored = cache.load_changing(found)
        notes = [*stored.notes, *found.notes]
    train, test = stored.train, stored.test
    if not len(test):
        train, test = _split(stored.train, seed)
        notes.append(f"a fifth of each class, drawn by the seed {seed}, is what is tested on")
    for note in dict.fromkeys(notes):
        warn(f"{printable(path)}: {note}")
    name = path.name.split(".")[0] if path.is_file() else path.resolve().name
    name = "".join(letter if letter.isprintable() else "�" for letter in name)
    return ImageDataset(name, train, test, stored.class_names, _datasheet(name), cache.GROUP)


def _check_kind(path: Path) -> None:
    if path.is_file() and pictures.is_named_as_picture(path.name):
        raise DatasetError(
            f"{printable(path)} is one picture: give the folder around its class folder. "
            f"{layout.NEEDED}"
        )
    if not path.is_file() and not path.is_dir():
        raise DatasetError(f"{printable(path)} is neither a folder nor a file")


def _split(images: ImageSplit, seed: int) -> tuple[ImageSplit, ImageSplit]:
    """Draw a fifth of each class for testing, at least one image and not all of them."""
    random = np.random.default_rng([seed, 2])
    is_test = np.zeros(len(images), bool)
    for label in np.unique(images.labels):
        members = random.permutation(np.flatnonzero(images.labels == label))
        is_test[members[: max(1, round(TEST_SHARE * len(members)))]] = True
    return images.take(np.flatnonzero(~is_test)), images.take(np.flatnonzero(is_test))


class _Pictures:
    """The pictures of a source in a size, for the cache."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._size = size
        # Listing an archive takes longer than asking whether it is still the same one.
        self._layout = None if source.is_one_file else layout.find(source)
        self._status = source.status(self._files())
        self._digest = ""
        self.status = self._status.text if self._status.tells_changes else ""
        self.place = sources.hash_of((str(source.path.resolve()), size))[:16]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of a folder as it is now."""
        return self._layout.notes if self._layout else ()

    def _files(self) -> list[sources.File]:
        return list(self._layout.files) if self._layout else []

    def digest(self) -> str:
        self._digest = self._source.digest(self._files())
        return self._digest

    def decode(self) -> cache.Decoded:
        found = self._layout or layout.find(self._source)
        decoding = _Decoding(self._source, found, self._size)

        def finish() -> tuple[str, ...]:
            self._check_unchanged()
            decoding.check()
            return (*(() if self._layout else found.notes), *decoding.notes())

        return cache.Decoded(
            found.class_names, decoding.part("train"), decoding.part("test"), finish
        )

    def _check_unchanged(self) -> None:
        """Raise an error if what has been decoded isn't what was there at the beginning."""
        with closing(sources.open_source(self._source.path)) as now:
            again = _Pictures(now, self._size)
            is_same = again._status.text == self._status.text
            if not is_same and again.digest() != self._digest:
                raise DatasetError(
                    f"{printable(self._source.path)} has been changed while its images were read: "
                    "load it again"
                )


@dataclass
class _Unreadable:
    """The pictures that can't be read, by the reason."""

    names: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __len__(self) -> int:
        return sum(map(len, self.names.values()))

    def notes(self) -> list[str]:
        if len(self) == 1:
            return [f"1 picture can't be read and is left out: {self}"]
        return [f"{len(self):,} pictures can't be read and are left out: {self}"] if self else []

    def __str__(self) -> str:
        left = _MAX_NAMED
        parts = []
        for reason, names in self.names.items():
            parts.append(f"{sources.quoted(names, max(1, left))} ({printable(reason)})")
            left -= len(names)
        return "; ".join(parts)


class _Decoding:
    """Reads all pictures once, in an order in which the classes are mixed."""

    def __init__(self, source: Source, found: Layout, size: int) -> None:
        self._source = source
        self._pictures = found.pictures
        self._class_names = found.class_names
        self._shape = (size, size, 3)
        self._numbers = {name: number for number, name in enumerate(found.class_names)}
        self._num_read = {
            split: np.zeros(len(found.class_names), int) for split in ("train", "test")
        }
        self.unreadable = _Unreadable()
        self._unknown: list[str] = []  # files without an ending that are no pictures
        self._has_pictures_without_ending = False
        total = len(self._pictures)
        _check_total(total, self._shape)
        self._progress = tqdm(
            total=total, desc="reading images", unit="image", disable=not is_watched()
        )

    def part(self, split: str) -> cache.DecodedSplit:
        """The pictures of a split; those that are still to be told apart are in train."""
        listed = [one for one in self._pictures if (one.split or "train") == split]
        return cache.DecodedSplit(self._chunks(split, listed), len(listed), self._shape)

    def _chunks(
        self, split: str, listed: list[Picture]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        # Mixed always in the same way, since some users cut off the last images.
        order = np.random.default_rng(0).permutation(len(listed))
        for start in range(0, len(listed), _CHUNK):
            chunk = [listed[i] for i in order[start : start + _CHUNK]]
            images, labels = [], []
            for picture in chunk:
                if (image := self._read(picture)) is not None:
                    images.append(image)
                    labels.append(self._numbers[picture.class_name])
            self._progress.update(len(chunk))
            self._num_read[split] += np.bincount(labels, minlength=len(self._numbers))
            if images:
                yield np.stack(images), np.array(labels, np.int64)
        if self._progress.n == self._progress.total:
            self._progress.close()

    def _read(self, picture: Picture) -> NDArray[np.uint8] | None:
        file = picture.file
        try:
            if file.size > sources.MAX_FILE_BYTES:
                raise ValueError(f"it has more than {sources.MAX_FILE_BYTES // 2**20} MB")
            image = pictures.read(self._source.read(file), file.name, self._shape[0])
            self._has_pictures_without_ending |= not pictures.ending(file.name)
            return image
        except Exception as error:  # a damaged archive makes zipfile raise almost anything
            if isinstance(error, pictures.NoPictureError) and not pictures.ending(file.name):
                self._unknown.append(file.name)
                return None
            self.unreadable.names[str(error) or type(error).__name__].append(file.name)
            return None

    def check(self) -> None:
        """Raise an error if too much can't be read."""
        if self._has_pictures_without_ending:  # so the others are damaged ones
            for name in self._unknown:
                self.unreadable.names[pictures.NO_PICTURE].append(name)
            self._unknown.clear()
        path = printable(self._source.path)
        total = len(self._pictures) - len(self._unknown)
        if len(self.unreadable) > MAX_UNREADABLE * total:
            raise DatasetError(
                f"{len(self.unreadable):,} of the {total:,} pictures in {path} can't be read, more "
                f"than a tenth: {self.unreadable}"
            )
        is_split = self._pictures[0].split != ""
        for split, least in {"train": 1, "test": 1}.items() if is_split else [("train", 2)]:
            if lacking := np.flatnonzero(self._num_read[split] < least).tolist():
                name = self._class_names[lacking[0]]
                others = _Unreadable({**self.unreadable.names})
                if self._unknown:
                    others.names[pictures.NO_PICTURE] = self._unknown
                raise DatasetError(
                    f"too few pictures of the class {name!r} in {path} can be read: {others}"
                )

    def notes(self) -> list[str]:
        """What is left out."""
        if not self._unknown:
            return self.unreadable.notes()
        return [
            *self.unreadable.notes(),
            f"no pictures, having no ending and no known format: {sources.quoted(self._unknown)}",
        ]


def _check_image_size(image_size: int) -> None:
    if not pictures.SMALLEST_SIZE <= image_size <= pictures.LARGEST_SIZE:
        raise DatasetError(
            f"image_size is the images' side in pixels, {pictures.SMALLEST_SIZE} to "
            f"{pictures.LARGEST_SIZE}, not {image_size}"
        )


def _check_total(num_images: int, shape: tuple[int, ...]) -> None:
    size = num_images * int(np.prod(shape))
    if size > MAX_DATASET_BYTES:
        raise DatasetError(
            f"{num_images:,} images of {shape[1]}×{shape[0]} pixels would take {size / 1e9:.0f} "
            f"GB: pass image_size={DEFAULT_IMAGE_SIZE} to make them smaller"
        )


def _datasheet(name: str) -> Datasheet:
    """What the course can't know, asked of those who brought the pictures."""
    return Datasheet(
        title=f"{name}: pictures of your own",
        source="Unknown to the course. Who made these pictures, where and for what purpose, and "
        "who gave them their labels?",
        consent="Unknown to the course. Did those who made them, and everybody who can be seen in "
        "them, agree to this use, and how could they take that back?",
        license="Unknown to the course. On what terms may you use the pictures and pass them on?",
        known_faults=(
            "Unknown to the course. Who or what is rare or missing, which labels are doubtful, "
            "and which pictures are in both train and test?",
        ),
        citations=(
            "The questions follow T. Gebru et al., Datasheets for Datasets, Communications of the "
            "ACM 64(12), 2021, doi:10.1145/3458723",
        ),
    )
