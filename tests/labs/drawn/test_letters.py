"""Drawn letters in two styles."""

import hashlib

import numpy as np
import pytest

from course_utils.labs.drawn import letters
from course_utils.labs.miniature import LabError


def test_pictures_labels_and_attributes_belong_together():
    drawn = letters.draw(50, style="thin", seed=1)
    assert drawn.images.shape == (50, 16, 16, 3)
    assert list(drawn.attributes.letter) == [letters.NAMES[label] for label in drawn.labels]
    assert set(drawn.attributes["style"]) == {"thin"}
    assert len(set(drawn.labels)) == len(letters.NAMES) == 10


def test_the_same_pictures_on_every_platform():
    digest = hashlib.sha256()
    for style in letters.STYLES:
        drawn = letters.draw(60, style=style, seed=3, pose="free")
        digest.update(np.ascontiguousarray(drawn.images).data)
    assert digest.hexdigest() == "c5ddedf934a6bf4f6c7a45568ba6783e3e65206ca0b7550b69cfa3ba79834370"


def test_the_first_pictures_are_the_same_however_many_follow():
    few, many = (letters.draw(number, style="bold", seed=2) for number in (5, 30))
    assert (few.images == many.images[:5]).all()


def test_thin_is_white_and_bold_is_orange_and_covers_more():
    thin, bold = (letters.draw(200, style=style, seed=0).images for style in letters.STYLES)

    def colours(images):
        """Of the pixels that the letters cover."""
        pixels = np.asarray(images).reshape(-1, 3)
        return pixels[pixels[:, 0] > 150].astype(int)

    assert len(colours(bold)) > 1.5 * len(colours(thin))
    red, _, blue = colours(bold).mean(axis=0)
    assert red - blue > 100
    assert np.ptp(colours(thin).mean(axis=0)) < 30


def test_aligned_letters_stand_upright_in_the_middle_and_free_ones_don_t():
    for pose, most in (("aligned", (0.75, 8)), ("free", (3.5, 30))):
        table = letters.draw(300, style="thin", seed=0, pose=pose).attributes
        places = table[["position_x", "position_y"]].abs().to_numpy()
        assert 0.8 * most[0] < places.max() <= most[0]
        assert 0.8 * most[1] < table.angle.abs().max() <= most[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"style": "italic"}, "style is 'italic'"),
        ({"pose": "upside down"}, "pose is 'upside down'"),
        ({"num_images": 0}, "num_images is 0"),
        ({"num_images": True}, "num_images is True"),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0"),
    ],
)
def test_bad_input_is_named(arguments, reason):
    with pytest.raises(LabError, match=reason):
        letters.draw(**{"num_images": 1, "style": "thin", "seed": 0, **arguments})
