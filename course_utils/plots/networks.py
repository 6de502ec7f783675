"""Figures of networks: what their layers look for, find and are."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Polygon, Rectangle
from numpy.typing import NDArray

from course_utils.looks import BLUE, DARK, GREEN, LIGHT, ORANGE
from course_utils.plots.data import make_bare, tiles
from course_utils.plots.style import Plot, in_style, listing, make_figure, percent, plural

if TYPE_CHECKING:
    import keras


@in_style()
def filters(
    model: "keras.Model", layer: str | None = None, *, before: "keras.Model | None" = None
) -> Plot:
    """The filters of a convolution on colour images, each as a small colour picture.

    Those of a whitening come in pairs of either sign, one above the other. Mid-grey is a weight of
    zero; all filters share one scale.

    Args:
        model: a network with convolutions.
        layer: the name of a convolution; the first unless told otherwise.
        before: the same network with other weights, such as those it began with; its filters are
            shown on the left, in the same order.

    Raises:
        ValueError: if there is no such convolution, it does not look at three channels, or it has
            other filters in ``before``.
    """
    name, weights = _filters(model, layer)
    shown = {"": weights}
    if before is not None:
        earlier = _filters(before, name)[1]
        if earlier.shape != weights.shape:
            raise ValueError(
                f"{name} has filters of the shape {weights.shape}, and before {earlier.shape}"
            )
        shown = {"before": earlier, "after": weights}
    side_y, side_x, _, num_filters = weights.shape
    columns = _columns(weights)
    num_rows = -(-num_filters // columns)
    size = 0.72 if before is None else 0.45
    figure = make_figure(num_rows * size + 0.4 * (before is not None), len(shown) * columns * size)
    scale = max(float(np.abs(one).max()) for one in shown.values())
    blocks = figure.subfigures(1, len(shown), squeeze=False, wspace=0.06)[0]
    for block, (title, values) in zip(blocks, shown.items(), strict=True):
        if title:
            block.suptitle(title)
        pictures = 0.5 + 0.5 * values / max(scale, 1e-12)
        grid = block.subplots(num_rows, columns, squeeze=False)
        for axes in grid.flat:
            make_bare(axes)
        for axes, index in zip(grid.flat, range(num_filters), strict=False):
            axes.imshow(pictures[..., index], interpolation="nearest")
    largest = np.abs(weights).max(axis=(0, 1, 2))
    alike = f"; {_likeness(shown['before'], weights)}" if before is not None else ""
    beside = ", beside those before" if before is not None else ""
    return Plot(
        figure,
        alt=f"The {num_filters} filters of {name}, each {side_y} × {side_x} weights on red, "
        f"green and blue, drawn as colours around mid-grey, which is zero{beside}.",
        summary=f"The {num_filters} filters of {name} have weights from "
        f"{_number(weights.min())} to {_number(weights.max())}; the largest weight of a filter, "
        f"in absolute value, lies between {largest.min():.2f} and {largest.max():.2f}{alike}.",
    )


def _filters(model: "keras.Model", layer: str | None) -> tuple[str, NDArray[np.float32]]:
    """The name and the weights (height, width, 3, filters) of a convolution on colour images."""
    found = _convolutions(model)
    chosen = next((c for c in found if layer in (None, c.name)), None)
    if chosen is None:
        raise ValueError(
            f"{layer!r} is not a convolution of this network; those are "
            f"{', '.join(c.name for c in found) or 'missing'}"
        )
    weights = np.asarray(chosen.get_weights()[0])
    if weights.shape[2] != 3:
        raise ValueError(
            f"{chosen.name} looks at {weights.shape[2]} channels; only filters on 3 can be shown "
            "in colour"
        )
    return str(chosen.name), weights


def _columns(weights: NDArray[np.float32]) -> int:
    """How many filters stand side by side."""
    num_filters = weights.shape[-1]
    first, second = weights[..., : num_filters // 2], weights[..., num_filters // 2 :]
    is_mirrored = num_filters > 2 and first.shape == second.shape and np.allclose(first, -second)
    return int(num_filters // 2 if is_mirrored else min(8, num_filters))


def _likeness(before: NDArray[np.float32], after: NDArray[np.float32]) -> str:
    """How like itself a filter has remained."""
    one, other = (w.reshape(-1, w.shape[-1]) - w.mean(axis=(0, 1, 2)) for w in (before, after))
    lengths = np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0)
    correlations = (one * other).sum(axis=0) / np.maximum(lengths, 1e-12)
    return (
        f"the correlation of a filter with itself before is {_number(np.median(correlations))} in "
        f"the median and {_number(correlations.min())} at least"
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


@in_style()
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
    figure = make_figure(0.2 + 0.95 * len(found))
    grid = figure.subplots(len(found), num_maps + 1, squeeze=False)
    for axes in grid.flat:
        make_bare(axes)
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
        f"{percent(float((output == 0).mean()))} in {layer.name}"
        for layer, output in zip(found, maps, strict=True)
    ]
    return Plot(
        figure,
        alt=f"One picture and, for {listing([layer.name for layer in found])}, the {num_maps} "
        "most active feature maps; white is the layer's strongest response, black is none.",
        summary=f"Of the responses to this picture, so many are zero: {listing(zeros)}.",
    )


@in_style()
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
    figure = make_figure(0.5 + 0.36 * len(layers))
    axes = figure.subplots()
    make_bare(axes)
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
        summary=f"{plural(len(model.layers), 'layer')} turn a picture of "
        f"{' × '.join(map(str, layers[0][2]))} values into {layers[-1][2][-1]} probabilities with "
        f"{plural(total, 'parameter')}, of which {name} holds {percent(most / max(total, 1))}.",
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


@in_style()
def cross_entropy_curve() -> Plot:
    """The loss of one image, −log p, against the probability p given to its true class."""
    curve = np.linspace(0.005, 1, 400)
    marked = np.array([0.01, 0.1, 0.5, 0.9])
    figure = make_figure(3.4, 6.4)
    axes = figure.subplots()
    axes.plot(curve, -np.log(curve), color=BLUE)
    axes.plot(marked, -np.log(marked), color=ORANGE, marker="s", linestyle="none")
    for p in marked:
        axes.annotate(
            f"p = {p:g}: loss {-np.log(p):.2f}",
            (p, -np.log(p)),
            xytext=(8, 6) if p < 0.6 else (0, 10),
            textcoords="offset points",
            ha="left" if p < 0.6 else "center",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 5.4)
    axes.set_xlabel("probability p that the network gives to the true class")
    axes.set_ylabel("loss, −log p (natural logarithm)")
    axes.set_title("Cross-entropy of one image")
    losses = [f"{-np.log(p):.2f} at {p:.0%}".replace("%", " %") for p in marked]
    return Plot(
        figure,
        alt="A falling curve: the loss −log p against the probability p of the true class, with "
        "four points marked.",
        summary=f"The loss falls as the true class gets more probability: {listing(losses)}; sure "
        "and wrong costs most, sure and right nothing.",
    )


@in_style()
def poolings(images: Mapping[str, NDArray[Any]]) -> Plot:
    """The same picture before and after kinds of pooling, side by side.

    Args:
        images: the pictures by what was done to them, in the order in which they are shown; each
            (height, width, 3) with values from 0 to 255.
    """
    pictures = {name: np.clip(image, 0, 255).astype(np.uint8) for name, image in images.items()}
    titles = [f"{name}\n{p.shape[0]} × {p.shape[1]}" for name, p in pictures.items()]
    figure = tiles(list(pictures.values()), titles, columns=len(pictures), title_lines=2)
    means = [f"{picture.mean():.0f} ({name})" for name, picture in pictures.items()]
    return Plot(
        figure,
        alt=f"One picture side by side: {listing(list(pictures))}.",
        summary=f"The mean pixel of 255 is {listing(means)}.",
    )
