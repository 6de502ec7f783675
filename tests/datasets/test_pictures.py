"""One picture of each kind, as it is decoded."""

import io
import posixpath

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from course_utils.datasets import pictures
from tests.datasets.own_pictures import encoded


def read(content, name="0.png", size=8):
    return pictures.read(content, name, size).astype(int)


@pytest.mark.parametrize("image_format", pictures.FORMATS)
def test_formats(image_format):
    image = read(encoded((250, 10, 10), image_format=image_format))
    np.testing.assert_allclose(image, np.full((8, 8, 3), (250, 10, 10)), atol=8)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (0, 0), (255, 255, 255)),
        ("P", 0, (0, 0, 0)),
        ("I;16", 40_000, (156, 156, 156)),
        ("I;16", 65_535, (255, 255, 255)),
        ("RGBA", (9, 9, 9, 0), (255, 255, 255)),
        ("RGBA", (9, 9, 9, 255), (9, 9, 9)),
    ],
)
def test_colour_modes_become_rgb_on_white(mode, colour, expected):
    image = read(encoded(colour, mode=mode))
    assert image[3, 3].tolist() == list(expected)


@pytest.mark.parametrize(
    ("image_format", "mode"), [("TIFF", "I;16"), ("TIFF", "I;16B"), ("PPM", "I")]
)
def test_16_bits_of_other_formats(image_format, mode):
    content = io.BytesIO()
    levels = np.full((8, 8), 40_000, ">u2" if mode == "I;16B" else np.uint16)
    if image_format == "PPM":
        content.write(b"P5 8 8 65535\n" + levels.astype(">u2").tobytes())
    else:
        Image.frombytes(mode, (8, 8), levels.tobytes()).save(content, image_format)
    assert set(read(content.getvalue()).flat) == {156}


def test_a_palette():
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 60])
    content = io.BytesIO()
    image.save(content, "GIF")
    assert read(content.getvalue())[3, 3].tolist() == [200, 30, 60]


def test_four_colour_print():
    image = read(encoded((0, 255, 255, 0), mode="CMYK", image_format="JPEG"))
    assert image[3, 3, 0] > 200
    assert image[3, 3, 1:].max() < 60


@pytest.mark.parametrize(
    ("orientation", "white"),
    [(1, "left"), (2, "right"), (3, "right"), (4, "left"), (5, "top"), (6, "top"), (7, "bottom"),
     (8, "bottom")],
)  # fmt: skip
def test_camera_held_upright(orientation, white):
    """After EXIF: 6 is to be shown turned by a quarter, clockwise."""
    picture = Image.new("RGB", (16, 16), "black")
    picture.paste("white", (0, 0, 8, 16))  # the left half
    turned = Image.Exif()
    turned[0x0112] = orientation
    content = io.BytesIO()
    picture.save(content, "PNG", exif=turned)
    image = read(content.getvalue(), size=16)
    sides = {"left": image[:, :8], "right": image[:, 8:], "top": image[:8], "bottom": image[8:]}
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
    assert sides[white].min() == 255
    assert sides[opposite[white]].max() == 0


def test_broken_words_of_a_camera_cost_no_picture():
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(content, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read(content.getvalue())[3, 3, 0] > 240


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "a.png", "it is empty"),
        (b"no picture", "a.png", "it is damaged or not one of .*PNG"),
        (b"no picture", "a.HEIC", "iPhone's format HEIC: save it as JPEG"),
        (b"____ftypheic", "a.jpg", "iPhone's format HEIC: save it as JPEG"),
        (b"<svg/>", "a.svg", "it is a drawing without pixels: save it as PNG"),
        (b"II*", "a.NEF", "it is a camera's raw file: save it as JPEG"),
        (b"%PDF-1.7", "a.pdf", "it is a page without pixels: save it as PNG"),
    ],
)
def test_what_is_no_picture_is_told_from_a_damaged_one(content, name, message):
    with pytest.raises(pictures.NoPictureError, match=message):
        pictures.read(content, name, 8)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"]))
def test_whatever_is_in_a_file_is_a_picture_or_an_error_with_a_sentence(content, start):
    try:
        assert pictures.read(start + content, "a.png", 8).shape == (8, 8, 3)
    except ValueError as error:
        assert str(error)


@given(st.text("a.B/ ", max_size=12))
@example("a/.b")
@example("a.b/c")
@example("..a")
def test_endings_are_those_of_pythons_own_function(name):
    assert pictures.ending(name) == posixpath.splitext(name)[1].lower()


def test_names():
    assert pictures.ending("train/cat/A.JPEG") == ".jpeg"
    named = {
        name: pictures.is_named_as_picture(name) for name in ("a.JPG", "b/c.heic", "d", "e.txt")
    }
    assert named == {"a.JPG": True, "b/c.heic": True, "d": False, "e.txt": False}
