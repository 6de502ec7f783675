import encodings.raw_unicode_escape  # noqa: F401 - before a test would see pickletools import it
import io
import os
import pickle
import tarfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.datasets import batches
from course_utils.datasets.base import DatasetError

HARMLESS = {"object.__getattr__", "object.__setattr__", "sys._getframe", "code.__new__"}


def read(content):
    return batches.read_batch(content, images_per_batch=20)


def test_reads_what_python_2_pickled(pickles, photographs):
    for name, (images, labels) in photographs.items():
        batch = read(pickles[name])
        np.testing.assert_array_equal(batch.images, images)
        assert batch.labels.tolist() == labels
        # The real unpickler agrees that the test's pickles are pickles of this.
        data = pickle.loads(pickles[name], encoding="latin1")
        rows = data["data"].reshape(20, 3, 32, 32).transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(batch.images, rows)


def test_archive(tmp_path, packed, photographs):
    path = tmp_path / "archive"
    path.write_bytes(packed)
    found = batches.read_archive(path, images_per_batch=20)
    assert set(found) == set(photographs)
    np.testing.assert_array_equal(found["data_batch_3"].images, photographs["data_batch_3"][0])


class Attack:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(5))
def test_hostile_pickle_runs_nothing(tmp_path, protocol, watch):
    victim = tmp_path / "victim"
    content = pickle.dumps({"data": Attack(os.system, f"touch {victim}")}, protocol)
    with watch() as events, pytest.raises(DatasetError):
        read(content)
    assert not victim.exists()
    assert {event for event, _ in events} <= HARMLESS


def pairs_of_pairs(depth):
    return b"K\x00q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(depth))


BOMBS = {
    "a dictionary's key that takes for ever to hash": (
        b"}q\x01" + pairs_of_pairs(64) + b"h\x01h\x00K\x00s."
    ),
    "a memo of 400 million entries": b"Nr\x00\x84\xd7\x17.",
    "a text of 2 GB that isn't there": b"T\xff\xff\xff\x7f.",
    "a million instructions": b"N0" * 500_000 + b".",
    "many values": b"(" + b"N" * 1_000_000 + b"t.",
    "a copy of a copy": b"]" + b"2" * 100_000 + b".",
    "an empty stack": b"a.",
    "nothing": b"",
    "a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS.keys())
def test_pickle_bomb(content):
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError):
            read(content)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "labels", [list(range(19)), [10] * 20, [-1] * 20], ids=["too few", "too high", "negative"]
)
def test_labels_are_checked(pickles, labels):
    old = pickles["test_batch"]
    start, end = old.index(b"]q\x02(") + 4, old.index(b"eU\x04data")
    new = b"".join(
        b"K" + bytes([label]) if label >= 0 else b"J\xff\xff\xff\xff" for label in labels
    )
    with pytest.raises(DatasetError, match="labels are not 20 numbers from 0 to 9"):
        read(old[:start] + new + old[end:])


def test_number_of_images_is_checked(pickles):
    with pytest.raises(DatasetError, match="images are not 21 rows of 3072 bytes"):
        batches.read_batch(pickles["test_batch"], images_per_batch=21)


# Instructions of the pickle machine, some with arguments that fit, some without.
INSTRUCTIONS = st.sampled_from(
    [bytes([code]) for code in range(256)]
    + [b"cos\nsystem\n", b"cbuiltins\nexec\n", b"cnumpy\ndtype\n", b"U\x02u1", b"U\x04data"]
    + [b"U\x06labels", b"X\x04\x00\x00\x00true", b"q\x00", b"h\x00", b"r\xff\xff\xff\xff"]
    + [b"K\x00\x85", b"(lp0\n", b"S'true'\n", b"i os\nsystem\n", b"\x8c\x02os\x8c\x06system\x93"]
)


@settings(max_examples=300, deadline=None)
@given(content=st.binary() | st.lists(INSTRUCTIONS, max_size=40).map(b"".join))
def test_random_pickles_are_refused(content, watch):
    with watch() as events, pytest.raises(DatasetError):
        read(content)
    assert {event for event, _ in events} <= HARMLESS


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_altered_batches_are_read_or_refused(data, pickles, watch):
    whole = pickles["test_batch"]
    structure = [*range(260), *range(len(whole) - 460, len(whole))]  # not within the images
    place = data.draw(st.sampled_from(structure))
    length = data.draw(st.integers(0, 20))
    inserted = data.draw(st.binary(max_size=20) | st.lists(INSTRUCTIONS, max_size=4).map(b"".join))
    altered = whole[:place] + inserted + whole[place + length :]
    with watch() as events:
        try:
            batch = read(altered)
        except DatasetError:
            pass
        else:
            assert batch.images.shape == (20, 32, 32, 3)
            assert batch.labels.min() >= 0
            assert batch.labels.max() < 10
    assert {event for event, _ in events} <= HARMLESS


def member(name, *, kind=tarfile.REGTYPE, linkname="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, linkname, size
    return info, b"x" * size


HOSTILE_MEMBERS = {
    "path traversal": member("cifar-10-batches-py/../../victim", size=1),
    "parent folder": member("cifar-10-batches-py/.."),
    "absolute path": member("/tmp/victim", size=1),
    "symbolic link": member("cifar-10-batches-py/a", kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": member("cifar-10-batches-py/a", kind=tarfile.LNKTYPE, linkname="../victim"),
    "device": member("cifar-10-batches-py/a", kind=tarfile.CHRTYPE),
    "pipe": member("cifar-10-batches-py/a", kind=tarfile.FIFOTYPE),
    "other folder": member("elsewhere/test_batch", size=1),
    "long name": member("x" * 10_000),
    "huge member": member("cifar-10-batches-py/huge", size=33 * 2**20),
}


@pytest.mark.parametrize("hostile", HOSTILE_MEMBERS.values(), ids=HOSTILE_MEMBERS.keys())
def test_hostile_archive_is_refused(tmp_path, pack, hostile):
    path = tmp_path / "archive"
    path.write_bytes(pack(hostile))
    with pytest.raises(DatasetError, match="is damaged or not CIFAR-10's archive") as caught:
        batches.read_archive(path, images_per_batch=20)
    assert len(str(caught.value)) < 500
    assert list(tmp_path.iterdir()) == [path]


def test_archive_that_unpacks_to_too_much(tmp_path, pack, monkeypatch):
    path = tmp_path / "archive"
    path.write_bytes(pack(*(member(f"cifar-10-batches-py/{i}", size=2**20) for i in range(4))))
    monkeypatch.setattr(batches, "MAX_ARCHIVE_BYTES", 2**21)
    with pytest.raises(DatasetError, match="unpacks to more than"):
        batches.read_archive(path, images_per_batch=20)


def test_archive_without_a_batch(tmp_path, pack):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(*member("cifar-10-batches-py/readme.html")[:1])
    (tmp_path / "archive").write_bytes(packed.getvalue())
    with pytest.raises(DatasetError, match="data_batch_1 is missing"):
        batches.read_archive(tmp_path / "archive", images_per_batch=20)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_damaged_archives_are_refused(data, packed, photographs, tmp_path_factory):
    place = data.draw(st.integers(0, len(packed) - 1))
    path = tmp_path_factory.mktemp("damaged") / "archive"
    path.write_bytes(packed[:place] + data.draw(st.binary(max_size=30)))
    try:
        found = batches.read_archive(path, images_per_batch=20)
    except DatasetError:
        return
    for name, (images, _) in photographs.items():  # no harm was done
        np.testing.assert_array_equal(found[name].images, images)


def test_unpacked_folder(tmp_path, pickles, md5, photographs):
    for name, content in pickles.items():
        (tmp_path / name).write_bytes(content)
    found = batches.read_folder(tmp_path, md5=md5, images_per_batch=20)
    np.testing.assert_array_equal(found["test_batch"].images, photographs["test_batch"][0])
    (tmp_path / "test_batch").write_bytes(pickles["data_batch_1"])
    with pytest.raises(DatasetError, match="test_batch is damaged or altered"):
        batches.read_folder(tmp_path, md5=md5, images_per_batch=20)
    (tmp_path / "test_batch").unlink()
    with pytest.raises(DatasetError, match="test_batch can't be read"):
        batches.read_folder(tmp_path, md5=md5, images_per_batch=20)
