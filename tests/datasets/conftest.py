"""What the data sets' tests share: folders of their own, and small CIFAR-10 archives."""

import hashlib
import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NAMES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
IMAGES_PER_BATCH = 20


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the course's and Keras's cache inside the test's own folder."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path


def text(value: bytes) -> bytes:
    if len(value) < 256:
        return b"U" + bytes([len(value)]) + value
    return b"T" + len(value).to_bytes(4, "little") + value


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    return b"J" + value.to_bytes(4, "little", signed=True)


def pickled_batch(images: np.ndarray, labels: list[int]) -> bytes:
    """Pickle a batch as Python 2 and NumPy 1 did, in which CIFAR-10's were made.

    images (n, 32, 32, 3), labels (n,).
    """
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09"
        + b"(K\x01"
        + b"".join(number(size) for size in rows.shape)
        + b"\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b"
        + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + text(rows.tobytes())
        + b"tb"
    )
    names = b"".join(text(b"photograph_%d.png" % i) for i in range(len(labels)))
    return (
        b"\x80\x02}q\x01("
        + text(b"batch_label")
        + text(b"a batch of a test")
        + text(b"labels")
        + b"]q\x02("
        + b"".join(number(label) for label in labels)
        + b"e"
        + text(b"data")
        + array
        + text(b"filenames")
        + b"]r\x00\x01\x00\x00("
        + names
        + b"eu."
    )


@pytest.fixture(scope="session")
def photographs() -> dict[str, tuple[np.ndarray, list[int]]]:
    """Images (n, 32, 32, 3) and labels of six batches."""
    random = np.random.default_rng(0)
    return {
        name: (
            random.integers(0, 256, (IMAGES_PER_BATCH, 32, 32, 3), dtype=np.uint8),
            [int(label) for label in random.permutation(IMAGES_PER_BATCH) % 10],
        )
        for name in NAMES
    }


@pytest.fixture(scope="session")
def pickles(photographs: dict[str, tuple[np.ndarray, list[int]]]) -> dict[str, bytes]:
    return {name: pickled_batch(*batch) for name, batch in photographs.items()}


Pack = Callable[..., bytes]


@pytest.fixture(scope="session")
def pack(pickles: dict[str, bytes]) -> Pack:
    """A function that packs an archive; members of other names or content replace or join it."""

    def pack(*extra: tuple[tarfile.TarInfo, bytes], **changed: bytes) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            folder = tarfile.TarInfo("cifar-10-batches-py")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            contents = {"batches.meta": b"never read", **pickles, **changed}
            for name in sorted(contents, reverse=True):
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.size = len(contents[name])
                archive.addfile(member, io.BytesIO(contents[name]))
            for member, content in extra:
                archive.addfile(member, io.BytesIO(content))
        return packed.getvalue()

    return pack


@pytest.fixture(scope="session")
def packed(pack: Pack) -> bytes:
    """A good archive."""
    return pack()


@pytest.fixture(scope="session")
def md5(pickles: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.md5(content).hexdigest() for name, content in pickles.items()}


Watch = Callable[[], Any]
_watching: list[list[tuple[str, tuple[Any, ...]]]] = []
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event == "os.remove":
        arguments = (str(_absolute(*arguments)),)
    for events in _watching:
        events.append((event, arguments))


def _absolute(path: str, folder: int) -> Path:
    """The path of a file that was named within an open folder, as ``shutil.rmtree`` does."""
    return Path(path) if folder == -1 else Path(f"/proc/self/fd/{folder}").readlink() / path


@pytest.fixture(scope="session")
def watch() -> Watch:
    """A context manager that lists what the interpreter is asked to do inside it (PEP 578)."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)

    @contextmanager
    def watch() -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
        events: list[tuple[str, tuple[Any, ...]]] = []
        _watching.append(events)
        try:
            yield events
        finally:
            _watching.remove(events)

    return watch


@pytest.fixture(params=["folder", "zip", "tar", "tar.gz", "tar.bz2"])
def kind(request: pytest.FixtureRequest) -> str:
    """In what the pictures of one's own lie."""
    return request.param
