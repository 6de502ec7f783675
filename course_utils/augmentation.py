"""Changes to training pictures that leave the label true: mirroring, shifting, cutting out.

They are made batch by batch on uint8 pictures, so no second copy of a data set exists.
"""

import numpy as np
from numpy.typing import NDArray

GREY = 128  # what a network that takes pixels as numbers from -0.5 to 0.5 sees as nothing


def mirrored(num_images: int, *, seed: int, epoch: int) -> NDArray[np.bool_]:
    """Which pictures are mirrored left to right in an epoch.

    A coin decides for the first epoch; then every picture changes sides in every epoch. So two
    epochs show each picture once either way, where tossing a coin each time shows half of the
    pictures the same way twice.

    Args:
        num_images: how many there are.
        seed: fixes the coin.
        epoch: counted from 0.

    Source: Jordan 2024, arXiv:2404.00498, section 3.6.
    """
    coin = np.random.default_rng([seed, 1]).random(num_images) < 0.5
    return coin if epoch % 2 == 0 else ~coin


def mirror(images: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A copy of (n, height, width, channels) with the chosen (n,) ones mirrored left to right."""
    result = images.copy()
    result[chosen] = images[chosen, :, ::-1]
    return result


def shift(
    images: NDArray[np.uint8], pixels: int, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Each picture moved by up to ``pixels`` in both directions, its border filled by reflection.

    Args:
        images: (n, height, width, channels), higher and wider than ``pixels``.
        pixels: the farthest that a picture moves.
        generator: draws how far.
    """
    down, right = pixels - generator.integers(0, 2 * pixels + 1, size=(2, len(images)))
    return move(images, down, right)


def move(
    images: NDArray[np.uint8], down: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Each picture moved by its own number of pixels, its border filled by reflection.

    Args:
        images: (n, height, width, channels), higher and wider than the farthest move.
        down: (n,), below zero for a move up.
        right: (n,), below zero for a move to the left.
    """
    pixels = int(np.abs([down, right]).max(initial=0))
    margin = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    padded = np.pad(images, margin, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[1:3], axis=(1, 2))
    moved = windows[np.arange(len(images)), pixels - down, pixels - right]
    return np.ascontiguousarray(np.moveaxis(moved, 1, -1))  # from (n, channels, height, width)


def cut_out(
    images: NDArray[np.uint8], pixels: int, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """A copy of pictures, each with a grey square somewhere in it.

    A network that has learnt to know a cat by its ears alone has to look for something else.

    Args:
        images: (n, height, width, channels), higher and wider than ``pixels``.
        pixels: side of the square.
        generator: draws where it is.

    Source: DeVries and Taylor 2017, arXiv:1708.04552.
    """

    def inside(length: int) -> NDArray[np.bool_]:
        start = generator.integers(0, length - pixels + 1, size=(len(images), 1))
        place = np.arange(length)
        return (place >= start) & (place < start + pixels)

    down, right = inside(images.shape[1]), inside(images.shape[2])
    square = down[:, :, np.newaxis] & right[:, np.newaxis, :]
    return np.where(square[..., np.newaxis], np.uint8(GREY), images)
