"""Drawn creatures as identities."""

import hashlib

import numpy as np
import pytest

from course_utils.labs.drawn import creatures
from course_utils.labs.miniature import LabError


def test_pictures_labels_and_attributes_belong_together():
    drawn = creatures.draw([5, 2], 3, seed=1)
    assert drawn.images.shape == (6, 32, 32, 3)
    assert drawn.images.dtype == np.uint8
    assert list(drawn.labels) == [0, 0, 0, 1, 1, 1]
    assert list(drawn.attributes.identity) == [5, 5, 5, 2, 2, 2]
    assert list(drawn.attributes.group) == ["varied"] * 3 + ["plain"] * 3
    assert list(drawn.attributes["view"]) == [0, 1, 2] * 2


def test_the_same_pictures_on_every_platform():
    drawn = creatures.draw(range(40), 5, seed=3)
    digest = hashlib.sha256(np.ascontiguousarray(drawn.images).data).hexdigest()
    assert digest == "2c721f4af4c7bce322d586723218a39aa57cdd825e6d74db2fdf9a747738638d"


def test_a_view_depends_on_its_identity_and_number_only():
    many = creatures.draw(range(6), 4, seed=2)
    few = creatures.draw([4], 2, seed=2)
    place = (many.attributes.identity == 4) & (many.attributes["view"] < 2)
    assert (many.images[place] == few.images).all()
    noise = many.attributes.loc[place, "noise"]
    assert (noise.to_numpy() == few.attributes.noise.to_numpy()).all()


def test_another_split_has_other_views_and_another_seed_other_creatures():
    first = creatures.draw([0, 1], 2, seed=2)
    for other in (
        creatures.draw([0, 1], 2, seed=2, split="test"),
        creatures.draw([0, 1], 2, seed=3),
    ):
        assert (first.attributes.light != other.attributes.light).all()


def test_plain_creatures_resemble_each_other_as_told():
    def spread(group: int, **knobs: float) -> float:
        """Between the creatures, in their mean picture."""
        drawn = creatures.draw(range(group, 60, 2), 20, seed=0, **knobs)
        means = np.asarray(drawn.images, float).reshape(30, 20, -1).mean(axis=1)
        return float(means.std(axis=0).mean())

    assert spread(0, plain_spread=0) < 0.7 * spread(0, plain_spread=1)
    assert spread(0) < 0.8 * spread(1)
    assert spread(1) == spread(1, plain_spread=0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"identities": []}, "at least one"),
        ({"identities": [0, -1]}, "an identity is -1"),
        ({"identities": [True]}, "an identity is True"),
        ({"identities": [3, 3]}, "identity 3 is there twice"),
        ({"num_views": 0}, "num_views is 0"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"plain_spread": 2}, "plain_spread is 2; it must be a number from 0 to 1"),
        ({"plain_spread": "much"}, "plain_spread is 'much'"),
    ],
)
def test_bad_input_is_named(arguments, reason):
    with pytest.raises(LabError, match=reason):
        creatures.draw(**{"identities": [0], "num_views": 1, "seed": 0, **arguments})


def test_as_a_data_set_each_creature_is_a_class():
    data = creatures.load([4, 1], 3, num_test_views=2, seed=0)
    assert data.class_names == ("creature 4", "creature 1")
    assert (len(data.train), len(data.test)) == (6, 4)
    assert list(data.test.labels) == [0, 0, 1, 1]
    assert not (data.train.images[0] == data.test.images[0]).all()
    assert data.describe().groups.to_dict() == {
        "train": {"plain": 3, "varied": 3},
        "test": {"plain": 2, "varied": 2},
    }
