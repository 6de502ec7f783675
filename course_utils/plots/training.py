"""Figures of training: learning curves, schedules, and the race of the recipes."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from course_utils.evaluation import percentage
from course_utils.looks import BLUE, MIDDLE, ORANGE, looks_of
from course_utils.plots.style import (
    Plot,
    in_style,
    listing,
    make_figure,
    percent,
    percent_axis,
    plural,
)

if TYPE_CHECKING:
    import keras

    from course_utils.training import History, Recipe


@in_style()
def learning_curves(
    history: "History | keras.callbacks.History | Mapping[str, Sequence[float]] | pd.DataFrame",
) -> Plot:
    """Loss and accuracy on training and validation images after each epoch.

    Args:
        history: what ``training.fit`` or a Keras model's ``fit`` returned, or its ``history``;
            accuracies must have been measured, on held-back images, too.

    Raises:
        ValueError: they have not.
    """
    epochs = _read_epochs(history)
    best = epochs.iloc[int(epochs["val_accuracy"].fillna(-1).argmax())]
    figure = make_figure(3.8)
    left, right = figure.subplots(1, 2)
    for axes, measure in ((left, "loss"), (right, "accuracy")):
        for column, kind, look in zip(
            (measure, f"val_{measure}"), ("training", "validation"), looks_of(2), strict=True
        ):
            axes.plot(
                epochs["epoch"],
                epochs[column],
                color=look.color,
                linestyle=look.line,
                marker=look.marker,
                label=kind,
            )
        axes.axvline(
            best["epoch"],
            color=MIDDLE,
            linestyle=":",
            linewidth=1.5,
            zorder=0,
            label="best validation accuracy",
        )
        axes.set_title(measure.capitalize())
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        axes.grid(axis="y")
    left.set_ylim(bottom=0)
    right.yaxis.set_major_formatter(percent_axis())
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Plot(
        figure,
        alt=f"Two line charts over {plural(len(epochs), 'epoch')}: loss and accuracy, each on "
        "training and on validation images; a dotted line marks the best epoch.",
        summary=_learning_summary(epochs, best),
    )


@in_style()
def descent(
    paths: Mapping[float, Sequence[float]], loss: Callable[[NDArray[np.float64]], NDArray[Any]]
) -> Plot:
    """The steps of gradient descent on the curve of a loss, side by side for some learning rates.

    Args:
        paths: for each learning rate the values of the weight, the one it began with first.
        loss: of an array of weights.

    Raises:
        ValueError: if there are no paths.
    """
    if not paths:
        raise ValueError("descent needs at least one path")
    figure = make_figure(3.2)
    reached = []
    panels = figure.subplots(1, len(paths), squeeze=False)[0]
    for axes, (rate, path) in zip(panels, paths.items(), strict=True):
        weights = np.asarray(path, dtype=float)
        margin = max(np.ptp(weights) / 4, 0.5)
        curve = np.linspace(weights.min() - margin, weights.max() + margin, 200)
        axes.plot(curve, loss(curve), color=MIDDLE, linewidth=1.5)
        axes.plot(weights, loss(weights), color=BLUE, marker="o", linewidth=1)
        axes.plot(weights[:1], loss(weights[:1]), color=ORANGE, marker="s", linestyle="none")
        axes.set_title(f"learning rate {rate:g}")
        axes.set_xlabel("weight")
        reached.append(f"{loss(weights[-1:])[0]:.3g} with {rate:g}")
    figure.axes[0].set_ylabel("loss")
    return Plot(
        figure,
        alt=f"{plural(len(paths), 'curve')} of a loss against a weight, each with the points that "
        "the steps of one learning rate lead to; a square marks the beginning.",
        summary=f"After {plural(len(path) - 1, 'step')} the loss is {listing(reached)}.",
    )


def _read_epochs(
    history: "History | keras.callbacks.History | Mapping[str, Sequence[float]] | pd.DataFrame",
) -> pd.DataFrame:
    if isinstance(found := getattr(history, "epochs", None), pd.DataFrame):
        return found
    given = (
        history if isinstance(history, Mapping | pd.DataFrame) else getattr(history, "history", {})
    )
    columns = {str(name): list(values) for name, values in dict(given).items()}
    if missing := {"loss", "val_loss", "accuracy", "val_accuracy"} - columns.keys():
        raise ValueError(
            f"the history has no {', '.join(sorted(missing))}: compile the network with "
            'metrics=["accuracy"], and fit it with validation_split or validation_data'
        )
    return pd.DataFrame(columns).assign(epoch=np.arange(1, len(columns["loss"]) + 1))


def _learning_summary(epochs: pd.DataFrame, best: pd.Series) -> str:
    validated = epochs.dropna(subset=["val_accuracy"])
    gaps = validated["accuracy"] - validated["val_accuracy"]
    first, last = round(100 * gaps.iloc[0], 1), round(100 * gaps.iloc[-1], 1)
    before, after = (f"{percentage(gap / 100)} points" for gap in (first, last))
    sentence = (
        f"Validation accuracy is highest after epoch {best['epoch']:.0f} of {len(epochs)}, "
        f"{percent(best['val_accuracy'])}"
    )
    if len(epochs) == 1:
        return f"{sentence}; one epoch shows no trend yet."
    if len(validated) == 1:
        return (
            f"Validation accuracy was measured once, after epoch {best['epoch']:.0f} of "
            f"{len(epochs)}: {percent(best['val_accuracy'])}; training accuracy minus validation "
            f"accuracy is {after}."
        )
    if first == last:
        return f"{sentence}; training accuracy minus validation accuracy stays at {after}."
    counted = "epoch" if len(validated) == len(epochs) else "validated epoch"
    return (
        f"{sentence}; training accuracy minus validation accuracy "
        f"{'rises' if last > first else 'falls'} from {before} after the first {counted} to "
        f"{after} after the last."
    )


@in_style()
def learning_rate_schedule(recipes: Sequence["Recipe"], *, num_steps: int = 100) -> Plot:
    """The learning rate of each recipe in the course of a training, as a share of its highest.

    Args:
        recipes: from :data:`course_utils.training.RECIPES`, 1 to 5 of them with different names.
        num_steps: how many steps a training has, at least 2.

    Raises:
        ValueError: if there are no recipes, more than can be told apart, or less than two steps.
    """
    from course_utils.training import WarmUpAndDecay

    if not recipes or num_steps < 2:
        raise ValueError(
            f"a schedule is drawn for at least one recipe over at least 2 steps, got "
            f"{plural(len(recipes), 'recipe')} and num_steps={num_steps}"
        )
    steps = np.arange(num_steps)
    figure = make_figure(3.4, 6.4)
    axes = figure.subplots()
    courses = []
    for recipe, look in zip(recipes, looks_of(len(recipes)), strict=True):
        if recipe.warm_up is None:
            shares = np.ones(num_steps)
            course = f"stays at {recipe.learning_rate:g} ({recipe.name})"
        else:
            shares = np.asarray(WarmUpAndDecay(1.0, num_steps, recipe.warm_up)(steps))
            course = (
                f"rises to {recipe.learning_rate:g} in the first {recipe.warm_up:.0%} of the steps "
                f"and falls to 0 after that ({recipe.name})"
            ).replace("%", " %")
        label = f"{recipe.name} (highest: {recipe.learning_rate:g})"
        axes.plot(steps + 1, shares, color=look.color, linestyle=look.line, label=label)
        courses.append(course)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("step")
    axes.set_ylabel("share of the highest rate")
    axes.yaxis.set_major_formatter(percent_axis())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    axes.set_title("Learning rate")
    figure.legend(loc="outside lower center", ncols=2)
    names = listing([recipe.name for recipe in recipes])
    return Plot(
        figure,
        alt=f"Line chart over {num_steps:,} steps: the learning rate of {names}, each as a share "
        "of its highest value.",
        summary=f"The learning rate {listing(courses)}.",
    )


_TIMES = {
    **{seconds: f"{seconds} s" for seconds in (1, 2, 5, 10, 20)},
    **{60 * minutes: f"{minutes} min" for minutes in (1, 2, 5, 10, 20)},
    **{3600 * hours: f"{hours} h" for hours in (1, 2, 5, 10, 20)},
}


@in_style()
def training_race(table: pd.DataFrame, *, target: float | None = None) -> Plot:
    """Test accuracy against training time, one marker for each training.

    Args:
        table: one row per training: ``contestant`` (1 to 5 different ones), ``seconds`` (above 0)
            and ``accuracy`` (0 to 1).
        target: the accuracy to reach, drawn as a line.

    Raises:
        ValueError: if there are no rows, or more contestants than can be told apart.
    """
    if table.empty:
        raise ValueError("a race has at least one training; the table has no rows")
    parts = {str(name): part for name, part in table.groupby("contestant", sort=False)}
    figure = make_figure(3.8)
    axes = figure.subplots()
    for (name, part), look in zip(parts.items(), looks_of(len(parts)), strict=True):
        axes.plot(
            part["seconds"],
            part["accuracy"],
            color=look.color,
            marker=look.marker,
            linestyle="none",
            markersize=9,
            markeredgecolor="white",
            label=name,
        )
    if target is not None:
        axes.axhline(target, color=MIDDLE, linestyle=":", zorder=0, label="target")
    _time_axis(axes, table["seconds"])
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(percent_axis())
    axes.set_xlabel("training time (logarithmic)")
    axes.set_ylabel("test accuracy")
    axes.set_title("Accuracy and training time")
    axes.grid()
    figure.legend(loc="outside right center")
    means = table.groupby("contestant", sort=False)[["seconds", "accuracy"]].mean()
    results = [
        f"{name} {percent(row['accuracy'])} in {row['seconds']:,.0f} s"
        for name, row in means.iterrows()
    ]
    aim = "" if target is None else f"; the target is {percent(target)}"
    return Plot(
        figure,
        alt=f"Scatter plot of test accuracy against training time, with a logarithmic time axis: "
        f"{plural(len(table), 'training')} of {listing(list(parts))}.",
        summary=f"On average {listing(results)}{aim}.",
    )


def _time_axis(axes: Axes, seconds: pd.Series) -> None:
    """A logarithmic axis with ticks that are read as times."""
    axes.set_xscale("log")
    low, high = seconds.min() / 2, seconds.max() * 2
    axes.set_xlim(low, high)
    ticks = {time: word for time, word in _TIMES.items() if low <= time <= high}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
