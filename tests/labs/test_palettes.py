"""The same scenes in two palettes."""

import numpy as np

from course_utils import datasets
from course_utils.datasets import pixels10
from course_utils.datasets.base import ImageSplit
from course_utils.labs import palettes


class Network:
    """Answers class 1 to pictures that are light, else class 0."""

    def predict(self, images):
        light = images.mean(axis=(1, 2, 3)) > 100
        return np.column_stack([~light, light]).astype(float)


def test_twins_are_the_test_scenes_in_both_palettes():
    pictures = palettes.twins(30, seed=3)
    usual = datasets.load("pixels10", num_train=1, num_test=30, seed=3).test
    is_b = usual.attributes["palette"] == "B"
    assert 0 < is_b.sum() < 30
    for palette, part in pictures.items():
        assert (part.attributes["palette"] == palette).all()
        own = np.flatnonzero(is_b == (palette == "B"))
        np.testing.assert_array_equal(part.images[own], usual.images[own])
        np.testing.assert_array_equal(part.labels, usual.labels)
    same = pictures["A"].attributes.drop(columns="palette")
    assert same.equals(pictures["B"].attributes.drop(columns="palette"))
    differ = (np.asarray(pictures["A"].images) != pictures["B"].images).any(axis=(1, 2, 3))
    assert differ.all()


def test_twins_can_be_made_harder():
    usual, hard = (palettes.twins(20, seed=0, difficulty=share)["A"] for share in (0.0, 1.0))
    assert (usual.attributes["occlusion"] == 0).all()
    assert (hard.attributes["occlusion"] > 0).any()


def test_a_mixture_of_twins_is_what_the_knob_draws():
    names = pixels10.palettes(30, seed=4, palette_prevalence=0.3)
    mixed = palettes.mix(palettes.twins(30, seed=4, split="train"), names)
    drawn = pixels10.draw(30, seed=4, palette_prevalence=0.3)
    np.testing.assert_array_equal(mixed.images, drawn.images)
    np.testing.assert_array_equal(mixed.labels, drawn.labels)
    assert mixed.attributes.equals(drawn.attributes)
    assert mixed.fingerprint() == drawn.fingerprint()


def test_accuracies_are_shares_of_right_answers():
    shades = np.array([200, 200, 10, 10], np.uint8)
    images = np.broadcast_to(shades[:, None, None, None], (4, 2, 2, 3))
    attributes = palettes.twins(4, seed=0)["A"].attributes
    pictures = {
        "first": ImageSplit(images, np.array([1, 1, 0, 0]), attributes),
        "second": ImageSplit(images, np.array([1, 0, 1, 1]), attributes),
    }
    assert palettes.accuracies(Network(), pictures) == {"first": 1.0, "second": 0.25}
