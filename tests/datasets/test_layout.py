"""What a folder or an archive of pictures may look like, and what is said of it."""

import re
import unicodedata

import numpy as np
import pytest

from course_utils import datasets
from course_utils.datasets.base import DatasetError
from tests.datasets.own_pictures import (
    check_small,
    encoded,
    load_saying,
    make,
    make_folder,
    make_zip,
    rewrapped,
    small,
    without,
)


def classes_alone(**numbers):
    """Class folders with so many pictures, the first dark, the second light, …"""
    return {
        f"{name}/{i}.png": encoded((100 * place + i,) * 3)
        for place, (name, number) in enumerate(numbers.items())
        for i in range(number)
    }


BY_SEED = "a fifth of each class, drawn by the seed 0, is what is tested on"
NO_TEST = "it has no test folder"


def numbers(data):
    return [np.bincount(split.labels).tolist() for split in (data.train, data.test)]


# Splits


def test_class_folders_alone_are_split_class_by_class(folders, kind):
    data, said = load_saying(make(kind, folders, classes_alone(cat=6, ship=50)))
    assert data.class_names == ("cat", "ship")
    assert numbers(data) == [[5, 40], [1, 10]]
    assert said == [BY_SEED]
    images = np.concatenate([data.train.images, data.test.images])[:, 0, 0, 0]
    assert sorted(images) == [*range(6), *range(100, 150)]


def test_the_seed_draws_the_split_and_nothing_else_does(folders):
    path = make_folder(folders / "pictures", classes_alone(a=30, b=30))
    reds = {
        (seed, num_train): datasets.load(path, seed=seed, num_train=num_train).test.images[
            :, 0, 0, 0
        ]
        for seed in (0, 1)
        for num_train in (None, 10)
    }
    np.testing.assert_array_equal(reds[0, None], reds[0, 10])
    assert set(reds[0, None]) != set(reds[1, None])
    assert len([*(folders / "cache").iterdir()]) == 1  # decoded once for all seeds


def test_train_alone_is_split(folders, kind):
    data, said = load_saying(make(kind, folders, without("test")))
    assert numbers(data) == [[5, 5], [1, 1]]
    assert said == [NO_TEST, BY_SEED]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation", "VAL"])
def test_validation_pictures_are_tested_on_where_there_are_no_others(folders, kind, name):
    contents = rewrapped(lambda path: path.replace("test/", f"{name}/"))
    data, said = load_saying(make(kind, folders, contents))
    check_small(data)
    assert said == [f"it has no test folder: what is tested on is {name!r}"]


@pytest.mark.parametrize(("train", "test"), [("Train", "Test"), ("training", "testing")])
def test_other_names_of_train_and_test(folders, kind, train, test):
    contents = rewrapped(
        lambda path: path.replace("train/", f"{train}/").replace("test/", f"{test}/")
    )
    data, said = load_saying(make(kind, folders, contents))
    check_small(data)
    assert said == []


# Folders around or beside


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_with_two_folders_at_the_top(folders, kind):
    contents = rewrapped(lambda path: f"images/{path}", ["labels/train/cat/0.txt", "docs/a/b.txt"])
    check_small(load_saying(make(kind, folders, contents))[0])
    contents = {f"data/pets/{name}": c for name, c in classes_alone(cat=5, ship=5).items()}
    contents |= {"data/notes/a.txt": b"?", "LICENSE": b"?"}
    data, said = load_saying(make(kind, folders, contents))
    assert numbers(data) == [[4, 4], [1, 1]]
    assert said == [BY_SEED]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_two_data_sets_in_an_archive_are_named(folders, kind):
    contents = rewrapped(lambda path: f"a/{path}") | rewrapped(lambda path: f"b/{path}")
    with pytest.raises(DatasetError, match=r"holds several data sets \('a', 'b'\): unpack it and"):
        datasets.load(make(kind, folders, contents))


def test_what_was_given_in_the_place_of_the_data_set_is_named(folders):
    path = make_folder(folders / "mine/pictures", small())
    for split in ("train", "test"):
        message = rf"is the '{split}' folder of a data set: give the folder around it, {path}$"
        with pytest.raises(DatasetError, match=message):
            datasets.load(path / split)
    message = (
        rf"6 pictures directly in it.*: give the folder around the class folders, {path}/train"
    )
    with pytest.raises(DatasetError, match=message):
        datasets.load(path / "train/cat")
    with pytest.raises(DatasetError, match=r"0\.png is one picture: give the folder around"):
        datasets.load(path / "train/cat/0.png")
    with pytest.raises(DatasetError, match=rf"one folder further in: give {re.escape(str(path))}$"):
        datasets.load(path.parent)


def test_a_large_folder_named_by_mistake_is_not_searched_through(folders, watch):
    """Its own folders are looked into, and theirs, but none further in."""
    make_folder(folders / "home", {f"a/b/c/d/e{i}/0.png": encoded("red") for i in range(3)})
    with watch() as events, pytest.raises(DatasetError, match="no class folders with pictures"):
        datasets.load(folders / "home")
    scanned = [str(arguments[0]) for event, arguments in events if event == "os.scandir"]
    assert not [name for name in scanned if "/a/b/c" in name]


def test_folders_beside_class_folders_are_left_out_and_named(folders, kind):
    contents = classes_alone(cat=5, ship=5) | {"docs/old/0.png": encoded("red")}
    contents |= {"photo.jpg": encoded("red"), "labels.csv": b"?"}
    data, said = load_saying(make(kind, folders, contents))
    assert data.class_names == ("cat", "ship")
    assert said == [
        "1 picture lies beside the class folders, in no class, and is left out",
        "without pictures, and left out: 'docs'",
        BY_SEED,
    ]


# Files that are no pictures

CLUTTER = (
    *("Desktop.ini", "desktop.ini", "thumbs.db", "Thumbs.db", "ehthumbs.db", "Icon\r", ".DS_Store"),
    *("@eaDir/0.png@SynoEAStream", "0.jpg:Zone.Identifier", "._0.png", "__MACOSX/._0.png"),
    *(".ipynb_checkpoints/0-checkpoint.png", "@eaDir/0.png", ".hidden/0.png"),
)


@pytest.mark.parametrize("name", CLUTTER)
def test_what_systems_leave_behind_is_ignored(folders, kind, name):
    data, said = load_saying(make(kind, folders, small() | {f"train/cat/{name}": b"?"}))
    check_small(data)
    assert said == []


def test_what_is_no_picture_by_its_name_is_left_out_and_counted(folders, kind):
    others = ("a.jpg.part", "labels.txt", "b.crdownload", "README.md", "notes.txt")
    contents = small() | {f"train/cat/{name}": b"?" for name in others}
    data, said = load_saying(make(kind, folders, contents))
    check_small(data)
    counted = "2 .txt files, 1 .crdownload file, 1 .md file, 1 .part file"
    assert said == [f"no pictures by their names, and left out: {counted}"]


def test_a_picture_needs_no_ending(folders, kind):
    data, said = load_saying(make(kind, folders, small() | {"train/cat/x": encoded((12, 12, 12))}))
    assert numbers(data)[0] == [7, 6]
    assert said == []


# Names of classes


def test_spaces_around_a_name_make_no_class(folders, kind):
    contents = small() | {"train/cat /x.png": encoded((14, 14, 14))}
    data, said = load_saying(make(kind, folders, contents))
    assert data.class_names == ("cat", "ship")
    assert numbers(data)[0] == [7, 6]
    assert said == ["taken as one class, 'cat': 'cat', 'cat '"]


def test_the_two_forms_of_one_name_are_one_class(folders, kind):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    contents = rewrapped(lambda name: name.replace("train/cat", f"train/{composed}"))
    contents = rewrapped(lambda name: name.replace("test/cat", f"test/{apart}"), (), contents)
    data, said = load_saying(make(kind, folders, contents))
    assert data.class_names == (composed, "ship")
    assert said == []


def test_classes_that_differ_in_capitals_only_are_named(folders):
    contents = small() | rewrapped(lambda name: name.replace("/cat/", "/Cat/"))
    data, said = load_saying(make_zip(folders / "pictures.zip", contents))
    assert data.class_names == ("Cat", "cat", "ship")
    assert said == ["classes that differ in capital letters only: 'Cat', 'cat'"]


@pytest.mark.parametrize("number", [2, 100])
def test_numbers_of_classes(folders, number):
    contents = classes_alone(**{f"class {i:03}": 2 for i in range(number)})
    contents = {name: encoded("red") for name in contents}
    data = datasets.load(make_zip(folders / "pictures.zip", contents))
    assert numbers(data) == [[1] * number, [1] * number]


# Sizes and numbers


@pytest.mark.parametrize("image_size", [8, 32, 128])
def test_pictures_of_many_sizes_are_brought_to_one(folders, kind, image_size):
    contents = {
        f"{name}/{i}.png": encoded((shade,) * 3, size=(20 + 40 * i, 300 - 30 * i))
        for name, shade in (("cat", 10), ("ship", 200))
        for i in range(8)
    }
    data = datasets.load(make(kind, folders, contents), image_size=image_size)
    assert data.train.images.shape == (12, image_size, image_size, 3)
    np.testing.assert_array_equal(
        data.train.images[:, 3, 5, 1], [10, 200][0] + 190 * data.train.labels
    )


def test_fewer_pictures_than_asked_for_are_all_of_them_and_that_is_said(folders):
    path = make_folder(folders / "pictures", small())
    data, said = load_saying(path, num_train=1000, num_test=5)
    assert (len(data.train), len(data.test)) == (12, 5)
    assert said == ["num_train is 1,000, and pictures has 12 train images: all of them are used"]
