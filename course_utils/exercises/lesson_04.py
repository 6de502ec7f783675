"""Checks of lesson 4: ethics, measured."""

from typing import Any

import numpy as np

from course_utils.exercises.expectations import expect_close, expect_equal


def consistency(answer: Any) -> str:
    """The mean of ``first == second``. The true labels play no part: a network that is wrong in
    the same way twice is consistent."""
    first = np.array([3, 3, 5, 9])
    expect_close(answer(first, np.array([3, 1, 5, 0])), 0.5, "When two of four agree,")
    expect_close(answer(first, first.copy()), 1, "When all agree,")
    expect_close(answer(first, first + 1), 0, "When none agree,")
    return "the share of pictures that get the same class before and after the shift"


def gap(answer: Any) -> str:
    """Take the accuracy within each group, ``np.mean(right[groups == group])`` for each group in
    ``np.unique(groups)``; then the largest minus the smallest."""
    labels = np.array([0, 1, 0, 1, 0, 1])
    groups = np.array(["A", "A", "A", "A", "B", "B"])
    expect_close(answer(labels, np.array([0, 1, 0, 1, 0, 0]), groups), 0.5, "For A 4/4 and B 1/2")
    expect_close(answer(labels, np.array([1, 0, 0, 0, 0, 1]), groups), 0.75, "For A 1/4 and B 2/2")
    expect_close(answer(labels, labels, groups), 0, "When every prediction is right,")
    three = np.array(["x", "x", "y", "y", "z", "z"])
    expect_close(answer(labels, np.array([0, 1, 0, 0, 1, 0]), three), 1, "For 2/2, 1/2 and 0/2")
    return "the best-served group's accuracy minus the worst-served group's"


def overall_error(answer: Any) -> str:
    """A group counts as often as it has members: multiply each error by its group's count, sum,
    and divide by the sum of the counts (``np.average`` has ``weights``)."""
    expect_close(answer([10.0, 20.0], [50, 50]), 15, "For equal groups")
    expect_close(answer([10.0, 20.0], [90, 10]), 11, "For groups of 90 and 10")
    expect_close(answer(np.array([0.0, 0.0, 30.0]), np.array([5, 5, 20])), 20, "For three groups")
    return "the error over everybody, each group weighted by its size"


def possible_counts(answer: Any) -> str:
    """Try every k from 0 to n and keep those with ``round(100 * k / n, 1) == percent``."""
    expect_equal(_list(answer(33.3, 3)), [1], "For 33.3 % of 3")
    expect_equal(_list(answer(50.0, 3)), [], "For 50.0 % of 3, which no count can give,")
    expect_equal(_list(answer(0.1, 1500)), [1, 2], "For 0.1 % of 1500, where two counts fit,")
    expect_equal(_list(answer(10.0, 1270)), [127], "For 10.0 % of 1270")
    return "an empty list means that no whole number of people gives this percentage"


def _list(value: Any) -> Any:
    """Any sequence of whole numbers as a list of Python's integers."""
    if isinstance(value, list | tuple | range | np.ndarray):
        return [int(number) for number in value]
    return value


CHECKS = {
    "4.1": consistency,
    "4.2": gap,
    "4.3": overall_error,
    "4.4": possible_counts,
}
