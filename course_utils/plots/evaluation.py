"""Figures of an evaluation: confusions, accuracies with intervals, calibration, mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from course_utils.datasets.base import ImageDataset
from course_utils.evaluation import Estimate, Evaluation, Unit
from course_utils.looks import BLUE, DARK, LOOKS, MIDDLE, Look
from course_utils.plots.data import tiles
from course_utils.plots.style import (
    Plot,
    in_style,
    listing,
    make_figure,
    percent,
    percent_axis,
    plural,
)


def _check(evaluation: Evaluation) -> None:
    """Refuse a network, a matrix or a data set in the place of an evaluation."""
    if not isinstance(evaluation, Evaluation):
        raise ValueError(
            f"this figure is drawn of what evaluate(model, data) returns, not of a "
            f"{type(evaluation).__name__}"
        )


@in_style()
def confusion(evaluation: Evaluation) -> Plot:
    """What the images of each class are taken for, in per cent of the class's images."""
    _check(evaluation)
    names = evaluation.class_names
    totals = evaluation.confusion.sum(axis=1, keepdims=True)
    shares = 100 * evaluation.confusion / np.maximum(totals, 1)
    figure = make_figure(6.6, 7.4)
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title("Test images of each class, in per cent")
    if len(names) <= 12:
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > 65 else DARK if share >= 0.5 else MIDDLE
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", color=color)
    figure.colorbar(picture, shrink=0.7, label="per cent of the true class").outline.set_visible(
        False
    )
    return Plot(
        figure,
        alt=f"Heat map of {len(names)} true classes (rows) against predicted classes (columns), in "
        f"per cent of each row: {listing(names)}.",
        summary=_confusion_summary(evaluation),
    )


def _confusion_summary(evaluation: Evaluation) -> str:
    if evaluation.accuracy.value == 1:
        return f"All {plural(len(evaluation.labels), 'test image')} are classified correctly."
    pairs = evaluation.most_confused(evaluation.confusion.size)
    pair = pairs.sort_values("share", ascending=False, kind="stable").iloc[0]
    classes = evaluation.by_class["accuracy"]
    return (
        f"Recognised best is {classes.idxmax()} ({percent(classes.max())}), worst "
        f"{classes.idxmin()} ({percent(classes.min())}); the most frequent mistake is to take "
        f"{pair['true']} for {pair['predicted']} ({percent(pair['share'])} of the images of "
        f"{pair['true']})."
    )


@in_style()
def class_accuracy(evaluation: Evaluation) -> Plot:
    """Accuracy in each class with its 95 % interval, the best on top."""
    _check(evaluation)
    table = evaluation.by_class.dropna().sort_values("accuracy", ascending=False, kind="stable")
    figure = _accuracy_figure(table, "Accuracy by class", evaluation.accuracy)
    return Plot(
        figure,
        alt=f"Dots with 95 % intervals: accuracy on test images in each of {len(table)} classes, "
        "sorted, with the overall accuracy as a dashed line.",
        summary=f"Accuracy runs from {_row(table, -1)} to {_row(table, 0)}; overall it is "
        f"{evaluation.accuracy}.",
    )


@in_style()
def group_accuracy(evaluation: Evaluation) -> Plot:
    """Accuracy in each group with its 95 % interval.

    Raises:
        ValueError: if the evaluation did not compare groups.
    """
    _check(evaluation)
    table, gap = evaluation.by_group, evaluation.group_gap
    if table is None:
        raise ValueError("this evaluation compared no groups; call evaluate with group=…")
    figure = _accuracy_figure(table, f"Accuracy by {table.index.name}", evaluation.accuracy)
    ranked = table.sort_values("accuracy", ascending=False, kind="stable")
    summary = f"Accuracy is {_row(ranked, 0)}"
    if gap is not None:
        verdict = "leaves zero out" if gap.low > 0 else "contains zero"
        summary += f" and {_row(ranked, -1)}: a gap of {gap}, whose interval {verdict}"
    return Plot(
        figure,
        alt=f"Dots with 95 % intervals: accuracy on test images for each {table.index.name}, "
        f"{listing(list(table.index))}, with the overall accuracy as a dashed line.",
        summary=summary + ".",
    )


def _row(table: pd.DataFrame, position: int) -> str:
    row = table.iloc[position]
    return f"{Estimate(row['accuracy'], row['low'], row['high'])} for {row.name}"


def _accuracy_figure(table: pd.DataFrame, title: str, overall: Estimate) -> Figure:
    figure = make_figure(1.4 + 0.34 * len(table))
    axes = figure.subplots()
    dots(axes, table[["accuracy", "low", "high"]], np.arange(len(table)), look=LOOKS[0])
    finish_dots(axes, list(table.index), title=title, xlabel="accuracy on test images")
    axes.axvline(overall.value, color=MIDDLE, linestyle="--", linewidth=1.5, zorder=0)
    axes.annotate(
        f" overall {percent(overall.value)}",
        (overall.value, 0),
        xycoords=("data", "axes fraction"),
        va="bottom",
        color=DARK,
    )
    return figure


def dots(
    axes: Axes, estimates: pd.DataFrame, rows: NDArray[Any], *, look: Look, label: str | None = None
) -> None:
    """Draw ``estimates``, whose columns are value, low and high, at the heights ``rows``."""
    values, lows, highs = estimates.to_numpy(dtype=float).T
    axes.errorbar(
        values,
        rows,
        xerr=[values - lows, highs - values],
        color=look.color,
        marker=look.marker,
        linestyle="none",
        label=label,
    )


def finish_dots(
    axes: Axes, names: Sequence[str], *, title: str, xlabel: str, unit: Unit = "%"
) -> None:
    """Label a chart of dots, one line for each name."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(percent_axis(unit))
    measured = xlabel if unit == "%" else f"{xlabel}, in {unit}"
    axes.set_xlabel(f"{measured}, with 95 % interval")
    axes.set_title(title)


@in_style()
def calibration(evaluation: Evaluation) -> Plot:
    """Accuracy against the network's confidence: on the diagonal it knows what it knows."""
    _check(evaluation)
    table = evaluation.calibration
    figure = make_figure(5.4, 6.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot(
        [0, 1],
        [0, 1],
        color=MIDDLE,
        linestyle="--",
        linewidth=1.5,
        label="always as right as confident",
    )
    upper.errorbar(
        table["confidence"],
        table["accuracy"],
        yerr=[table["accuracy"] - table["low"], table["high"] - table["accuracy"]],
        color=BLUE,
        marker="o",
        linestyle="none",
        label="this network",
    )
    upper.legend(loc="upper left")
    upper.set_ylim(-0.02, 1.02)
    upper.set_ylabel("accuracy, with 95 % interval")
    upper.yaxis.set_major_formatter(percent_axis())
    upper.set_title("Is it right as often as it is confident?")
    upper.grid()
    lower.bar(
        table["from"],
        table["count"],
        width=table["to"] - table["from"],
        align="edge",
        color=BLUE,
        edgecolor="white",
    )
    lower.set_ylabel("test images")
    lower.set_xlabel("confidence (highest probability)")
    lower.set_xlim(0, 1)
    lower.xaxis.set_major_formatter(percent_axis())
    expected = evaluation.error_if_calibrated
    confidence = float(np.average(table["confidence"], weights=table["count"]))
    difference = round(100 * (confidence - evaluation.accuracy.value), 1)
    verdict = (
        f"it is overconfident by {difference:.1f} points"
        if difference > 0
        else f"it is underconfident by {-difference:.1f} points"
        if difference < 0
        else "on average the two agree"
    )
    return Plot(
        figure,
        alt=f"Accuracy against confidence in {plural(len(table), 'bin')} of the test images, with "
        "the diagonal for comparison; below, how many images each bin holds.",
        summary=f"The network's mean confidence is {percent(confidence)} and its accuracy "
        f"{percent(evaluation.accuracy.value)}: {verdict}; the expected calibration error is "
        f"{percent(evaluation.expected_calibration_error)}, where a calibrated network with these "
        f"confidences would have {expected}.",
    )


@in_style()
def mistakes(data: ImageDataset, evaluation: Evaluation, *, num: int = 10) -> Plot:
    """The misclassified test images that the network was most confident about.

    Args:
        data: the data set whose test images were evaluated.
        evaluation: what the network answered.
        num: at most how many to show.

    Raises:
        ValueError: if the evaluation is not one of ``data``'s test images.
    """
    _check(evaluation)
    if not np.array_equal(data.test.labels, evaluation.labels):
        raise ValueError(f"this evaluation is not one of the test images of {data.name}")
    wrong = np.flatnonzero(evaluation.predictions != evaluation.labels)
    confidence = evaluation.probabilities.max(axis=1)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:num]
    if not len(chosen):
        figure = make_figure(1.0)
        figure.text(0.5, 0.5, "no mistakes", ha="center", va="center")
        summary = f"All {plural(len(data.test), 'test image')} are classified correctly."
        return Plot(figure, alt="An empty figure: there are no mistakes.", summary=summary)
    names = data.class_names
    taken_for = [
        f"{names[evaluation.labels[i]]}\ntaken for {names[evaluation.predictions[i]]}\n"
        f"{percent(confidence[i])} sure"
        for i in chosen
    ]
    figure = tiles([data.test.images[i] for i in chosen], taken_for, columns=5, title_lines=3)
    first = chosen[0]
    return Plot(
        figure,
        alt=f"{plural(len(chosen), 'misclassified test image')} of {data.name}, each with its "
        "true class, the predicted class and the network's confidence, the most confident first.",
        summary=f"{len(wrong):,} of {plural(len(data.test), 'test image')} are misclassified; the "
        f"most confident mistake takes {names[evaluation.labels[first]]} for "
        f"{names[evaluation.predictions[first]]}, {percent(confidence[first])} sure.",
    )
