"""The miniature network: its size, and the same result for the same seed."""

import numpy as np

from course_utils import datasets, models
from course_utils.labs import miniature


def test_it_has_a_quarter_of_the_filters_and_repeats_itself():
    data = datasets.load("pixels10", num_train=60, num_test=20)
    model = miniature.build(data, pooling="blur")
    assert (
        model.get_layer("conv_1").filters == models.build("classic").get_layer("conv_1").filters / 4
    )
    results = []
    for seed in (1, 2, 1):
        miniature.train(model, data, seed=seed, epochs=1)
        results.append(model.get_weights()[0])
    np.testing.assert_array_equal(results[0], results[2])
    assert not np.array_equal(results[0], results[1])
