"""Signed pictures: what verifies, what doesn't, and what follows from either."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.labs import provenance
from course_utils.labs.miniature import LabError

IMAGE, OTHER = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
KEY = provenance.make_key("camera")
TRUSTED = {"camera": KEY.public_key()}
PICTURE = provenance.encode(IMAGE)
MANIFEST = provenance.sign(PICTURE, ["taken by a camera"], signer="camera", key=KEY)


def verify(picture=PICTURE, manifest=MANIFEST):
    return provenance.verify(picture, manifest, trusted=TRUSTED)


def test_what_was_signed_verifies():
    assert verify() == "valid"
    assert MANIFEST.assertions == ["taken by a camera"]


@given(place=st.integers(0, len(PICTURE) - 1), change=st.integers(1, 255))
def test_no_byte_of_the_picture_can_be_changed(place, change):
    changed = bytearray(PICTURE)
    changed[place] ^= change
    assert verify(bytes(changed)) == "picture changed"


@given(place=st.integers(0, len(MANIFEST.claim) - 1), change=st.integers(1, 255))
def test_no_byte_of_the_claim_can_be_changed(place, change):
    changed = bytearray(MANIFEST.claim)
    changed[place] ^= change
    assert verify(manifest=replace(MANIFEST, claim=bytes(changed))) == "claim changed"


def test_a_new_claim_needs_the_key():
    stranger = provenance.make_key("stranger")
    claimed = provenance.sign(PICTURE, [], signer="camera", key=stranger)
    assert verify(manifest=claimed) == "claim changed"
    assert verify(manifest=replace(claimed, signer="stranger")) == "unknown signer"
    assert verify(manifest=None) == "no manifest"


def test_png_keeps_the_pixels_and_jpeg_does_not():
    np.testing.assert_array_equal(provenance.decode(PICTURE), IMAGE)
    saved = provenance.decode(provenance.encode(IMAGE, "jpeg"))
    assert saved.shape == IMAGE.shape
    assert (saved != IMAGE).any()


def test_a_verdict_is_no_verdict_on_truth():
    table = provenance.measure(IMAGE, OTHER).set_index("what")
    assert list(table.verdict) == [
        "valid", "picture changed", "picture changed", "no manifest", "claim changed",
        "claim changed", "valid",
    ]  # fmt: skip
    assert table.pixels_changed["one pixel changed"] == 1 / 32**2
    assert table.pixels_changed["nothing"] == table.pixels_changed["screenshot"] == 0
    assert not table.true["a fake on a screen, photographed by the camera"]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ((IMAGE, OTHER[:8]), "differ in shape"),
        ((IMAGE / 255, OTHER / 255), "not float64"),
        ((IMAGE[..., 0], OTHER[..., 0]), r"not uint8 \(32, 32\)"),
    ],
)
def test_what_is_no_picture_is_refused(pictures, message):
    with pytest.raises(LabError, match=message):
        provenance.measure(*pictures)
