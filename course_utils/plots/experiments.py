"""Figures of experiments: conditions side by side, seed by seed, and doses with responses."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from course_utils.evaluation import SHARE, Estimate, Unit, over_seeds, percentage, verdict
from course_utils.looks import LIGHT, LOOKS, MIDDLE, ORANGE, looks_of
from course_utils.plots.evaluation import dots, finish_dots
from course_utils.plots.style import (
    Plot,
    in_style,
    listing,
    make_figure,
    percent_axis,
    plural,
)


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


@in_style()
def seeds(
    table: pd.DataFrame,
    *,
    label: str,
    value: str,
    title: str,
    xlabel: str,
    seed: str = "seed",
    bounds: tuple[float, float] = SHARE,
    margin: float | None = None,
) -> Plot:
    """Every seed's result as a point, those of one seed joined, and the mean's interval below.

    Differences, whose bounds reach below zero, get a line at zero.

    Args:
        table: one row for each condition and seed.
        label: the column that names the conditions, one row of the figure for each.
        value: the column of results: shares, or differences of shares.
        title: what is compared.
        xlabel: what the results are.
        seed: the column of seeds.
        bounds: of the results, as in :func:`course_utils.evaluation.over_seeds`.
        margin: the smallest difference worth mentioning, as in
            :func:`course_utils.evaluation.verdict`; what lies within it is shaded.

    Raises:
        ValueError: if a column is missing, or a condition has fewer than three seeds.
    """
    wide = _by_seed(table, rows=seed, columns=[label], value=value)
    names = [str(name) for name in wide.columns]
    estimates = [over_seeds(wide[name].dropna(), bounds=bounds) for name in wide.columns]
    figure = make_figure(1.5 + 0.5 * len(names))
    axes = figure.subplots()
    heights = np.arange(len(names))
    for _, results in wide.iterrows():
        axes.plot(results, heights, color=LIGHT, marker="o", markersize=4, linewidth=1, zorder=1)
    axes.plot(wide, heights[:, np.newaxis].T.repeat(len(wide), 0), ".", color=MIDDLE, zorder=2)
    ends = pd.DataFrame([[one.value, one.low, one.high] for one in estimates])
    dots(axes, ends, heights + 0.22, look=LOOKS[0])
    finish_dots(
        axes,
        names,
        title=title,
        xlabel=f"{xlabel}\neach seed, and their mean",
        unit=estimates[0].unit,
    )
    _draw_zero(axes.axvline, bounds)
    if margin is not None:
        axes.axvspan(-margin, margin, color=ORANGE, alpha=0.2, linewidth=0, zorder=0)
    largest, smallest = (pick(estimates, key=float) for pick in (max, min))
    return Plot(
        figure,
        alt=f"{xlabel[:1].upper()}{xlabel[1:]} for {listing(names)}, one row each: grey points for "
        f"{plural(len(wide), 'seed')}, those of a seed joined by a line, and below them the mean "
        "with its 95 % interval"
        + (", beside a line at zero" if bounds[0] < 0 else "")
        + (f" and a shaded band {percentage(margin)} points to both sides." if margin else "."),
        summary=f"{xlabel[:1].upper()}{xlabel[1:]}, mean of {plural(len(wide), 'seed')}: "
        + (
            f"{estimates[0]} ({names[0]})"
            if len(names) == 1
            else f"from {smallest} ({names[estimates.index(smallest)]}) to {largest} "
            f"({names[estimates.index(largest)]})"
        )
        + ("." if margin is None else f"; {_within(estimates, margin)}."),
    )


def _within(estimates: Sequence[Estimate], margin: float) -> str:
    number = sum(verdict(one, margin=margin) == "small" for one in estimates)
    return (
        f"{number} of {plural(len(estimates), 'interval')} {'lies' if number == 1 else 'lie'} "
        f"wholly within the margin of {percentage(margin)} points"
    )


@in_style()
def doses(
    table: pd.DataFrame,
    *,
    dose: str,
    value: str,
    title: str,
    xlabel: str,
    ylabel: str,
    series: str | None = None,
    seed: str = "seed",
    bounds: tuple[float, float] = SHARE,
    shares: bool = True,
) -> Plot:
    """How results change with a dose: the mean's interval at each, and a thin line for each seed.

    Differences, whose bounds reach below zero, get a line at zero.

    Args:
        table: one row for each dose and seed, and for each of the series if there are any.
        dose: the column of doses, numbers; they stand side by side at equal distances.
        value: the column of results: shares, or differences of shares.
        title: what is asked.
        xlabel: what the dose is.
        ylabel: what the results are.
        series: a column whose values get a line each, in a colour and with a marker of its own.
        seed: the column of seeds.
        bounds: of the results, as in :func:`course_utils.evaluation.over_seeds`.
        shares: whether the doses are shares, to be written in per cent.

    Raises:
        ValueError: if a column is missing, or a dose has fewer than three seeds.
    """
    parts = (
        [(str(name), part) for name, part in table.groupby(series, sort=False)]
        if series
        else [(ylabel, table)]
    )
    figure = make_figure(4.4)
    axes = figure.subplots()
    sentences = []
    for (name, part), look in zip(parts, looks_of(len(parts)), strict=True):
        wide = _by_seed(part, rows=dose, columns=[seed], value=value).sort_index()
        places = np.arange(len(wide))
        axes.plot(places, wide, color=look.color, alpha=0.3, linewidth=0.8)
        estimates = [over_seeds(row.dropna(), bounds=bounds) for _, row in wide.iterrows()]
        values, lows, highs = np.array([[one.value, one.low, one.high] for one in estimates]).T
        axes.errorbar(
            places,
            values,
            yerr=[values - lows, highs - values],
            color=look.color,
            marker=look.marker,
            linestyle=look.line,
            label=name,
        )
        written = [f"{100 * one:g} %" if shares else f"{one:g}" for one in wide.index]
        sentences.append(
            f"{name} goes from {estimates[0]} at {written[0]} to {estimates[-1]} at {written[-1]}"
        )
    axes.set_xticks(places, written)
    axes.yaxis.set_major_formatter(percent_axis(estimates[0].unit))
    axes.grid(axis="y")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(f"{ylabel}, with 95 % interval")
    axes.set_title(title)
    _draw_zero(axes.axhline, bounds)
    if series:
        figure.legend(loc="outside lower right", ncols=len(parts))
    number = len(wide.columns)
    return Plot(
        figure,
        alt=f"Lines of {ylabel} against {xlabel}"
        + (f", for {listing([name for name, _ in parts])}" if series else "")
        + f": a thin one for each of {plural(number, 'seed')}, and their means with 95 % intervals"
        + (", above a line at zero." if bounds[0] < 0 else "."),
        summary=f"{listing(sentences)[:1].upper()}{listing(sentences)[1:]} (mean of "
        f"{plural(number, 'seed')}).",
    )


def _by_seed(table: pd.DataFrame, *, rows: str, columns: list[str], value: str) -> pd.DataFrame:
    """Results as a table of two ways, in order of appearance."""
    needed = [rows, *columns, value]
    missing = [column for column in needed if column not in table.columns]
    if missing or table.empty:
        raise ValueError(f"the table needs rows and the columns {needed}; missing are {missing}")
    return table.pivot_table(value, index=rows, columns=columns, sort=False)


def _draw_zero(draw: Callable[..., object], bounds: tuple[float, float]) -> None:
    if bounds[0] < 0:
        draw(0, color=MIDDLE, linestyle="--", linewidth=1.5, zorder=0)


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
