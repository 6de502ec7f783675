import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from course_utils import datasets
from course_utils.datasets import cache
from course_utils.datasets.base import DatasetError, DatasetWarning
from tests.datasets.own_pictures import make_folder, small


def decoded(value=0, *, fail_after=None, missing=0):
    """Five training and two test images; the first training image has ``value`` everywhere."""

    def chunks(number):
        for i in range(number):
            if i == fail_after:
                raise DatasetError("an image is broken")
            yield np.full((1, 2, 3, 3), value + 10 * i, np.uint8), np.array([i % 2])

    def part(number):
        return cache.DecodedSplit(chunks(number), number + missing, (2, 3, 3))

    return cache.Decoded(("a", "ü"), part(5), part(2))


def check(stored, value=0):
    assert stored.class_names == ("a", "ü")
    assert stored.train.images[:, 0, 0, 0].tolist() == [value + 10 * i for i in range(5)]
    assert stored.train.images.shape == (5, 2, 3, 3)
    assert stored.test.labels.tolist() == [0, 1]
    assert stored.train.attributes["brightness"].tolist() == ["dark"] * 3 + ["light"] * 2
    assert stored.test.attributes["brightness"].tolist() == ["dark"] * 2


def entries(folders):
    return [path.name for path in (folders / "cache").iterdir()]


def test_decoded_once(folders):
    check(cache.load("key", decoded))
    check(cache.load("key", lambda: pytest.fail("decoded again")))
    check(cache.load("other", lambda: decoded(7)), 7)
    assert sorted(entries(folders)) == ["key-v2", "other-v2"]


@pytest.mark.parametrize("missing", [1, 5, 99_999])
def test_there_may_be_fewer_images_than_were_announced(folders, monkeypatch, missing):
    for _ in range(2):
        check(cache.load("key", lambda: decoded(missing=missing)))
    size = (folders / "cache/key-v2/train_images.npy").stat().st_size
    check(cache.load("other", decoded))
    assert (folders / "cache/other-v2/train_images.npy").stat().st_size == size
    block(folders, monkeypatch, "home that is no folder")
    with pytest.warns(DatasetWarning):
        check(cache.load("key", lambda: decoded(missing=missing)))


@pytest.mark.parametrize("error", [DatasetError, KeyboardInterrupt])
def test_failure_leaves_nothing(folders, error):
    def decode():
        if error is KeyboardInterrupt:
            raise KeyboardInterrupt
        return decoded(fail_after=3)

    with pytest.raises(error):
        cache.load("key", decode)
    assert entries(folders) == []


@pytest.mark.parametrize(
    "name", ["train_images.npy", "test_labels.npy", "train_brightness.npy", "class_names.json"]
)
@pytest.mark.parametrize("damage", ["truncate", "empty", "remove", "pickle"])
def test_damaged_entry_is_made_again(folders, name, damage):
    check(cache.load("key", decoded))
    path = folders / "cache/key-v2" / name
    if damage == "remove":
        path.unlink()
    elif damage == "pickle":
        path.write_bytes(b"cos\nsystem\n(S'touch victim'\ntR.")
    else:
        path.write_bytes(path.read_bytes()[: 10 if damage == "truncate" else 0])
    with pytest.warns(UserWarning, match="is damaged .* and is made again"):
        check(cache.load("key", decoded))
    assert entries(folders) == ["key-v2"]
    check(cache.load("key", lambda: pytest.fail("decoded again")))


def test_another_process_was_quicker(folders):
    """What the other process has stored stays; what this one has decoded is dropped."""

    def decode():
        cache.load("key", lambda: decoded(1))
        return decoded(2)

    check(cache.load("key", decode), 1)
    assert entries(folders) == ["key-v2"]


STORE = """
import sys
import numpy as np
from course_utils.datasets import cache

def chunks():
    yield np.zeros((1, 2, 3, 3), np.uint8), np.zeros(1, int)
    print("ready", flush=True)
    sys.stdin.read()

def decoded():
    part = cache.DecodedSplit(chunks(), 1, (2, 3, 3))
    return cache.Decoded(("a", "b"), part, part)

cache.load("other", decoded)
"""


@pytest.mark.skipif(os.name != "posix", reason="there, a day decides what is abandoned")
def test_what_a_killed_process_has_begun_is_removed_and_what_a_living_one_has_is_not(folders):
    with subprocess.Popen(
        [sys.executable, "-c", STORE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        (begun,) = entries(folders)
        cache.load("key", decoded)
        assert sorted(entries(folders)) == sorted([begun, "key-v2"])
        process.kill()
    assert sorted(entries(folders)) == sorted([begun, "key-v2"])
    cache.load("more", decoded)
    assert sorted(entries(folders)) == ["key-v2", "more-v2"]


def block(folders, monkeypatch, obstacle):
    """Make it impossible to have a cache."""
    if obstacle == "file":
        (folders / "cache").write_text("in the way")
    elif obstacle == "home that is no folder":
        monkeypatch.delenv("COURSE_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setenv("HOME", os.devnull)
    elif obstacle == "no home":
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setenv("COURSE_CACHE", "~/mine")
        monkeypatch.setattr("pwd.getpwuid", lambda _: {}[0])  # as for users without an entry
    elif os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    else:
        (folders / "cache").mkdir(mode=0o500)


@pytest.mark.skipif(os.name != "posix", reason="other systems have other homes")
@pytest.mark.parametrize("obstacle", ["file", "read-only", "home that is no folder", "no home"])
def test_without_a_cache_images_stay_in_memory_with_one_line_said_each_time(
    folders, monkeypatch, obstacle
):
    block(folders, monkeypatch, obstacle)
    for pictures in (None, Pictures("one", 0)):
        with pytest.warns(DatasetWarning) as said:
            stored = cache.load_changing(pictures) if pictures else cache.load("key", decoded)
        assert len(said) == 1
        text = str(said[0].message)
        assert text.startswith("the cache can't be written (")
        assert text.endswith("set COURSE_CACHE to a folder with room that you may write to")
        check(stored)
        assert not isinstance(stored.train.images.base, np.memmap)
        assert not stored.train.images.flags.writeable


class Pictures:
    """Pictures of one's own of which everything is said by hand."""

    def __init__(self, status, value, *, place="0123456789abcdef"):
        self.status, self.place, self._value = status, place, value
        self.done = []

    def digest(self):
        self.done.append("digest")
        return f"{self._value:024x}"

    def decode(self):
        self.done.append("decode")
        return decoded(self._value)


def load_pictures(status, value, **options):
    """Load and check pictures; return what had to be done for it."""
    pictures = Pictures(status, value, **options)
    check(cache.load_changing(pictures), value)
    return pictures.done


def test_pictures_that_change_are_read_again_only_if_their_status_and_content_have_changed(folders):
    assert load_pictures("first", 1) == ["digest", "decode"]
    assert load_pictures("first", 1) == []
    assert load_pictures("touched", 1) == ["digest"]
    assert load_pictures("touched", 1) == []
    assert load_pictures("second", 2) == ["digest", "decode"]
    assert load_pictures("second", 2) == []
    assert load_pictures("first", 1) == ["digest", "decode"]  # and not what it was long ago


def test_pictures_without_a_status_are_compared_by_their_content_each_time(folders):
    assert load_pictures("", 1) == ["digest", "decode"]
    assert load_pictures("", 1) == ["digest"]
    assert load_pictures("", 2) == ["digest", "decode"]
    assert load_pictures("known", 2) == ["digest"]
    assert load_pictures("known", 2) == []


@pytest.mark.parametrize("damage", [b"", b"other", b"\xff", None])
def test_a_damaged_status_costs_a_look_at_the_content(folders, damage):
    load_pictures("known", 1)
    (status,) = (folders / "cache").glob("*/status.txt")
    status.unlink()
    if damage is not None:
        status.write_bytes(damage)
    assert load_pictures("known", 1) == ["digest"]
    assert load_pictures("known", 1) == []


def test_each_place_has_one_entry_however_often_its_pictures_change(folders):
    other = "fedcba9876543210"
    cache.load("cifar10-0123456789abcdef", decoded)
    load_pictures("other", 0, place=other)
    for number in range(4):
        load_pictures(f"status {number}", number // 2)
    assert sorted(entries(folders)) == [
        "cifar10-0123456789abcdef-v2",
        f"image-folder-0123456789abcdef-{1:024x}-v2",
        f"image-folder-{other}-{0:024x}-v2",
    ]


def test_entries_that_nobody_uses_are_removed_and_nothing_that_is_somebody_elses(folders):
    cached = folders / "cache"
    cache.load("cifar10-0123456789abcdef", decoded)
    for place in ("1" * 16, "2" * 16, "3" * 16):
        load_pictures("known", 1, place=place)
    old_name = "image-folder-0123456789abcdef01234567-v2"  # as before there were two parts
    others = ["image-folder-of-mine-v2", "image-folder-v2", "holiday", f"{old_name}.zip"]
    for name in (old_name, *others):
        (cached / name).mkdir()
    (cached / f"image-folder-{'4' * 16}-{1:024x}-v2").symlink_to(folders, True)
    now = time.time()
    for path in cached.iterdir():
        days = 89 if "2222" in path.name else 91
        os.utime(path, (now - days * 24 * 3600,) * 2)
    load_pictures("known", 1, place="3" * 16)  # used again
    load_pictures("known", 1, place="5" * 16)  # new
    assert sorted(entries(folders)) == sorted(
        ["cifar10-0123456789abcdef-v2", *others]
        + [f"image-folder-{place * 16}-{1:024x}-v2" for place in "2345"]
    )


def test_what_is_to_be_said_is_kept(folders):
    notes = ("zwei Bären fehlen", "…")
    for _ in range(2):
        assert cache.load("key", lambda: replace(decoded(), finish=lambda: notes)).notes == notes
    assert cache.load("other", decoded).notes == ()


def test_what_does_not_pass_the_last_check_is_not_kept(folders, monkeypatch):
    def fail():
        raise DatasetError("it has been changed")

    for _ in range(2):
        with pytest.raises(DatasetError, match="it has been changed"):
            cache.load("key", lambda: replace(decoded(), finish=fail))
    assert entries(folders) == []
    block(folders, monkeypatch, "home that is no folder")
    with pytest.raises(DatasetError, match="it has been changed"), pytest.warns(DatasetWarning):
        cache.load("key", lambda: replace(decoded(), finish=fail))


@pytest.mark.skipif(os.name != "posix", reason="mounts a small file system")
def test_a_full_disk_costs_the_cache_and_nothing_else(folders):
    (folders / "cache").mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "none", folders / "cache"],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("this system lets nobody mount a file system")
    try:
        with pytest.warns(DatasetWarning, match="No space left"):
            check(cache.load("key", decoded))
        assert entries(folders) == []
    finally:
        subprocess.run(["umount", folders / "cache"], check=True)


def test_folder(monkeypatch, folders):
    assert cache.folder() == folders / "cache"
    monkeypatch.setenv("HOME", str(folders))
    monkeypatch.setenv("USERPROFILE", str(folders))
    monkeypatch.setenv("COURSE_CACHE", "~/mine")
    assert cache.folder() == folders / "mine"
    monkeypatch.setenv("COURSE_CACHE", "./~")
    assert cache.folder() == Path("~")
    monkeypatch.delenv("COURSE_CACHE")
    assert cache.folder().name == "pixels-and-people"


@pytest.mark.parametrize("name", ["class_names.json", "notes.json"])
@pytest.mark.parametrize(
    "text", ["[1]", "3", "{}", '"cat"', pytest.param("[" * 10**5, id="deep"), "[]"]
)
def test_an_entry_whose_texts_are_others_is_made_again(folders, name, text):
    path = make_folder(folders / "pictures", small() | {"train/cat/x.png": b"?"})
    whole = datasets.load(path)
    (entry,) = (folders / "cache").iterdir()
    if (name, text) == ("notes.json", "[]"):
        pytest.skip("this says that nothing was left out")
    (entry / name).write_text(text)
    again = datasets.load(path)
    assert again.class_names == whole.class_names
    assert again.train.fingerprint() == whole.train.fingerprint()
