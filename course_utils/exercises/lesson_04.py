"""Checks of lesson 4: ethics, measured."""

from typing import Any

import numpy as np
from numpy.random import Generator

from course_utils.exercises.expectations import expect_close, expect_equal
from course_utils.exercises.probing import Case, Probe, read_numbers, read_whole_numbers


def consistency(answer: Any) -> str:
    """How often do the two arrays say the same? Do you need to know what is true?

    The mean of ``first == second``. The true labels play no part: a network that is wrong in
    the same way twice is consistent."""
    first = np.array([3, 3, 5, 9])
    expect_close(answer(first, np.array([3, 1, 5, 0])), 0.5, "When two of four agree,")
    expect_close(answer(first, first.copy()), 1, "When all agree,")
    expect_close(answer(first, first + 1), 0, "When none agree,")
    return "the share of pictures that get the same class before and after the shift"


def gap(answer: Any) -> str:
    """You need the accuracy within each group before you can compare any.

    Take the accuracy within each group, ``np.mean(right[groups == group])`` for each group in
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
    """A large group has more errors to count. How much does each group weigh?

    A group counts as often as it has members: multiply each error by its group's count, sum,
    and divide by the sum of the counts (``np.average`` has ``weights``)."""
    expect_close(answer([10.0, 20.0], [50, 50]), 15, "For equal groups")
    expect_close(answer([10.0, 20.0], [90, 10]), 11, "For groups of 90 and 10")
    expect_close(answer(np.array([0.0, 0.0, 30.0]), np.array([5, 5, 20])), 20, "For three groups")
    return "the error over everybody, each group weighted by its size"


def possible_counts(answer: Any) -> str:
    """For which whole numbers of people, out of n, would this percentage have been printed?

    Try every k from 0 to n and keep those with ``round(100 * k / n, 1) == percent``."""
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
    "4.3": gap,
    "4.8": overall_error,
    "4.9": possible_counts,
}


# What they are tried out with when they are graded


def _consistency(generator: Generator) -> list[Case]:
    def draw(num: int, num_same: int) -> tuple[Any, ...]:
        first = generator.integers(10, size=num)
        second = first.copy()
        different = generator.permutation(num)[num_same:]
        second[different] += generator.integers(1, 10, len(different))
        return first, second % 10

    return [
        Case("about half of them agree", draw(40, int(generator.integers(15, 25)))),
        Case("few agree", draw(40, int(generator.integers(2, 8)))),
        Case("most agree", draw(40, int(generator.integers(32, 38)))),
        Case("few pictures", draw(7, int(generator.integers(2, 6)))),
        Case("many pictures", draw(1000, int(generator.integers(510, 700)))),
    ]


def _gap(generator: Generator) -> list[Case]:
    def draw(names: str, sizes: list[int], shares: list[float]) -> tuple[Any, ...]:
        """Groups of these sizes, in which these shares are right, all mixed."""
        labels = generator.integers(10, size=sum(sizes))
        predictions = labels.copy()
        for end, size, share in zip(np.cumsum(sizes), sizes, shares, strict=True):
            num_wrong = size - round(size * share)
            predictions[end - num_wrong : end] += generator.integers(1, 10, num_wrong)
        mixed = generator.permutation(len(labels))
        groups = np.repeat(list(names), sizes)
        return labels[mixed], predictions[mixed] % 10, groups[mixed]

    low, high = float(generator.uniform(0.6, 0.7)), float(generator.uniform(0.85, 0.95))
    between = [(2 * low + high) / 3, (low + 2 * high) / 3]
    return [
        Case("the first group is served better", draw("AB", [40, 40], [high, low])),
        Case("the second group is served better", draw("AB", [40, 40], [low, high])),
        Case("a small group is served worst", draw("AB", [100, 9], [high, low])),
        Case("three groups", draw("xyz", [30, 40, 50], [between[0], low, high])),
        Case("many groups", draw("stuvwx", [30] * 6, [high, *between, low, *between])),
        Case("nobody in a group is right", draw("KLM", [20, 10, 20], [high, 0.0, low])),
    ]


def _overall_error(generator: Generator) -> list[Case]:
    def draw(*counts: int) -> tuple[Any, ...]:
        """Errors in per cent, in rising order as are the counts, so that the mean is too low."""
        errors = np.sort(generator.uniform(1, 40, len(counts))).round(1)
        return errors, generator.multinomial(50, [1 / len(counts)] * len(counts)) + np.array(counts)

    errors, counts = draw(100, 300, 900)
    twice, rare = draw(1000, 2000), draw(100, 5000)
    return [
        Case("two groups", twice),
        Case("one group is much larger", rare),
        Case("groups of one size", (errors, np.full(3, int(generator.integers(20, 90))))),
        Case("lists", (errors.tolist(), counts.tolist())),
        Case("a group without errors", (np.array([0.0, *errors]), np.array([70, *counts]))),
        Case("many groups", draw(*range(100, 2000, 200))),
    ]


def _possible_counts(generator: Generator) -> list[Case]:
    def draw(low: int, high: int, shift: float = 0) -> tuple[Any, ...]:
        """A percentage of an odd number, which keeps clear of ties in rounding.

        A shift of one half lies between the percentages that two neighbouring counts give.
        """
        n = 2 * int(generator.integers(low // 2, high // 2)) + 1
        count = int(generator.integers(n // 5, n // 2))
        return round(100 * (count + shift) / n, 1), n

    return [
        Case("a small group", draw(7, 30)),
        Case("a group of hundreds", draw(200, 900)),
        Case("no count fits", draw(7, 90, 0.5)),
        Case("several counts fit", draw(3000, 5000)),
        Case("many counts fit", draw(8000, 9000)),
        Case("nobody", (0.0, draw(3000, 5000)[1])),
    ]


PROBES = {
    "4.1": Probe(_consistency, 1e-6, read_numbers),
    "4.3": Probe(_gap, 1e-6, read_numbers),
    "4.8": Probe(_overall_error, 1e-6, read_numbers),
    "4.9": Probe(_possible_counts, 0, read_whole_numbers),
}
