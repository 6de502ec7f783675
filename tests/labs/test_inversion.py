"""Climbing to what a network likes best, and comparing it with what its classes look like."""

import keras
import numpy as np
import pytest

from course_utils import datasets
from course_utils.labs import creatures, inversion
from course_utils.labs.miniature import LabError


def draw(seed=0):
    return creatures.load(range(4), 12, num_test_views=12, seed=seed)


@pytest.fixture(scope="module")
def data():
    return draw()


def test_a_step_is_as_long_as_its_size_and_ends_at_black_and_white():
    images = np.array([[[[100.0, 100.0, 100.0], [250.0, 3.0, 100.0]]]], np.float32)
    slope = np.array([[[[0.3, -0.3, 0.3], [0.3, -0.3, -0.3]]]], np.float32)
    found = inversion.step(images, slope, 10)
    np.testing.assert_allclose(found[0, 0], [[110, 90, 110], [255, 0, 90]], rtol=1e-6)
    np.testing.assert_array_equal(inversion.step(images, 0 * slope, 10), images)


def linear(weights):
    """A network of one layer with these weights (num_classes, height, width, 3)."""
    model = keras.Sequential(
        [
            keras.Input(weights.shape[1:], dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(len(weights), activation="softmax", use_bias=False),
        ]
    )
    model.set_weights([weights.reshape(len(weights), -1).T])
    return model


def test_of_a_network_of_one_layer_its_weights_come_out():
    weights = np.zeros((2, 8, 8, 3), np.float32)
    weights[0, :4, :, 0] = 1  # class 0 likes red above
    weights[1, :, :4, 2] = 1  # class 1 likes blue on the left
    outcome = inversion.climb(linear(weights), blur=0)
    assert outcome.shape == (2, 8, 8, 3)
    assert outcome.dtype == np.uint8
    assert outcome[0, :4, :, 0].mean() > 180
    assert outcome[0, 4:, :4, 2].mean() < 100
    assert outcome[1, 4:, :4, 2].mean() > 180
    assert abs(outcome[..., 1].mean() - 128) < 3


def test_blur_makes_neighbours_move_together():
    weights = np.random.default_rng(0).normal(0, 0.1, (2, 16, 16, 3)).astype(np.float32)

    def roughness(blur):
        picture = inversion.climb(linear(weights), blur=blur)[0].astype(float)
        return np.abs(np.diff(picture, axis=0)).mean()

    assert roughness(1.0) < 0.7 * roughness(0)


def test_the_climb_begins_where_there_is_a_slope():
    """At plain grey no neuron of this network is active."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(2, 2, activation="relu", use_bias=False),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    kernel = np.zeros((2, 2, 3, 2), np.float32)
    kernel[0], kernel[1] = 1, -1  # an edge, and nothing else
    model.layers[1].set_weights([kernel])
    assert inversion.climb(model).std(axis=(1, 2, 3)).min() > 15


def test_pictures_are_compared_without_what_the_means_have_in_common():
    means = np.zeros((2, 2, 2, 3), np.float32)
    means[0, 0], means[1, 1] = 10, 10
    means += 70
    means[:, :, 0] += 50  # in all of them
    table = inversion.correlations(means, means)
    np.testing.assert_allclose(table, [[1, -1], [-1, 1]], atol=1e-6)
    pictures = means.copy()
    pictures[0] = means.mean(axis=0)  # nothing but what is common
    table = inversion.correlations(pictures, means)
    np.testing.assert_allclose(table, [[0, 0], [-1, 1]], atol=1e-6)
    assert inversion.compare(pictures, means) == pytest.approx(
        {"own": 0.5, "others": -0.5, "margin": 1.0, "matched": 1.0}
    )


def test_a_match_is_the_most_alike_of_all():
    means = np.random.default_rng(0).normal(100, 20, (4, 3, 3, 3)).astype(np.float32)
    turned = means[[0, 2, 1, 3]]
    found = inversion.compare(turned, means)
    table = inversion.correlations(turned, means)
    assert found["matched"] == 0.5
    assert found["own"] == pytest.approx(np.diag(table).mean())
    assert found["others"] == pytest.approx((table.sum() - np.trace(table)) / 12)


def test_mean_pictures_are_those_of_the_test_pictures_by_class(data):
    means = inversion.mean_pictures(data)
    np.testing.assert_allclose(means[2], data.test.images[24:36].mean(axis=0), rtol=1e-5)


def test_a_class_without_test_pictures_is_named():
    few = datasets.load("pixels10", num_train=32, num_test=1)
    with pytest.raises(LabError, match=r"there is no test picture of .*; raise num_test"):
        inversion.mean_pictures(few)


def test_the_one_layer_learns_and_is_the_same_for_the_same_seed(data):
    model = inversion.train_one_layer(data, seed=1)
    right = np.asarray(model(np.asarray(data.train.images))).argmax(axis=1) == data.train.labels
    assert right.mean() > 0.8
    weights = model.get_weights()[0]
    again, other = (inversion.train_one_layer(data, seed=seed).get_weights()[0] for seed in (1, 2))
    np.testing.assert_allclose(weights, again, atol=1e-6)
    assert np.abs(weights - other).max() > 1e-4


def test_a_row_for_each_seed_and_plan():
    table = inversion.measure(draw, seeds=[0, 5], epochs=1, num_steps=8)
    assert list(zip(table.seed, table.plan, strict=True)) == [
        (seed, plan) for seed in (0, 5) for plan in ("one layer", "miniature")
    ]
    np.testing.assert_allclose(table.margin, table.own - table.others, atol=1e-6)
    assert (table.matched[table.plan == "one layer"] > 0.4).all()
    assert table.judged.isin([0, 0.25, 0.5, 0.75, 1]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inversion.measure(draw, seeds=[0], plans=["two"]), "unknown plan 'two'"),
        (lambda: inversion.climb(None, num_steps=0), "num_steps is 0"),
        (lambda: inversion.climb(None, step_size=0), "step_size 0"),
        (lambda: inversion.climb(None, blur=-1), "blur -1"),
        (
            lambda: inversion.train_one_layer(creatures.load(range(2), 3, seed=0), seed=0),
            "there are 6 training pictures and one batch has 32",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(LabError, match=message):
        call()
