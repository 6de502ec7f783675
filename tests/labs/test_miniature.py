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
    assert miniature.train(DATA, seed=1, epochs=1).weights is again.weights


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
        (DATA, {"objective": miniature.GroupObjective(np.arange(64) % 2, lambda *_: [0.9, 0.1])}),
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


GROUPS = (DATA.train.attributes["palette"] == "B").to_numpy().astype(int)


def keep(weights, losses):
    return weights


def test_a_single_group_gives_the_mean_loss():
    whole = miniature.GroupObjective(np.zeros(64, int), keep)
    grouped = miniature.train(DATA, seed=1, epochs=1, objective=whole)
    plain = miniature.train(DATA, seed=1, epochs=1)
    np.testing.assert_allclose(grouped.predict(IMAGES), plain.predict(IMAGES), atol=1e-5)


def test_fixed_weights_weigh_the_groups_means_against_each_other():
    """In a batch of all pictures this is what weights of share / size do."""
    recipe = replace(miniature.RECIPE, batch_size=64)
    share = np.array([0.9, 0.1])
    objective = miniature.GroupObjective(GROUPS, lambda weights, losses: share)
    grouped = miniature.train(DATA, seed=1, epochs=2, recipe=recipe, objective=objective)
    counts = 64 * (share / np.bincount(GROUPS))[GROUPS]
    weighted = miniature.train(DATA, seed=1, epochs=2, recipe=recipe, sample_weight=counts)
    np.testing.assert_allclose(grouped.predict(IMAGES), weighted.predict(IMAGES), atol=1e-4)


def test_the_update_is_asked_in_every_step_for_the_weights_it_gave_before():
    seen = []

    def double_first(weights, losses):
        seen.append((weights, losses))
        return weights * [2, 1]

    rare = np.zeros(64, int)
    rare[np.random.default_rng(1).permutation(64)[0]] = 1  # in one of two batches
    miniature.train(DATA, seed=1, epochs=1, objective=miniature.GroupObjective(rare, double_first))
    assert [weights.tolist() for weights, _ in seen] == [[0.5, 0.5], [1.0, 0.5]]
    losses = np.array([losses for _, losses in seen])
    assert losses[:, 0] == pytest.approx(np.log(10), abs=0.7)
    assert sorted(losses[:, 1] > 0) == [False, True]


def test_another_update_gives_another_network():
    networks = [
        miniature.train(DATA, seed=1, epochs=1, objective=miniature.GroupObjective(GROUPS, update))
        for update in (keep, lambda *_: np.array([0.9, 0.1]))
    ]
    assert not np.array_equal(*(network.predict(IMAGES) for network in networks))


def test_an_error_of_the_update_is_told_as_it_was_raised():
    def fail(weights, losses):
        raise ZeroDivisionError("no losses")

    with pytest.raises(ZeroDivisionError, match="no losses"):
        miniature.train(DATA, seed=1, objective=miniature.GroupObjective(GROUPS, fail))
    other = miniature.train(
        DATA, seed=4, epochs=1, objective=miniature.GroupObjective(GROUPS, keep)
    )
    assert np.isfinite(other.predict(IMAGES)).all()


def test_the_untrained_network_has_new_weights_and_a_first_layer_that_has_seen_pictures():
    first = miniature.untrained(DATA, seed=1)
    model = models.build("quick", seed=1, width=miniature.WIDTH, compute_dtype="float32")
    training.adapt(model, IMAGES)
    own = first.to_keras()
    for before, built in zip(own.trainable_weights, model.trainable_weights, strict=True):
        np.testing.assert_array_equal(before, built)
    trained = miniature.train(DATA, seed=1, epochs=1).to_keras()
    for name in ("kernel", "bias"):
        values = [getattr(one.get_layer("whitening"), name) for one in (own, trained)]
        np.testing.assert_array_equal(*values)
    other = miniature.untrained(DATA, seed=2)
    assert not np.array_equal(other.predict(IMAGES), first.predict(IMAGES))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"objective": miniature.GroupObjective(GROUPS[1:], keep)}, r"\(63,\).* 64 training"),
        ({"objective": miniature.GroupObjective(2 * GROUPS, keep)}, "none is skipped"),
        ({"objective": miniature.GroupObjective(GROUPS / 1, keep)}, "they are whole numbers"),
        (
            {"objective": miniature.GroupObjective(GROUPS, keep), "sample_weight": np.ones(64)},
            "leave one of them out",
        ),
        (
            {"objective": miniature.GroupObjective(GROUPS, lambda weights, losses: weights[:1])},
            "they are 2 numbers",
        ),
        (
            {"objective": miniature.GroupObjective(GROUPS, lambda weights, losses: weights - 1)},
            "numbers from 0",
        ),
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
