"""CIFAR-10's batches, read without unpacking their archive or running anything that is in it.

A batch is a Python pickle, and a pickle is a program: unpickling one from a stranger runs whatever
its author liked. :func:`read_pickle` interprets the instructions for numbers, texts, lists, tuples
and dictionaries. It has none that calls anything: where a pickle asks for a call, it notes down
what was to be called, with which arguments, and :func:`read_batch` finds the array's bytes there.

A ``pickle.Unpickler`` whose ``find_class`` knows a list of allowed names would call nothing either,
but it decides over names alone. Seven bytes that store ``None`` as number 100 million make it claim
1.6 GB (Python 3.11), and 300 bytes with a dictionary's key of pairs of pairs keep it hashing for
ever. Looking through the instructions beforehand cannot tell such a key from an array's shape.
"""

import gzip
import hashlib
import io
import pickletools
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_utils.datasets.base import DatasetError

FOLDER = "cifar-10-batches-py"
TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = "test_batch"
NAMES = (*TRAIN, TEST)
NUM_CLASSES = 10
IMAGE_SHAPE = (32, 32, 3)

# How the pickle of an array names what would have to be called.
_ARRAY_NAMES = (
    "numpy.core.multiarray _reconstruct",  # NumPy 1
    "numpy._core.multiarray _reconstruct",  # NumPy 2
    "numpy ndarray",
    "numpy dtype",
)

MAX_FILE_BYTES = 32 * 2**20
MAX_ARCHIVE_BYTES = 256 * 2**20  # once decompressed
MAX_INSTRUCTIONS = 200_000  # a batch has about 30,000


@dataclass(frozen=True, eq=False)
class Batch:
    """A tenth of the training images, or the test images."""

    images: NDArray[np.uint8]  # (n, 32, 32, 3)
    labels: NDArray[np.int64]  # (n,)


@dataclass(eq=False)
class Call:
    """A call that a pickle asks for and that isn't made; later instructions set its state."""

    function: object
    arguments: object
    state: Any = None


def read_archive(path: Path, *, images_per_batch: int) -> dict[str, Batch]:
    """Read the six batches from the .tar.gz at ``path``.

    Raises:
        DatasetError: The archive is damaged, or holds what doesn't belong there.
    """
    try:
        with gzip.open(path) as unzipped:
            stream = _Limited(unzipped)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                batches = _read_members(archive, images_per_batch)
            while stream.read(2**20):  # on to the end, where gzip keeps its checksum
                pass
    except Exception as error:  # a damaged archive makes tarfile and gzip raise almost anything
        raise DatasetError(f"{path} is damaged or not CIFAR-10's archive: {error}") from error
    if missing := [name for name in NAMES if name not in batches]:
        raise DatasetError(f"{path} isn't CIFAR-10's archive: {FOLDER}/{missing[0]} is missing")
    return batches


def _read_members(archive: tarfile.TarFile, images_per_batch: int) -> dict[str, Batch]:
    batches = {}
    for member in archive:
        name = _check_member(member)
        if name in NAMES:
            content = archive.extractfile(member)
            assert content is not None
            batches[name] = read_batch(content.read(), images_per_batch=images_per_batch)
    return batches


def read_folder(path: Path, *, md5: Mapping[str, str], images_per_batch: int) -> dict[str, Batch]:
    """Read the six batches from the folder at ``path``, into which Keras unpacked the archive.

    Raises:
        DatasetError: A batch is missing or altered.
    """
    batches = {}
    for name in NAMES:
        try:
            with (path / name).open("rb") as stream:
                content = stream.read(MAX_FILE_BYTES)
        except OSError as error:
            raise DatasetError(f"{path / name} can't be read: {error}") from error
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5[name]:
            raise DatasetError(f"{path / name} is damaged or altered: its MD5 isn't {md5[name]}")
        batches[name] = read_batch(content, images_per_batch=images_per_batch)
    return batches


def read_batch(content: bytes, *, images_per_batch: int) -> Batch:
    """Read images and labels from a pickled batch.

    Raises:
        DatasetError: It isn't a pickle of what a batch consists of.
    """
    try:
        batch = read_pickle(content)
        return Batch(
            _images(batch["data"], images_per_batch), _labels(batch["labels"], images_per_batch)
        )
    except DatasetError:
        raise
    except Exception as error:  # instructions out of order, as in a damaged or hostile pickle
        raise DatasetError(f"a batch is not as CIFAR-10's are: {error!r}") from error


def read_pickle(content: bytes) -> Any:
    """Interpret a pickle of numbers, texts, lists, tuples and dictionaries; call nothing.

    Returns:
        What is pickled, with a :class:`Call` wherever the pickle asks for one.

    Raises:
        DatasetError: An instruction that these don't need, or too many of them.
        Exception: Of many kinds, where instructions don't fit together.
    """
    machine = _Machine()
    for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        if count == MAX_INSTRUCTIONS:
            raise DatasetError(f"a batch has more than {MAX_INSTRUCTIONS:,} instructions")
        machine.do(instruction.name, argument)
    return machine.stack.pop()


class _Machine:
    """The stack machine for which pickles are written, without the instructions that call."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def do(self, instruction: str, argument: Any) -> None:  # noqa: PLR0912
        match instruction:
            case "PROTO" | "STOP":
                pass
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG1":
                self.stack.append(argument)
            case "BINSTRING" | "SHORT_BINSTRING" | "BINUNICODE":
                self.stack.append(argument)
            case "NONE":
                self.stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                self.stack.append(instruction == "NEWTRUE")
            case "EMPTY_LIST":
                self.stack.append([])
            case "EMPTY_DICT":
                self.stack.append({})
            case "EMPTY_TUPLE":
                self.stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.stack.append(tuple(self.take(int(instruction[-1]))))
            case "TUPLE":
                self.stack.append(tuple(self.take_to_mark()))
            case "MARK":
                self.marks.append(len(self.stack))
            case "APPEND":
                self.extend(self.take(1))
            case "APPENDS":
                self.extend(self.take_to_mark())
            case "SETITEM":
                self.update(self.take(2))
            case "SETITEMS":
                self.update(self.take_to_mark())
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                self.stack.append(self.memo[argument])
            case "GLOBAL" if argument in _ARRAY_NAMES:
                self.stack.append(argument)
            case "GLOBAL":
                raise DatasetError(f"a batch has no use for {argument[:100]!r}")
            case "REDUCE":
                self.stack.append(Call(*self.take(2)))
            case "BUILD":
                (state,) = self.take(1)
                self.stack[-1].state = state
            case _:
                raise DatasetError(f"a batch has no use for the pickle instruction {instruction}")

    def take(self, number: int) -> list[Any]:
        if number > len(self.stack):
            raise DatasetError("a batch takes more from the pickle machine's stack than is there")
        taken = self.stack[len(self.stack) - number :]
        del self.stack[len(self.stack) - number :]
        return taken

    def take_to_mark(self) -> list[Any]:
        return self.take(len(self.stack) - self.marks.pop())

    def extend(self, values: list[Any]) -> None:
        self.stack[-1].extend(values)

    def update(self, pairs: list[Any]) -> None:
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str):  # a nest of tuples could take for ever to hash
                raise DatasetError("a batch's keys are texts")
            self.stack[-1][key] = value


def _images(array: Call, num_images: int) -> NDArray[np.uint8]:
    """The images of a pickled array, whose rows are 1,024 red, green and blue values each."""
    _version, shape, dtype, is_fortran, content = array.state
    height, width, channels = IMAGE_SHAPE
    if (
        array.function not in _ARRAY_NAMES
        or (dtype.function, dtype.arguments[0]) != ("numpy dtype", "u1")
        or shape != (num_images, height * width * channels)
        or len(content) != num_images * height * width * channels
    ):
        raise DatasetError(
            f"a batch's images are not {num_images} rows of {height * width * channels} bytes"
        )
    rows = np.frombuffer(content.encode("latin-1"), np.uint8)
    rows = rows.reshape(shape, order="F" if is_fortran else "C")
    return rows.reshape(num_images, channels, height, width).transpose(0, 2, 3, 1)


def _labels(labels: list[int], num_images: int) -> NDArray[np.int64]:
    if len(labels) != num_images or not all(
        type(label) is int and 0 <= label < NUM_CLASSES for label in labels
    ):
        raise DatasetError(f"a batch's labels are not {num_images} numbers from 0 to 9")
    return np.array(labels, np.int64)


def _check_member(member: tarfile.TarInfo) -> str:
    """The member's name within the archive's only folder; "" for the folder itself."""
    folder, _, name = member.name.partition("/")
    is_file = member.isreg() and name not in ("", ".", "..") and "/" not in name
    if folder != FOLDER or not (is_file or (member.isdir() and name == "")):
        raise DatasetError(f"{member.name[:100]!r} doesn't belong there")
    if member.size > MAX_FILE_BYTES:
        raise DatasetError(f"{member.name[:100]!r} has {member.size:,} bytes")
    return name


class _Limited(io.RawIOBase):
    """A stream that ends with an error where a bomb would go on."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_ARCHIVE_BYTES

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise DatasetError(f"it unpacks to more than {MAX_ARCHIVE_BYTES:,} bytes")
        return content
