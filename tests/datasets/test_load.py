import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import datasets
from course_utils.datasets.base import DatasetError, Datasheet, ImageDataset, ImageSplit


def test_pixels10_by_name():
    data = datasets.load("pixels10", num_train=30, num_test=20, seed=3, palette_prevalence=1.0)
    assert (data.name, len(data.train), len(data.test)) == ("pixels10", 30, 20)
    assert set(data.train.attributes["palette"]) == {"B"}


@pytest.mark.parametrize("name", ["nonsense", "", "nowhere/pictures.zip"])
def test_unknown_name(name):
    with pytest.raises(DatasetError, match=r"known names are pixels10 and cifar10; the path") as e:
        datasets.load(name)
    assert repr(name) in str(e.value)
    assert "did you mean" not in str(e.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CIFAR10", "'cifar10'"),
        ("cifar-10", "'cifar10'"),
        ("pixel10", "'pixels10'"),
        ("Pixels 10", "'pixels10'"),
        ("photoes", "'photos'"),
        ("photo.zip", "'photos.zip'"),
    ],
)
def test_what_may_have_been_meant_is_said(tmp_path, monkeypatch, name, meant):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos.zip").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=f"no data set '{name}', did you mean {meant}\\?"):
        datasets.load(name)


@pytest.mark.parametrize("thing", [5, None, 2.5, ["pixels10"], b"pixels10"])
def test_what_is_neither_name_nor_path_is_named(thing):
    with pytest.raises(
        DatasetError, match=r"a data set is a name or a path, such as 'pixels10', not"
    ):
        datasets.load(thing)


def test_a_folder_called_tilde_is_not_the_home_folder(tmp_path, monkeypatch):
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home / "x", work / "~/x", work / "~nobody-of-this-name"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    assert datasets.locate("./~") == work / "~"
    assert datasets.locate("./~/x") == work / "~/x"
    assert datasets.locate("~") == home
    assert datasets.locate("~/x") == home / "x"
    assert datasets.locate("~nobody-of-this-name") == work / "~nobody-of-this-name"
    with pytest.raises(DatasetError, match="no data set '~other'"):
        datasets.locate("~other")


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "\x1b[31m", "\udce4"])
def test_what_cannot_be_a_path_is_an_error_with_a_sentence(path):
    with pytest.raises(DatasetError, match=r"there is no data set|can't be looked for") as caught:
        datasets.load(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("argument", ["num_train", "num_test"])
@pytest.mark.parametrize("value", [0, -3, 2.5, "10", True, float("nan")])
@pytest.mark.parametrize("name", ["pixels10", "cifar10", "nonsense"])
def test_wrong_numbers(name, argument, value):
    with pytest.raises(DatasetError, match=f"{argument} is a whole number of at least 1"):
        datasets.load(name, **{argument: value})


@pytest.mark.parametrize("seed", [-1, 0.5, None, "7"])
def test_wrong_seed(seed):
    with pytest.raises(DatasetError, match="seed is a whole number of at least 0"):
        datasets.load("pixels10", seed=seed)


def test_image_size_of_pixels10():
    assert len(datasets.load("pixels10", num_train=1, num_test=1, image_size=32).train) == 1
    with pytest.raises(DatasetError, match="pixels10 has images of 32×32 pixels: image_size=64"):
        datasets.load("pixels10", image_size=64)


def test_unknown_knob():
    with pytest.raises(DatasetError, match="colour"):
        datasets.load("pixels10", num_train=1, num_test=1, colour=1)


def labelled(labels):
    """A data set with these training labels; an image's pixels are its number."""
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 2, 2, 3), np.uint8
    )
    split = ImageSplit(images, np.array(labels), pd.DataFrame({"number": range(len(labels))}))
    sheet = Datasheet("", "", "", "", (), ())
    return ImageDataset("made", split, split, tuple("abcdef"), sheet, "number")


LABELS = st.lists(st.integers(0, 5), min_size=2, max_size=200)


@settings(deadline=None)
@given(labels=LABELS, share=st.floats(0, 1), seed=st.integers(0, 2**64))
def test_subset(labels, share, seed):
    data = labelled(labels)
    number = max(1, round(share * len(labels)))
    subset = datasets._draw_subset(data, "train", number, seed)
    numbers = subset.attributes["number"].to_numpy()
    assert len(set(numbers)) == len(subset) == number
    np.testing.assert_array_equal(subset.images[:, 0, 0, 0], numbers)
    np.testing.assert_array_equal(subset.labels, np.array(labels)[numbers])
    # Each class keeps its share, to within an image or so, and none is lost while there is room.
    expected = np.bincount(labels, minlength=6) * number / len(labels)
    found = np.bincount(subset.labels, minlength=6)
    assert np.abs(found - expected).max() <= len(set(labels))
    if number >= len(set(labels)):
        assert set(subset.labels) == set(labels)
    again = datasets._draw_subset(data, "train", number, seed)
    np.testing.assert_array_equal(again.attributes, subset.attributes)


def test_subset_of_equal_classes_has_equal_classes():
    data = labelled([0, 1, 2, 3] * 50)
    subset = datasets._draw_subset(data, "train", 40, 0)
    assert np.bincount(subset.labels).tolist() == [10, 10, 10, 10]
    assert len(set(subset.labels[:10])) > 1  # mixed


def test_smaller_subset_is_part_of_larger_one():
    data = labelled([0, 1, 1, 2] * 40)
    small, large = (
        set(datasets._draw_subset(data, "train", number, 5).attributes["number"])
        for number in (20, 60)
    )
    assert small < large


def test_seeds_and_splits_differ():
    data = labelled([0, 1] * 100)
    drawn = [
        tuple(datasets._draw_subset(data, split, 50, seed).attributes["number"])
        for split in ("train", "test")
        for seed in (0, 1)
    ]
    assert len(set(drawn)) == 4


def test_import_is_light():
    code = (
        "import sys; from course_utils import datasets; "
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'requests', 'PIL'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_photographs_does_not_import_tensorflow():
    code = (
        "import sys; from course_utils.datasets import cifar10, image_folder; "
        "sys.exit(', '.join({'tensorflow', 'keras'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
