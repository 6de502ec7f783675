"""Figures of experiments: intervals of conditions side by side."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from course_utils.evaluation import Estimate, Unit, percentage
from course_utils.looks import LOOKS, MIDDLE, ORANGE, looks_of
from course_utils.plots.evaluation import dots, finish_dots
from course_utils.plots.style import Plot, in_style, listing, make_figure, plural


@in_style()
def intervals(
    table: pd.DataFrame,
    *,
    label: str,
    title: str,
    xlabel: str,
    value: str = "value",
    low: str = "low",
    high: str = "high",
    series: str | None = None,
    reference: float | None = None,
    unit: Unit = "%",
) -> Plot:
    """Estimates with their 95 % intervals, one row for each label.

    Args:
        table: shares, or differences of shares, between −1 and 1.
        label: the column that names the rows.
        title: what is compared.
        xlabel: what the values are.
        value: the column of the estimates.
        low: the column of the intervals' lower ends.
        high: the column of the intervals' upper ends.
        series: a column whose values share a row but differ in colour and marker.
        reference: a value to compare with, drawn as a dashed line.
        unit: ``"points"`` for differences.

    Raises:
        ValueError: if the table is empty, or lacks a column.
    """
    needed = [label, value, low, high, *([series] if series else [])]
    missing = [column for column in needed if column not in table.columns]
    if missing or table.empty:
        raise ValueError(f"the table needs rows and the columns {needed}; missing are {missing}")
    names = list(dict.fromkeys(table[label]))
    parts = (
        [(str(name), part) for name, part in table.groupby(series, sort=False)]
        if series
        else [(None, table)]
    )
    figure = make_figure(1.6 + (0.3 + 0.14 * len(parts)) * len(names))
    axes = figure.subplots()
    for position, ((name, part), look) in enumerate(zip(parts, looks_of(len(parts)), strict=True)):
        offset = 0.22 * (position - (len(parts) - 1) / 2)
        rows = np.array([names.index(row) for row in part[label]]) + offset
        dots(axes, part[[value, low, high]], rows, look=look, label=name)
    finish_dots(axes, names, title=title, xlabel=xlabel, unit=unit)
    if reference is not None:
        axes.axvline(reference, color=MIDDLE, linestyle="--", linewidth=1.5, zorder=0)
    if series:
        figure.legend(loc="outside lower right", ncols=len(parts))
    return Plot(
        figure,
        alt=f"Dots with 95 % intervals: {xlabel} for {listing([str(n) for n in names])}"
        + (f", each for {listing([str(n) for n, _ in parts])}" if series else "")
        + ".",
        summary=_intervals_summary(table, needed, xlabel, reference, unit),
    )


def _intervals_summary(
    table: pd.DataFrame,
    columns: Sequence[str],
    xlabel: str,
    reference: float | None,
    unit: Unit,
) -> str:
    label, value, low, high, *series = columns

    def describe(row: pd.Series) -> str:
        name = ", ".join(str(row[column]) for column in [label, *series])
        return f"{Estimate(row[value], row[low], row[high], unit)} ({name})"

    ranked = table.sort_values(value, kind="stable")
    smallest, largest = ranked.iloc[0], ranked.iloc[-1]
    measured = xlabel[:1].upper() + xlabel[1:]
    if len(table) == 1:
        sentence = f"{measured}: {describe(smallest)}"
    else:
        # Whether two intervals overlap is no test of whether the two differ, so it isn't said.
        sentence = f"{measured}: from {describe(smallest)} to {describe(largest)}"
    if reference is not None:
        apart = int(((table[low] > reference) | (table[high] < reference)).sum())
        total = plural(len(table), "interval")
        sentence += f"; {apart} of {total} leave {percentage(reference)} {unit} out"
    return sentence + "."


@in_style()
def ablation(summary: pd.DataFrame) -> Plot:
    """Accuracy and CPU time of each step of an ablation, from top to bottom.

    Args:
        summary: from :func:`course_utils.labs.ablation.summarise`.

    Raises:
        ValueError: if there are no steps.
    """
    if summary.empty:
        raise ValueError("the summary has no rows; train at least one step")
    names, seconds = list(summary["step"]), summary["cpu_seconds"]
    figure = make_figure(1.4 + 0.34 * len(names))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    dots(left, summary[["accuracy", "low", "high"]], np.arange(len(names)), look=LOOKS[0])
    finish_dots(left, names, title="Accuracy, step by step", xlabel="on test images")
    bars = right.barh(range(len(names)), seconds, height=0.6, color=ORANGE)
    right.bar_label(bars, [_seconds(value) for value in seconds], padding=3)
    right.margins(x=0.2)
    right.tick_params(axis="y", length=0)
    right.xaxis.set_major_locator(MaxNLocator(nbins=4))
    right.set_xlabel("seconds for one training")
    right.set_title("CPU time")
    return Plot(
        figure,
        alt="Two panels with one row for each step of an ablation, from top to bottom "
        f"{listing(names)}: dots with 95 % intervals of the accuracy on test images, and bars of "
        "the CPU time that one training takes.",
        summary=_ablation_summary(summary),
    )


def _ablation_summary(summary: pd.DataFrame) -> str:
    first, last = summary.iloc[0], summary.iloc[-1]
    before, after = (
        str(Estimate(row["accuracy"], row["low"], row["high"])) for row in (first, last)
    )
    slow, fast = _seconds(first["cpu_seconds"]), _seconds(last["cpu_seconds"])
    if len(summary) == 1:
        before_and_time = f"{before} and one training takes {slow} of CPU time"
        return f"The accuracy of {first['step']} is {before_and_time}."
    most = summary.iloc[int(summary["change"].abs().argmax())]
    change = Estimate(most["change"], most["change_low"], most["change_high"], "points")
    slower = summary["cpu_seconds"].diff()
    longest = int(slower.abs().argmax())
    return (
        f"From {first['step']} to {last['step']} the accuracy goes from {before} to {after} and "
        f"the CPU time of one training from {slow} to {fast}; the accuracy changes most with "
        f"{most['step']}, by {change}, and the time with {summary['step'].iloc[longest]}, by "
        f"{_seconds(slower.iloc[longest])}."
    )


def _seconds(seconds: float) -> str:
    """A time, or a difference between times: whole seconds unless they are few."""
    digits = 0 if abs(seconds) >= 9.95 else 1
    return f"{round(seconds, digits) + 0.0:,.{digits}f} s".replace("-", "−")
