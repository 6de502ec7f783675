"""Photographs of one's own: a folder or a zip with ``train/<class>/*`` and ``test/<class>/*``."""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm.auto import tqdm

from course_utils.datasets import cache
from course_utils.datasets.base import DatasetError, Datasheet, ImageDataset
from course_utils.progress import is_watched

# Pillow decodes these by itself; for others, such as EPS, it would start another program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
MAX_DATASET_BYTES = 8 * 2**30
MAX_IMAGE_SIZE = 512

_SPLITS = ("train", "test")
_LAYOUT = "train/<class>/<image file> and test/<class>/<image file>"
_NOT_IMAGES = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # left behind by file managers
_CHUNK = 256  # images


@dataclass(frozen=True)
class _File:
    """An image file of the data set, not read yet."""

    name: str  # within the folder or zip, with forward slashes: train/cat/1.png
    size: int  # bytes, as declared

    @property
    def split(self) -> str:
        return self.name.split("/")[0]

    @property
    def class_name(self) -> str:
        return self.name.split("/")[1]


def load(path: Path, *, image_size: int | None = None) -> ImageDataset:
    """Load the folder or zip at ``path``, in which nothing is changed or unpacked.

    Args:
        path: An existing folder or zip in image-folder layout.
        image_size: Side in pixels of the square to which each image is brought, cut from its
            middle where it isn't square. None keeps the images, which must then be of one size.

    Raises:
        DatasetError: The layout isn't right, or a file can't be read; the message names it.
    """
    _check_image_size(image_size)
    with ExitStack() as resources:

        def decode() -> cache.Decoded:
            source = resources.enter_context(closing(_open(path)))
            return _decode(source, image_size)

        stored = cache.load(f"image-folder-{_fingerprint(path, image_size)}", decode)
    name = path.stem if path.is_file() else path.resolve().name
    return ImageDataset(
        name, stored.train, stored.test, stored.class_names, _datasheet(name), cache.GROUP
    )


def _fingerprint(path: Path, image_size: int | None) -> str:
    """A short text that changes with any file's name, size or time of change."""
    total = hashlib.sha256(repr((str(path.resolve()), image_size)).encode())
    try:
        for name in [Path()] if path.is_file() else sorted(_walk(path)):
            status = (path / name).stat()
            total.update(repr((str(name), status.st_size, status.st_mtime_ns)).encode())
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error}") from error
    return total.hexdigest()[:24]


class _Source(Protocol):
    """A folder or zip of image files."""

    path: Path

    def files(self) -> list[_File]:
        """All image files, sorted by name."""

    def read(self, file: _File) -> bytes:
        """The content of a file, cut off beyond ``MAX_FILE_BYTES``."""

    def close(self) -> None:
        """Give back what is held open."""


def _open(path: Path) -> _Source:
    return _Zip(path) if path.is_file() else _Folder(path)


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> list[_File]:
        return [
            _File(name.as_posix(), (self.path / name).stat().st_size)
            for name in sorted(_walk(self.path))
        ]

    def read(self, file: _File) -> bytes:
        if not (self.path / file.name).is_file():  # a pipe or device would keep us waiting
            raise ValueError("it isn't a regular file")
        with (self.path / file.name).open("rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)

    def close(self) -> None:
        pass


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            raise DatasetError(
                f"{path} can't be read as a zip ({error}); needed is a folder or zip with {_LAYOUT}"
            ) from error
        self._members: dict[str, zipfile.ZipInfo] = {}

    def files(self) -> list[_File]:
        members = {
            PurePosixPath(info.filename): info
            for info in self._archive.infolist()
            if not info.is_dir()
        }
        tops = {name.parts[0] for name in members if name.parts and not _is_hidden(name)}
        depth = int(len(tops) == 1 and not tops <= set(_SPLITS))  # of a folder that holds them all
        for name, info in members.items():
            inner = PurePosixPath(*name.parts[depth:])
            if _is_image(inner):
                self._members[str(inner)] = info
        return [_File(name, info.file_size) for name, info in sorted(self._members.items())]

    def read(self, file: _File) -> bytes:
        info = self._members[file.name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("it is compressed in an unusual way; make the zip with deflate")
        with self._archive.open(info) as stream:
            return stream.read(MAX_FILE_BYTES + 1)

    def close(self) -> None:
        self._archive.close()


def _walk(path: Path) -> Iterator[Path]:
    """Names of the image files, relative to ``path``.

    Looks into train and test only, so that a folder named by mistake isn't searched through.
    """

    def stop(error: OSError) -> None:
        raise error

    for split in _SPLITS:
        if not (path / split).is_dir():
            continue
        for class_folder in filter(Path.is_dir, (path / split).iterdir()):
            for folder, _, names in os.walk(class_folder, onerror=stop):
                for name in names:
                    found = (Path(folder) / name).relative_to(path)
                    if _is_image(found):
                        yield found


def _is_hidden(name: PurePath) -> bool:
    return any(part.startswith(".") or part in _NOT_IMAGES for part in name.parts)


def _is_image(name: PurePath) -> bool:
    return len(name.parts) >= 3 and name.parts[0] in _SPLITS and not _is_hidden(name)


def _class_names(files: list[_File], path: Path) -> tuple[str, ...]:
    """The sorted names of the class folders, which must be the same in train and test."""
    classes = {split: {f.class_name for f in files if f.split == split} for split in _SPLITS}
    for split in _SPLITS:
        if not classes[split]:
            raise DatasetError(f"{path} has no images in {split}/<class>/; needed are {_LAYOUT}")
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
    class_names = _class_names(files, source.path)
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

    return cache.Decoded(class_names, decoded("train"), decoded("test"))


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
