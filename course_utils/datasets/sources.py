"""Where pictures of one's own lie: a folder, a zip or a tar, in which nothing is ever changed."""

import bz2
import gzip
import hashlib
import io
import os
import re
import stat
import struct
import tarfile
import tempfile
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeVar, cast

from tqdm.auto import tqdm

from course_utils.datasets.base import DatasetError, printable
from course_utils.datasets.zip_names import name_of
from course_utils.progress import is_watched

MAX_FILE_BYTES = 64 * 2**20
MAX_FILES = 2_000_000  # looked at in a folder or an archive
MAX_UNPACKED_BYTES = 16 * 2**30  # of a compressed tar

# Programs can set the time at which a file was changed, but not the one at which this was done.
# Windows has the time of the file's creation in that place.
TELLS_CHANGES = os.name == "posix"

# A file changed as recently as this may be changed again without another time: file systems count
# in steps of up to two seconds.
SETTLED_SECONDS = 2

# Left behind by systems and programs; names that begin with a dot are hidden as well.
_CLUTTER = {
    *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "#recycle"),
    *("$recycle.bin", "lost+found", "__pycache__"),
}
_MARK_OF_THE_WEB = ":zone.identifier"  # Windows keeps there where a download came from
_IS_ENCRYPTED = 0x1  # a flag of a zip's member
_DRIVE = re.compile(r"[A-Za-z]:")
_Answer = TypeVar("_Answer")


class File(NamedTuple):
    """A file of a source, not read yet; a tuple, since there are tens of thousands of them."""

    name: str  # from the outermost folder, with forward slashes and in NFC: train/cat/1.png
    key: str  # what its source calls it
    size: int  # bytes, as declared
    problem: str = ""  # why it can't be read, if that is known already


@dataclass(frozen=True)
class Folder:
    """A folder of a source."""

    name: str  # its own, as its source writes it
    key: str  # the path by which its source finds it


class Source(Protocol):
    """A folder, zip or tar with files in it."""

    path: Path
    is_one_file: bool

    @property
    def notes(self) -> list[str]:
        """What of it is left out, as far as it has been looked through."""

    def folders(self, folder: str) -> list[Folder]:
        """The visible folders in a folder, "" for the outermost, sorted by name."""

    def files(self, folder: str) -> list[File]:
        """The visible files directly in a folder, sorted by name."""

    def walk(self, folder: str) -> Iterator[File]:
        """All visible files in and below a folder, each once."""

    def status(self, files: Iterable[File]) -> "Status":
        """Everything that the system tells of the files without reading them."""

    def digest(self, files: Iterable[File]) -> str:
        """What the files contain and are called."""

    def read(self, file: File) -> bytes:
        """The content of a file, cut off beyond ``MAX_FILE_BYTES``."""

    def close(self) -> None:
        """Give back what is held open."""


@dataclass(frozen=True)
class Status:
    """What the system tells of files without reading them."""

    text: str  # other than before if it tells anything else
    tells_changes: bool  # whether no file can be changed without another text

    @classmethod
    def of(cls, found: Iterable[tuple[str, "_Facts"]], began: int) -> "Status":
        """Sum up files, listed since ``began`` (nanoseconds)."""
        names, facts = [], []
        for name, its_facts in found:
            names.append(name)
            facts.append(its_facts)
        newest = max((one[_CHANGED] for one in facts), default=0)
        is_settled = newest < began - SETTLED_SECONDS * 10**9
        return cls(hash_of((names, facts)), TELLS_CHANGES and is_settled)


# Size, times of the last change of content and of status (nanoseconds), number, and device.
_Facts = tuple[int, int, int, int, int]
_CHANGED = 2


def _facts(status: os.stat_result) -> _Facts:
    """What of a file's status is another one after any change of the file."""
    return (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_dev,
    )


def open_source(path: Path) -> Source:
    """Open the folder, zip or tar at ``path``.

    Raises:
        DatasetError: it is something else, or it can't be opened.
    """
    if path.is_dir():
        return _Tree(path)
    if _asked(path, lambda: _is_zip(path)):
        return _Zip(path)
    if _asked(path, lambda: _is_tar(path)):
        return _Tar(path)
    raise DatasetError(
        f"{printable(path)} is no folder, zip or tar (plain, .gz or .bz2) that can be read: if it "
        "is another archive, unpack it and give the folder"
    )


def hash_of(thing: object) -> str:
    """A text that is another one whenever the thing prints otherwise."""
    return hashlib.sha256(repr(thing).encode()).hexdigest()


def _asked(path: Path, question: Callable[[], _Answer]) -> _Answer:
    try:
        return question()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{printable(path)} can't be read: {error}")


def _identity(source: Path, folder: Path) -> tuple[int, int]:
    """What two paths have in common that lead to one folder."""
    status = _asked(source, folder.stat)
    return status.st_dev, status.st_ino


def _is_hidden(name: str) -> bool:
    folded = name.casefold()
    return name.startswith(".") or folded in _CLUTTER or folded.endswith(_MARK_OF_THE_WEB)


@dataclass(frozen=True)
class _Listing:
    """What is directly in a folder."""

    folders: list[Folder]
    files: list[File]


class _Tree:
    """A folder."""

    is_one_file = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._began = time.time_ns()
        self._leading_back: dict[str, None] = {}
        self._facts: dict[str, _Facts] = {}
        self._listed: dict[str, _Listing] = {}
        self._num_seen = 0

    @property
    def notes(self) -> list[str]:
        if not self._leading_back:
            return []
        return [
            f"links that lead to a folder around them are left out: {quoted(self._leading_back)}"
        ]

    def folders(self, folder: str) -> list[Folder]:
        return self._list(folder).folders

    def files(self, folder: str) -> list[File]:
        return self._list(folder).files

    def walk(self, folder: str) -> Iterator[File]:
        """Links are followed, and each folder is entered once, however many links lead to it.

        One that leads to a folder around ``folder`` isn't followed: it would bring the pictures of
        other classes.
        """
        waiting, seen = [folder], set[tuple[int, int]]()
        around = {_identity(self.path, one) for one in self._around(folder)}
        while waiting:
            current = waiting.pop()
            identity = _identity(self.path, self.path / current)
            if identity in around:
                self._leading_back[current] = None
            elif identity not in seen:
                seen.add(identity)
                waiting += [inner.key for inner in self.folders(current)]
                yield from self.files(current)

    def _around(self, folder: str) -> set[Path]:
        """The folders around one: those by which its path goes, and those in which it really is."""
        place = self.path.absolute() / folder
        return {*place.parents, *place.resolve().parents}

    def _list(self, folder: str) -> "_Listing":
        if folder not in self._listed:
            folders, files = [], []
            for entry in _asked(self.path, lambda: self._scan(folder)):
                if _is_folder(entry):
                    folders.append(Folder(entry.name, _join(folder, entry.name)))
                elif file := self._file(folder, entry):
                    files.append(file)
            self._listed[folder] = _Listing(folders, files)
        return self._listed[folder]

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

    def _file(self, folder: str, entry: "os.DirEntry[str]") -> File | None:
        """The file of an entry; None if it has been removed since the folder was listed."""
        key = _join(folder, entry.name)
        problem = ""
        try:
            status = entry.stat()
        except OSError:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise _unreadable(self.path, error) from error
            problem = "it is a link that leads nowhere"
        if not problem and not stat.S_ISREG(status.st_mode):  # a pipe would keep us waiting
            problem = "it isn't a regular file"
        self._facts[key] = _facts(status)
        return File(unicodedata.normalize("NFC", key), key, status.st_size, problem)

    def status(self, files: Iterable[File]) -> Status:
        return Status.of(((file.key, self._facts[file.key]) for file in files), self._began)

    def digest(self, files: Iterable[File]) -> str:
        total = hashlib.sha256()
        progress = tqdm(
            sorted(files, key=attrgetter("key")),
            "looking for changes",
            unit="image",
            delay=1,
            disable=not is_watched(),
        )
        for file in progress:
            try:
                content = hashlib.sha256(self.read(file)).hexdigest()
            except (OSError, ValueError) as error:
                content = str(error)
            total.update(repr((file.key, file.size, content)).encode())
        return total.hexdigest()[:24]

    def read(self, file: File) -> bytes:
        if file.problem:
            raise ValueError(file.problem)
        with (self.path / file.key).open("rb") as stream:
            return stream.read(min(file.size, MAX_FILE_BYTES) + 1)

    def close(self) -> None:
        pass


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


@dataclass
class _Branch:
    """A folder of an archive."""

    folders: dict[str, "_Branch"] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)


class _Archive:
    """What zip and tar have in common: a list of names, of which some may be hostile."""

    is_one_file = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._began = time.time_ns()

    def _members(self) -> Iterator[tuple[str, File]]:
        """The files in their order: what the archive calls each, and where it is found."""
        raise NotImplementedError

    def folders(self, folder: str) -> list[Folder]:
        branch = self._find(folder)
        return [Folder(name, _join(folder, name)) for name in sorted(branch.folders)]

    def files(self, folder: str) -> list[File]:
        return sorted(self._find(folder).files)

    def walk(self, folder: str) -> Iterator[File]:
        waiting = [self._find(folder)]
        while waiting:
            branch = waiting.pop()
            waiting += branch.folders.values()
            yield from branch.files

    def _find(self, folder: str) -> _Branch:
        branch = self._root
        for part in filter(None, folder.split("/")):
            branch = branch.folders.get(part, _Branch())
        return branch

    @cached_property
    def _root(self) -> _Branch:
        listed: dict[str, tuple[list[str], File]] = {}
        twice, outside = [], []
        for called, file in self._members():
            name = file.name.replace("\\", "/")
            parts = [part for part in name.split("/") if part not in ("", ".")]
            if name.startswith("/") or ".." in parts or _DRIVE.match(name):
                outside.append(name)
            elif parts and not name.endswith("/") and not any(map(_is_hidden, parts)):
                if called in listed:
                    twice.append(name)
                listed[called] = parts, File("/".join(parts), file.key, file.size, file.problem)
        if outside:
            self.notes.append(f"names that lead out of it are left out: {quoted(outside)}")
        if twice:
            self.notes.append(f"of files of one name the last is used: {quoted(twice)}")
        root = _Branch()
        for parts, file in listed.values():
            branch = root
            for part in parts[:-1]:
                branch = branch.folders.setdefault(part, _Branch())
            branch.files.append(file)
        return root

    def status(self, files: Iterable[File]) -> Status:
        return Status.of([("", _facts(_asked(self.path, self.path.stat)))], self._began)

    def digest(self, files: Iterable[File]) -> str:
        def read() -> str:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()[:24]

        return _asked(self.path, read)

    def _check_number(self, number: int) -> None:
        if number > MAX_FILES:
            raise DatasetError(f"{printable(self.path)} has more than {MAX_FILES:,} files")


class _Zip(_Archive):
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
                f"{printable(self.path)} can't be read as a zip ({error}): get it again, or give "
                "a folder"
            ) from error

    def _members(self) -> Iterator[tuple[str, File]]:
        members = self._archive.infolist()
        self._check_number(len(members))
        for place, info in enumerate(members):
            if info.flag_bits & _IS_ENCRYPTED:
                raise DatasetError(
                    f"{printable(self.path)} is protected by a password, with "
                    f"{name_of(info)!r} in it: make the zip again without one"
                )
            called = info.orig_filename.replace("\\", "/")
            yield called, File(name_of(info), str(place), info.file_size)

    def read(self, file: File) -> bytes:
        info = self._archive.infolist()[int(file.key)]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("it is compressed in an unusual way; make the zip with deflate")
        with self._archive.open(info) as stream:
            return stream.read(MAX_FILE_BYTES + 1)

    def close(self) -> None:
        if "_archive" in vars(self):
            self._archive.close()


class _Tar(_Archive):
    """A tar, also one compressed by gzip or bzip2.

    A compressed one can only be read from its beginning to its end, so the content of its files is
    put, one behind the other, into a temporary file without a name.
    """

    @cached_property
    def _content(self) -> BinaryIO:
        """The archive itself where it isn't compressed, else the temporary file."""
        if _compression(self.path) is None:
            return _asked(self.path, lambda: self.path.open("rb"))
        return cast(BinaryIO, tempfile.TemporaryFile())

    def _members(self) -> Iterator[tuple[str, File]]:
        opened = _compression(self.path) or Path.open
        try:
            with (
                opened(self.path, "rb") as stream,
                tarfile.open(fileobj=_Measured(stream), mode="r:") as archive,
            ):
                for number, member in enumerate(archive):
                    self._check_number(number)
                    if member.isreg():
                        name = unicodedata.normalize("NFC", member.name)
                        yield member.name, self._file(archive, member, name)
        except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
            raise DatasetError(
                f"{printable(self.path)} can't be read as a tar ({error}): get it again, or give "
                "a folder"
            ) from error

    def _file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> File:
        if member.size > MAX_FILE_BYTES:
            return File(name, "", member.size)
        if member.issparse():
            return File(name, "", member.size, "it is stored with gaps; make the tar without them")
        if _compression(self.path) is None:
            return File(name, str(member.offset_data), member.size)
        extracted = archive.extractfile(member)
        start = self._keep(extracted.read() if extracted else b"")
        return File(name, str(start), member.size)

    def _keep(self, content: bytes) -> int:
        """Put content at the end of the temporary file; return where it begins."""
        try:
            start = self._content.seek(0, io.SEEK_END)
            self._content.write(content)
            self._content.flush()
        except OSError as error:
            raise DatasetError(
                f"{printable(self.path)} is unpacked into a temporary file, and {_place()} can't "
                f"take it: {error.strerror}. Make room there, name another folder in TMPDIR, or "
                "unpack it yourself and give the folder"
            ) from error
        return start

    def read(self, file: File) -> bytes:
        if file.problem:
            raise ValueError(file.problem)
        self._content.seek(int(file.key))
        return self._content.read(file.size)

    def close(self) -> None:
        if "_content" in vars(self):
            with suppress(OSError):  # on a full disk, what is still to be written
                self._content.close()


def _place() -> str:
    """Where temporary files are, in words."""
    try:
        return f"the folder {tempfile.gettempdir()}"
    except FileNotFoundError:
        return "no folder of this system"


class _Measured(io.RawIOBase):
    """A stream of which no large piece can be read at once, and not more than allowed in all.

    A tar may claim headers of any size, which :mod:`tarfile` reads into memory.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset > MAX_UNPACKED_BYTES:
            raise ValueError(f"it claims to hold more than {MAX_UNPACKED_BYTES // 2**30} GB")
        return self._stream.seek(offset)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_FILE_BYTES + tarfile.BLOCKSIZE:
            raise ValueError("it claims headers that are too long")
        return self._stream.read(size)


def _is_zip(path: Path) -> bool:
    """Whether a file is a zip, or at least begins like one, as an unfinished download does."""
    if zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _compression(path: Path) -> Callable[[Path, str], BinaryIO] | None:
    """What opens a compressed file; None if it isn't compressed in a way that is known."""
    with path.open("rb") as file:
        start = file.read(3)
    if start[:2] == b"\x1f\x8b":
        return cast(Callable[[Path, str], BinaryIO], gzip.open)
    if start == b"BZh":
        return cast(Callable[[Path, str], BinaryIO], bz2.open)
    return None


def _is_tar(path: Path) -> bool:
    opened = _compression(path) or Path.open
    try:
        with opened(path, "rb") as stream:
            tarfile.open(fileobj=_Measured(stream), mode="r:").close()
    except (EOFError, ValueError, zlib.error, tarfile.TarError, gzip.BadGzipFile):
        return False
    return True


def quoted(names: Iterable[str], most: int = 5) -> str:
    """Some names, for a message."""
    listed = list(names)
    some = [repr(name[:80]) for name in listed[:most]]
    return ", ".join(some) + (f" and {len(listed) - most:,} more" if len(listed) > most else "")
