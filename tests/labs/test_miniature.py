"""The miniature network: its size, and the same result for the same seed."""

import numpy as np

from course_utils import datasets, models
from course_utils.labs import miniature


def test_it_has_half_of_the_filters_and_repeats_itself():
    data = datasets.load("pixels10", num_train=64, num_test=20)
    model = miniature.build(data, pooling="blur")
    whole = models.build("quick").get_layer("conv_1").filters
    assert model.get_layer("conv_1").filters == whole / 2
    results = []
    for seed in (1, 2, 1):
        miniature.train(model, data, seed=seed, epochs=1)
        results.append(model.get_layer("conv_1").get_weights()[0])
    np.testing.assert_array_equal(results[0], results[2])
    assert not np.array_equal(results[0], results[1])


def test_it_computes_alike_on_every_processor():
    model = miniature.build(datasets.load("pixels10", num_train=10, num_test=10))
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
