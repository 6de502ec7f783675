"""Photographs of one's own: a folder or a zip with ``train/<class>/*`` and ``test/<class>/*``."""

import hashlib
import io
import os
import re
import stat
import struct
import time
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter, itemgetter
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm.auto import tqdm

from course_utils.datasets import cache
from course_utils.datasets.base import DatasetError, Datasheet, ImageDataset, printable, warn
from course_utils.progress import is_watched
from course_utils.zip_names import name_of

# Pillow decodes these by itself; for others, such as EPS, it would start another program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
MAX_DATASET_BYTES = 8 * 2**30
MAX_IMAGE_SIZE = 512
MAX_FILES = 2_000_000  # looked at in a folder

# Programs can set the time at which a file was changed, but not the one at which this was done.
# Windows has the time of the file's creation in that place.
TELLS_CHANGES = os.name == "posix"

# A file changed as recently as this may be changed again without another time: file systems count
# in steps of up to two seconds.
SETTLED_SECONDS = 2

_SPLITS = ("train", "test")
_LAYOUT = "train/<class>/<image file> and test/<class>/<image file>"
_NOT_TEST = ("val", "valid", "validation")
_NOT_IMAGES = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # left behind by file managers
_IMAGE_ENDINGS = {
    *(".avif", ".bmp", ".gif", ".heic", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm"),
    *(".tif", ".tiff", ".webp"),
}
_MAX_WRAPPINGS = 8  # folders around everything in a zip
_IS_ENCRYPTED = 0x1  # a flag of a zip's member
_DRIVE = re.compile(r"[A-Za-z]:")
_CHUNK = 256  # images
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, order=True)
class _File:
    """An image file of the data set, not read yet."""

    name: str  # within the folder or zip, with forward slashes and in NFC: train/cat/1.png
    key: str  # what its folder or zip calls it
    size: int  # bytes, as declared

    @property
    def split(self) -> str:
        return self.name.split("/")[0]

    @property
    def class_name(self) -> str:
        return self.name.split("/")[1]


def load(path: Path, *, image_size: int | None = None) -> ImageDataset:
    """Load the folder or zip at ``path``, in which nothing is changed or unpacked.

    Folders in a class folder belong to the class, also those that are links. Whatever is left out,
    such as pictures that lie in no class folder, is told each time by a :class:`DatasetWarning`.

    The decoded images are kept in the course's cache. They are taken from there if every file has
    the name, size, times and place on the disk that it had then. Else, and wherever these don't
    tell each change (on Windows, which keeps the time of a file's creation instead of the time of
    the last change of its status), the files' content decides, which takes about a second for
    50,000 small ones.

    Args:
        path: An existing folder or zip in image-folder layout.
        image_size: Side in pixels of the square to which each image is brought, cut from its
            middle where it isn't square. None keeps the images, which must then be of one size.

    Raises:
        DatasetError: The layout isn't right, or a file can't be read; the message names it.
    """
    _check_image_size(image_size)
    with closing(_open(path)) as source:
        stored = cache.load_changing(_Pictures(source, image_size))
        for note in dict.fromkeys([*stored.notes, *source.notes]):
            warn(f"{printable(path)}: {note}")
    name = path.stem if path.is_file() else path.resolve().name
    name = "".join(letter if letter.isprintable() else "�" for letter in name)
    return ImageDataset(
        name, stored.train, stored.test, stored.class_names, _datasheet(name), cache.GROUP
    )


class _Source(Protocol):
    """A folder or zip of image files."""

    path: Path
    notes: list[str]  # what is left out
    are_notes_content: bool  # whether they can only change when an image does

    def status(self) -> "_Status":
        """Everything that the system tells of the files without reading them."""

    def digest(self) -> str:
        """What the files contain and are called."""

    def files(self) -> list[_File]:
        """All image files, sorted by name."""

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        """The names in a folder, "" for the outermost, and which are folders."""

    def read(self, file: _File) -> bytes:
        """The content of a file, cut off beyond ``MAX_FILE_BYTES``."""

    def close(self) -> None:
        """Give back what is held open."""


def _open(path: Path) -> _Source:
    return _Zip(path) if path.is_file() else _Folder(path)


class _Pictures:
    """The pictures of a folder or zip in a size, for the cache."""

    def __init__(self, source: _Source, image_size: int | None) -> None:
        self._source = source
        self._image_size = image_size
        self._status = source.status()
        self._digest = ""
        self.status = self._status.text if self._status.tells_changes else ""
        self.place = _hash((str(source.path.resolve()), image_size))[:16]

    def digest(self) -> str:
        self._digest = self._source.digest()
        return self._digest

    def decode(self) -> cache.Decoded:
        return replace(_decode(self._source, self._image_size), check=self._check)

    def _check(self) -> None:
        """Raise an error if what has been decoded isn't what was there at the beginning."""
        with closing(_open(self._source.path)) as now:
            is_same = now.status().text == self._status.text
            if not is_same and now.digest() != self._digest:
                raise DatasetError(
                    f"{printable(self._source.path)} has been changed while its images were read: "
                    "load it again"
                )


@dataclass(frozen=True)
class _Status:
    """What the system tells of files without reading them."""

    text: str  # other than before if it tells anything else
    tells_changes: bool  # whether no file can be changed without another text

    @classmethod
    def of(cls, found: Iterable[tuple[str, os.stat_result]], began: int) -> "_Status":
        """Sum up files, listed since ``began`` (nanoseconds)."""
        lines = [
            (name, one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino, one.st_dev)
            for name, one in found
        ]
        newest = max((line[3] for line in lines), default=0)
        is_settled = newest < began - SETTLED_SECONDS * 10**9
        return cls(_hash(lines), TELLS_CHANGES and is_settled)


class _Folder:
    are_notes_content = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._found: list[tuple[str, os.stat_result]] = []
        self._num_seen = 0
        self._began = time.time_ns()
        try:
            self._list()
        except OSError as error:
            raise DatasetError(f"{printable(path)} can't be read: {error}") from error
        self._found.sort(key=itemgetter(0))

    def _list(self) -> None:
        """List the files of the class folders.

        Looks into train and test only, so that a folder named by mistake isn't searched through.
        """
        self.notes += _notes_beside(one for one in self.entries("") if not self._is_split(one[0]))
        for split in _SPLITS:
            entries = self.entries(split)
            self.notes += _notes_within(split, entries)
            empty = [
                f"{split}/{name}"
                for name, is_folder in entries
                if is_folder and not self._list_class(f"{split}/{name}")
            ]
            if empty:
                self.notes.append(f"without images, and left out: {_quoted(empty)}")

    def _is_split(self, name: str) -> bool:
        """Whether a name is train or test, however a system writes that takes no heed of case."""
        split = self.path / name.casefold()
        return name in _SPLITS or (
            split.name in _SPLITS and split.exists() and split.samefile(self.path / name)
        )

    def _list_class(self, class_folder: str) -> bool:
        """List the files below a class folder, each folder once, however many links lead to it."""
        before = len(self._found)
        waiting, seen = [class_folder], set[tuple[int, int]]()
        while waiting:
            folder = waiting.pop()
            status = (self.path / folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            for entry in self._scan(folder):
                name = f"{folder}/{entry.name}"
                if entry.is_dir():
                    waiting.append(name)
                else:
                    self._found.append((name, _status_of_file(name, entry)))
        return len(self._found) > before

    def _scan(self, folder: str) -> list[os.DirEntry[str]]:
        with os.scandir(self.path / folder) as entries:
            found = [entry for entry in entries if not _is_hidden(entry.name)]
        self._num_seen += len(found)
        if self._num_seen > MAX_FILES:
            raise DatasetError(
                f"{printable(self.path)} has more than {MAX_FILES:,} files: see whether a link in "
                f"it leads too far (the last folder was {folder!r})"
            )
        return sorted(found, key=attrgetter("name"))

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        if not (self.path / folder).is_dir():
            return []
        return [(entry.name, entry.is_dir()) for entry in self._scan(folder)]

    def status(self) -> _Status:
        return _Status.of(self._found, self._began)

    def digest(self) -> str:
        total = hashlib.sha256()
        progress = tqdm(
            self.files(), "looking for changes", unit="image", delay=1, disable=not is_watched()
        )
        try:
            for file in progress:
                content = hashlib.sha256(self.read(file)).hexdigest()
                total.update(repr((file.key, file.size, content)).encode())
        except OSError as error:
            raise DatasetError(f"{printable(self.path)} can't be read: {error}") from error
        return total.hexdigest()[:24]

    def files(self) -> list[_File]:
        return sorted(
            _File(unicodedata.normalize("NFC", name), name, status.st_size)
            for name, status in self._found
        )

    def read(self, file: _File) -> bytes:
        with (self.path / file.key).open("rb") as stream:
            return stream.read(min(file.size, MAX_FILE_BYTES) + 1)

    def close(self) -> None:
        pass


class _Zip:
    are_notes_content = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._names: list[list[str]] = []  # of the visible files, in parts

    def status(self) -> _Status:
        began = time.time_ns()
        return _Status.of([("", self._ask(self.path.stat))], began)

    def digest(self) -> str:
        def read() -> str:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()[:24]

        return self._ask(read)

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        try:
            return question()
        except OSError as error:
            raise DatasetError(f"{printable(self.path)} can't be read: {error}") from error

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (
            OSError,
            ValueError,
            struct.error,
            zipfile.BadZipFile,
            NotImplementedError,
        ) as error:
            raise DatasetError(
                f"{printable(self.path)} can't be read as a zip ({error}); needed is a folder or "
                f"zip with {_LAYOUT}"
            ) from error

    def files(self) -> list[_File]:
        listed = self._list()
        depth = _count_wrappings(listed.values())
        self._names = [parts[depth:] or parts[-1:] for parts in listed.values()]
        found = []
        for key, parts in zip(listed, self._names, strict=True):
            if len(parts) >= 3 and parts[0] in _SPLITS:
                info = self._members[key]
                found.append(_File("/".join(parts), key, info.file_size))
                if info.flag_bits & _IS_ENCRYPTED:
                    raise DatasetError(
                        f"{printable(self.path)} is protected by a password, with {key!r} in it: "
                        "make the zip again without one"
                    )
        self.notes += _notes_beside([one for one in self.entries("") if one[0] not in _SPLITS])
        for split in _SPLITS:
            self.notes += _notes_within(split, self.entries(split))
        return sorted(found)

    def _list(self) -> dict[str, list[str]]:
        """The names of the visible files, in parts; of files of one name the last is there."""
        listed: dict[str, list[str]] = {}
        twice, outside = [], []
        for info in self._archive.infolist():
            key = info.orig_filename.replace("\\", "/")
            name = name_of(info).replace("\\", "/")
            parts = [part for part in name.split("/") if part not in ("", ".")]
            if name.startswith("/") or ".." in parts or _DRIVE.match(name):
                outside.append(name)
            elif parts and not name.endswith("/") and not any(map(_is_hidden, parts)):
                if key in listed:
                    twice.append(name)
                listed[key] = parts
                self._members[key] = info
        if outside:
            self.notes.append(f"names that lead out of the zip are left out: {_quoted(outside)}")
        if twice:
            self.notes.append(f"of files of one name the last is used: {_quoted(twice)}")
        return listed

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        above = [folder] if folder else []
        inside = [parts[len(above) :] for parts in self._names if parts[: len(above)] == above]
        return sorted({(parts[0], len(parts) > 1) for parts in inside if parts})

    def read(self, file: _File) -> bytes:
        info = self._members[file.key]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("it is compressed in an unusual way; make the zip with deflate")
        with self._archive.open(info) as stream:
            return stream.read(MAX_FILE_BYTES + 1)

    def close(self) -> None:
        if "_archive" in vars(self):
            self._archive.close()


def _count_wrappings(names: Collection[list[str]]) -> int:
    """How many folders lie around everything but a few files beside them."""
    for depth in range(_MAX_WRAPPINGS):
        folders = {parts[depth] for parts in names if len(parts) > depth + 1}
        if len(folders) != 1 or folders <= set(_SPLITS):
            return depth
    return _MAX_WRAPPINGS


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _NOT_IMAGES


def _status_of_file(name: str, entry: "os.DirEntry[str]") -> os.stat_result:
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe or device would keep us waiting
        raise DatasetError(f"{name!r} can't be read as an image: it isn't a regular file")
    return status


def _notes_beside(entries: Iterable[tuple[str, bool]]) -> Iterator[str]:
    """What to say of what lies beside train and test."""
    entries = list(entries)
    if folders := [name for name, is_folder in entries if is_folder]:
        yield f"not used, being beside train and test: {_folders(folders)}"
    if num_images := _count_images(entries):
        yield f"{num_images:,} of its images lie beside train and test and are left out"


def _notes_within(split: str, entries: Iterable[tuple[str, bool]]) -> Iterator[str]:
    """What to say of what lies directly in train or test."""
    if num_images := _count_images(entries):
        yield (
            f"{num_images:,} of its images lie directly in {split}, not in {split}/<class>, and "
            "are left out"
        )


def _count_images(entries: Iterable[tuple[str, bool]]) -> int:
    return sum(
        not is_folder and PurePosixPath(name).suffix.lower() in _IMAGE_ENDINGS
        for name, is_folder in entries
    )


def _quoted(names: Collection[str]) -> str:
    """Some names, for a message."""
    some = [repr(name[:80]) for name in list(names)[:5]]
    return ", ".join(some) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _holdings(entries: Iterable[tuple[str, bool]]) -> str:
    """What a folder holds: ``3 folders ('cat', 'dog', 'ship'), 12 .txt files``."""
    entries = list(entries)
    folders = [name for name, is_folder in entries if is_folder]
    endings = Counter(
        PurePosixPath(name).suffix.lower() for name, is_folder in entries if not is_folder
    )
    parts = [_folders(folders)] if folders else []
    for ending, number in sorted(endings.items(), key=lambda item: (-item[1], item[0]))[:5]:
        noun = "file" if number == 1 else "files"
        kind = f"{printable(ending[:20])} {noun}" if ending else f"{noun} without an ending"
        parts.append(f"{number:,} {kind}")
    return ", ".join(parts) or "nothing"


def _hint(split: str, entries: Iterable[tuple[str, bool]]) -> str:
    other = [name for name, is_folder in entries if is_folder and name.casefold() in _NOT_TEST]
    if split == "train" or not other:
        return ""
    return f". Rename {other[0]!r} to 'test' if it is what to test on"


def _folders(names: Collection[str]) -> str:
    return f"{len(names):,} {'folder' if len(names) == 1 else 'folders'} ({_quoted(names)})"


def _hash(thing: object) -> str:
    return hashlib.sha256(repr(thing).encode()).hexdigest()


def _class_names(files: list[_File], source: _Source) -> tuple[str, ...]:
    """The sorted names of the class folders, which must be the same in train and test."""
    path = printable(source.path)
    classes = {split: {f.class_name for f in files if f.split == split} for split in _SPLITS}
    for split in _SPLITS:
        if not classes[split]:
            inside = source.entries(split)
            holdings = _holdings(inside or source.entries(""))
            raise DatasetError(
                f"{path} has no images in {split}/<class>/; {split if inside else 'it'} holds "
                f"{holdings}. Needed are {_LAYOUT}{_hint(split, source.entries(''))}"
            )
    for split, other in (_SPLITS, _SPLITS[::-1]):
        if missing := sorted(classes[split] - classes[other]):
            raise DatasetError(
                f"{path} has images in {f'{split}/{missing[0]}'!r} but none in "
                f"{f'{other}/{missing[0]}'!r}: train and test need the same class folders"
            )
    names = tuple(sorted(classes["train"]))
    if len(names) == 1:
        raise DatasetError(f"{path} has only one class, {names[0]!r}: a data set needs two or more")
    if odd := [name for name in names if not name.isprintable()]:
        raise DatasetError(f"{path} has a class folder {odd[0]!r}: rename it in printable letters")
    return names


def _decode(source: _Source, image_size: int | None) -> cache.Decoded:
    files = source.files()
    class_names = _class_names(files, source)
    shape = _read_image(source, files[0], image_size).shape
    _check_total(len(files), shape)
    progress = tqdm(total=len(files), desc="reading images", unit="image", disable=not is_watched())

    def chunks(split_files: list[_File]) -> Iterator[NDArray[np.uint8]]:
        for start in range(0, len(split_files), _CHUNK):
            chunk = split_files[start : start + _CHUNK]
            images = []
            for file in chunk:
                image = _read_image(source, file, image_size)
                if image.shape != shape:
                    raise DatasetError(
                        f"{file.name!r} is {_size(image.shape)} pixels and {files[0].name!r} is "
                        f"{_size(shape)}: pass image_size=32 to bring all images to one size"
                    )
                images.append(image)
            progress.update(len(chunk))
            yield np.stack(images)
        if progress.n == len(files):
            progress.close()

    def decoded(split: str) -> cache.DecodedSplit:
        split_files = _shuffled([file for file in files if file.split == split])
        labels = np.array([class_names.index(f.class_name) for f in split_files], dtype=np.int64)
        return cache.DecodedSplit(chunks(split_files), labels, shape)

    notes = tuple(source.notes) if source.are_notes_content else ()
    return cache.Decoded(class_names, decoded("train"), decoded("test"), notes)


def _shuffled(files: list[_File]) -> list[_File]:
    """Mix the classes, always in the same way, since some users cut off the last images."""
    return [files[i] for i in np.random.default_rng(0).permutation(len(files))]


def _read_image(source: _Source, file: _File, image_size: int | None) -> NDArray[np.uint8]:
    """Read one image as (height, width, 3)."""
    try:
        if file.size > MAX_FILE_BYTES:
            raise ValueError(f"it has more than {MAX_FILE_BYTES // 2**20} MB")
        with Image.open(io.BytesIO(source.read(file)), formats=FORMATS) as image:
            return np.asarray(_as_rgb(image, image_size))
    except UnidentifiedImageError as error:
        reason = f"it is damaged or not one of {', '.join(FORMATS)}"
        raise DatasetError(f"{file.name!r} can't be read as an image: {reason}") from error
    except Exception as error:  # a damaged file makes Pillow and zipfile raise almost anything
        raise DatasetError(f"{file.name!r} can't be read as an image: {error}") from error


def _as_rgb(image: Image.Image, image_size: int | None) -> Image.Image:
    """Bring an opened image, not decoded yet, to 8-bit RGB, upright, and to the size asked for."""
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"it has {image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")
    if image.mode.startswith(("I", "F")):
        raise ValueError(
            "its pixels have more than 8 bits, for which black and white aren't fixed; save it "
            "with 8 bits per colour"
        )
    if image_size is not None:
        image.draft("RGB", (2 * image_size, 2 * image_size))  # JPEG: decode no more than needed
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright.convert("RGBA"))
    rgb = upright.convert("RGB")
    return rgb if image_size is None else ImageOps.fit(rgb, (image_size, image_size))


def _check_image_size(image_size: int | None) -> None:
    if image_size is not None and not 1 <= image_size <= MAX_IMAGE_SIZE:
        raise DatasetError(
            f"image_size is the images' side in pixels, 1 to {MAX_IMAGE_SIZE}, not {image_size}"
        )


def _check_total(num_images: int, shape: tuple[int, ...]) -> None:
    size = num_images * int(np.prod(shape))
    if size > MAX_DATASET_BYTES:
        raise DatasetError(
            f"{num_images:,} images of {_size(shape)} pixels would take {size / 1e9:.0f} GB: pass "
            "image_size=32 to make them smaller"
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]}"


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
