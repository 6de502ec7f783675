"""Files that are there as a whole or not at all, and never in the place of somebody else's.

:func:`write_text` and :func:`write_bytes` write one file under a temporary name beside it and
rename it. They are for places that belong to the course.

:func:`write_own` is for places that the user named. It remembers what it wrote in a hidden file
beside it, :data:`LEDGER`, and refuses to write over anything else. What it writes appears in one
step, however many files it is.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LEDGER = ".course-files.json"

_UNFINISHED = ".course-unfinished-"  # of a folder with files that are being written
_IS_UNFINISHED = re.compile(re.escape(_UNFINISHED) + "[a-z0-9_]{8}")  # as tempfile ends names
_FINISHED = ".course-finished"  # of one whose files are whole and about to be moved to their places
_ABANDONED_SECONDS = 24 * 3600  # after which nobody goes on with an unfinished folder
_locked: set[Path] = set()


class FilesError(Exception):
    """A file can't be written where it was asked for; the message says why and what to do."""


def write_text(path: Path, text: str) -> None:
    """Write a text file as a whole.

    Args:
        path: the file; its folder is made if need be, and an older file replaced.
        text: its content, written as UTF-8; what UTF-8 cannot hold becomes ``?``.
    """
    write_bytes(path, text.encode("utf-8", errors="replace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file as a whole; as :func:`write_text`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}{time.monotonic_ns()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_own(
    folder: Path,
    contents: Mapping[str, str | bytes],
    *,
    maker: str,
    remove: Collection[str] = (),
    force: bool | None = None,
) -> None:
    """Write files into a folder that the user named: all in one step, none over a stranger's.

    A file in the way is replaced when the same maker wrote it and nobody has changed it since, or
    when it already has the content that it should get. When the process is killed while the files
    are moved to their places, the next call, or :func:`finish`, moves the others.

    Args:
        folder: made if need be.
        contents: the files by their names in the folder. A text is written as UTF-8.
        maker: the command that writes them, such as ``course export``.
        remove: names of files of the same maker that are to go in the same step, where they exist.
        force: whether to replace any file in the way; folders stay in the way. None where the
            command has no such option to tell its user of.

    Raises:
        FilesError: something is in the way. Nothing has been written then.
        OSError: the folder can't be written to, or is full. Nothing has been written then.
    """
    make_folder(folder)
    encoded = {
        name: content if isinstance(content, bytes) else content.encode("utf-8", errors="replace")
        for name, content in contents.items()
    }
    with locked(folder, wait=True) as alone:
        finish(folder)
        ledger = read_ledger(folder)
        for name, content in encoded.items():
            _refuse_strangers(folder / name, ledger.get(name), maker, content, force=force)
        for name in remove:
            _refuse_strangers(folder / name, ledger.get(name), maker, None, force=force)
            ledger.pop(name, None)
        _refuse_strange_ledger(folder, force=force)
        ledger |= {
            name: {"sha256": _digest(content), "maker": maker} for name, content in encoded.items()
        }
        encoded[LEDGER] = json.dumps(ledger, indent=1, ensure_ascii=False).encode()
        _remove_abandoned(folder, older_than=0 if alone else _ABANDONED_SECONDS)
        staged = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
        try:
            for name, content in encoded.items():
                (staged / name).write_bytes(content)
            staged.rename(folder / _FINISHED)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        try:
            finish(folder)
        except BaseException:  # such as Ctrl-C: the step is a whole one all the same
            finish(folder)
            raise


def check_own(
    folder: Path, names: Collection[str], *, maker: str, force: bool | None = None
) -> None:
    """Check that :func:`write_own` could write files of these names, before work that takes long.

    Args:
        folder: need not exist yet.
        names: of the files.
        maker: as for :func:`write_own`.
        force: as for :func:`write_own`.

    Raises:
        FilesError: something is in the way, or no folder can be made there.
        OSError: the folder, or the first one above it that exists, can't be written to.
    """
    place = _existing(folder)
    if not place.is_dir():
        raise _no_folder(place)
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
    if place != folder:
        return
    finish(folder)
    ledger = read_ledger(folder)
    for name in names:
        _refuse_strangers(folder / name, ledger.get(name), maker, None, force=force)
    _refuse_strange_ledger(folder, force=force)


def finish(folder: Path) -> None:
    """Move files to their places that :func:`write_own` could not before its process was killed.

    Whoever reads files that it wrote calls this first.
    """
    staged = folder / _FINISHED
    if not staged.is_dir():
        return
    before = read_ledger(folder)
    names = [path.name for path in staged.iterdir()]
    if LEDGER in names:
        after = read_ledger(staged)
        for name in before.keys() - after.keys():
            if _is_unchanged(folder / name, before[name]):
                (folder / name).unlink()
    for name in sorted(names, key=LEDGER.__eq__):  # the ledger last
        with suppress(FileNotFoundError):  # another process has moved it
            (staged / name).replace(folder / name)
    with suppress(FileNotFoundError):
        staged.rmdir()


def read_ledger(folder: Path) -> dict[str, dict[str, str]]:
    """Read what :func:`write_own` wrote into a folder: for each name ``sha256`` and ``maker``.

    A ledger that can't be read counts as empty, so that nothing is taken for the course's own.
    """
    return _parse_ledger(folder / LEDGER) or {}


def _parse_ledger(path: Path) -> dict[str, dict[str, str]] | None:
    """Read a ledger; None where there is none that could be read."""
    try:
        return {
            str(name): {"sha256": str(entry["sha256"]), "maker": str(entry["maker"])}
            for name, entry in json.loads(path.read_text(encoding="utf-8")).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def first_file(folder: Path) -> Path | None:
    """Find something in a folder that isn't there for :func:`write_own`'s sake; None if all is."""
    ours = (LEDGER, _FINISHED)
    names = sorted(path.name for path in folder.iterdir())
    others = (name for name in names if name not in ours and not _IS_UNFINISHED.fullmatch(name))
    return next((folder / name for name in others), None)


def make_folder(folder: Path) -> None:
    """Make a folder that the user named, and those above it.

    Raises:
        FilesError: there is a file of that name.
        OSError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _no_folder(_existing(folder)) from None


def _no_folder(place: Path) -> FilesError:
    what = "a file" if place.exists() else "a link that leads nowhere"
    return FilesError(f"{place} is {what}, and a folder is needed; choose another name")


def _existing(place: Path) -> Path:
    """Of a place and the folders above it, the first one that is there."""
    return next(one for one in (place, *place.parents) if one.exists() or one.is_symlink())


@contextmanager
def scratch(folder: Path, prefix: str) -> Iterator[Path]:
    """Give a block a folder for what it has begun, and remove what others had begun and left.

    Args:
        folder: in which it lies, so that what becomes whole can be renamed; made if need be.
        prefix: of its name, used for nothing else in ``folder``. Folders of that prefix are
            removed if their process is gone; where the file system can't tell, after a day.

    Yields:
        An empty folder, removed with what is still in it when the block ends.

    Raises:
        OSError: it can't be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as resources:
        with locked(folder, wait=True):  # nobody takes a folder for abandoned before it is locked
            for other in folder.glob(f"{prefix}*"):
                if other.resolve() not in _locked:
                    _remove_unless_used(other)
            place = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
            resources.callback(shutil.rmtree, place, ignore_errors=True)
            resources.enter_context(locked(place))
        yield place


def _remove_unless_used(place: Path) -> None:
    with suppress(FilesError, OSError), locked(place) as alone:
        if alone or place.stat().st_mtime <= time.time() - _ABANDONED_SECONDS:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Keep other processes out of a folder while a block writes to it, where the system can.

    The lock ends with the process, however it ends, and leaves no file behind.

    Args:
        folder: exists.
        wait: whether to wait for another process to leave the folder.

    Yields:
        Whether others are kept out: False where the system or the file system has no locks.

    Raises:
        FilesError: another process holds it, and ``wait`` is false.
    """
    place = folder.resolve()
    if place in _locked:
        yield True
        return
    try:
        import fcntl
    except ImportError:  # Windows
        yield False
        return
    descriptor = os.open(place, os.O_RDONLY)
    try:
        alone = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
                raise FilesError(
                    f"another command is writing to {folder}; wait for it to end, or choose "
                    "another folder"
                ) from None
            alone = False  # a file system without locks
        if alone:
            _locked.add(place)
        try:
            yield alone
        finally:
            _locked.discard(place)
    finally:
        os.close(descriptor)


def _refuse_strangers(
    path: Path,
    entry: Mapping[str, str] | None,
    maker: str,
    content: bytes | None,
    *,
    force: bool | None,
) -> None:
    """Raise an error unless a file may be written or removed at ``path``."""
    if not path.exists() and not path.is_symlink():
        return
    if path.is_dir() and not path.is_symlink():
        raise FilesError(
            f"{path} is a folder, and a file is to be written there; choose another name"
        )
    if force:
        return
    if entry is not None and entry["maker"] == maker and _is_unchanged(path, entry):
        return
    is_file = path.is_file() and not path.is_symlink()
    if content is not None and is_file and path.read_bytes() == content:
        return
    if entry is None:
        reason = f"was not made by `{maker}`"
    elif entry["maker"] != maker:
        reason = f"was made by `{entry['maker']}`, not by `{maker}`"
    else:
        reason = f"has been changed since `{maker}` made it"
    ways = (
        "move it or choose another name" if force is None else "choose another name, or use --force"
    )
    raise FilesError(f"{path} is in the way: it {reason}. Nothing was written; {ways}")


def _refuse_strange_ledger(folder: Path, *, force: bool | None) -> None:
    """Raise an error where a file has the ledger's name and isn't one."""
    path = folder / LEDGER
    if (path.exists() or path.is_symlink()) and _parse_ledger(path) is None and not force:
        raise FilesError(
            f"{path} is in the way: the course keeps its list of files there, and this isn't one. "
            "Nothing was written; move it or choose another folder"
        )


def _is_unchanged(path: Path, entry: Mapping[str, str]) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    return _digest(path.read_bytes()) == entry["sha256"]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remove_abandoned(folder: Path, *, older_than: float) -> None:
    """Delete what processes that were killed so many seconds ago had begun to write."""
    for unfinished in folder.glob(f"{_UNFINISHED}*"):
        if not _IS_UNFINISHED.fullmatch(unfinished.name):
            continue
        with suppress(FileNotFoundError):
            if unfinished.stat().st_mtime <= time.time() - older_than:
                shutil.rmtree(unfinished, ignore_errors=True)
