"""One function per figure; each returns a :class:`Plot`, which shows itself in a notebook.

A figure comes with alternative text and with one sentence that says what it shows. The sentence is
made from the data, so it is right whichever way the data come out. Series differ in colour
(the palette of Okabe and Ito, safe for colour-blind readers) and also in marker, line or hatching,
so the figures work in shades of grey.
"""

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from course_utils.datasets.base import ImageDataset
from course_utils.evaluation import Estimate, Evaluation, percentage
from course_utils.files import write_bytes
from course_utils.glyphs import make_printable

if TYPE_CHECKING:
    import keras

    from course_utils.training import History, Recipe

WIDTH = 8.0  # inches, the widest that a notebook shows without scaling
DPI = 110
DARK, MIDDLE, LIGHT = "#222222", "#767676", "#d9d9d9"

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MIDDLE,
    "axes.grid.axis": "both",
    "axes.labelcolor": DARK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "errorbar.capsize": 3,
    "figure.dpi": DPI,
    "figure.facecolor": "white",
    "font.size": 10.5,
    "grid.color": LIGHT,
    "hatch.linewidth": 1.2,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.markersize": 6,
    "text.color": DARK,
    "text.parse_math": False,  # a class may be called "$" or "x_1"
    "xtick.color": DARK,
    "ytick.color": DARK,
}


class Look(NamedTuple):
    """How one series is told from the others, in colour and without it."""

    color: str
    marker: str
    line: str
    hatch: str


BLUE, ORANGE, GREEN, PURPLE, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00"
LOOKS = (
    Look(BLUE, "o", "-", ""),
    Look(ORANGE, "s", "--", "//"),
    Look(GREEN, "^", "-.", ".."),
    Look(PURPLE, "D", ":", "xx"),
    Look(VERMILLION, "v", (0, (5, 1, 1, 1, 1, 1)), "\\\\"),  # type: ignore[arg-type]
)


def _looks(number: int) -> Sequence[Look]:
    """As many different looks as there are series."""
    if number > len(LOOKS):
        raise ValueError(f"at most {len(LOOKS)} series can be told apart in a figure, got {number}")
    return LOOKS[:number]


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(STYLE):
        yield


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure with words for those who can't see it, and for those who can.

    In a notebook it shows itself as a picture, with the alternative text in its metadata, followed
    by the summary.
    """

    figure: Figure
    alt: str  # what kind of figure it is and what is on its axes
    summary: str  # one sentence: what the data say

    def __post_init__(self) -> None:
        """Number the names for which there is no font, and say in the summary what they are."""
        if numbers := make_printable(self.figure):
            names = _listing([f"{number} is {name}" for number, name in numbers.items()])
            summary = f"{self.summary} No font here has some of these names: {names}."
            object.__setattr__(self, "summary", summary)

    def save(self, path: str | Path) -> None:
        """Write the figure to a file whose ending says the format: .png, .svg or .pdf."""
        path = Path(path)
        write_bytes(path, self.render(path.suffix.removeprefix(".")))

    def render(self, file_format: str) -> bytes:
        """Make the content of a file in a format: ``png``, ``svg`` or ``pdf``."""
        buffer = io.BytesIO()
        with _style():
            self.figure.savefig(buffer, format=file_format)
        return _shrink(buffer) if file_format == "png" else buffer.getvalue()

    def __repr__(self) -> str:
        return f"<Plot: {self.alt}>"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        png = base64.b64encode(self.render("png")).decode()
        display(
            {"image/png": png, "text/plain": repr(self)},
            metadata={"image/png": {"alt": self.alt}},
            raw=True,
        )
        display({"text/markdown": _markdown(self.summary), "text/plain": self.summary}, raw=True)


def _shrink(png: io.BytesIO) -> bytes:
    """A third of the bytes: a palette of 256 colours, unless there are photographs to spoil."""
    picture = Image.open(png).convert("RGB")
    if picture.getcolors(maxcolors=4096):
        picture = picture.quantize(dither=Image.Dither.NONE)
    smaller = io.BytesIO()
    picture.save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def _markdown(text: str) -> str:
    """``text`` with everything escaped that Markdown or HTML would take for markup."""
    return re.sub(r"([\\`*_\[\]<>&$~|#!])", r"\\\1", text)


def _figure(height: float, width: float = WIDTH) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def _percent(share: float) -> str:
    return f"{percentage(share)} %"


def _percent_axis() -> FuncFormatter:
    return FuncFormatter(lambda share, _: f"{round(100 * share, 6):g} %".replace("-", "−"))


def _listing(words: Sequence[str]) -> str:
    """Join words as a sentence does: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


# ------------------------------------------------------------------------------------------ data


@_style()
def samples(data: ImageDataset, *, num_per_class: int = 8) -> Plot:
    """A contact sheet: the first training images of each class, one class to a row.

    Args:
        data: its training split is shown.
        num_per_class: images in a row, 1 to 24; a class that has fewer leaves the rest of its row
            empty.

    Raises:
        ValueError: if ``num_per_class`` is not between 1 and 24.
    """
    if not 1 <= num_per_class <= 24:
        raise ValueError(f"a row has room for 1 to 24 images, not for {num_per_class}")
    height, width = data.train.images.shape[1:3]
    gap = max(1, width // 16)  # pixels of the images between two of them
    num_classes = len(data.class_names)
    sheet = np.full(
        (num_classes * (height + gap) - gap, num_per_class * (width + gap) - gap, 3), 255, np.uint8
    )
    for row in range(num_classes):
        chosen = np.flatnonzero(data.train.labels == row)[:num_per_class]
        for column, index in enumerate(chosen):
            top, left = row * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width] = data.train.images[index]
    # Every pixel of the images is drawn as a square of whole pixels wherever there is room.
    longest = max(len(name) for name in data.class_names)
    left = min(0.2 + 0.09 * longest, WIDTH / 2)  # inches for the names
    scale = min(70, (WIDTH - left) * DPI / num_per_class) / (width + gap)
    rows, columns = np.array(sheet.shape[:2]) * (int(scale) or scale) / DPI
    figure = Figure(figsize=(left + columns, rows))
    axes = figure.add_axes((left / (left + columns), 0, columns / (left + columns), 1))
    axes.imshow(sheet, aspect="auto")
    _bare(axes)
    axes.set_yticks(np.arange(num_classes) * (height + gap) + height / 2, data.class_names)
    shown = np.minimum(_class_counts(data.train.labels, data), num_per_class)
    return Plot(
        figure,
        alt=f"Contact sheet of training images of {data.name}, one row for each of the classes "
        f"{_listing(data.class_names)}.",
        summary=f"{_plural(int(shown.sum()), 'training image')} of {height} × {width} pixels, "
        f"{_spread(shown, data.class_names)}.",
    )


def _class_counts(labels: NDArray[np.int64], data: ImageDataset) -> NDArray[np.int64]:
    return np.bincount(labels, minlength=len(data.class_names))


def _spread(counts: NDArray[np.int64], names: Sequence[str]) -> str:
    low, high = int(counts.argmin()), int(counts.argmax())
    if counts[low] == counts[high]:
        return f"{counts[low]:,} of each class"
    return f"from {counts[low]:,} ({names[low]}) to {counts[high]:,} ({names[high]}) per class"


def _bare(axes: Axes) -> None:
    """No ticks and no frame: the axes hold a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


@_style()
def class_counts(data: ImageDataset) -> Plot:
    """How many training and test images each class has."""
    train = _class_counts(data.train.labels, data)
    test = _class_counts(data.test.labels, data)
    figure = _paired_bars(data.class_names, train, test, title=f"Images of {data.name} by class")
    return Plot(
        figure,
        alt=f"Bar chart of the number of training and test images of {data.name} in each of "
        f"{len(data.class_names)} classes.",
        summary=f"There are {_plural(len(data.train), 'training image')}, "
        f"{_spread(train, data.class_names)}, and {_plural(len(data.test), 'test image')}, "
        f"{_spread(test, data.class_names)}.",
    )


@_style()
def group_counts(data: ImageDataset) -> Plot:
    """How many training and test images each group has."""
    groups = sorted({str(g) for g in [*_groups(data.train, data), *_groups(data.test, data)]})
    train, test = (
        _groups(split, data).value_counts().reindex(groups, fill_value=0).to_numpy(np.int64)
        for split in (data.train, data.test)
    )
    rarest = int(train.argmin())
    figure = _paired_bars(groups, train, test, title=f"Images of {data.name} by {data.group}")
    return Plot(
        figure,
        alt=f"Bar chart of the number of training and test images of {data.name} for each "
        f"{data.group}: {_listing(groups)}.",
        summary=f"{data.group.capitalize()} {groups[rarest]} makes up "
        f"{_percent(train[rarest] / len(data.train))} of the "
        f"{_plural(len(data.train), 'training image')} and "
        f"{_percent(test[rarest] / len(data.test))} of the "
        f"{_plural(len(data.test), 'test image')}.",
    )


def _groups(split: Any, data: ImageDataset) -> pd.Series:
    groups: pd.Series = split.attributes[data.group].astype(str)
    return groups


def _paired_bars(
    names: Sequence[str], train: NDArray[Any], test: NDArray[Any], *, title: str
) -> Figure:
    figure = _figure(1.3 + 0.42 * len(names))
    axes = figure.subplots()
    rows = np.arange(len(names))
    for counts, offset, kind, look in zip(
        (train, test), (-0.2, 0.2), ("training", "test"), _looks(2), strict=True
    ):
        bars = axes.barh(
            rows + offset,
            counts,
            height=0.38,
            color=look.color,
            hatch=look.hatch,
            edgecolor="white",
            label=kind,
        )
        axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("images")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.08, y=0.03)
    axes.set_title(title)
    figure.legend(loc="outside lower right", ncols=2)
    return figure


@_style()
def pixel_histogram(images: NDArray[np.uint8]) -> Plot:
    """How often each pixel value occurs in red, green and blue, before and after scaling.

    Args:
        images: uint8 (n, height, width, 3).

    Raises:
        ValueError: if there are no images, or they are not uint8.
    """
    if images.dtype != np.uint8 or not len(images):
        raise ValueError(
            f"a histogram needs at least one image of dtype uint8 (0 to 255), got {len(images)} of "
            f"{images.dtype}; pass the images as they were loaded"
        )
    counts = np.zeros((3, 256), dtype=np.int64)
    for start in range(0, len(images), 1000):
        for channel in range(3):
            values = images[start : start + 1000, ..., channel].ravel()
            counts[channel] += np.bincount(values, minlength=256)
    shares = counts / counts.sum(axis=1, keepdims=True)
    means = shares @ np.arange(256)
    occurring = np.flatnonzero(counts.sum(axis=0))
    bin_width = 8
    figure = _figure(3.6)
    axes = figure.subplots()
    colors = (VERMILLION, GREEN, BLUE)
    for name, color, look, share in zip(
        ("red", "green", "blue"), colors, _looks(3), shares, strict=True
    ):
        axes.stairs(
            share.reshape(-1, bin_width).sum(axis=1),
            np.arange(0, 257, bin_width),
            baseline=None,
            color=color,
            linestyle=look.line,
            linewidth=2,
            label=name,
        )
    axes.set_xlim(0, 256)
    axes.set_ylim(bottom=0)
    axes.set_xticks([0, 51, 102, 153, 204, 255])
    axes.set_xlabel("pixel value as stored (0 to 255)")
    axes.yaxis.set_major_formatter(_percent_axis())
    axes.set_ylabel("share of pixels")
    scaled = axes.secondary_xaxis(
        "top", functions=(lambda x: np.asarray(x) / 255, lambda x: np.asarray(x) * 255)
    )
    scaled.set_xlabel("after division by 255")
    axes.legend()
    first, last = int(occurring[0]), int(occurring[-1])
    averages = [f"{m:.0f} in {c}" for m, c in zip(means, ("red", "green", "blue"), strict=True)]
    return Plot(
        figure,
        alt="Three step curves, for red, green and blue: the share of pixels against the pixel "
        "value, from 0 to 255 below and from 0 to 1, as the network sees it, above.",
        summary=f"Pixel values run from {first} to {last} and average {_listing(averages)}; "
        f"divided by 255 they run from {first / 255:.2f} to {last / 255:.2f} and average "
        f"{means.mean() / 255:.2f}.",
    )


@_style()
def mean_images(data: ImageDataset) -> Plot:
    """The mean picture of each class's training images."""
    present = [int(k) for k in np.unique(data.train.labels)]
    names = [data.class_names[k] for k in present]
    means = [data.train.images[data.train.labels == k].mean(axis=0) for k in present]
    figure = _tiles([mean.round().astype(np.uint8) for mean in means], names, columns=5)
    brightness = [float(mean.mean()) for mean in means]
    bright, dark = int(np.argmax(brightness)), int(np.argmin(brightness))
    summary = (
        f"On average {names[bright]} is the brightest class (mean pixel {brightness[bright]:.0f} "
        f"of 255) and {names[dark]} the darkest ({brightness[dark]:.0f})"
    )
    distances = {
        (a, b): float(np.abs(means[a] - means[b]).mean())
        for a in range(len(means))
        for b in range(a)
    }
    if distances:
        a, b = min(distances, key=lambda pair: distances[pair])
        summary += (
            f"; the mean pictures of {names[b]} and {names[a]} are the most alike, "
            f"{distances[a, b]:.0f} apart per value"
        )
    return Plot(
        figure,
        alt=f"The mean training image of each class of {data.name}: {_listing(names)}.",
        summary=summary + ".",
    )


def _tiles(
    images: Sequence[NDArray[Any]], titles: Sequence[str], *, columns: int, title_lines: int = 1
) -> Figure:
    """Pictures in rows, each under its title."""
    num_rows = -(-len(images) // columns)
    tile = WIDTH / columns
    figure = _figure(num_rows * (0.86 * tile + 0.19 * title_lines))
    grid = figure.subplots(num_rows, columns, squeeze=False)
    for axes in grid.flat:
        _bare(axes)
    for axes, image, title in zip(grid.flat, images, titles, strict=False):
        axes.imshow(image, cmap="gray")
        axes.set_title(title, loc="center", fontsize=10.5, fontweight="normal")
    return figure


# -------------------------------------------------------------------------------------- training


@_style()
def learning_curves(history: "History") -> Plot:
    """Loss and accuracy on training and validation images after each epoch."""
    epochs = history.epochs
    best = epochs.iloc[int(epochs["val_accuracy"].fillna(-1).argmax())]
    figure = _figure(3.8)
    left, right = figure.subplots(1, 2)
    for axes, measure in ((left, "loss"), (right, "accuracy")):
        for column, kind, look in zip(
            (measure, f"val_{measure}"), ("training", "validation"), _looks(2), strict=True
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
    right.yaxis.set_major_formatter(_percent_axis())
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Plot(
        figure,
        alt=f"Two line charts over {_plural(len(epochs), 'epoch')}: loss and accuracy, each on "
        "training and on validation images; a dotted line marks the best epoch.",
        summary=_learning_summary(epochs, best),
    )


def _learning_summary(epochs: pd.DataFrame, best: pd.Series) -> str:
    validated = epochs.dropna(subset=["val_accuracy"])
    gaps = validated["accuracy"] - validated["val_accuracy"]
    first, last = round(100 * gaps.iloc[0], 1), round(100 * gaps.iloc[-1], 1)
    before, after = (f"{percentage(gap / 100)} points" for gap in (first, last))
    sentence = (
        f"Validation accuracy is highest after epoch {best['epoch']:.0f} of {len(epochs)}, "
        f"{_percent(best['val_accuracy'])}"
    )
    if len(epochs) == 1:
        return f"{sentence}; one epoch shows no trend yet."
    if len(validated) == 1:
        return (
            f"Validation accuracy was measured once, after epoch {best['epoch']:.0f} of "
            f"{len(epochs)}: {_percent(best['val_accuracy'])}; training accuracy minus validation "
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


@_style()
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
            f"{_plural(len(recipes), 'recipe')} and num_steps={num_steps}"
        )
    steps = np.arange(num_steps)
    figure = _figure(3.4, 6.4)
    axes = figure.subplots()
    courses = []
    for recipe, look in zip(recipes, _looks(len(recipes)), strict=True):
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
    axes.yaxis.set_major_formatter(_percent_axis())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    axes.set_title("Learning rate")
    figure.legend(loc="outside lower center", ncols=2)
    names = _listing([recipe.name for recipe in recipes])
    return Plot(
        figure,
        alt=f"Line chart over {num_steps:,} steps: the learning rate of {names}, each as a share "
        "of its highest value.",
        summary=f"The learning rate {_listing(courses)}.",
    )


_TIMES = {
    **{seconds: f"{seconds} s" for seconds in (1, 2, 5, 10, 20)},
    **{60 * minutes: f"{minutes} min" for minutes in (1, 2, 5, 10, 20)},
    **{3600 * hours: f"{hours} h" for hours in (1, 2, 5, 10, 20)},
}


@_style()
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
    figure = _figure(3.8)
    axes = figure.subplots()
    for (name, part), look in zip(parts.items(), _looks(len(parts)), strict=True):
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
    axes.yaxis.set_major_formatter(_percent_axis())
    axes.set_xlabel("training time (logarithmic)")
    axes.set_ylabel("test accuracy")
    axes.set_title("Accuracy and training time")
    axes.grid()
    figure.legend(loc="outside right center")
    means = table.groupby("contestant", sort=False)[["seconds", "accuracy"]].mean()
    results = [
        f"{name} {_percent(row['accuracy'])} in {row['seconds']:,.0f} s"
        for name, row in means.iterrows()
    ]
    aim = "" if target is None else f"; the target is {_percent(target)}"
    return Plot(
        figure,
        alt=f"Scatter plot of test accuracy against training time, with a logarithmic time axis: "
        f"{_plural(len(table), 'training')} of {_listing(list(parts))}.",
        summary=f"On average {_listing(results)}{aim}.",
    )


def _time_axis(axes: Axes, seconds: pd.Series) -> None:
    """A logarithmic axis with ticks that are read as times."""
    axes.set_xscale("log")
    low, high = seconds.min() / 2, seconds.max() * 2
    axes.set_xlim(low, high)
    ticks = {time: word for time, word in _TIMES.items() if low <= time <= high}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()


# ------------------------------------------------------------------------------------ evaluation


@_style()
def confusion(evaluation: Evaluation) -> Plot:
    """What the images of each class are taken for, in per cent of the class's images."""
    names = evaluation.class_names
    totals = evaluation.confusion.sum(axis=1, keepdims=True)
    shares = 100 * evaluation.confusion / np.maximum(totals, 1)
    figure = _figure(6.6, 7.4)
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
        f"per cent of each row: {_listing(names)}.",
        summary=_confusion_summary(evaluation),
    )


def _confusion_summary(evaluation: Evaluation) -> str:
    if evaluation.accuracy.value == 1:
        return f"All {_plural(len(evaluation.labels), 'test image')} are classified correctly."
    pairs = evaluation.most_confused(evaluation.confusion.size)
    pair = pairs.sort_values("share", ascending=False, kind="stable").iloc[0]
    classes = evaluation.by_class["accuracy"]
    return (
        f"Recognised best is {classes.idxmax()} ({_percent(classes.max())}), worst "
        f"{classes.idxmin()} ({_percent(classes.min())}); the most frequent mistake is to take "
        f"{pair['true']} for {pair['predicted']} ({_percent(pair['share'])} of the images of "
        f"{pair['true']})."
    )


@_style()
def class_accuracy(evaluation: Evaluation) -> Plot:
    """Accuracy in each class with its 95 % interval, the best on top."""
    table = evaluation.by_class.dropna().sort_values("accuracy", ascending=False, kind="stable")
    figure = _accuracy_figure(table, "Accuracy by class", evaluation.accuracy)
    return Plot(
        figure,
        alt=f"Dots with 95 % intervals: accuracy on test images in each of {len(table)} classes, "
        "sorted, with the overall accuracy as a dashed line.",
        summary=f"Accuracy runs from {_row(table, -1)} to {_row(table, 0)}; overall it is "
        f"{evaluation.accuracy}.",
    )


@_style()
def group_accuracy(evaluation: Evaluation) -> Plot:
    """Accuracy in each group with its 95 % interval.

    Raises:
        ValueError: if the evaluation did not compare groups.
    """
    table, gap = evaluation.by_group, evaluation.group_gap
    if table is None:
        raise ValueError("this evaluation compared no groups; call evaluate with group=…")
    figure = _accuracy_figure(table, f"Accuracy by {table.index.name}", evaluation.accuracy)
    ranked = table.sort_values("accuracy", ascending=False, kind="stable")
    summary = f"Accuracy is {_row(ranked, 0)}"
    if gap is not None:
        verdict = "leaves zero out" if gap.low > 0 else "contains zero"
        summary += (
            f" and {_row(ranked, -1)}: a gap of {str(gap).replace(' %', ' points')}, whose "
            f"interval {verdict}"
        )
    return Plot(
        figure,
        alt=f"Dots with 95 % intervals: accuracy on test images for each {table.index.name}, "
        f"{_listing(list(table.index))}, with the overall accuracy as a dashed line.",
        summary=summary + ".",
    )


def _row(table: pd.DataFrame, position: int) -> str:
    row = table.iloc[position]
    return f"{Estimate(row['accuracy'], row['low'], row['high'])} for {row.name}"


def _accuracy_figure(table: pd.DataFrame, title: str, overall: Estimate) -> Figure:
    figure = _figure(1.4 + 0.34 * len(table))
    axes = figure.subplots()
    _dots(axes, table[["accuracy", "low", "high"]], np.arange(len(table)), look=LOOKS[0])
    _finish_dots(axes, list(table.index), title=title, xlabel="accuracy on test images")
    axes.axvline(overall.value, color=MIDDLE, linestyle="--", linewidth=1.5, zorder=0)
    axes.annotate(
        f" overall {_percent(overall.value)}",
        (overall.value, 0),
        xycoords=("data", "axes fraction"),
        va="bottom",
        color=DARK,
    )
    return figure


def _dots(
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


def _finish_dots(axes: Axes, names: Sequence[str], *, title: str, xlabel: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(_percent_axis())
    axes.set_xlabel(f"{xlabel}, with 95 % interval")
    axes.set_title(title)


@_style()
def calibration(evaluation: Evaluation) -> Plot:
    """Accuracy against the network's confidence: on the diagonal it knows what it knows."""
    table = evaluation.calibration
    figure = _figure(5.4, 6.0)
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
    upper.yaxis.set_major_formatter(_percent_axis())
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
    lower.xaxis.set_major_formatter(_percent_axis())
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
        alt=f"Accuracy against confidence in {_plural(len(table), 'bin')} of the test images, with "
        "the diagonal for comparison; below, how many images each bin holds.",
        summary=f"The network's mean confidence is {_percent(confidence)} and its accuracy "
        f"{_percent(evaluation.accuracy.value)}: {verdict}; the expected calibration error is "
        f"{_percent(evaluation.expected_calibration_error)}.",
    )


@_style()
def mistakes(data: ImageDataset, evaluation: Evaluation, *, num: int = 10) -> Plot:
    """The misclassified test images that the network was most confident about.

    Args:
        data: the data set whose test images were evaluated.
        evaluation: what the network answered.
        num: at most how many to show.

    Raises:
        ValueError: if the evaluation is not one of ``data``'s test images.
    """
    if not np.array_equal(data.test.labels, evaluation.labels):
        raise ValueError(f"this evaluation is not one of the test images of {data.name}")
    wrong = np.flatnonzero(evaluation.predictions != evaluation.labels)
    confidence = evaluation.probabilities.max(axis=1)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:num]
    if not len(chosen):
        figure = _figure(1.0)
        figure.text(0.5, 0.5, "no mistakes", ha="center", va="center")
        summary = f"All {_plural(len(data.test), 'test image')} are classified correctly."
        return Plot(figure, alt="An empty figure: there are no mistakes.", summary=summary)
    names = data.class_names
    taken_for = [
        f"{names[evaluation.labels[i]]}\ntaken for {names[evaluation.predictions[i]]}\n"
        f"{_percent(confidence[i])} sure"
        for i in chosen
    ]
    figure = _tiles([data.test.images[i] for i in chosen], taken_for, columns=5, title_lines=3)
    first = chosen[0]
    return Plot(
        figure,
        alt=f"{_plural(len(chosen), 'misclassified test image')} of {data.name}, each with its "
        "true class, the predicted class and the network's confidence, the most confident first.",
        summary=f"{len(wrong):,} of {_plural(len(data.test), 'test image')} are misclassified; the "
        f"most confident mistake takes {names[evaluation.labels[first]]} for "
        f"{names[evaluation.predictions[first]]}, {_percent(confidence[first])} sure.",
    )


# --------------------------------------------------------------------------------------- network


@_style()
def filters(model: "keras.Model", layer: str | None = None) -> Plot:
    """The filters of a convolution on colour images, each as a small colour picture.

    Mid-grey is a weight of zero; all filters share one scale.

    Args:
        model: a network with convolutions.
        layer: the name of a convolution; the first unless told otherwise.

    Raises:
        ValueError: if there is no such convolution, or it does not look at three channels.
    """
    found = _convolutions(model)
    chosen = next((c for c in found if layer in (None, c.name)), None)
    if chosen is None:
        raise ValueError(
            f"{layer!r} is not a convolution of this network; those are "
            f"{', '.join(c.name for c in found) or 'missing'}"
        )
    weights = np.asarray(chosen.get_weights()[0])
    side_y, side_x, channels, num_filters = weights.shape
    if channels != 3:
        raise ValueError(
            f"{chosen.name} looks at {channels} channels; only filters on 3 can be shown in colour"
        )
    largest = np.abs(weights).max(axis=(0, 1, 2))
    pictures = 0.5 + 0.5 * weights / max(float(largest.max()), 1e-12)
    columns = min(8, num_filters)
    num_rows = -(-num_filters // columns)
    figure = _figure(num_rows * 0.72, columns * 0.72)
    grid = figure.subplots(num_rows, columns, squeeze=False)
    for axes in grid.flat:
        _bare(axes)
    for axes, index in zip(grid.flat, range(num_filters), strict=False):
        axes.imshow(pictures[..., index], interpolation="nearest")
    return Plot(
        figure,
        alt=f"The {num_filters} filters of {chosen.name}, each {side_y} × {side_x} weights on red, "
        "green and blue, drawn as colours around mid-grey, which is zero.",
        summary=f"The {num_filters} filters of {chosen.name} have weights from "
        f"{_number(weights.min())} to {_number(weights.max())}; the largest weight of a filter, "
        f"in absolute value, lies between {largest.min():.2f} and {largest.max():.2f}.",
    )


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _convolutions(model: "keras.Model") -> list["keras.Layer"]:
    import keras

    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def _response(model: "keras.Model", convolution: "keras.Layer") -> "keras.Layer":
    """The layer in which a convolution's output ends: its own, or the ReLU that comes behind it."""
    import keras

    behind = model.layers[model.layers.index(convolution) + 1 :]
    for layer in behind:
        if isinstance(layer, keras.layers.ReLU):
            return layer
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            break
    return convolution


@_style()
def activations(model: "keras.Model", image: NDArray[np.uint8], *, num_maps: int = 7) -> Plot:
    """What each convolution makes of one picture: its most active feature maps, after the ReLU.

    Args:
        model: a network with convolutions.
        image: uint8 (height, width, 3).
        num_maps: how many feature maps of each convolution are shown.

    Raises:
        ValueError: if the network has no convolution or the picture does not fit it.
    """
    import keras

    found = _convolutions(model)
    if not found:
        raise ValueError("this network has no convolutions to look into")
    if image.shape != tuple(model.input_shape[1:]):
        raise ValueError(f"the network takes {model.input_shape[1:]}, the image is {image.shape}")
    extractor = keras.Model(model.inputs[0], [_response(model, layer).output for layer in found])
    outputs = extractor(image[np.newaxis], training=False)
    # Matplotlib can't draw the bfloat16 that a fast network may compute in.
    maps = [keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))[0] for output in outputs]
    figure = _figure(0.2 + 0.95 * len(found))
    grid = figure.subplots(len(found), num_maps + 1, squeeze=False)
    for axes in grid.flat:
        _bare(axes)
    grid[0, 0].imshow(image)
    grid[0, 0].set_title("image", loc="center", fontweight="normal", fontsize=10.5)
    for row, (layer, output) in enumerate(zip(found, maps, strict=True)):
        strongest = np.argsort(-output.mean(axis=(0, 1)), kind="stable")[:num_maps]
        for axes, index in zip(grid[row, 1:], strongest, strict=False):
            axes.imshow(output[..., index], cmap="gray", vmin=0, vmax=output.max())
        grid[row, 1].set_ylabel(
            f"{layer.name}\n{output.shape[0]} × {output.shape[1]}",
            rotation=0,
            ha="right",
            va="center",
        )
    zeros = [
        f"{_percent(float((output == 0).mean()))} in {layer.name}"
        for layer, output in zip(found, maps, strict=True)
    ]
    return Plot(
        figure,
        alt=f"One picture and, for {_listing([layer.name for layer in found])}, the {num_maps} "
        "most active feature maps; white is the layer's strongest response, black is none.",
        summary=f"Of the responses to this picture, so many are zero: {_listing(zeros)}.",
    )


@_style()
def network_diagram(model: "keras.Model") -> Plot:
    """The layers of a network from top to bottom, with their output shapes and parameters.

    A box is as wide as the picture that leaves the layer, and the higher the more channels or units
    it has (on a logarithmic scale).
    """
    layers = [("image", "Input", tuple(model.input_shape[1:]), 0)]
    layers += [
        (layer.name, type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in model.layers
    ]
    widest = max(shape[1] for _, _, shape, _ in layers if len(shape) == 3)
    deepest = max(shape[-1] for _, _, shape, _ in layers)
    figure = _figure(0.5 + 0.36 * len(layers))
    axes = figure.subplots()
    _bare(axes)
    axes.set_xlim(-0.52, 2.6)
    axes.set_ylim(len(layers) - 0.4, -1.1)
    headings = {0.58: "layer", 1.0: "kind", 2.1: "output", 2.58: "parameters"}
    for x, heading in headings.items():
        align = "left" if x < 1.9 else "right"
        axes.text(x, -0.75, heading, ha=align, va="center", fontweight="bold")
    outlines = [
        (
            (shape[1] if len(shape) == 3 else 1) / widest / 2,
            0.06 + 0.36 * np.log2(shape[-1] + 1) / np.log2(deepest + 1),
        )
        for _, _, shape, _ in layers
    ]
    for row, ((x1, y1), (x2, y2)) in enumerate(pairwise(outlines)):
        corners = [(-x1, row + y1), (x1, row + y1), (x2, row + 1 - y2), (-x2, row + 1 - y2)]
        axes.add_patch(Polygon(corners, facecolor=LIGHT))
    for row, (name, kind, shape, parameters) in enumerate(layers):
        x, y = outlines[row]
        color, hatch = _KINDS.get(kind, ("white", ""))
        axes.add_patch(
            Rectangle((-x, row - y), 2 * x, 2 * y, facecolor=color, hatch=hatch, edgecolor=DARK)
        )
        cells = (name, kind, " × ".join(map(str, shape)), f"{parameters:,}" if parameters else "–")
        for (x, _), cell in zip(headings.items(), cells, strict=True):
            axes.text(x, row, cell, ha="left" if x < 1.9 else "right", va="center")
    total = model.count_params()
    name, _, _, most = max(layers, key=lambda layer: layer[3])
    return Plot(
        figure,
        alt="Diagram of the network as a column of boxes, one for each layer, with a table of "
        "name, kind, output shape and parameters: "
        + "; ".join(f"{name} {kind} {'×'.join(map(str, shape))}" for name, kind, shape, _ in layers)
        + ".",
        summary=f"{_plural(len(model.layers), 'layer')} turn a picture of "
        f"{' × '.join(map(str, layers[0][2]))} values into {layers[-1][2][-1]} probabilities with "
        f"{_plural(total, 'parameter')}, of which {name} holds {_percent(most / max(total, 1))}.",
    )


_KINDS = {
    "Conv2D": (BLUE, ""),
    "PatchWhitening": (BLUE, ""),
    "MaxPooling2D": (ORANGE, "//"),
    "AveragePooling2D": (ORANGE, "//"),
    "GlobalAveragePooling2D": (ORANGE, "//"),
    "Dense": (GREEN, ""),
    "Dropout": ("white", "xxx"),
}


@_style()
def cross_entropy_curve() -> Plot:
    """The loss of one image, −log p, against the probability p given to its true class."""
    curve = np.linspace(0.005, 1, 400)
    marked = np.array([0.01, 0.1, 0.5, 0.9])
    figure = _figure(3.4, 6.4)
    axes = figure.subplots()
    axes.plot(curve, -np.log(curve), color=BLUE)
    axes.plot(marked, -np.log(marked), color=ORANGE, marker="s", linestyle="none")
    for p in marked:
        axes.annotate(
            f"p = {p:g}: loss {-np.log(p):.2f}",
            (p, -np.log(p)),
            xytext=(8, 6),
            textcoords="offset points",
        )
    axes.set_xlim(0, 1.2)
    axes.set_ylim(0, 5.4)
    axes.set_xlabel("probability p that the network gives to the true class")
    axes.set_ylabel("loss, −log p (natural logarithm)")
    axes.set_title("Cross-entropy of one image")
    losses = [f"{-np.log(p):.2f} at {p:.0%}".replace("%", " %") for p in marked]
    return Plot(
        figure,
        alt="A falling curve: the loss −log p against the probability p of the true class, with "
        "four points marked.",
        summary=f"The loss falls as the true class gets more probability: {_listing(losses)}; sure "
        "and wrong costs most, sure and right nothing.",
    )


@_style()
def poolings(images: Mapping[str, NDArray[Any]]) -> Plot:
    """The same picture before and after kinds of pooling, side by side.

    Args:
        images: the pictures by what was done to them, in the order in which they are shown; each
            (height, width, 3) with values from 0 to 255.
    """
    pictures = {name: np.clip(image, 0, 255).astype(np.uint8) for name, image in images.items()}
    titles = [f"{name}\n{p.shape[0]} × {p.shape[1]}" for name, p in pictures.items()]
    figure = _tiles(list(pictures.values()), titles, columns=len(pictures), title_lines=2)
    means = [f"{picture.mean():.0f} ({name})" for name, picture in pictures.items()]
    return Plot(
        figure,
        alt=f"One picture side by side: {_listing(list(pictures))}.",
        summary=f"The mean pixel of 255 is {_listing(means)}.",
    )


# ------------------------------------------------------------------------------------------ labs


@_style()
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
    figure = _figure(1.6 + (0.3 + 0.14 * len(parts)) * len(names))
    axes = figure.subplots()
    for position, ((name, part), look) in enumerate(zip(parts, _looks(len(parts)), strict=True)):
        offset = 0.22 * (position - (len(parts) - 1) / 2)
        rows = np.array([names.index(row) for row in part[label]]) + offset
        _dots(axes, part[[value, low, high]], rows, look=look, label=name)
    _finish_dots(axes, names, title=title, xlabel=xlabel)
    if reference is not None:
        axes.axvline(reference, color=MIDDLE, linestyle="--", linewidth=1.5, zorder=0)
    if series:
        figure.legend(loc="outside lower right", ncols=len(parts))
    return Plot(
        figure,
        alt=f"Dots with 95 % intervals: {xlabel} for {_listing([str(n) for n in names])}"
        + (f", each for {_listing([str(n) for n, _ in parts])}" if series else "")
        + ".",
        summary=_intervals_summary(table, needed, xlabel, reference),
    )


def _intervals_summary(
    table: pd.DataFrame, columns: Sequence[str], xlabel: str, reference: float | None
) -> str:
    label, value, low, high, *series = columns

    def describe(row: pd.Series) -> str:
        name = ", ".join(str(row[column]) for column in [label, *series])
        return f"{Estimate(row[value], row[low], row[high])} ({name})"

    ranked = table.sort_values(value, kind="stable")
    smallest, largest = ranked.iloc[0], ranked.iloc[-1]
    measured = xlabel[:1].upper() + xlabel[1:]
    if len(table) == 1:
        sentence = f"{measured}: {describe(smallest)}"
    else:
        relation = "overlap" if smallest[high] >= largest[low] else "do not overlap"
        sentence = (
            f"{measured}: from {describe(smallest)} to {describe(largest)}; the "
            f"intervals of these two {relation}"
        )
    if reference is not None:
        apart = int(((table[low] > reference) | (table[high] < reference)).sum())
        sentence += (
            f"; {apart} of {_plural(len(table), 'interval')} leave {_percent(reference)} out"
        )
    return sentence + "."


@_style()
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
    figure = _figure(1.4 + 0.34 * len(names))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    _dots(left, summary[["accuracy", "low", "high"]], np.arange(len(names)), look=LOOKS[0])
    _finish_dots(left, names, title="Accuracy, step by step", xlabel="on test images")
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
        f"{_listing(names)}: dots with 95 % intervals of the accuracy on test images, and bars of "
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
    low, high = percentage(most["change_low"]), percentage(most["change_high"])
    slower = summary["cpu_seconds"].diff()
    longest = int(slower.abs().argmax())
    return (
        f"From {first['step']} to {last['step']} the accuracy goes from {before} to {after} and "
        f"the CPU time of one training from {slow} to {fast}; the accuracy changes most with "
        f"{most['step']}, by {percentage(most['change'])} points ({low} to {high}), and the time "
        f"with {summary['step'].iloc[longest]}, by {_seconds(slower.iloc[longest])}."
    )


def _seconds(seconds: float) -> str:
    """A time, or a difference between times: whole seconds unless they are few."""
    digits = 0 if abs(seconds) >= 9.95 else 1
    return f"{round(seconds, digits) + 0.0:,.{digits}f} s".replace("-", "−")
