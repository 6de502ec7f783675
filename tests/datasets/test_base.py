import pickle
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import datasets
from course_utils.datasets.base import (
    Datasheet,
    ImageDataset,
    ImageSplit,
    expand_home,
    printable,
)

SHEET = Datasheet(
    title="A title",
    source="A source",
    consent="A consent",
    license="A licence",
    known_faults=("first fault", "second fault"),
    citations=("a citation",),
)

TEXT = """\
made: 1,200 training and 3 test images, 4×6 pixels, 3 classes

A title
Source: A source
Consent: A consent
Licence: A licence
Known faults:
- first fault
- second fault
Citations:
- a citation

class  train  test
cat      600     2
dog      600     1
ship       0     0

palette  train  test
A            0     1
B        1,200     2"""


def split(labels, groups):
    images = np.zeros((len(labels), 6, 4, 3), np.uint8)
    return ImageSplit(images, np.array(labels), pd.DataFrame({"palette": groups}))


@pytest.fixture
def data():
    train = split([0, 1] * 600, ["B"] * 1200)
    test = split([0, 0, 1], ["B", "A", "B"])
    return ImageDataset("made", train, test, ("cat", "dog", "ship"), SHEET, "palette")


def test_description_as_text(data):
    assert repr(data.describe()) == TEXT
    assert str(data.describe()) == TEXT
    assert repr(data) == f"<{TEXT.splitlines()[0]}>"


def test_counts(data):
    description = data.describe()
    assert description.classes.loc["cat"].to_dict() == {"train": 600, "test": 2}
    assert description.groups.loc["A"].to_dict() == {"train": 0, "test": 1}


class Outline(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text)


def test_description_as_html(data):
    outline = Outline(data.describe()._repr_html_())
    assert outline.open == []
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("table") == tags.count("caption") == 2
    scopes = [attributes.get("scope") for tag, attributes in outline.tags if tag == "th"]
    assert scopes == ["col"] * 3 + ["row"] * 3 + ["col"] * 3 + ["row"] * 2
    for expected in ("A source", "second fault", "a citation", "1,200", "Images by palette"):
        assert expected in outline.text


NASTY = st.text() | st.sampled_from(["<script>alert(1)</script>", "&lt;", '"><img src=x>', "a\nb"])


def named(name):
    """A data set in which everything is called ``name``."""
    sheet = replace(SHEET, title=name, source=name, known_faults=(name,) * 2)
    part = split([0, 1], [name, name])
    return ImageDataset(name, part, part, (name, "b", "c"), sheet, "palette")


@settings(deadline=None)
@given(name=NASTY)
def test_names_are_text_in_html(name):
    nasty, plain = named(name), named("plain")
    assert Outline(nasty._repr_html_()).tags == Outline(plain._repr_html_()).tags
    page, plain_page = nasty.describe()._repr_html_(), plain.describe()._repr_html_()
    assert Outline(page).tags == Outline(plain_page).tags


def test_splits_of_different_lengths():
    with pytest.raises(ValueError, match=r"differ in length: 2, 3, 2; each image has one label"):
        ImageSplit(np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, int), pd.DataFrame(index=[0, 1]))


ONE_HOT = np.eye(3)[[0, 1, 1, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (ONE_HOT, r"not of shape \(4, 3\): pass labels.argmax\(axis=1\) if each row is one-hot"),
        (ONE_HOT.argmax(axis=1)[:, None], r"not of shape \(4, 1\): pass labels\[:, 0\]"),
        (np.zeros((4, 1, 1), int), r"not of shape \(4, 1, 1\)"),
        (np.array(0), r"not of shape \(\)"),
        (np.zeros(4), r"not float64: pass labels.astype\(int\)"),
        (np.zeros(4, bool), r"not bool: pass labels.astype\(int\)"),
        (np.array(["cat", "dog"] * 2), "not texts or objects such as .'cat'.: pass each one's"),
        (np.array(["cat", None] * 2), "not texts or objects such as .'cat'.: pass each one's"),
        ([0, 1, 1, 0], r"not a list: pass np.array\(labels\)"),
        (None, "not a NoneType"),
        (np.array([0, 1, -1, 0]), "0 for the first of class_names, not -1"),
        (np.array([0, 1, 2**64 - 1, 0], np.uint64), "not -1"),
    ],
)
def test_labels_of_another_form_are_refused_with_the_way_to_make_them_right(labels, message):
    with pytest.raises(ValueError, match=rf"^labels are whole numbers \(n,\), .*{message}"):
        ImageSplit(np.zeros((4, 4, 4, 3), np.uint8), labels, pd.DataFrame(index=range(4)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64, np.int64])
def test_whole_numbers_of_any_size_are_labels(dtype):
    made = split(np.array([0, 1], dtype), ["A", "B"])
    assert made.labels.dtype == np.int64
    data = ImageDataset("made", made, made, ["cat", "dog"], SHEET, "palette")
    assert data.class_names == ("cat", "dog")
    assert data.describe().classes["train"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("class_names", "message"),
    [
        ("cat", r"class_names is the text 'cat': pass a tuple of texts, such as \('cat',\)"),
        (3, "class_names is a tuple of texts, not 3"),
        (("cat", 1), "class_names is a tuple of texts, and 1 is not a text"),
        (("cat",), "train labels go up to 1, and there are only 1 class_names"),
        ((), "train labels go up to 1, and there are only 0 class_names"),
    ],
)
def test_class_names_that_cannot_be_those_of_the_labels(class_names, message):
    made = split([0, 1], ["A", "B"])
    with pytest.raises(ValueError, match=message):
        ImageDataset("made", made, made, class_names, SHEET, "palette")
    good = ImageDataset("made", made, made, ("cat", "dog"), SHEET, "palette")
    with pytest.raises(ValueError, match=message):
        replace(good, class_names=class_names)


def test_the_test_labels_are_checked_as_the_training_labels_are():
    part, other = split([0, 1], ["A", "B"]), split([0, 2], ["A", "B"])
    with pytest.raises(ValueError, match="test labels go up to 2"):
        ImageDataset("made", part, other, ("cat", "dog"), SHEET, "palette")


def test_a_split_without_images_can_be_part_of_a_data_set(data):
    nothing = data.test.take(np.array([], dtype=int))
    assert len(replace(data, test=nothing).test) == 0


def test_a_warning_is_given_each_time_and_can_be_silenced():
    code = (
        "import warnings; from course_utils.datasets import base\n"
        "for _ in range(3): base.warn('a sentence')\n"
        "warnings.simplefilter('ignore', base.DatasetWarning); base.warn('silenced')\n"
        "warnings.simplefilter('error', base.DatasetWarning)\n"
        "try: base.warn('raised')\n"
        "except base.DatasetWarning: print('raised')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "raised\n"
    assert done.stderr.splitlines() == ["<string>:2: DatasetWarning: a sentence"] * 3


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("~", "home"),
        ("~/pictures", "home/pictures"),
        ("./~", "~"),
        ("./~/x", "~/x"),
        ("~x", "~x"),
        ("a/~", "a/~"),
        ("", ""),
    ],
)
def test_only_a_leading_tilde_is_the_home_folder(typed, expected, monkeypatch):
    monkeypatch.setenv("HOME", "home")
    monkeypatch.setenv("USERPROFILE", "home")
    assert expand_home(typed) == Path(expected)


@pytest.mark.skipif(sys.platform == "win32", reason="looks the home folder up elsewhere")
def test_an_unknown_home_folder_is_an_error_with_a_sentence(monkeypatch):
    import pwd

    def unknown(_):
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)  # as in a container with a user of any number
    with pytest.raises(FileNotFoundError, match=r"home folder of ~/x isn't known: set HOME"):
        expand_home("~/x")


@given(text=NASTY)
def test_no_command_for_a_terminal_is_printable(text):
    assert printable(text).isprintable()
    assert printable(text) in (text, repr(text))


def test_description_of_pixels10_is_the_same_each_time():
    texts = {repr(datasets.load("pixels10", num_train=50, num_test=20).describe()) for _ in "ab"}
    assert len(texts) == 1
    assert "palette" in texts.pop()


def test_the_fingerprint_of_a_split_follows_its_pictures_and_labels_and_nothing_else():
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    frame = pd.DataFrame({"brightness": ["dark", "light"]})
    split = ImageSplit(images, np.array([0, 1]), frame)
    other = images.copy()
    other[1, 3, 3, 2] += 1
    same = ImageSplit(np.asfortranarray(images), np.array([0, 1], np.int32), frame[::-1])
    assert same.fingerprint() == split.fingerprint()
    for changed in (
        ImageSplit(other, np.array([0, 1]), frame),
        ImageSplit(images, np.array([1, 0]), frame),
        ImageSplit(images[::-1], np.array([0, 1]), frame),
        ImageSplit(images.reshape(2, 2, 8, 3), np.array([0, 1]), frame),
    ):
        assert changed.fingerprint() != split.fingerprint()


def some_split(writeable):
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    images.flags.writeable = writeable
    return ImageSplit(images, np.array([0, 1]), pd.DataFrame(index=range(2)))


IN_PLACE = {
    "/=": lambda images: images.__itruediv__(255),
    "*=": lambda images: images.__imul__(2),
    "-=": lambda images: images.__isub__(1),
    "out": lambda images: np.divide(images, 2, out=images, casting="unsafe"),
    "a part": lambda images: images[0].__itruediv__(255),
}


@pytest.mark.parametrize("change", IN_PLACE.values(), ids=IN_PLACE.keys())
@pytest.mark.parametrize("writeable", [True, False])
def test_scaling_in_place_says_how_it_is_done(change, writeable):
    images = some_split(writeable).images
    before = images.copy()
    with pytest.raises(ValueError, match=r"scaled = images / 255, or .*Rescaling\(1 / 255\)"):
        change(images)
    np.testing.assert_array_equal(images, before)


OF_MY_OWN = {
    "astype": lambda images: images.astype("float32"),
    "float32": np.float32,
    "reshaped": lambda images: images.reshape(-1, 8 * 8 * 3).astype("float32"),
    "one picture": lambda images: images[0].astype("float32"),
    "joined": lambda images: np.concatenate([images, images]).astype("float32"),
    "shuffled": lambda images: images[[1, 0]].astype("float32"),
}


@pytest.mark.parametrize("make", OF_MY_OWN.values(), ids=OF_MY_OWN.keys())
@pytest.mark.parametrize("writeable", [True, False])
def test_pictures_made_of_a_data_sets_are_scaled_in_place_as_in_keras_examples(make, writeable):
    images = some_split(writeable).images
    before = images.copy()
    mine = make(images)
    wanted = np.asarray(mine) / 255 - 0.5
    mine /= 255
    mine -= 0.5
    np.testing.assert_allclose(mine, wanted, atol=1e-6)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("copied", [lambda images: images.copy(), lambda images: images[[1, 0]]])
def test_a_copy_is_changed_in_place_as_far_as_whole_numbers_go(copied):
    mine = copied(some_split(writeable=False).images)
    wanted = np.asarray(mine) // 2
    mine //= 2
    np.testing.assert_array_equal(mine, wanted)
    with pytest.raises(
        ValueError, match=r"uint8.*scaled = images / 255, or .*Rescaling\(1 / 255\)"
    ):
        mine /= 255


def test_unpacking_as_in_keras_examples_says_where_the_arrays_are():
    split = some_split(writeable=True)
    data = ImageDataset("t", split, split, ("a", "b"), Datasheet(*"tscl", (), ()), "none")
    with pytest.raises(TypeError, match=r"x_train, y_train = data.train.images.*x_test"):
        (_, _), (_, _) = data
    with pytest.raises(TypeError, match=r"x_train, y_train = data.train.images"):
        _, _ = split
    with pytest.raises(TypeError, match=r"no \[0\]: data.train.images\[0\] .*take\(indices\)"):
        split[0]


@pytest.mark.parametrize("writeable", [True, False])
def test_painting_on_pictures_needs_a_copy(writeable):
    images = some_split(writeable).images
    with pytest.raises(ValueError, match="read-only"):
        np.random.default_rng(0).shuffle(images)
    with pytest.raises(ValueError, match=r"change a copy, images = images.copy\(\)"):
        images[0] = 0
    mine = images.copy()
    mine[0] = 0
    assert mine[0].max() == 0


def test_pictures_compute_like_any_array():
    images = some_split(writeable=False).images
    plain = np.asarray(images)
    scaled = images / 255
    assert type(scaled) is np.ndarray
    scaled /= 2
    scaled -= scaled.mean()
    assert images.max() == plain.max()
    assert repr(images) == repr(plain)
    np.testing.assert_array_equal(images.mean(axis=(1, 2, 3)), plain.mean(axis=(1, 2, 3)))
    np.testing.assert_array_equal(np.concatenate([images, images]), np.concatenate([plain, plain]))
    np.testing.assert_array_equal(images.astype("float32") / 255, plain.astype("float32") / 255)
    assert (images == plain).all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(images)), plain)
