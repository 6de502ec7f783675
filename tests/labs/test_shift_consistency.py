"""Shifting pictures, and training with each kind of pooling."""

import numpy as np
import pytest

from course_utils import augmentation, datasets
from course_utils.labs import shift_consistency

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def test_random_shifts_stay_within_the_limit_and_differ():
    pictures = np.repeat(PICTURE[None], 50, axis=0)
    moved = shift_consistency.shift_randomly(
        pictures, max_shift=2, generator=np.random.default_rng(1)
    )
    possible = {
        augmentation.move(PICTURE[None], np.array([down]), np.array([right])).tobytes()
        for down in range(-2, 3)
        for right in range(-2, 3)
    }
    seen = {picture.tobytes() for picture in moved}
    assert seen <= possible
    assert len(seen) > 10


def test_a_shift_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="max_shift is 10"):
        shift_consistency.shift_randomly(
            PICTURE[None], max_shift=10, generator=np.random.default_rng(0)
        )


def test_one_row_for_each_pooling_and_seed():
    data = datasets.load("pixels10", num_train=60, num_test=40)
    table = shift_consistency.measure(data, seeds=[0, 1], epochs=1, poolings=["max", "blur"])
    assert list(table.pooling) == ["max", "blur", "max", "blur"]
    assert list(table.seed) == [0, 0, 1, 1]
    assert table.shift_consistency.between(0, 1).all()
    assert table.gap.between(0, 1).all()
    measured = table[["shift_consistency", "gap"]].to_numpy()
    assert len({tuple(row) for row in measured}) > 1


def test_without_a_shift_every_network_is_consistent():
    data = datasets.load("pixels10", num_train=60, num_test=40)
    table = shift_consistency.measure(data, seeds=[0], epochs=1, poolings=["max"], max_shift=0)
    assert table.shift_consistency.item() == 1
