"""Backgrounds that go with the class, swapped in testing, and maps of where a network looks."""

import numpy as np
import pandas as pd
import pytest

from course_utils.datasets import pixels10
from course_utils.labs import miniature, short_cuts

TYPICAL = {
    label: pixels10.TYPICAL_BACKGROUNDS[name] for label, name in enumerate(pixels10.CLASS_NAMES)
}


def test_the_same_objects_stand_before_typical_any_and_conflicting_backgrounds():
    pictures = short_cuts.swap_backgrounds(300, seed=3)
    typical, random, conflicting = (
        pictures[name] for name in (short_cuts.TYPICAL, short_cuts.ANY, short_cuts.CONFLICTING)
    )
    usual = pixels10.load(num_train=1, num_test=300, seed=3).test
    for split in (typical, random, conflicting):
        np.testing.assert_array_equal(split.labels, usual.labels)
        same = [name for name in usual.attributes if name != "background"]
        pd.testing.assert_frame_equal(split.attributes[same], usual.attributes[same])
    own = np.array([TYPICAL[label] for label in usual.labels])
    assert (typical.attributes["background"] == own).all()
    assert (conflicting.attributes["background"] != own).all()
    assert set(conflicting.attributes["background"]) == set(pixels10.BACKGROUND_NAMES)
    assert random.attributes["background"].value_counts().between(25, 80).all()


def test_conflicting_backgrounds_are_those_of_the_other_classes_equally_often():
    numbers = np.linspace(0, 1, 8000, endpoint=False)
    others = short_cuts._other_backgrounds(np.zeros(8000, int), numbers)
    counts = pd.Series(others).value_counts().to_dict()
    # Eight classes have another background than the airplane: two streets, and so on.
    assert counts == {"street": 2000, "indoor": 2000, "forest": 2000, "grass": 1000, "sea": 1000}


def test_painting_anew_before_the_same_background_changes_nothing():
    drawn = pixels10.draw(20, seed=5, split="test")
    again = short_cuts.repaint(drawn, drawn.attributes["background"], seed=5)
    np.testing.assert_array_equal(again.images, drawn.images)


def test_an_object_is_what_stays_when_the_background_changes():
    pictures, objects = short_cuts.lone_objects(40, seed=0)
    assert len(pictures) == len(objects) == 40
    assert (pictures.attributes["companion"] == "none").all()
    assert (pictures.attributes[["clutter", "occlusion"]] == 0).all(axis=None)
    other = pixels10.draw(140, seed=0, split="test", background_correlation=0.0)
    own = [pictures.images[0] == image for image in other.images]
    assert objects[0][max(own, key=np.mean).all(axis=-1)].mean() > 0.5
    assert 0.02 < objects.mean(axis=(1, 2)).min() < objects.mean(axis=(1, 2)).max() < 0.5


UPPER_LEFT = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_occlusion_maps_by_hand():
    """The probability of class 1 is the mean brightness of the upper left quarter."""

    def predict(images):
        quarter = images[:, :2, :2].mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - quarter, quarter], axis=1)

    images = np.stack([np.full((4, 4, 3), level, np.uint8) for level in (255, 0)])
    maps = short_cuts.occlusion_maps(predict, images, np.array([1, 0]), size=2)
    drop = 1 - 128 / 255
    np.testing.assert_allclose(maps[0], [[drop, 0], [0, 0]])
    np.testing.assert_allclose(maps[1], [[128 / 255, 0], [0, 0]])
    wide = np.full((2, 6, 3), 255, np.uint8)
    np.testing.assert_allclose(short_cuts.occlusion_map(predict, wide, 0, 2), [[-drop, 0, 0]])
    np.testing.assert_allclose(
        short_cuts.occlusion_map(predict, images[0], 1, 1), drop / 4 * np.array(UPPER_LEFT)
    )
    rows = short_cuts.occlusion_map(lambda images: images[:, :2].mean(axis=(1, 2)), images[0], 0, 2)
    assert (rows[0] > 0).all() and (rows[1] == 0).all()


def test_shares_and_correlations_by_hand():
    maps = np.array([[[3.0, 1.0]], [[0.0, 0.0]]])
    part = np.array([[[1.0, 0.5]], [[1.0, 0.5]]])
    np.testing.assert_allclose(short_cuts._shares(maps, part), [3.5 / 4, 0.75])
    one, other = np.array([[[1.0, 2.0, 3.0]], [[1, 1, 1]]]), np.array([[[3, 2, 1]], [[1, 2, 3]]])
    np.testing.assert_allclose(short_cuts._correlations(one, other), [-1, 0])
    pixels = np.zeros((1, 4, 5), bool)
    pixels[0, :2, 1:3] = True
    np.testing.assert_allclose(short_cuts._by_square(pixels, 2), [[[0.5, 0.5], [0, 0]]])


def test_costs_are_typical_minus_conflicting_and_pulls_are_those_of_conflicting_backgrounds():
    rows = [
        (0.95, 7, "typical", 0.75, 0.0), (0.95, 7, "any", 0.5, 0.25),
        (0.95, 7, "conflicting", 0.25, 0.5), (0.0, 7, "typical", 0.5, 0.125),
        (0.0, 7, "any", 0.5, 0.0), (0.0, 7, "conflicting", 0.625, 0.0625),
    ]  # fmt: skip
    runs = pd.DataFrame(rows, columns=["correlation", "seed", "background", "accuracy", "pull"])
    found = short_cuts.costs(runs)
    assert found.set_index("correlation")["cost"].to_dict() == {0.95: 0.5, 0.0: -0.125}
    assert short_cuts.pulls(runs).loc[7].to_dict() == {0.95: 0.5, 0.0: 0.0625}


SMALL = {"seeds": [0, 1], "epochs": 1, "num_train": 64}


def test_one_row_for_each_correlation_seed_and_background():
    runs = short_cuts.measure(**SMALL, num_test=40, correlations=[0, 0.9])
    assert list(runs.correlation) == ([0] * 3 + [0.9] * 3) * 2
    assert list(runs.background) == ["typical", "any", "conflicting"] * 4
    assert list(runs.seed) == [0] * 6 + [1] * 6
    assert (runs.accuracy + runs.pull).between(0, 1).all()
    assert runs.pull.max() > 0


def test_the_networks_looked_at_are_those_that_were_measured(monkeypatch):
    short_cuts.measure(**SMALL, num_test=40, correlations=[0.9])
    monkeypatch.setattr(miniature, "train", None)
    table = short_cuts.look(**SMALL, correlations=[0.9], num_pictures=5, size=8)
    assert list(table.network) == ["untrained", "ρ = 0.9"] * 2
    assert table.background_share.between(0, 1).all() and (table.area > 0.5).all()
    assert (table.likeness[table.network == "untrained"] > 0.999).all()
    assert (table.likeness[table.network != "untrained"] < 0.999).all()


def test_examples_take_the_learners_function_or_the_courses(capsys):
    settings = {"seed": 0, "epochs": 1, "num_train": 64, "correlations": [0.9], "num_pictures": 2}
    pictures, maps = short_cuts.examples(**settings)
    assert pictures.shape == (2, 32, 32, 3)
    assert {name: one.shape for name, one in maps.items()} == {
        "untrained": (2, 8, 8), "ρ = 0.9": (2, 8, 8),
    }  # fmt: skip
    assert capsys.readouterr().out == ""

    def not_done(predict, image, label, size):
        raise NotImplementedError

    _, again = short_cuts.examples(**settings, function=not_done)
    np.testing.assert_array_equal(again["ρ = 0.9"], maps["ρ = 0.9"])
    assert "Exercise 4.4 isn't done yet" in capsys.readouterr().out
    _, own = short_cuts.examples(**settings, function=lambda *given: np.full((8, 8), given[2]))
    assert len(np.unique(own["ρ = 0.9"])) <= 2


@pytest.mark.parametrize("correlation", [-0.1, 1.5, float("nan")])
def test_a_correlation_that_is_no_probability_is_refused(correlation):
    with pytest.raises(miniature.LabError, match="the background correlation is"):
        short_cuts.measure(**SMALL, num_test=20, correlations=[correlation])
    with pytest.raises(miniature.LabError, match="the background correlation is"):
        short_cuts.look(**SMALL, correlations=[correlation])


@pytest.mark.parametrize("size", [0, 33])
def test_a_square_that_fits_no_picture_is_refused(size):
    with pytest.raises(miniature.LabError, match=f"size is {size}"):
        short_cuts.look(**SMALL, num_pictures=2, size=size)
