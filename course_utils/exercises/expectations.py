"""How a check says what it expected."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class Wrong(Exception):  # noqa: N818 (it reads better in a check than WrongError)
    """The answer ran but is wrong; the message says for which input."""


def expect_close(found: Any, expected: ArrayLike, situation: str, tolerance: float = 1e-6) -> None:
    """Compare numbers or arrays of numbers.

    Args:
        found: what the learner's function returned.
        expected: the right value, of any shape.
        situation: what the function was called on, to begin a sentence with.
        tolerance: the largest difference that still counts as equal.

    Raises:
        Wrong: with the first reason that applies: nothing returned, wrong kind, shape or value.
    """
    expected = np.asarray(expected)
    if found is None:
        raise Wrong(f"{situation} your function returns None: is the return missing?")
    try:
        value = np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{situation} a number is expected, not {_short(found)}.") from None
    if value.shape != expected.shape:
        raise Wrong(f"{situation} the shape should be {expected.shape} but yours is {value.shape}.")
    if not np.allclose(value, expected, rtol=0, atol=tolerance):
        raise Wrong(f"{situation} the answer is {_short(expected)} but yours is {_short(value)}.")


def expect_equal(found: Any, expected: Any, situation: str) -> None:
    """Compare things that are no floating-point numbers; NumPy's integers count as integers.

    Raises:
        Wrong: if they differ.
    """
    if found is None and expected is not None:
        raise Wrong(f"{situation} your function returns None: is the return missing?")
    if isinstance(found, np.generic):
        found = found.item()
    if isinstance(found, np.ndarray) or type(found) is not type(expected) or found != expected:
        raise Wrong(f"{situation} the answer is {expected!r} but yours is {_short(found)}.")


def _short(value: Any) -> str:
    """A value as text that fits a line."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, threshold=12, separator=", ")
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}…"
