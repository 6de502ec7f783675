"""Which pictures from outside a page may show."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.grading.pictures import FORMATS, check_picture, keep_pictures
from tests.grading.browsing import draw_picture

SVG = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").decode()
ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=20) | st.sampled_from([draw_picture(), SVG]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=4,
)
KINDS = st.sampled_from([*FORMATS, "image/svg+xml"])
BUNDLES = st.dictionaries(st.text(max_size=9), st.dictionaries(KINDS, ANYTHING, max_size=2))


@pytest.mark.parametrize(("kind", "picture_format"), FORMATS.items())
def test_a_picture_of_every_kind_is_one(kind, picture_format):
    picture = draw_picture(picture_format)
    lines = "\n".join(picture[start : start + 20] for start in range(0, len(picture), 20))
    assert check_picture(lines, kind, max_bytes=1000) == picture
    others = FORMATS.keys() - {kind}
    assert not any(check_picture(picture, other, max_bytes=1000) for other in others)


@pytest.mark.parametrize("kind", [*FORMATS, "image/svg+xml", "text/html"])
@pytest.mark.parametrize("data", [SVG, "", "no base64", 'x"><script>', None, 5, ["a"]])
def test_what_is_no_picture_is_none(data, kind):
    assert check_picture(data, kind, max_bytes=1000) == ""


def test_a_picture_that_is_too_large_is_none():
    assert check_picture(draw_picture(size=(8000, 6000)), "image/png", max_bytes=10**6) == ""
    assert check_picture(draw_picture(size=(99, 99)), "image/png", max_bytes=50) == ""


def test_attachments_keep_their_pictures_only():
    picture = draw_picture()
    attachments = {
        "a.png": {"image/png": picture, "image/svg+xml": SVG, "text/html": "<b>"},
        "b.svg": {"image/svg+xml": SVG},
        "c.png": picture,
        "\ud800": {"image/png": picture},
    }
    assert keep_pictures(attachments) == {"a.png": {"image/png": picture}}


@given(ANYTHING | BUNDLES)
def test_attachments_may_be_anything(attachments):
    for name, bundle in keep_pictures(attachments).items():
        assert name.isprintable()
        assert bundle.keys() <= FORMATS.keys()
        assert set(bundle.values()) == {draw_picture()}
