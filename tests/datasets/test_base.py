from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import datasets
from course_utils.datasets.base import DatasetError, Datasheet, ImageDataset, ImageSplit

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
    with pytest.raises(DatasetError, match="differ in length: 2, 3, 2"):
        ImageSplit(np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, int), pd.DataFrame(index=[0, 1]))


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
