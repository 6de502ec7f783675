import os

import numpy as np
import pytest

from course_utils.datasets import cache
from course_utils.datasets.base import DatasetError


def decoded(value=0, *, fail_after=None):
    """Five training and two test images; the first training image has ``value`` everywhere."""

    def chunks(number):
        for i in range(number):
            if i == fail_after:
                raise DatasetError("an image is broken")
            yield np.full((1, 2, 3, 3), value + 10 * i, np.uint8)

    def part(number):
        return cache.DecodedSplit(chunks(number), np.arange(number) % 2, (2, 3, 3))

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
    assert sorted(entries(folders)) == ["key-v1", "other-v1"]


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
    path = folders / "cache/key-v1" / name
    if damage == "remove":
        path.unlink()
    elif damage == "pickle":
        path.write_bytes(b"cos\nsystem\n(S'touch victim'\ntR.")
    else:
        path.write_bytes(path.read_bytes()[: 10 if damage == "truncate" else 0])
    with pytest.warns(UserWarning, match="is damaged .* and is made again"):
        check(cache.load("key", decoded))
    assert entries(folders) == ["key-v1"]
    check(cache.load("key", lambda: pytest.fail("decoded again")))


def test_another_process_was_quicker(folders):
    """What the other process has stored stays; what this one has decoded is dropped."""

    def decode():
        cache.load("key", lambda: decoded(1))
        return decoded(2)

    check(cache.load("key", decode), 1)
    assert entries(folders) == ["key-v1"]


def test_what_a_killed_process_left_is_removed_in_time(folders):
    old, young = (folders / "cache" / f".unfinished-{age}" for age in ("old", "young"))
    for folder in (old, young):
        folder.mkdir(parents=True)
    (old / "train_images.npy").write_bytes(b"begun")
    os.utime(old, (0, 0))
    cache.load("key", decoded)
    assert sorted(entries(folders)) == [".unfinished-young", "key-v1"]


@pytest.mark.parametrize("obstacle", ["file", "read-only"])
def test_without_a_cache_images_stay_in_memory(folders, obstacle):
    if obstacle == "file":
        (folders / "cache").write_text("in the way")
    elif os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    else:
        (folders / "cache").mkdir(mode=0o500)
    with pytest.warns(UserWarning, match="the cache can't be written .* set COURSE_CACHE"):
        stored = cache.load("key", decoded)
    check(stored)
    assert not isinstance(stored.train.images, np.memmap)


def test_folder(monkeypatch, folders):
    assert cache.folder() == folders / "cache"
    monkeypatch.setenv("HOME", str(folders))
    monkeypatch.setenv("USERPROFILE", str(folders))
    monkeypatch.setenv("COURSE_CACHE", "~/mine")
    assert cache.folder() == folders / "mine"
    monkeypatch.delenv("COURSE_CACHE")
    assert cache.folder().name == "pixels-and-people"
