"""Random numbers that are the same on every platform and in every version of NumPy.

Each attribute of the pictures has its own stream, named by a word, so that one knob never
disturbs what another attribute draws, and the first n values don't depend on how many follow.
NumPy promises that the raw bits of a bit generator never change, which it doesn't promise of its
distributions; hence only raw bits are used.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def bits(seed: int, name: str) -> np.random.PCG64:
    """The source of random bits of the stream ``name``."""
    return np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))


def uniform(seed: int, name: str, num_images: int, num_columns: int = 1) -> Floats:
    """Multiples of 2⁻²⁴ in [0, 1), of shape (num_images, num_columns)."""
    raw = np.asarray(bits(seed, name).random_raw(num_images * num_columns))
    fractions = (raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
    return fractions.reshape(num_images, num_columns)


def next_bytes(source: np.random.PCG64, count: int) -> NDArray[np.uint8]:
    """The next ``count`` random bytes, a multiple of eight, of ``source``."""
    return np.asarray(source.random_raw(count // 8)).astype("<u8").view(np.uint8)
