"""Figures of data: pictures, classes, groups and pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from course_utils.datasets.base import ImageDataset
from course_utils.looks import BLUE, DPI, GREEN, VERMILLION, WIDTH, looks_of
from course_utils.plots.style import (
    Plot,
    in_style,
    listing,
    make_figure,
    percent,
    percent_axis,
    plural,
)


@in_style()
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
    figure = sheet(
        {
            name: data.train.images[np.flatnonzero(data.train.labels == label)[:num_per_class]]
            for label, name in enumerate(data.class_names)
        },
        num_per_class,
    )
    shown = np.minimum(_class_counts(data.train.labels, data), num_per_class)
    return Plot(
        figure,
        alt=f"Contact sheet of training images of {data.name}, one row for each of the classes "
        f"{listing(data.class_names)}.",
        summary=f"{plural(int(shown.sum()), 'training image')} of {height} × {width} pixels, "
        f"{_spread(shown, data.class_names)}.",
    )


@in_style()
def rows(pictures: Mapping[str, NDArray[np.uint8]], *, title: str) -> Plot:
    """Pictures in rows, to compare what stands above each other.

    Args:
        pictures: for each row its name and its pictures (n, height, width, 3), n from 1 to 24.
        title: what is shown, for the alternative text.

    Raises:
        ValueError: if there are no rows, their pictures differ in number or size, or are too many.
    """
    shapes = {images.shape for images in pictures.values()}
    if len(shapes) != 1 or not 1 <= (number := next(iter(shapes))[0]) <= 24:
        raise ValueError(
            f"rows need 1 to 24 pictures of one size, as many in each, not {sorted(shapes)}"
        )
    means = [f"{images.mean():.0f} ({name})" for name, images in pictures.items()]
    return Plot(
        sheet(pictures, number),
        alt=f"{title}: {plural(number, 'picture')} in each of the rows {listing([*pictures])}.",
        summary=f"The mean pixel of 255 is {listing(means)}.",
    )


def sheet(pictures: Mapping[str, NDArray[np.uint8]], num_columns: int) -> Figure:
    """A row for each name, with its pictures (n, height, width, 3), n up to ``num_columns``."""
    height, width = next(iter(pictures.values())).shape[1:3]
    gap = max(1, width // 16)  # pixels of the images between two of them
    sheet = np.full(
        (len(pictures) * (height + gap) - gap, num_columns * (width + gap) - gap, 3), 255, np.uint8
    )
    for row, images in enumerate(pictures.values()):
        for column, image in enumerate(images):
            top, left = row * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width] = image
    # Every pixel of the images is drawn as a square of whole pixels wherever there is room.
    longest = max(map(len, pictures))
    left = min(0.2 + 0.09 * longest, WIDTH / 2)  # inches for the names
    scale = min(70, (WIDTH - left) * DPI / num_columns) / (width + gap)
    high, wide = np.array(sheet.shape[:2]) * (int(scale) or scale) / DPI
    figure = Figure(figsize=(left + wide, high))
    axes = figure.add_axes((left / (left + wide), 0, wide / (left + wide), 1))
    axes.imshow(sheet, aspect="auto")
    make_bare(axes)
    axes.set_yticks(np.arange(len(pictures)) * (height + gap) + height / 2, list(pictures))
    return figure


def _class_counts(labels: NDArray[np.int64], data: ImageDataset) -> NDArray[np.int64]:
    return np.bincount(labels, minlength=len(data.class_names))


def _spread(counts: NDArray[np.int64], names: Sequence[str]) -> str:
    low, high = int(counts.argmin()), int(counts.argmax())
    if counts[low] == counts[high]:
        return f"{counts[low]:,} of each class"
    return f"from {counts[low]:,} ({names[low]}) to {counts[high]:,} ({names[high]}) per class"


def make_bare(axes: Axes) -> None:
    """No ticks and no frame: the axes hold a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


@in_style()
def class_counts(data: ImageDataset) -> Plot:
    """How many training and test images each class has."""
    train = _class_counts(data.train.labels, data)
    test = _class_counts(data.test.labels, data)
    figure = _paired_bars(data.class_names, train, test, title=f"Images of {data.name} by class")
    return Plot(
        figure,
        alt=f"Bar chart of the number of training and test images of {data.name} in each of "
        f"{len(data.class_names)} classes.",
        summary=f"There are {plural(len(data.train), 'training image')}, "
        f"{_spread(train, data.class_names)}, and {plural(len(data.test), 'test image')}, "
        f"{_spread(test, data.class_names)}.",
    )


@in_style()
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
        f"{data.group}: {listing(groups)}.",
        summary=f"{data.group.capitalize()} {groups[rarest]} makes up "
        f"{percent(train[rarest] / len(data.train))} of the "
        f"{plural(len(data.train), 'training image')} and "
        f"{percent(test[rarest] / len(data.test))} of the "
        f"{plural(len(data.test), 'test image')}.",
    )


def _groups(split: Any, data: ImageDataset) -> pd.Series:
    groups: pd.Series = split.attributes[data.group].astype(str)
    return groups


def _paired_bars(
    names: Sequence[str], train: NDArray[Any], test: NDArray[Any], *, title: str
) -> Figure:
    figure = make_figure(1.3 + 0.42 * len(names))
    axes = figure.subplots()
    rows = np.arange(len(names))
    for counts, offset, kind, look in zip(
        (train, test), (-0.2, 0.2), ("training", "test"), looks_of(2), strict=True
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


@in_style()
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
    figure = make_figure(3.6)
    axes = figure.subplots()
    colors = (VERMILLION, GREEN, BLUE)
    for name, color, look, share in zip(
        ("red", "green", "blue"), colors, looks_of(3), shares, strict=True
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
    axes.yaxis.set_major_formatter(percent_axis())
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
        summary=f"Pixel values run from {first} to {last} and average {listing(averages)}; "
        f"divided by 255 they run from {first / 255:.2f} to {last / 255:.2f} and average "
        f"{means.mean() / 255:.2f}.",
    )


@in_style()
def mean_images(data: ImageDataset) -> Plot:
    """The mean picture of each class's training images."""
    present = [int(k) for k in np.unique(data.train.labels)]
    names = [data.class_names[k] for k in present]
    means = [data.train.images[data.train.labels == k].mean(axis=0) for k in present]
    figure = tiles([mean.round().astype(np.uint8) for mean in means], names, columns=5)
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
        alt=f"The mean training image of each class of {data.name}: {listing(names)}.",
        summary=summary + ".",
    )


def tiles(
    images: Sequence[NDArray[Any]], titles: Sequence[str], *, columns: int, title_lines: int = 1
) -> Figure:
    """Pictures in rows, each under its title."""
    num_rows = -(-len(images) // columns)
    tile = WIDTH / columns
    figure = make_figure(num_rows * (0.86 * tile + 0.19 * title_lines))
    grid = figure.subplots(num_rows, columns, squeeze=False)
    for axes in grid.flat:
        make_bare(axes)
    for axes, image, title in zip(grid.flat, images, titles, strict=False):
        axes.imshow(image, cmap="gray")
        axes.set_title(title, loc="center", fontsize=10.5, fontweight="normal")
    return figure
