import warnings
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from course_utils.datasets.base import Datasheet, ImageDataset, ImageSplit
from course_utils.evaluation import (
    DIFFERENCE,
    Estimate,
    error_if_calibrated,
    evaluate,
    evaluate_predictions,
    newcombe,
    over_seeds,
    paired_difference,
    summarise_seeds,
    verdict,
    wilson,
    within,
)

CLASS_NAMES = ("cat", "dog", "ship")

# Eight images: what they are, what the network answers, and the group each belongs to.
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])
PREDICTIONS = np.array([0, 0, 1, 1, 1, 0, 2, 2])
CONFIDENCE = np.array([0.9, 0.8, 0.9, 0.5, 0.9, 0.5, 0.8, 1.0])
GROUPS = pd.Series(list("ABBBAABA"), name="palette", index=range(100, 108))


def probabilities(predictions=PREDICTIONS, confidence=CONFIDENCE, num_classes=3):
    rows = np.repeat(((1 - confidence) / (num_classes - 1))[:, None], num_classes, axis=1)
    rows[np.arange(len(rows)), predictions] = confidence
    return rows


@pytest.fixture
def evaluation():
    return evaluate_predictions(LABELS, probabilities(), class_names=CLASS_NAMES, groups=GROUPS)


counts = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None)
@given(counts)
def test_wilson_holds_its_value_stays_a_proportion_and_is_symmetric(pair):
    successes, trials = pair
    estimate = wilson(successes, trials)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    mirrored = wilson(trials - successes, trials)
    assert mirrored.low == pytest.approx(1 - estimate.high, abs=1e-12)
    assert mirrored.high == pytest.approx(1 - estimate.low, abs=1e-12)


@settings(deadline=None)
@given(counts)
def test_wilson_narrows_with_more_trials(pair):
    successes, trials = pair
    few, many = wilson(successes, trials), wilson(4 * successes, 4 * trials)
    assert many.high - many.low < few.high - few.low


def test_wilson_agrees_with_the_formula():
    z, n, p = stats.norm.ppf(0.975), 50, 0.3
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    estimate = wilson(15, 50)
    assert (estimate.low, estimate.high) == pytest.approx((centre - half, centre + half))


@settings(deadline=None)
@given(counts, counts)
def test_newcombe_holds_its_value_stays_a_difference_and_changes_sign(first, second):
    estimate, reverse = newcombe(*first, *second), newcombe(*second, *first)
    assert -1 - 1e-12 <= estimate.low <= estimate.value <= estimate.high <= 1 + 1e-12
    assert (reverse.low, reverse.high) == pytest.approx((-estimate.high, -estimate.low), abs=1e-12)


def test_newcombe_gives_gender_shades_difference():
    # IBM, Buolamwini & Gebru 2018: 34.7 % of 271 darker-skinned women, 0.3 % of 385 lighter men.
    assert str(newcombe(94, 271, 1, 385)) == "34.4 points (28.9–40.3)"


@pytest.mark.parametrize("arguments", [(1, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(arguments):
    with pytest.raises(ValueError, match=r"trial|successes"):
        wilson(*arguments)
    with pytest.raises(ValueError, match=r"trial|successes"):
        newcombe(1, 2, *arguments)


SHARES = st.lists(st.floats(0, 1), min_size=3, max_size=20)


@given(SHARES)
@example([1.0, 1.0, 1.0])
@example([0.0, 0.0, 0.0])
@example([1.0, 1.0, 1 - 1e-16])
@example([0.0, 1.0, 1.0])
def test_an_interval_over_seeds_is_one_of_a_share(values):
    estimate = over_seeds(values)
    assert estimate.value == pytest.approx(np.mean(values), abs=1e-9)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high
    mirrored = over_seeds([1 - value for value in values])
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - estimate.high, 1 - estimate.low))
    halved = over_seeds([2 * value - 1 for value in values], bounds=DIFFERENCE)
    assert (halved.low, halved.high) == pytest.approx(
        (2 * estimate.low - 1, 2 * estimate.high - 1), abs=1e-6
    )


def test_in_the_middle_the_interval_over_seeds_is_students():
    values = np.array([0.501, 0.499, 0.502, 0.498])
    half = stats.t.ppf(0.975, 3) * stats.sem(values)
    estimate = over_seeds(values)
    assert (estimate.low, estimate.high) == pytest.approx((0.5 - half, 0.5 + half), rel=1e-5)


@pytest.mark.parametrize("mean", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("number", [3, 5])
def test_the_interval_over_seeds_covers_the_mean_about_as_often_as_it_says(mean, number):
    """Of shares that scatter as accuracies of a small network do, by about 0.4 / √100."""
    generator = np.random.default_rng(0)
    drawn = generator.binomial(100, mean, (2000, number)) / 100
    intervals = [over_seeds(values) for values in drawn]
    covered = np.mean([one.low <= mean <= one.high for one in intervals])
    assert 0.93 < covered < 0.99


@pytest.mark.parametrize("share", [0.0, 0.9, 1.0])
def test_equal_results_do_not_make_an_interval_of_nothing(share):
    estimate = over_seeds([share] * 3)
    assert estimate.high - estimate.low > 0.3


def test_over_seeds_needs_three_shares():
    with pytest.raises(ValueError, match="at least 3 seeds"):
        over_seeds([0.5, 0.6])
    for value in (float("nan"), 1.5, -0.1):
        with pytest.raises(ValueError, match=f"between 0 and 1, but there is {value}"):
            over_seeds([0.5, 0.6, value])
    with pytest.raises(ValueError, match=r"between -1 and 1, but there is -1\.1"):
        over_seeds([0.5, 0.6, -1.1], bounds=DIFFERENCE)


def test_a_paired_difference_sees_what_an_unpaired_one_would_miss():
    first, second = np.array([0.60, 0.70, 0.80]), np.array([0.55, 0.66, 0.74])
    estimate = paired_difference(first, second)
    assert estimate == over_seeds([0.60 - 0.55, 0.70 - 0.66, 0.80 - 0.74], bounds=DIFFERENCE)
    assert estimate.low > 0
    assert paired_difference(second, first).high == pytest.approx(-estimate.low)
    gaps = paired_difference([0.9, 0.8, 0.9], [-0.9, -0.8, -0.7], bounds=DIFFERENCE)
    assert -2 <= gaps.low < gaps.value < gaps.high <= 2
    with pytest.raises(ValueError, match="same seeds"):
        paired_difference([0.1, 0.2], [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.02, 0.01, "small"),
        (0.01, 0.02, "small"),  # though zero is left out
        (-0.029, -0.001, "small"),
        (0.01, 0.04, "found"),
        (-0.5, -0.01, "found"),
        (0.04, 0.06, "found"),
        (-0.01, 0.04, "not found"),
        (-0.04, 0.01, "not found"),
        (-0.02, 0.03, "not found"),  # a difference as large as the margin is worth mentioning
        (0.0, 0.3, "not found"),
    ],
)
def test_a_difference_is_small_found_or_neither(low, high, said):
    assert verdict(Estimate((low + high) / 2, low, high), margin=0.03) == said


@pytest.mark.parametrize("margin", [0, -0.03, float("nan")])
def test_without_a_margin_there_is_no_verdict(margin):
    with pytest.raises(ValueError, match="smallest difference worth mentioning"):
        verdict(Estimate(0, -1, 1), margin=margin)


def test_a_gap_of_a_group_of_one_picture_is_a_share():
    evaluation = evaluate_predictions(
        [0, 0, 1],
        [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]],
        class_names=("cat", "dog"),
        groups=pd.Series(["A", "A", "B"], name="palette"),
    )
    gap = evaluation.group_gap
    assert (gap.value, gap.low, gap.high) == (1, 0, 1)


def test_an_estimate_reads_as_a_sentence_does():
    assert str(Estimate(0.842, 0.825, 0.857)) == "84.2 % (82.5–85.7)"
    assert str(Estimate(-0.01, -0.0304, 0.02, "points")) == "−1.0 points (−3.0 to 2.0)"
    assert str(Estimate(-0.0001, -0.0002, 0.1, "points")) == "0.0 points (0.0 to 10.0)"
    assert float(Estimate(0.842, 0.825, 0.857)) == 0.842
    with pytest.raises(ValueError, match="inside its interval"):
        Estimate(0.5, 0.6, 0.7)
    with pytest.raises(ValueError, match="inside its interval"):
        Estimate(float("nan"), 0.6, 0.7)


def test_accuracy_overall_by_class_and_by_group(evaluation):
    assert evaluation.accuracy == wilson(5, 8)
    assert list(evaluation.by_class.columns) == ["count", "accuracy", "low", "high"]
    assert evaluation.by_class.index.tolist() == list(CLASS_NAMES)
    assert evaluation.by_class["count"].tolist() == [4, 2, 2]
    assert evaluation.by_class["accuracy"].tolist() == [0.5, 0.5, 1.0]
    assert evaluation.by_group.index.name == "palette"
    assert list(evaluation.by_group.columns) == ["count", "accuracy", "low", "high"]
    assert evaluation.by_group.loc["A", ["count", "accuracy"]].tolist() == [4, 0.75]
    assert evaluation.by_group.loc["B", ["count", "accuracy"]].tolist() == [4, 0.5]
    low, high = evaluation.by_group.loc["B", ["low", "high"]]
    assert Estimate(0.5, low, high) == wilson(2, 4)
    assert (evaluation.worst_class, evaluation.worst_group) == ("cat", "B")
    expected = newcombe(3, 4, 2, 4)
    assert evaluation.group_gap == Estimate(expected.value, 0, expected.high, "points")


def test_confusion_and_the_most_confused(evaluation):
    assert evaluation.confusion.tolist() == [[2, 2, 0], [1, 1, 0], [0, 0, 2]]
    pairs = evaluation.most_confused()
    assert pairs.to_dict("records") == [
        {"true": "cat", "predicted": "dog", "count": 2, "share": 0.5},
        {"true": "dog", "predicted": "cat", "count": 1, "share": 0.5},
    ]
    assert len(evaluation.most_confused(1)) == 1


def test_calibration_counts_confidence_and_accuracy_by_bin(evaluation):
    table = evaluation.calibration
    assert table["from"].tolist() == [0.4, 0.7, 0.8, 0.9]
    assert table["to"].tolist() == [0.5, 0.8, 0.9, 1.0]
    assert table["count"].tolist() == [2, 2, 3, 1]
    assert table["confidence"].tolist() == pytest.approx([0.5, 0.8, 0.9, 1.0])
    assert table["accuracy"].tolist() == pytest.approx([0, 1, 2 / 3, 1])
    expected = (2 * 0.5 + 2 * 0.2 + 3 * (0.9 - 2 / 3) + 0) / 8
    assert evaluation.expected_calibration_error == pytest.approx(expected)


@st.composite
def answered_images(draw):
    number = draw(st.integers(1, 40))
    labels = draw(st.lists(st.integers(0, 3), min_size=number, max_size=number))
    predictions = draw(st.lists(st.integers(0, 3), min_size=number, max_size=number))
    confidence = draw(st.lists(st.floats(0.3, 1), min_size=number, max_size=number))
    groups = draw(st.lists(st.sampled_from("AB"), min_size=number, max_size=number))
    return np.array(labels), np.array(predictions), np.array(confidence), pd.Series(groups)


@settings(deadline=None, max_examples=40)
@given(answered_images())
def test_the_parts_add_up_to_the_whole(answered):
    labels, predictions, confidence, groups = answered
    evaluation = evaluate_predictions(
        labels,
        probabilities(predictions, confidence, 4),
        class_names=list("wxyz"),
        groups=groups,
    )
    correct = labels == predictions
    assert evaluation.accuracy.value == correct.mean()
    for table in (evaluation.by_class, evaluation.by_group, evaluation.calibration):
        assert table["count"].sum() == len(labels)
        total = (table["accuracy"].fillna(0) * table["count"]).sum()
        assert total == pytest.approx(correct.sum())
        filled = table[table["count"] > 0]
        assert (filled["low"] <= filled["accuracy"]).all()
        assert (filled["accuracy"] <= filled["high"]).all()
    accuracies = {group: correct[groups == group].mean() for group in set(groups)}
    assert evaluation.by_group["accuracy"].to_dict() == pytest.approx(accuracies)
    assert evaluation.confusion.sum() == len(labels)
    assert 0 <= evaluation.expected_calibration_error <= 1
    if len(accuracies) == 1:
        assert evaluation.group_gap is None
    else:
        gap = abs(accuracies["A"] - accuracies["B"])
        assert evaluation.group_gap.value == pytest.approx(gap)


def test_a_class_without_test_images_has_no_accuracy():
    evaluation = evaluate_predictions(
        [0, 1], [[0.9, 0.1, 0], [0.2, 0.8, 0]], class_names=CLASS_NAMES
    )
    assert evaluation.by_class.loc["ship", "count"] == 0
    assert np.isnan(evaluation.by_class.loc["ship", "accuracy"])
    assert evaluation.worst_class == "cat"
    assert evaluation.by_group is None
    assert evaluation.worst_group is None
    assert evaluation.group_gap is None
    assert "ship" in evaluation._repr_html_()


@pytest.mark.parametrize(
    ("labels", "answers", "message"),
    [
        ([0, 3], [[1, 0, 0], [1, 0, 0]], "between 0 and 2 for 3 classes, got 3"),
        ([0, -1], [[1, 0, 0], [1, 0, 0]], "got -1"),
        ([0.5, 1.0], [[1, 0, 0], [1, 0, 0]], "whole numbers"),
        ([[0], [1]], [[1, 0, 0], [1, 0, 0]], r"\(2, 1\); pass labels\[:, 0\]"),
        ([[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [1, 0, 0]], r"\(2, 3\); pass labels.argmax\(axis=1\)"),
        ([0, 1], [0, 1], r"got \(2,\); pass what model.predict answers, without argmax"),
        ([], np.empty((0, 3)), "no test images"),
        ([0, 1], [[1, 0], [1, 0]], r"shape \(2, 3\).*got \(2, 2\)"),
        ([0, 1], [[1, 0, 0]], r"got \(1, 3\)"),
        ([0, 1], [[1, 0, 0], [0.5, 0.2, 0.2]], "image 1 sum to 0.9.*softmax"),
        ([0, 1], [[1, 0, 0], [1.5, -0.5, 0]], "image 1.*smallest of -0.5"),
        ([0, 1], [[1, 0, 0], [np.nan, 0, 0]], "diverged"),
    ],
)
def test_what_does_not_fit_is_refused(labels, answers, message):
    labels = np.array(labels) if len(labels) else np.array([], dtype=int)
    with pytest.raises(ValueError, match=message):
        evaluate_predictions(labels, answers, class_names=CLASS_NAMES)


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="7 groups for 8 labels"):
        evaluate_predictions(
            LABELS, probabilities(), class_names=CLASS_NAMES, groups=GROUPS.iloc[:7]
        )
    with pytest.raises(ValueError, match="'palette' is missing"):
        evaluate_predictions(
            LABELS, probabilities(), class_names=CLASS_NAMES, groups=GROUPS.where(GROUPS == "A")
        )


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_display_is_accessible_and_escaped():
    names = ("<script>alert(1)</script>", "a & b", "ship")
    evaluation = evaluate_predictions(LABELS, probabilities(), class_names=names, groups=GROUPS)
    html = evaluation._repr_html_()
    cells = Cells()
    cells.feed(html)
    tags = [tag for tag, _ in cells.tags]
    assert "script" not in tags
    assert "a &amp; b" in html
    assert tags.count("caption") == tags.count("table") == 2
    assert {attrs["scope"] for tag, attrs in cells.tags if tag == "th"} == {"row", "col"}
    assert str(evaluation.accuracy) in html
    assert f"accuracy {evaluation.accuracy} on 8 test images" in repr(evaluation)
    assert "worst palette B: 50.0 %" in repr(evaluation)


def test_within_prints_the_band_only_when_the_value_lies_in_it(capsys):
    for value in (0.7, 0.71, 0.9, Estimate(0.75, 0.7, 0.8)):
        within("test accuracy", value, 0.7, 0.9)
        assert capsys.readouterr().out == "test accuracy lies in the promised band, 0.7 to 0.9\n"
    within("test accuracy", 0.65, 0.7, 0.9)
    said = capsys.readouterr().out
    assert "0.65" in said and "0.7 and 0.9" in said and "default parameters" in said
    within("loss", float("nan"), 0.7, 0.9)
    assert "nan" in capsys.readouterr().out


@pytest.fixture
def data(tmp_path):
    """Twenty tiny test images in a file, as a large data set would keep them."""
    images = np.memmap(tmp_path / "images", dtype=np.uint8, mode="w+", shape=(20, 8, 8, 3))
    images[:] = np.random.default_rng(0).integers(0, 256, images.shape)
    labels = np.arange(20) % 3
    attributes = pd.DataFrame({"palette": list("AB") * 10, "background": ["sky"] * 20})
    split = ImageSplit(images, labels, attributes)
    sheet = Datasheet("t", "s", "c", "l", (), ())
    return ImageDataset("tiny", split, split, CLASS_NAMES, sheet, "palette")


@pytest.fixture
def model():
    import keras

    class RefusesFloats(keras.layers.Layer):
        def call(self, images):
            assert images.dtype == "uint8"
            return images

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="uint8"),
            RefusesFloats(dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def test_evaluate_passes_uint8_from_disk_and_says_nothing(model, data, capfd):
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluation = evaluate(model, data, batch_size=6)
    assert capfd.readouterr() == ("", "")
    expected = model(np.array(data.test.images), training=False).numpy()
    np.testing.assert_allclose(evaluation.probabilities, expected, rtol=1e-5)
    assert evaluation.by_group.index.tolist() == ["A", "B"]
    assert evaluate(model, data, group="background").by_group.index.tolist() == ["sky"]
    assert evaluate(model, data, group="background").group_gap is None


def test_evaluate_names_the_groups_it_knows(model, data):
    with pytest.raises(ValueError, match=r"no attribute 'colour'.*palette, background"):
        evaluate(model, data, group="colour")


def test_evaluate_says_what_takes_arrays(model, data):
    with pytest.raises(ValueError, match=r"not a ImageSplit; evaluate_predictions\(labels"):
        evaluate(model, data.test)


def test_evaluate_needs_test_images_and_fitting_classes(model, data):
    nothing = data.test.take(np.array([], dtype=int))
    empty = ImageDataset(data.name, data.train, nothing, CLASS_NAMES, data.datasheet, "palette")
    with pytest.raises(ValueError, match="no test images"):
        evaluate(model, empty)
    four = ImageDataset(
        data.name, data.train, data.test, (*CLASS_NAMES, "frog"), data.datasheet, "palette"
    )
    with pytest.raises(ValueError, match=r"\(20, 4\).*got \(20, 3\)"):
        evaluate(model, four)


def test_evaluate_refuses_pictures_that_are_scaled_already(model, data):
    scaled = replace(data, test=replace(data.test, images=data.test.images / 255))
    with pytest.raises(ValueError, match=r"the images are float64; .* pass uint8"):
        evaluate(model, scaled)


SCALINGS = {
    "/ 255": (lambda images: images / 255, r"Rescaling\(1 / 255\)"),
    "standardised": (
        lambda images: (images - images.mean()) / images.std(),
        r"Rescaling\(1 / std, offset=-mean / std\)",
    ),
}


def dark_to_light():
    """Sixty grey test pictures; the network has to know how light the classes are."""
    labels = np.arange(60) % 3
    noise = np.random.default_rng(0).integers(0, 60, (60, 8, 8, 3))
    images = (labels[:, None, None, None] * 90 + noise).astype(np.uint8)
    split = ImageSplit(images, labels, pd.DataFrame({"palette": ["A"] * 60}))
    return ImageDataset("t", split, split, CLASS_NAMES, Datasheet(*"tscl", (), ()), "palette")


def trained_by_hand(data, scale, *, activation="softmax", end=()):
    """As a student notebook does it."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), *end, keras.layers.GlobalAveragePooling2D()])
    model.add(keras.layers.Dense(16, activation="relu"))
    model.add(keras.layers.Dense(3, activation=activation))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None)
    model.compile(keras.optimizers.Adam(0.1), loss)
    model.fit(scale(data.train.images), data.train.labels, batch_size=60, epochs=40, verbose=0)
    return model


@pytest.mark.parametrize("scale, layer", SCALINGS.values(), ids=SCALINGS.keys())
@pytest.mark.parametrize("activation", ["softmax", None])
def test_a_network_trained_on_pictures_scaled_by_hand_is_told_how_to_scale_them(
    scale, layer, activation
):
    data = dark_to_light()
    model = trained_by_hand(data, scale, activation=activation)
    with pytest.warns(UserWarning, match=rf"of 60 test pictures, .* correctly, .*{layer}, model"):
        evaluate(model, data)


@pytest.mark.parametrize("scales_itself", [True, False])
def test_a_network_that_was_trained_on_pictures_as_they_are_is_told_nothing(scales_itself):
    import keras

    data = dark_to_light()
    layers = [keras.layers.Rescaling(1 / 255)] if scales_itself else []
    model = trained_by_hand(data, np.asarray, end=layers)
    untrained = keras.models.clone_model(model)
    wrapped = trained_by_hand(data, lambda images: images / 255)
    wrapped = keras.Sequential([keras.layers.Rescaling(1 / 255), wrapped])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in (model, untrained, wrapped):
            evaluate(one, data)
    assert evaluate(wrapped, data).accuracy.value > 0.9


@pytest.mark.parametrize("activation", ["relu", None])
def test_a_network_whose_logits_lie_between_0_and_1_is_evaluated(activation):
    import keras

    data = dark_to_light()
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255)])
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(3, activation=activation))
    model.set_weights([np.tile([0.0, 0.1, 0.2], (3, 1)), np.array([0.1, 0.05, 0.0])])
    scores = model.predict(data.test.images, verbose=0)
    assert 0 <= scores.min() < scores.max() <= 1
    assert (evaluate(model, data).predictions == scores.argmax(axis=1)).all()


def test_evaluate_refuses_classes_that_the_network_does_not_know(model, data, monkeypatch):
    monkeypatch.setattr(model, "class_names", CLASS_NAMES, raising=False)
    assert evaluate(model, data).class_names == CLASS_NAMES
    for names in (("bus", "car", "van"), CLASS_NAMES[::-1]):
        with pytest.raises(ValueError, match=f"{', '.join(CLASS_NAMES)} .* {', '.join(names)}"):
            evaluate(model, replace(data, class_names=names))


def test_differences_are_given_in_points_and_shares_in_per_cent():
    shares, others = [0.7, 0.8, 0.75], [0.6, 0.72, 0.7]
    assert over_seeds(shares).unit == wilson(3, 4).unit == "%"
    gaps = np.subtract(shares, others)
    for difference in (
        newcombe(3, 4, 1, 4),
        over_seeds(gaps, bounds=DIFFERENCE),
        paired_difference(shares, others),
        paired_difference(gaps, gaps / 2, bounds=DIFFERENCE),
    ):
        assert difference.unit == "points"


def test_seeds_are_summarised_by_condition_in_order_of_appearance():
    table = pd.DataFrame(
        {
            "pooling": ["max", "blur"] * 3,
            "seed": [0, 0, 1, 1, 2, 2],
            "share": [0.5, 0.9, 0.7, 0.8, 0.6, 0.85],
        }
    )
    summary = summarise_seeds(table, by="pooling", column="share")
    assert list(summary.pooling) == ["max", "blur"]
    assert summary.value.to_list() == pytest.approx([0.6, 0.85])
    expected = over_seeds([0.9, 0.8, 0.85])
    assert (summary.low[1], summary.high[1]) == (expected.low, expected.high)


def simulated(num_images, sharpness, seed=0):
    """Probabilities (n, 3), and classes drawn from them: a network that is calibrated."""
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.ones(3) / sharpness, num_images)
    labels = np.array([generator.choice(3, p=share) for share in shares])
    return labels, shares


def test_a_calibrated_network_has_the_error_that_is_expected_of_one():
    """And one that boasts has more; in 95 of 100 repetitions or so."""
    inside, outside = 0, 0
    for seed in range(40):
        labels, shares = simulated(300, 2.0, seed)
        boasting = shares**3 / (shares**3).sum(axis=1, keepdims=True)
        for answers, is_calibrated in ((shares, True), (boasting, False)):
            found = evaluate_predictions(labels, answers, class_names=("a", "b", "c"))
            band = found.error_if_calibrated
            lies_in = band.low <= found.expected_calibration_error <= band.high
            inside += is_calibrated and lies_in
            outside += not is_calibrated and found.expected_calibration_error > band.high
    assert inside >= 34
    assert outside == 40


def test_the_band_of_a_calibrated_network_narrows_with_more_pictures():
    bands = [error_if_calibrated(simulated(n, 2.0)[1]) for n in (100, 1000, 4000)]
    assert [band.value for band in bands] == sorted((b.value for b in bands), reverse=True)
    assert bands[0].value == pytest.approx(bands[2].value * np.sqrt(40), rel=0.3)
    certain = error_if_calibrated(np.eye(3))
    assert (certain.low, certain.value, certain.high) == (0, 0, 0)
