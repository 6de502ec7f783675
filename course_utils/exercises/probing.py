"""How an exercise is tried out: its cases, its tolerance, and how what comes back is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from course_utils.exercises.readings import (
    MAX_DIMENSIONS,
    MAX_INTEGER,
    MAX_NUMBERS,
    Reading,
    cut,
    make_other,
    make_reading,
    to_json,
)


@dataclass(frozen=True)
class Case:
    """One call of an answer.

    Attributes:
        name: what is special about it; unique within its exercise and shown to the learner.
        arguments: what the answer is called with.
    """

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Probe:
    """How the answer to an exercise is tried out.

    Attributes:
        cases: draws the calls, the same ones from the same generator.
        tolerance: the largest absolute difference between numbers that still count as equal.
        read: turns what the answer returned into what can be written as JSON.
        keep_arguments: whether an answer that changes what it was given is wrong.
        many_calls: whether each of a case's arguments holds those of one call. What all of its
            calls return is then read together, so that a word that is right now and then is not.
    """

    cases: Callable[[Generator], list[Case]]
    tolerance: float
    read: Callable[[Any], Reading]
    keep_arguments: bool = False
    many_calls: bool = False


def read_numbers(found: Any) -> Reading:
    """A number or anything that NumPy takes for an array of numbers."""
    if found is None:
        return make_reading("none")
    try:
        values = np.asarray(found, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return make_other(found, "a number or an array of numbers")
    if values.ndim > MAX_DIMENSIONS or max(values.size, *values.shape, 0) > MAX_NUMBERS:
        return make_reading(
            "other", error=f"an array of shape {values.shape} is too large to be right"
        )
    kind = "array" if values.ndim else "number"
    return make_reading(kind, to_json(values.tolist()), shape=values.shape)


def read_typed_numbers(found: Any) -> Reading:
    """As above, together with the type of the numbers."""
    dtype = str(getattr(found, "dtype", type(found).__name__))
    return read_numbers(found) | {"dtype": cut(dtype)}


def read_whole_number(found: Any) -> Reading:
    """An int; NumPy's count as such, floating-point numbers do not."""
    if isinstance(found, np.generic):
        found = found.item()
    if type(found) is bool:
        return make_reading("boolean", found)
    if type(found) not in (int, float) or abs(found) > MAX_INTEGER:
        return make_other(found, "a whole number")
    return make_reading("number", to_json(found), dtype=type(found).__name__, shape=())


def read_text(found: Any) -> Reading:
    """Read a text; NumPy's count as such."""
    if isinstance(found, np.generic):
        found = found.item()
    return make_reading("text", cut(found)) if type(found) is str else make_other(found, "a text")


def read_texts(found: Any) -> Reading:
    """Read several texts as one."""
    texts = [read_text(one) for one in found]
    unsound = [one for one in texts if one["kind"] != "text"]
    return unsound[0] if unsound else make_reading("text", ", ".join(one["value"] for one in texts))


def read_whole_numbers(found: Any) -> Reading:
    """Any sequence of whole numbers."""
    if not isinstance(found, list | tuple | range | np.ndarray):
        return make_other(found, "a list of whole numbers")
    try:
        numbers = [int(number) for number in found[:MAX_NUMBERS]]
    except (TypeError, ValueError, OverflowError):
        return make_reading("other", error="a list of whole numbers is expected")
    if len(found) > MAX_NUMBERS or any(abs(number) > MAX_INTEGER for number in numbers):
        return make_reading("other", error="the list is too long or its numbers are too large")
    return make_reading("list", numbers, shape=(len(numbers),))
