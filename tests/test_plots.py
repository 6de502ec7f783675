import base64
import io
import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.axis import Axis
from matplotlib.text import Text
from PIL import Image

from course_utils import models, plots
from course_utils.datasets.base import Datasheet, ImageDataset, ImageSplit
from course_utils.evaluation import DIFFERENCE, evaluate_predictions, wilson
from course_utils.labs.ablation import summarise
from course_utils.training import RECIPES

CLASS_NAMES = ("automobile", "cat", "ship")


def split(labels, palettes, seed):
    labels = np.array(labels)
    images = np.random.default_rng(seed).integers(0, 90, (len(labels), 8, 8, 3), dtype=np.uint8)
    images += (60 * labels[:, None, None, None]).astype(np.uint8)  # ships are the brightest
    return ImageSplit(images, labels, pd.DataFrame({"palette": list(palettes)}))


def make_data(class_names=CLASS_NAMES):
    return ImageDataset(
        "tiny",
        train=split([0] * 4 + [1] * 6 + [2] * 5, "A" * 12 + "B" * 3, seed=0),
        test=split([0, 1, 2] * 20, "AB" * 30, seed=1),
        class_names=class_names,
        datasheet=Datasheet("t", "s", "c", "l", (), ()),
        group="palette",
    )


def make_evaluation(data, num_wrong=9, confidence=0.9):
    """Every seventh image is taken for the class after its own, until ``num_wrong`` are."""
    labels = data.test.labels
    predictions = labels.copy()
    wrong = np.arange(0, len(labels), 7)[:num_wrong]
    predictions[wrong] = (predictions[wrong] + 1) % 3
    answers = np.full((len(labels), 3), (1 - confidence) / 2)
    answers[np.arange(len(labels)), predictions] = confidence
    return evaluate_predictions(
        labels, answers, class_names=data.class_names, groups=data.test.attributes["palette"]
    )


@dataclass
class History:
    epochs: pd.DataFrame


def make_history(accuracy, val_accuracy):
    return History(
        pd.DataFrame(
            {
                "epoch": range(1, len(accuracy) + 1),
                "accuracy": accuracy,
                "loss": [1 - value for value in accuracy],
                "val_accuracy": val_accuracy,
                "val_loss": [1 - value for value in val_accuracy],
            }
        )
    )


def make_estimates():
    rows = []
    for company, errors in {"X": (30, 2), "Y": (12, 9)}.items():
        for group, wrong in zip(("darker", "lighter"), errors, strict=True):
            rate = wilson(wrong, 100)
            rows.append((company, group, rate.value, rate.low, rate.high))
    return pd.DataFrame(rows, columns=["company", "group", "value", "low", "high"])


def make_race():
    rows = [
        ("original", 2620, 0.741),
        ("classic", 1700, 0.743),
        *(("quick", 70 + seed, 0.745 + 0.002 * seed) for seed in range(3)),
        ("good", 240, 0.856),
        ("best", 1500, 0.904),
    ]
    return pd.DataFrame(rows, columns=["contestant", "seconds", "accuracy"])


def make_runs(**columns):
    table = pd.DataFrame(
        {
            "condition": ["one"] * 3 + ["two"] * 3,
            "dose": [0.5] * 3 + [0.02] * 3,
            "seed": [4, 5, 6] * 2,
            "accuracy": [0.8, 0.81, 0.82, 0.5, 0.51, 0.52],
        }
    )
    return table.assign(**columns)


def make_scores():
    """Of ten comparisons of each kind two match falsely in group x, and none in group y."""
    low, high = np.linspace(0.1, 0.5, 8), np.linspace(0.55, 0.95, 10)
    scores = np.concatenate([low, [0.7, 0.8], high, low, [0.2, 0.3], high])
    mated = ([False] * 10 + [True] * 10) * 2
    return pd.DataFrame({"score": scores, "mated": mated, "group": ["x"] * 20 + ["y"] * 20})


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="uint8"),
            keras.layers.Rescaling(1 / 255, name="scaling"),
            keras.layers.Conv2D(5, 3, padding="same", activation="relu", name="conv_1"),
            keras.layers.MaxPooling2D(name="pool_1"),
            keras.layers.Conv2D(6, 3, activation="relu", name="conv_2"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(3, activation="softmax", name="dense_1"),
        ]
    )


def all_plots(data, evaluation, model):
    history = make_history([0.4, 0.6, 0.8], [0.5, 0.62, 0.6])
    picture = data.test.images[0]
    return {
        "samples": plots.samples(data),
        "many samples": plots.samples(data, num_per_class=24),
        "class_counts": plots.class_counts(data),
        "group_counts": plots.group_counts(data),
        "pixel_histogram": plots.pixel_histogram(data.train.images),
        "rows": plots.rows({"one": picture[None], "other": picture[None, ::-1]}, title="Two"),
        "descent": plots.descent({0.5: [0.0, 3.0], 2.0: [0.0, 9.0, -9.0]}, lambda w: w**2),
        "mean_images": plots.mean_images(data),
        "match_scores": plots.match_scores(make_scores(), threshold=0.6, title="Same one?"),
        "learning_curves": plots.learning_curves(history),
        "validated once": plots.learning_curves(make_history([0.4, 0.6], [np.nan, 0.5])),
        "learning_rate_schedule": plots.learning_rate_schedule(
            [RECIPES["classic"], RECIPES["quick"]], num_steps=93
        ),
        "one epoch": plots.learning_curves(make_history([0.4], [0.5])),
        "confusion": plots.confusion(evaluation),
        "class_accuracy": plots.class_accuracy(evaluation),
        "group_accuracy": plots.group_accuracy(evaluation),
        "calibration": plots.calibration(evaluation),
        "mistakes": plots.mistakes(data, evaluation),
        "filters": plots.filters(model),
        "activations": plots.activations(model, picture, num_maps=6),
        "network_diagram": plots.network_diagram(model),
        "cross_entropy_curve": plots.cross_entropy_curve(),
        "poolings": plots.poolings({"image": picture, "stride": picture[::2, ::2]}),
        "ablation": plots.ablation(make_ablation()),
        "training_race": plots.training_race(make_race(), target=0.742),
        "one training": plots.training_race(make_race()[:1]),
        "intervals": plots.intervals(
            make_estimates(),
            label="group",
            series="company",
            title="Errors",
            xlabel="error rate",
            reference=0.1,
        ),
        "occlusion_maps": plots.occlusion_maps(
            data.test.images[:3],
            {"one": np.linspace(-0.1, 0.3, 12).reshape(3, 2, 2), "other": np.zeros((3, 4, 4))},
            title="Maps",
        ),
        "seeds": plots.seeds(
            make_runs(), label="condition", value="accuracy", title="Seeds", xlabel="accuracy"
        ),
        "doses": plots.doses(
            make_runs(), dose="dose", value="accuracy", title="D", xlabel="dose", ylabel="accuracy"
        ),
    }


@pytest.fixture(scope="module")
def gallery(model):
    data = make_data()
    return all_plots(data, make_evaluation(data), model)


def test_every_function_is_in_the_gallery(gallery):
    public = {
        name
        for name, value in vars(plots).items()
        if callable(value) and getattr(value, "__annotations__", {}).get("return") is plots.Plot
    }
    assert public <= set(gallery)
    assert len(public) >= 20


def test_every_figure_has_alternative_text_and_one_sentence(gallery):
    for name, plot in gallery.items():
        assert plot.alt.endswith("."), name
        assert plot.summary.endswith("."), name
        assert plot.summary[0].isupper() or plot.summary[0].isdigit(), name
        assert "nan" not in plot.summary, name
        assert ". " not in plot.summary, name


def test_every_figure_fits_a_notebook_and_no_text_is_cut_or_too_small(gallery):
    for name, plot in gallery.items():
        png = plot.render("png")
        width, height = Image.open(io.BytesIO(png)).size
        assert width <= plots.WIDTH * plots.DPI + 1, name
        assert len(png) < 150_000, name
        for text in drawn_texts(plot.figure):
            assert text.get_fontsize() >= 10, (name, text)
            box = text.get_window_extent()
            assert box.x0 >= -1 and box.x1 <= width + 1, (name, text)
            assert box.y0 >= -1 and box.y1 <= height + 1, (name, text)


def drawn_texts(figure):
    """All visible texts but those of ticks beyond the ends of their axis, which aren't drawn."""
    beyond = set()
    for axis in figure.findobj(Axis):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:
                beyond |= {tick.label1, tick.label2}
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in beyond
    ]


def test_series_differ_without_colour():
    for first, second in combinations(plots.LOOKS, 2):
        assert first.color != second.color
        assert first.marker != second.marker
        assert first.line != second.line
        assert first.hatch != second.hatch


def test_more_series_than_can_be_told_apart_are_refused():
    table = pd.DataFrame(
        {"company": list("abcdef"), "group": "all", "value": 0.2, "low": 0.1, "high": 0.3}
    )
    with pytest.raises(ValueError, match="at most 5 series"):
        plots.intervals(table, label="group", series="company", title="Errors", xlabel="error")


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.mark.usefixtures("shell")
def test_names_of_classes_are_never_markup(model):
    names = ("$x_", "<img src=x onerror=alert(1)>", "[a](b) `c` *d*")
    data = make_data(names)
    for name, plot in all_plots(data, make_evaluation(data), model).items():
        assert plot.render("png"), name
    counts = plots.class_counts(data)
    with capture_output() as captured:
        counts._ipython_display_()
    markdown = captured.outputs[1].data["text/markdown"]
    assert "<img" not in markdown.replace("\\<img", "")
    assert "\\$x\\_" in markdown


@pytest.mark.usefixtures("shell")
def test_a_plot_shows_itself_as_a_picture_and_a_sentence():
    plot = plots.class_counts(make_data())
    with capture_output() as captured:
        plot._ipython_display_()
    picture, sentence = captured.outputs
    assert base64.b64decode(picture.data["image/png"]).startswith(b"\x89PNG")
    assert picture.metadata == {"image/png": {"alt": plot.alt}}
    assert picture.data["text/plain"] == repr(plot) == f"<Plot: {plot.alt}>"
    assert sentence.data["text/plain"] == plot.summary
    assert captured.stdout == ""
    again = plots.class_counts(make_data())
    assert again.summary == plot.summary
    assert again.render("png") == plot.render("png")


def test_a_plot_is_saved_whole_or_not_at_all(tmp_path):
    plot = plots.cross_entropy_curve()
    plot.save(tmp_path / "loss.png")
    plot.save(tmp_path / "loss.svg")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "loss.svg").read_text()
    with pytest.raises(ValueError, match=r"nonsense.*supported"):
        plot.save(tmp_path / "loss.nonsense")
    assert {path.name for path in tmp_path.iterdir()} == {"loss.png", "loss.svg"}


def test_no_figure_is_kept_or_shown_twice():
    """Pyplot, which keeps every figure it makes, is never imported."""
    code = (
        "import sys; from course_utils import plots; plots.cross_entropy_curve().render('png'); "
        "sys.exit('matplotlib.pyplot' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_samples_shows_the_images_themselves():
    data = make_data()
    sheet = plots.samples(data, num_per_class=4).figure.axes[0].images[0].get_array()
    first_ship = data.train.images[data.train.labels == 2][0]
    np.testing.assert_array_equal(sheet[-8:, :8], first_ship)
    with pytest.raises(ValueError, match="1 to 24 images, not for 25"):
        plots.samples(data, num_per_class=25)
    assert "12 training images of 8 × 8 pixels, 4 of each class" in (
        plots.samples(data, num_per_class=4).summary
    )


def test_counts_tell_the_extremes_of_the_data():
    data = make_data()
    summary = plots.class_counts(data).summary
    assert "15 training images, from 4 (automobile) to 6 (cat) per class" in summary
    assert "60 test images, 20 of each class" in summary
    summary = plots.group_counts(data).summary
    assert summary.startswith("Palette B makes up 20.0 % of the 15 training images and 50.0 %")
    swapped = replace(data.train, attributes=pd.DataFrame({"palette": list("B" * 12 + "A" * 3)}))
    assert plots.group_counts(replace(data, train=swapped)).summary.startswith("Palette A")


def test_pixel_histogram_measures_the_pixels():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[1] = (51, 102, 204)
    plot = plots.pixel_histogram(images)
    assert "run from 0 to 204 and average 26 in red, 51 in green and 102 in blue" in plot.summary
    assert "run from 0.00 to 0.80" in plot.summary
    with pytest.raises(ValueError, match="float32"):
        plots.pixel_histogram(images.astype(np.float32))
    with pytest.raises(ValueError, match="at least one"):
        plots.pixel_histogram(images[:0])


def test_mean_images_names_the_brightest_and_the_darkest():
    data = make_data()
    assert "ship is the brightest class" in plots.mean_images(data).summary
    assert "automobile the darkest" in plots.mean_images(data).summary
    inverted = replace(data, train=replace(data.train, images=255 - data.train.images))
    assert "automobile is the brightest class" in plots.mean_images(inverted).summary


@pytest.mark.parametrize(
    ("accuracy", "val_accuracy", "expected"),
    [
        ([0.4, 0.6, 0.9], [0.5, 0.62, 0.6], ["epoch 2 of 3, 62.0 %", "rises from −10.0 points"]),
        ([0.6, 0.7], [0.5, 0.65], ["epoch 2 of 2, 65.0 %", "falls from 10.0 points", "5.0 points"]),
        ([0.6, 0.7], [0.5, 0.6], ["stays at 10.0 points"]),
        ([0.6], [0.5], ["epoch 1 of 1, 50.0 %", "no trend yet"]),
    ],
)
def test_learning_curves_say_where_they_lead(accuracy, val_accuracy, expected):
    summary = plots.learning_curves(make_history(accuracy, val_accuracy)).summary
    for words in expected:
        assert words in summary


def test_learning_curves_leave_out_epochs_that_were_not_validated():
    nothing = float("nan")
    once = plots.learning_curves(make_history([0.4, 0.6, 0.9], [nothing, nothing, 0.8])).summary
    assert "measured once, after epoch 3 of 3: 80.0 %" in once
    assert "is 10.0 points" in once
    twice = plots.learning_curves(make_history([0.4, 0.6, 0.9], [nothing, 0.6, 0.8])).summary
    assert "highest after epoch 3 of 3" in twice
    assert "rises from 0.0 points after the first validated epoch to 10.0 points" in twice


def test_a_schedule_rises_and_falls_or_stays():
    plot = plots.learning_rate_schedule([RECIPES["classic"], RECIPES["quick"]], num_steps=100)
    classic, quick = (line.get_ydata() for line in plot.figure.axes[0].lines)
    assert set(classic) == {1.0}
    assert quick[9] == pytest.approx(9.5 / 20)  # in the middle of the tenth step
    assert quick[59] == pytest.approx(40.5 / 80)
    assert plot.summary == (
        "The learning rate stays at 0.001 (classic) and rises to 0.1 in the first 20 % of the "
        "steps and falls to 0 after that (quick)."
    )
    with pytest.raises(ValueError, match="0 recipes"):
        plots.learning_rate_schedule([])
    with pytest.raises(ValueError, match="num_steps=1"):
        plots.learning_rate_schedule([RECIPES["quick"]], num_steps=1)


def test_learning_curves_take_what_is_in_a_history():
    history = make_history([0.4, 0.5], [0.4, 0.5])
    summary = plots.learning_curves(history).summary
    measured = {name: history.epochs[name].tolist() for name in ("accuracy", "loss")}
    measured |= {f"val_{name}": history.epochs[f"val_{name}"].tolist() for name in measured}
    assert plots.learning_curves(measured).summary == summary
    assert plots.learning_curves(pd.DataFrame(measured)).summary == summary
    with pytest.raises(ValueError, match="no accuracy, loss"):
        plots.learning_curves([history])


@pytest.mark.parametrize("figure", ["confusion", "class_accuracy", "group_accuracy", "calibration"])
def test_figures_of_an_evaluation_say_that_they_need_one(figure):
    with pytest.raises(ValueError, match=r"evaluate\(model, data\) returns, not of a ndarray"):
        getattr(plots, figure)(np.eye(3))
    with pytest.raises(ValueError, match=r"evaluate\(model, data\) returns, not of a ImageDataset"):
        plots.mistakes(None, make_data())


def test_learning_curves_count_epochs_in_whole_numbers():
    plot = plots.learning_curves(make_history([0.4, 0.5], [0.4, 0.5]))
    ticks = plot.figure.axes[0].get_xticks()
    assert all(tick == int(tick) for tick in ticks)


def test_confusion_names_the_most_frequent_mistake():
    data = make_data()
    evaluation = make_evaluation(data)
    pair = evaluation.most_confused().sort_values("share", ascending=False).iloc[0]
    plot = plots.confusion(evaluation)
    assert f"take {pair['true']} for {pair['predicted']}" in plot.summary
    numbers = [text.get_text() for text in plot.figure.axes[0].texts]
    shares = 100 * evaluation.confusion / evaluation.confusion.sum(axis=1, keepdims=True)
    assert numbers == [f"{share:.0f}" for share in shares.ravel()]
    perfect = plots.confusion(make_evaluation(data, num_wrong=0)).summary
    assert perfect == "All 60 test images are classified correctly."


def test_accuracies_come_with_their_intervals():
    evaluation = make_evaluation(make_data())
    assert str(evaluation.accuracy) in plots.class_accuracy(evaluation).summary
    lines = plots.class_accuracy(evaluation).figure.axes[0].lines[0].get_xdata()
    assert sorted(lines) == sorted(evaluation.by_class["accuracy"])
    assert "contains zero" in plots.group_accuracy(evaluation).summary
    labels, groups = np.zeros(200, int), pd.Series(["A", "B"] * 100, name="palette")
    answers = np.where((groups == "A").to_numpy()[:, None], [0.9, 0.1], [0.1, 0.9])
    unfair = evaluate_predictions(labels, answers, class_names=["x", "y"], groups=groups)
    assert "leaves zero out" in plots.group_accuracy(unfair).summary
    assert "100.0 % (96.3–100.0) for A" in plots.group_accuracy(unfair).summary
    without = evaluate_predictions(labels, answers, class_names=["x", "y"])
    with pytest.raises(ValueError, match="compared no groups"):
        plots.group_accuracy(without)


def test_calibration_says_in_which_direction_the_network_errs():
    data = make_data()
    assert "overconfident by" in plots.calibration(make_evaluation(data, confidence=0.99)).summary
    assert "underconfident by" in plots.calibration(make_evaluation(data, confidence=0.5)).summary
    even = plots.calibration(make_evaluation(data, num_wrong=6, confidence=0.9)).summary
    assert "the two agree" in even


def test_mistakes_shows_only_mistakes():
    data = make_data()
    evaluation = make_evaluation(data)
    plot = plots.mistakes(data, evaluation, num=4)
    assert plot.summary.startswith("9 of 60 test images are misclassified")
    shown = [axes for axes in plot.figure.axes if axes.images]
    assert len(shown) == 4
    np.testing.assert_array_equal(shown[0].images[0].get_array(), data.test.images[0])
    assert shown[0].get_title() == "automobile\ntaken for cat\n90.0 % sure"
    none = plots.mistakes(data, make_evaluation(data, num_wrong=0))
    assert none.summary == "All 60 test images are classified correctly."
    with pytest.raises(ValueError, match="not one of the test images of tiny"):
        plots.mistakes(replace(data, test=data.train), evaluation)


def test_the_two_signs_of_a_whitening_stand_above_each_other():
    whitening = models.build("quick", image_shape=(16, 16, 3))
    pictures = np.random.default_rng(0).random((50, 16, 16, 3))
    whitening.get_layer("whitening").adapt(pictures)
    axes = plots.filters(whitening).figure.axes
    shown = [one.images[0].get_array() for one in axes if one.images]
    assert len(shown) == 24
    for above, below in zip(shown[:12], shown[12:], strict=True):
        np.testing.assert_allclose(above - 0.5, 0.5 - below, atol=1e-6)
    assert len({round(one.get_position().y0, 3) for one in axes}) == 2


def test_rows_show_the_pictures_one_above_the_other():
    dark, light = np.zeros((3, 16, 16, 3), np.uint8), np.full((3, 16, 16, 3), 200, np.uint8)
    plot = plots.rows({"before": dark, "after": light}, title="Three pictures, moved")
    (axes,) = plot.figure.axes
    sheet = axes.images[0].get_array()
    assert sheet.shape == (33, 50, 3)
    assert (sheet[:16, :16].max(), sheet[17:, :16].min()) == (0, 200)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["before", "after"]
    assert plot.summary == "The mean pixel of 255 is 0 (before) and 200 (after)."
    for wrong in ({}, {"a": dark, "b": light[:2]}, {"a": np.zeros((25, 8, 8, 3), np.uint8)}):
        with pytest.raises(ValueError, match="rows need 1 to 24 pictures of one size"):
            plots.rows(wrong, title="")


def test_descent_shows_each_step_on_the_curve():
    plot = plots.descent({0.25: [0.0, 1.5, 2.25], 1.0: [0.0, 6.0, 0.0]}, lambda w: (w - 3) ** 2)
    for axes, path in zip(plot.figure.axes, ([0.0, 1.5, 2.25], [0.0, 6.0, 0.0]), strict=True):
        weights, losses = axes.lines[1].get_data()
        np.testing.assert_allclose(weights, path)
        np.testing.assert_allclose(losses, (np.array(path) - 3) ** 2)
    assert plot.summary == "After 2 steps the loss is 0.562 with 0.25 and 9 with 1."
    with pytest.raises(ValueError, match="at least one path"):
        plots.descent({}, lambda w: w)


def test_filters_beside_those_before(model):
    changed = models.keras.models.clone_model(model)
    kernel, bias = model.get_layer("conv_1").get_weights()
    mixed = kernel.copy()
    mixed[..., 0] = -kernel[..., 0]
    changed.get_layer("conv_1").set_weights([mixed, bias])
    plot = plots.filters(changed, before=model)
    tiles = [axes.images[0].get_array() for axes in plot.figure.axes if axes.images]
    assert len(tiles) == 10
    np.testing.assert_allclose(tiles[0] - 0.5, 0.5 - tiles[5], atol=1e-6)
    np.testing.assert_allclose(tiles[1], tiles[6], atol=1e-6)
    assert "with itself before is 1.00 in the median and −1.00 at least." in plot.summary
    assert "beside those before" in plot.alt
    with pytest.raises(ValueError, match="has filters of the shape"):
        plots.filters(model, before=models.build("classic"))


def test_filters_are_the_weights(model):
    plot = plots.filters(model)
    weights = model.get_layer("conv_1").get_weights()[0]
    low, high = (f"{value:.2f}".replace("-", "−") for value in (weights.min(), weights.max()))
    assert f"The 5 filters of conv_1 have weights from {low} to {high}" in plot.summary
    tiles = [axes.images[0].get_array() for axes in plot.figure.axes if axes.images]
    assert len(tiles) == 5
    np.testing.assert_allclose(
        (np.array(tiles).transpose(1, 2, 3, 0) - 0.5) * 2 * np.abs(weights).max(),
        weights,
        atol=1e-6,
    )
    with pytest.raises(ValueError, match="conv_2 looks at 5 channels"):
        plots.filters(model, "conv_2")
    with pytest.raises(ValueError, match=r"'dense_1' is not a convolution.*conv_1, conv_2"):
        plots.filters(model, "dense_1")


def test_activations_are_those_of_the_layers(model):
    picture = make_data().test.images[0]
    plot = plots.activations(model, picture)
    import keras

    first = keras.Model(model.inputs[0], model.get_layer("conv_1").output)(picture[None])[0]
    share = float((first.numpy() == 0).mean())
    assert f"{100 * share:.1f} % in conv_1" in plot.summary
    with pytest.raises(ValueError, match=r"takes \(8, 8, 3\)"):
        plots.activations(model, picture[:4])


@pytest.mark.parametrize("compute_dtype", models.COMPUTE_DTYPES)
def test_activations_of_a_fast_network_are_taken_after_the_relu(compute_dtype):
    quick = models.build(
        "quick", image_shape=(8, 8, 3), num_classes=3, width=0.25, compute_dtype=compute_dtype
    )
    picture = make_data().test.images[0]
    plot = plots.activations(quick, picture)
    assert plot.render("png")
    import keras

    behind = keras.Model(quick.inputs[0], quick.get_layer("relu_2").output)(picture[None])[0]
    share = float(np.mean(keras.ops.convert_to_numpy(behind) == 0))
    assert f"{100 * share:.1f} % in conv_2" in plot.summary


def test_network_diagram_tells_every_layer(model):
    plot = plots.network_diagram(model)
    drawn = [text.get_text() for text in plot.figure.axes[0].texts]
    for layer in model.layers:
        assert layer.name in drawn
        assert type(layer).__name__ in drawn
    assert f"{model.count_params():,} parameters" in plot.summary
    assert "8 × 8 × 3 values into 3 probabilities" in plot.summary


def test_poolings_compare_brightness():
    image = np.zeros((4, 4, 3), np.uint8)
    image[::2] = 100
    plot = plots.poolings({"image": image, "max": np.full((2, 2, 3), 100.0)})
    assert plot.summary == "The mean pixel of 255 is 50 (image) and 100 (max)."


def test_intervals_say_from_where_to_where_and_what_leaves_the_reference_out():
    table = make_estimates()
    words = {"title": "Errors", "xlabel": "error rate"}
    plot = plots.intervals(table, label="group", series="company", reference=0.1, **words)
    assert "from 2.0 % (0.6–7.0) (lighter, X) to 30.0 %" in plot.summary
    assert "2 of 4 intervals leave 10.0 % out" in plot.summary
    similar = plots.intervals(table[table["company"] == "Y"], label="group", **words)
    assert "overlap" not in plot.summary + similar.summary
    gaps = plots.intervals(
        table, label="group", series="company", reference=0, unit="points", **words
    )
    assert "from 2.0 points (0.6–7.0) (lighter, X) to 30.0 points (" in gaps.summary
    assert "4 of 4 intervals leave 0.0 points out" in gaps.summary
    (axes,) = gaps.figure.axes
    assert axes.get_xlabel() == "error rate, in points, with 95 % interval"
    assert "%" not in axes.xaxis.get_major_formatter()(0.1)
    one = plots.intervals(table.head(1), label="group", **words)
    assert one.summary == f"Error rate: {wilson(30, 100)} (darker)."
    with pytest.raises(ValueError, match=r"missing are \['pooling'\]"):
        plots.intervals(table, label="pooling", **words)
    with pytest.raises(ValueError, match="needs rows"):
        plots.intervals(table.head(0), label="group", **words)


def make_ablation(accuracies=(0.55, 0.5, 0.74), seconds=(120.0, 25.2, 24.0)):
    rows = [
        (step, seed, accuracy + 0.01 * seed, time, time, 3, 7)
        for seed in (-1, 0, 1)
        for step, accuracy, time in zip(
            ("classic", "small", "Muon"), accuracies, seconds, strict=True
        )
    ]
    columns = ["step", "seed", "accuracy", "seconds", "cpu_seconds", "parameters", "multiply_adds"]
    return summarise(pd.DataFrame(rows, columns=columns))


def test_an_ablation_says_what_changed_most():
    plot = plots.ablation(make_ablation())
    assert "From classic to Muon the accuracy goes from 55.0 % (" in plot.summary
    assert "the CPU time of one training from 120 s to 24 s" in plot.summary
    assert "the accuracy changes most with Muon, by 24.0 points (" in plot.summary
    assert plot.summary.endswith("and the time with small, by −95 s.")
    worse = plots.ablation(make_ablation((0.7, 0.4, 0.5), (1.0, 1.5, 9.0))).summary
    assert "with small, by −30.0 points (" in worse
    assert worse.endswith(", and the time with Muon, by 7.5 s.")
    lengths = [bar.get_width() for bar in plot.figure.axes[1].patches]
    assert lengths == [120, 25.2, 24]


def test_an_ablation_of_one_step_is_not_compared():
    plot = plots.ablation(make_ablation().head(1))
    assert plot.summary.endswith("and one training takes 120 s of CPU time.")
    with pytest.raises(ValueError, match="no rows"):
        plots.ablation(make_ablation().head(0))


def test_a_race_names_each_contestants_mean_and_the_target():
    summary = plots.training_race(make_race(), target=0.742).summary
    assert "quick 74.7 % in 71 s" in summary
    assert "good 85.6 % in 240 s and best 90.4 % in 1,500 s" in summary
    assert summary.endswith("the target is 74.2 %.")
    assert "target" not in plots.training_race(make_race()).summary


def test_a_races_time_axis_is_logarithmic_and_read_as_times():
    (axes,) = plots.training_race(make_race(), target=0.742).figure.axes
    assert axes.get_xscale() == "log"
    words = [tick.get_text() for tick in axes.get_xticklabels()]
    assert words == ["1 min", "2 min", "5 min", "10 min", "20 min", "1 h"]


def test_a_race_needs_a_training():
    with pytest.raises(ValueError, match="has no rows"):
        plots.training_race(make_race()[:0])


def test_seeds_are_drawn_as_joined_points_over_the_interval_of_their_mean():
    runs = make_runs(gap=[-0.1, 0.0, 0.1, 0.3, 0.4, 0.5])
    plot = plots.seeds(
        runs, label="condition", value="gap", title="t", xlabel="gap", bounds=DIFFERENCE
    )
    joined = [line.get_xdata() for line in plot.figure.axes[0].lines]
    for seed_values in ([-0.1, 0.3], [0.0, 0.4], [0.1, 0.5]):
        assert any(np.array_equal(line, seed_values) for line in joined)
    assert any(np.array_equal(line, [0, 0]) for line in joined)  # at zero
    low, high = plot.figure.axes[0].get_xlim()
    assert low < 0 < high
    assert "from 0.0" in plot.summary
    assert "(two)" in plot.summary
    assert "3 seeds" in plot.alt


def test_a_margin_is_shaded_and_what_lies_within_it_is_counted():
    gaps = [0.01, 0.012, 0.008, 0.3, 0.31, 0.32]
    runs = make_runs(gap=gaps)
    options = {"label": "condition", "value": "gap", "title": "t", "xlabel": "gap"}
    plot = plots.seeds(runs, **options, bounds=DIFFERENCE, margin=0.03)
    (band,) = plot.figure.axes[0].patches
    assert band.get_extents().transformed(
        plot.figure.axes[0].transData.inverted()
    ).intervalx == pytest.approx([-0.03, 0.03])
    assert plot.summary.endswith("; 1 of 2 intervals lies wholly within the margin of 3.0 points.")
    assert plot.alt.endswith("beside a line at zero and a shaded band 3.0 points to both sides.")


def test_doses_are_drawn_in_their_order_with_a_line_for_each_seed():
    runs = make_runs()
    plot = plots.doses(
        runs, dose="dose", value="accuracy", title="t", xlabel="share", ylabel="accuracy"
    )
    axes = plot.figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2 %", "50 %"]
    assert any(np.allclose(line.get_ydata(), [0.5, 0.8]) for line in axes.lines)
    assert plot.summary.startswith("Accuracy goes from 51.0 %")


def test_doses_of_several_series_are_told_apart():
    runs = make_runs(dose=[1, 1, 1, 2, 2, 2], gap=[0.0, 0.1, 0.2] * 2)
    both = pd.concat([runs.assign(group="A"), runs.assign(group="B", gap=runs.gap - 0.5)])
    plot = plots.doses(
        both, dose="dose", value="gap", series="group", title="t", xlabel="dose", ylabel="gap",
        bounds=DIFFERENCE, shares=False,
    )  # fmt: skip
    assert "A goes from" in plot.summary
    assert " and B goes from −40.0 points" in plot.summary
    assert [tick.get_text() for tick in plot.figure.axes[0].get_xticklabels()] == ["1", "2"]


@pytest.mark.parametrize("draw", [plots.seeds, plots.doses])
def test_experiments_need_their_columns_and_three_seeds(draw):
    texts = {"title": "t", "xlabel": "x"}
    names = {"label": "condition"} if draw is plots.seeds else {"dose": "condition", "ylabel": "y"}
    with pytest.raises(ValueError, match="missing are"):
        draw(make_runs(), value="gap", **texts, **names)
    few = make_runs(gap=[0.1] * 6).query("seed < 6")
    with pytest.raises(ValueError, match="at least 3 seeds"):
        draw(few, value="gap", **texts, **names)


def test_match_scores_count_the_mistakes_of_a_threshold():
    plot = plots.match_scores(make_scores(), threshold=0.6, title="Same creature?")
    assert plot.summary == (
        "At a threshold of 0.60, among x pairs 20.0 % of 10 non-mated comparisons match and "
        "20.0 % of 10 mated ones don't; among y pairs 0.0 % of 10 non-mated comparisons match and "
        "20.0 % of 10 mated ones don't."
    )
    lines = [axes.lines[0].get_xdata()[0] for axes in plot.figure.axes]
    assert lines == [0.6, 0.6]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (pd.DataFrame({"score": [0.5], "mated": [True]}), "missing are .'group'"),
        (make_scores().query("not mated or group == 'x'"), "group y needs comparisons of both"),
    ],
)
def test_match_scores_need_both_kinds_of_comparisons(table, reason):
    with pytest.raises(ValueError, match=reason):
        plots.match_scores(table, threshold=0.6, title="Same creature?")


def test_maps_are_orange_where_hiding_lowers_and_blue_where_it_raises():
    white = np.full((2, 4, 6, 3), 255, np.uint8)
    maps = np.array([[[0.2, -0.1, 0.0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]])
    plot = plots.occlusion_maps(white, {"net": maps}, title="Maps")
    image = plot.figure.axes[0].images[0].get_array()[5:]  # below the pictures and a gap
    orange, blue, plain = image[0, 0], image[0, 2], image[0, 4]
    assert orange[0] > orange[2] and blue[2] > blue[0]
    assert orange.tolist() == [213, 94, 0]  # the full colour
    assert (plain == 255).all() and (image[2:4, :6] == 255).all() and (image[:, 7:] == 255).all()
    assert plot.summary.endswith("on average over the pictures, 10.0 points (net).")
    with pytest.raises(ValueError, match="there are 2 pictures and maps of"):
        plots.occlusion_maps(white, {"net": maps[:1]}, title="Maps")
