"""Figures of where a network looks."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from course_utils.evaluation import percentage
from course_utils.looks import BLUE, VERMILLION
from course_utils.plots.data import sheet
from course_utils.plots.style import Plot, in_style, listing, plural


@in_style()
def occlusion_maps(
    pictures: NDArray[np.uint8], maps: Mapping[str, NDArray[np.float64]], *, title: str
) -> Plot:
    """Pictures, and below each what happens to a network's answer when parts of it are hidden.

    Orange is where hiding lowers the probability of the class that was given, blue where it raises
    it. Each map's largest change has the full colour, so that weak maps can be seen, too.

    Args:
        pictures: (n, height, width, 3), n from 1 to 24.
        maps: for each network its maps (n, rows, columns): the probability for the whole picture
            minus the probability with this part hidden.
        title: what is shown, for the alternative text.

    Raises:
        ValueError: there are no maps, or not as many in each row as there are pictures.
    """
    number = len(pictures)
    wrong = [name for name, one in maps.items() if one.ndim != 3 or len(one) != number]
    if not maps or wrong or not 1 <= number <= 24:
        raise ValueError(
            f"each row of maps has one (rows, columns) for each of 1 to 24 pictures, and there are "
            f"{plural(number, 'picture')} and maps of {[one.shape for one in maps.values()]}"
        )
    figure = sheet(
        {"picture": pictures} | {name: _colour(one, pictures) for name, one in maps.items()}, number
    )
    changes = [
        f"{percentage(np.abs(one).max(axis=(1, 2)).mean())} points ({name})"
        for name, one in maps.items()
    ]
    return Plot(
        figure,
        alt=f"{title}: {plural(number, 'picture')} in a row, and below each the occlusion maps of "
        f"{listing([*maps])}, with orange squares where hiding them lowers the probability of the "
        "class that was given and blue ones where it raises it.",
        summary="The square that matters most changes the probability by, on average over the "
        f"pictures, {listing(changes)}.",
    )


def _colour(maps: NDArray[np.float64], pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint maps over grey pictures: (n, height, width, 3)."""
    largest = np.abs(maps).max(axis=(1, 2), keepdims=True)
    strength = maps / np.where(largest > 0, largest, 1)
    down, across = (
        np.arange(side) * count // side
        for side, count in zip(pictures.shape[1:3], maps.shape[1:], strict=True)
    )
    large = strength[:, down][:, :, across][..., None]  # (n, height, width, 1)
    hue = np.where(large > 0, to_rgb(VERMILLION), to_rgb(BLUE))
    grey = 0.5 + 0.5 * pictures.mean(axis=-1, keepdims=True) / 255
    painted = grey * (1 - np.abs(large)) + hue * np.abs(large)
    pixels: NDArray[np.uint8] = (255 * painted).round().astype(np.uint8)
    return pixels
