"""Moving pictures, and training with each kind of pooling."""

import numpy as np
import pandas as pd
import pytest

from course_utils import augmentation, datasets, models
from course_utils.labs import miniature, shift_consistency

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
TINY = {"epochs": 2, "num_train": 400, "num_test": 40}  # enough to tell some classes apart


def moved(down, right):
    return augmentation.move(PICTURE[None], np.array([down]), np.array([right]))[0].tobytes()


def test_each_picture_goes_the_whole_distance_in_one_of_four_directions():
    pictures = np.repeat(PICTURE[None], 40, axis=0)
    near, far = (
        [one.tobytes() for one in shift_consistency.move(pictures, distance, seed=1)]
        for distance in (2, 5)
    )
    ways = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    by_near = [[moved(2 * down, 2 * right) for down, right in ways].index(one) for one in near]
    by_far = [[moved(5 * down, 5 * right) for down, right in ways].index(one) for one in far]
    assert set(by_near) == {0, 1, 2, 3}
    assert by_near == by_far


def test_the_seed_draws_the_directions():
    pictures = np.repeat(PICTURE[None], 40, axis=0)
    one, same, other = (shift_consistency.move(pictures, 3, seed=seed) for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()
    assert (shift_consistency.move(pictures, 0, seed=1) == pictures).all()


@pytest.mark.parametrize("distance", [-1, 10])
def test_a_distance_that_leaves_nothing_is_refused(distance):
    with pytest.raises(miniature.LabError, match=rf"distance of {distance} pixels .* 0 to 9"):
        shift_consistency.move(PICTURE[None], distance, seed=0)


def test_a_distance_is_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(miniature, "train", None)
    with pytest.raises(miniature.LabError, match="distance of 32 pixels"):
        shift_consistency.measure("pixels10", seeds=[0], distances=[1, 32], **TINY)


def test_one_row_for_each_network_seed_and_distance():
    table = shift_consistency.measure(
        "pixels10", seeds=[0, 1], poolings=["max"], heads=["average", "flatten"], distances=[0, 2],
        **TINY,
    )  # fmt: skip
    assert list(table.columns[:4]) == ["pooling", "head", "seed", "distance"]
    assert list(table["head"]) == ["average", "average", "flatten", "flatten"] * 2
    assert list(table.seed) == [0] * 4 + [1] * 4
    assert list(table.distance) == [0, 2] * 4
    assert (table.shift_consistency[table.distance == 0] == 1).all()
    average, flatten = (table.accuracy[table["head"] == head] for head in models.HEADS)
    assert (average.to_numpy() != flatten.to_numpy()).any()
    assert (table.shift_consistency.between(0, 1) & table.accuracy.between(0, 1)).all()
    first = shift_consistency.measure(
        "pixels10", seeds=[1], poolings=["max"], distances=[2], **TINY
    )
    row = table[(table.seed == 1) & (table["head"] == "average") & (table.distance == 2)]
    assert row.reset_index(drop=True).equals(first)


def test_consistency_and_accuracy_are_those_of_the_moved_pictures():
    seed, distance = 0, 9
    table = shift_consistency.measure(
        "pixels10", seeds=[seed], poolings=["blur"], distances=[distance], **TINY
    )
    data = datasets.load("pixels10", num_train=400, num_test=40, seed=seed)
    network = miniature.train(data, seed=seed, epochs=2, pooling="blur")
    pictures = data.test.images, shift_consistency.move(data.test.images, distance, seed=seed)
    before, after = (network.predict(one).argmax(axis=1) for one in pictures)
    assert table.shift_consistency.item() == np.mean(before == after)
    right = [np.mean(one == data.test.labels) for one in (before, after)]
    assert table.accuracy.item() == right[1] != right[0]


def make_runs(consistencies):
    """One pooling, two seeds; the second is a tenth lower."""
    return pd.DataFrame(
        [
            ("max", seed, distance, consistency - seed / 10, 0.5)
            for seed in (0, 1)
            for distance, consistency in consistencies.items()
        ],
        columns=["pooling", "seed", "distance", "shift_consistency", "accuracy"],
    )


def test_what_was_measured_at_a_distance_stands_side_by_side():
    runs = make_runs({1: 0.9, 4: 0.6})
    assert shift_consistency.at(runs, 4)["max"].to_dict() == pytest.approx({0: 0.6, 1: 0.5})
    accuracy = shift_consistency.at(runs, 1, column="accuracy")
    assert accuracy["max"].to_dict() == {0: 0.5, 1: 0.5}
    with pytest.raises(miniature.LabError, match="at 2 pixels; the distances are 1, 4"):
        shift_consistency.at(runs, 2)


def test_recovery_is_what_lies_above_the_neighbours():
    smooth = make_runs({7: 0.8, 8: 0.7, 9: 0.6})
    bump = make_runs({7: 0.8, 8: 0.9, 9: 0.6})
    assert shift_consistency.recovery(smooth)["max"].to_list() == pytest.approx([0, 0])
    assert shift_consistency.recovery(bump)["max"].to_list() == pytest.approx([0.2, 0.2])
    with pytest.raises(miniature.LabError, match="at 9 pixels"):
        shift_consistency.recovery(make_runs({7: 0.8, 8: 0.7}))
