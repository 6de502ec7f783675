"""The miniature network: its size, its training, and the same result for the same settings."""

from dataclasses import replace

import numpy as np
import pytest

from course_utils import datasets, models, training
from course_utils.labs import miniature

DATA = datasets.load("pixels10", num_train=64, num_test=20)
IMAGES = DATA.test.images


def forget():
    miniature._kept._weights.clear()


def test_it_has_half_of_the_filters_and_computes_alike_on_every_processor():
    model = miniature.train(DATA, seed=0, epochs=1, pooling="blur").to_keras()
    whole = models.build("quick").get_layer("conv_1").filters
    assert model.get_layer("conv_1").filters == whole / 2
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_it_trains_as_fit_does():
    network = miniature.train(DATA, seed=3, epochs=2)
    model = models.build("quick", seed=3, width=miniature.WIDTH, compute_dtype="float32")
    training.fit(model, DATA, recipe=miniature.RECIPE, epochs=2, seed=3, progress=False)
    np.testing.assert_allclose(network.predict(IMAGES), model.predict(IMAGES, verbose=0), atol=1e-4)


def test_the_same_settings_give_the_same_network_trained_only_once(monkeypatch):
    first = miniature.train(DATA, seed=1, epochs=1).predict(IMAGES)
    forget()
    again = miniature.train(DATA, seed=1, epochs=1)
    np.testing.assert_array_equal(first, again.predict(IMAGES))
    monkeypatch.setattr(miniature._Trainer, "train", None)
    assert miniature.train(DATA, seed=1, epochs=1)._weights is again._weights


WITH_OTHER_LABELS = replace(
    DATA, train=replace(DATA.train, labels=(DATA.train.labels + 1) % len(DATA.class_names))
)


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        (DATA, {"seed": 2}),
        (DATA, {"epochs": 2}),
        (DATA, {"pooling": "average"}),
        (DATA, {"head": "flatten"}),
        (DATA, {"recipe": replace(miniature.RECIPE, mirror=False)}),
        (DATA, {"recipe": replace(miniature.RECIPE, label_smoothing=0.3)}),
        (DATA, {"recipe": replace(miniature.RECIPE, learning_rate=0.01)}),
        (DATA, {"sample_weight": np.linspace(0, 1, 64)}),
        (WITH_OTHER_LABELS, {}),
        (datasets.load("pixels10", num_train=64, num_test=20, seed=1), {}),
    ],
)
def test_another_setting_gives_another_network(data, settings):
    usual = {"seed": 1, "epochs": 1}
    network = miniature.train(DATA, **usual)
    other = miniature.train(data, **(usual | settings))
    assert not np.array_equal(network.predict(IMAGES), other.predict(IMAGES))


def test_weights_of_one_change_nothing():
    weighted = miniature.train(DATA, seed=1, epochs=1, sample_weight=np.ones(64))
    np.testing.assert_array_equal(
        weighted.predict(IMAGES), miniature.train(DATA, seed=1, epochs=1).predict(IMAGES)
    )


def test_trained_side_by_side_they_are_what_they_are_alone():
    def answer(seed):
        return miniature.train(DATA, seed=seed, epochs=1).predict(IMAGES)

    forget()
    together = miniature.in_parallel(answer, range(6), label="seed")
    forget()
    np.testing.assert_array_equal(together, [answer(seed) for seed in range(6)])


def test_networks_are_asked_in_turn_without_mixing_them_up():
    first, second = (miniature.train(DATA, seed=seed, epochs=1) for seed in (1, 2))
    answers = [network.predict(IMAGES) for network in (first, second, first, second)]
    np.testing.assert_array_equal(answers[0], answers[2])
    np.testing.assert_array_equal(answers[1], answers[3])
    assert not np.array_equal(answers[0], answers[1])
    np.testing.assert_allclose(answers[0], first.to_keras().predict(IMAGES, verbose=0), atol=1e-5)
    assert first.predict(IMAGES[:0]).shape == (0, 10)


def test_a_failure_ends_the_experiment():
    done = []

    def fail(number):
        done.append(number)
        if number == 1:
            raise miniature.LabError("no")
        return number

    with pytest.raises(miniature.LabError, match="no"):
        miniature.in_parallel(fail, range(1000), label="number")
    assert len(done) < 1000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"recipe": training.RECIPES["quick"]}, "validation_split of 0"),
        ({"recipe": training.RECIPES["classic"]}, "validation_split of 0"),
        ({"sample_weight": np.ones(63)}, r"shape \(63,\).* 64 training pictures"),
        ({"sample_weight": np.full(64, -1.0)}, "one number from 0"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(miniature.LabError, match=message):
        miniature.train(DATA, seed=0, **settings)


def test_too_few_pictures_for_a_batch_are_refused():
    few = datasets.load("pixels10", num_train=31, num_test=10)
    with pytest.raises(miniature.LabError, match="31 training pictures"):
        miniature.train(few, seed=0)
