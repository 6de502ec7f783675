"""The miniature network: its size, and the same result for the same seed."""

import numpy as np

from course_utils import datasets, models
from course_utils.labs import miniature


def test_a_miniature_has_a_quarter_of_the_filters_and_repeats_itself():
    data = datasets.load("pixels10", num_train=60, num_test=20)
    first, second, other = (
        miniature.train(data, seed=seed, pooling="blur", epochs=1) for seed in (1, 1, 2)
    )
    assert (
        first.get_layer("conv_1").filters == models.build("classic").get_layer("conv_1").filters / 4
    )
    one, two, three = (model.get_weights()[0] for model in (first, second, other))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)
