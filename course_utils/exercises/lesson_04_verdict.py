"""The check of exercise 4.2: found, not found, or shown to be small."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator

from course_utils.exercises.expectations import expect_equal
from course_utils.exercises.probing import Case, Probe, read_texts


def verdict(answer: Any) -> str:
    """Draw zero, the margin to both sides of it, and the interval on a line. What do you see?

    Look at the margin first: if the whole interval lies between ``-margin`` and ``margin``, it is
    ``"small"``. If it doesn't, and leaves zero out (``low > 0`` or ``high < 0``), it is
    ``"found"``. All else is ``"not found"``."""
    for low, high, expected in (
        (0.04, 0.09, "found"),
        (-0.09, -0.04, "found"),
        (0.01, 0.09, "found"),
        (-0.01, 0.02, "small"),
        (0.01, 0.02, "small"),
        (-0.02, -0.01, "small"),
        (-0.01, 0.09, "not found"),
        (-0.09, 0.01, "not found"),
        (-0.09, 0.09, "not found"),
    ):
        situation = f"For an interval from {low} to {high} and a margin of 0.03"
        expect_equal(answer(low, high, 0.03), expected, situation)
    expect_equal(answer(0.01, 0.09, 0.1), "small", "For 0.01 to 0.09 and a margin of 0.1")
    return "one interval, two questions: is zero in it, and could a large difference be?"


CHECKS = {"4.2": verdict}


# What it is tried out with when it is graded


def _verdict(generator: Generator) -> list[Case]:
    """Each case has intervals of all kinds, in any order, so that no one word is right for them."""

    def draw(margin: float, *kinds: str) -> tuple[Any, ...]:
        mixed = generator.permutation(kinds)
        return tuple((*_interval(kind, generator, margin), margin) for kind in mixed)

    usual = ("far", "around zero", "wide")
    other = round(float(generator.uniform(0.2, 0.4)), 2)
    return [
        Case("above zero, narrow, and wide", draw(0.03, *usual, "far")),
        Case("differences below zero", draw(0.03, *usual, "far below", "wide")),
        Case("small, and yet not zero", draw(0.05, *usual, "small above", "small above")),
        Case("small, and below zero", draw(0.05, *usual, "small below", "far")),
        Case("from within the margin to beyond it", draw(0.04, *usual, "across", "far")),
        Case("zero near one end", draw(0.02, *usual, "just below zero", "far")),
        Case("another margin", draw(other, *usual, "small above", "across", "far below")),
    ]


# Where an interval begins and ends, in margins: each kind lies between two neighbours.
_PLACES: dict[str, tuple[float, ...]] = {
    "far": (1.2, 2.0, 2.2, 4.0),
    "far below": (-4.0, -2.2, -2.0, -1.2),
    "around zero": (-0.9, -0.1, 0.1, 0.9),
    "small above": (0.1, 0.4, 0.5, 0.9),
    "small below": (-0.9, -0.5, -0.4, -0.1),
    "across": (0.2, 0.8, 1.2, 3.0),
    "wide": (-3.0, -1.2, 1.2, 3.0),
    "just below zero": (-0.5, -0.1, 1.2, 3.0),
}


def _interval(kind: str, generator: Generator, margin: float) -> tuple[float, float]:
    (low, high) = (
        float(np.round(margin * generator.uniform(*ends), 4))
        for ends in list(pairwise(_PLACES[kind]))[::2]
    )
    return low, high


PROBES = {"4.2": Probe(_verdict, 0, read_texts, many_calls=True)}
