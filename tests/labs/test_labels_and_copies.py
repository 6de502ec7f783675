"""Wrong labels in training and in testing, and copies of training pictures in the test."""

from dataclasses import replace

import numpy as np
import pytest

from course_utils import datasets
from course_utils.labs import labels_and_copies, miniature

DATA = datasets.load("pixels10", num_train=100, num_test=40)


def flip(share, seed=0, chosen=None):
    labels = np.arange(200) % 10
    chosen = np.arange(200) < 120 if chosen is None else chosen
    return labels, labels_and_copies.flip_labels(
        labels, chosen, share=share, num_classes=10, seed=seed
    )


def test_a_share_of_the_chosen_labels_is_wrong_and_no_other():
    labels, flipped = flip(0.25)
    wrong = flipped != labels
    assert wrong.sum() == 30 and wrong[:120].sum() == 30
    assert ((flipped >= 0) & (flipped < 10)).all()
    assert len(set((flipped - labels)[wrong] % 10)) > 6
    np.testing.assert_array_equal(labels, np.arange(200) % 10)


def test_more_noise_leaves_the_wrong_labels_wrong():
    (labels, few), (_, many) = flip(0.2), flip(0.5)
    wrong = few != labels
    np.testing.assert_array_equal(few[wrong], many[wrong])
    assert not np.array_equal(flip(0.2, seed=1)[1], few)


@pytest.mark.parametrize(
    ("true", "noise", "num_classes"), [(0.9, 0.2, 10), (0.5, 0.3, 2), (1, 0.1, 5), (0.7, 0, 10)]
)
def test_the_correction_inverts_what_noise_does(true, noise, num_classes):
    reported = true * (1 - noise) + (1 - true) * noise / (num_classes - 1)
    assert labels_and_copies.corrected_accuracy(reported, noise, num_classes) == pytest.approx(true)


@pytest.mark.parametrize("noise", [0.9, 0.95])
def test_labels_that_say_nothing_cannot_be_corrected(noise):
    with pytest.raises(miniature.LabError, match=r"less than 0\.9 of all"):
        labels_and_copies.corrected_accuracy(0.1, noise, 10)


def test_noise_in_training_is_in_palette_b_only(monkeypatch):
    seen = []
    train = miniature.train

    def watch(data, **settings):
        seen.append(data.train)
        return train(data, **settings)

    monkeypatch.setattr(miniature, "train", watch)
    table = labels_and_copies.measure_noise(
        seeds=[0], epochs=1, num_train=64, num_test=20, noises=[0.0, 0.5]
    )
    assert list(table.noise) == [0.0, 0.0, 0.5, 0.5]
    assert list(table.palette) == ["A", "B"] * 2
    clean, noisy = seen
    wrong = clean.labels != noisy.labels
    rare = (clean.attributes["palette"] == "B").to_numpy()
    assert wrong.sum() == round(0.5 * rare.sum()) and not wrong[~rare].any()
    np.testing.assert_array_equal(clean.labels, clean.attributes["true_label"])


def test_a_report_with_noise_in_the_test_labels():
    settings = {"seeds": [0, 1], "epochs": 1, "num_train": 64, "num_test": 50}
    table = labels_and_copies.report_noise(**settings, noise=0.2)
    np.testing.assert_allclose(
        table.corrected,
        [labels_and_copies.corrected_accuracy(value, 0.2, 10) for value in table.reported],
    )
    assert (table.true != table.reported).any()
    clean = labels_and_copies.report_noise(**settings, noise=0.0)
    np.testing.assert_allclose(clean.true, clean.reported)
    np.testing.assert_allclose(clean.true, table.true)


def test_copies_come_with_their_labels():
    generator = np.random.default_rng(0)
    mixed = labels_and_copies.with_copies(DATA.test, DATA.train, share=0.25, generator=generator)
    known = {
        (image.tobytes(), label)
        for image, label in zip(DATA.train.images, DATA.train.labels, strict=True)
    }
    copied = [
        (image.tobytes(), label) in known
        for image, label in zip(mixed.images, mixed.labels, strict=True)
    ]
    assert sum(copied) == 10
    kept = ~np.array(copied)
    np.testing.assert_array_equal(mixed.images[kept], DATA.test.images[kept])
    np.testing.assert_array_equal(mixed.labels[kept], DATA.test.labels[kept])


def test_an_excess_is_what_the_copies_add():
    table = labels_and_copies.measure_copies(
        DATA, seeds=[0, 1], share=1.0, num_train=64, epochs=1, many_epochs=8
    )
    assert list(table.training) == ["short", "long"] * 2
    np.testing.assert_allclose(table.excess, table.reported - table.honest)
    long = table[table.training == "long"]
    assert (long.on_training > 0.9).all()  # learned by heart
    assert (long.reported > 0.85).all()  # of copies alone
    assert (table.on_training[table.training == "short"] < 0.8).all()
    without = labels_and_copies.measure_copies(
        DATA, seeds=[0], share=0.0, num_train=64, epochs=1, many_epochs=8
    )
    assert (without.excess == 0).all()
    np.testing.assert_allclose(without.honest, table[table.seed == 0].honest)


def test_photographs_will_do():
    photographs = replace(
        DATA,
        name="photographs",
        train=replace(DATA.train, attributes=DATA.train.attributes[["noise"]]),
        test=replace(DATA.test, attributes=DATA.test.attributes[["noise"]]),
    )
    table = labels_and_copies.measure_copies(
        photographs, seeds=[0], num_train=40, epochs=1, many_epochs=1
    )
    assert len(table) == 2


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_that_are_none_are_refused(share):
    settings = {"seeds": [0], "epochs": 1, "num_train": 64, "num_test": 10}
    for measure in (
        lambda: labels_and_copies.measure_noise(**settings, noises=[share]),
        lambda: labels_and_copies.report_noise(**settings, noise=share),
        lambda: labels_and_copies.measure_copies(DATA, seeds=[0], share=share),
    ):
        with pytest.raises(miniature.LabError, match="lies between 0 and 1"):
            measure()


def test_more_training_pictures_than_there_are_are_refused():
    with pytest.raises(miniature.LabError, match="num_train is 101, and there are 100"):
        labels_and_copies.measure_copies(DATA, seeds=[0], num_train=101)
