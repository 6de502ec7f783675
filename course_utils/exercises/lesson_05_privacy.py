"""Checks of lesson 5: what a network gives away of the pictures it learnt from."""

from typing import Any

import numpy as np
from numpy.random import Generator

from course_utils.exercises.expectations import expect_close
from course_utils.exercises.probing import Case, Probe, read_numbers


def guess_members(answer: Any) -> str:
    """Which of a picture's probabilities matters, the largest or that of its true class?

    Take the probability of each picture's true class, ``probabilities[np.arange(len(labels)),
    labels]``, and compare it with ``>=`` to the threshold: True for a member, False for another."""
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.95, 0.05], [0.4, 0.6]])
    labels = np.array([0, 1, 1, 1])
    expect_close(answer(probabilities, labels, 0.7), [1, 1, 0, 0], "With a threshold of 0.7")
    expect_close(answer(probabilities, labels, 0.05), [1, 1, 1, 1], "With a threshold of 0.05")
    expect_close(answer(probabilities, labels, 0.8), [1, 1, 0, 0], "With a threshold of 0.8")
    return "sure and wrong is no sign of a member: the true class is what was learnt by heart"


def tpr_at_fpr(answer: Any) -> str:
    """How many of the others may score above the threshold? Which score is the lowest allowed?

    Of n others, ``int(fpr * n)`` may be accused. Sort their scores from high to low; the first one
    that may not be accused is the threshold. Return the share of members *above* it."""
    others = np.array([9.0, 7.0, 5.0, 3.0, 1.0])
    members = np.array([10.0, 8.0, 7.0, 6.0])
    expect_close(answer(members, others, 0.0), 0.25, "When no other may be accused,")
    expect_close(answer(members, others, 0.2), 0.5, "When one of five may be accused,")
    expect_close(answer(members, others, 0.3), 0.5, "When 30 % of five may be accused, so one,")
    expect_close(answer(members, others, 0.4), 1, "When two of five may be accused,")
    expect_close(answer(np.zeros(3), np.zeros(9), 0.5), 0, "When all scores are the same,")
    return "the share of members that are found, at the price of few accusations that are wrong"


def log_ratio(answer: Any) -> str:
    """How likely is the confidence in each of the two normal distributions?

    Of each, take ``np.mean`` and ``np.std``. The logarithm of a normal density, but for a constant
    that cancels, is ``-np.log(std) - ((confidence - mean) / std) ** 2 / 2``; subtract the one for
    "out" from the one for "in"."""
    low, high = np.array([-1.0, 1.0]), np.array([3.0, 5.0])  # means 0 and 4, both spreads 1
    expect_close(answer(2.0, high, low), 0, "When it lies half-way and both spread alike,")
    expect_close(answer(4.0, high, low), 8, "When it is as the mean of those that saw it,")
    expect_close(answer(0.0, high, low), -8, "When it is as the mean of those that did not,")
    wide = np.array([2.0, 6.0])  # mean 4, spread 2
    expect_close(answer(4.0, wide, low), 8 - np.log(2), "When those that saw it spread twice,")
    return "above 0 the picture looks like a member, below 0 like a stranger"


def who_stays(answer: Any) -> str:
    """Which pictures are hers? And which are copies of hers, whoever owns them?

    ``hers = owners == person``. A picture is a copy where ``copy_of >= 0``, and then
    ``hers[copy_of]`` says whether of one of hers; -1 would ask for the last picture. What is
    neither hers nor such a copy stays."""
    owners = np.array(["Ada", "Ben", "Cy", "Ben", "Ada"])
    none = np.full(5, -1)
    copies = np.array([-1, -1, 1, 0, -1])  # Cy has a copy of Ben's, and Ben one of Ada's
    expect_close(
        answer(owners, none, "Cy"), [1, 1, 0, 1, 1], "Where nothing was copied, and Cy goes,"
    )
    expect_close(answer(owners, none, "Ada"), [0, 1, 1, 1, 0], "When the last picture is hers,")
    expect_close(answer(owners, copies, "Ben"), [1, 0, 0, 0, 1], "When Cy has a copy of Ben's,")
    expect_close(answer(owners, copies, "Ada"), [0, 1, 1, 0, 0], "When Ben has a copy of Ada's,")
    return "her pictures go, under whatever name they are"


def take_step(answer: Any) -> str:
    """Up the slope, so far that the root of the mean square is the step size; and then?

    Divide the gradient by its length, ``np.sqrt(np.mean(gradient ** 2))``, multiply by the step
    size, add it to the image, and ``np.clip`` the sum to 0–255."""
    image, gradient = np.full((2, 2, 3), 100.0), np.zeros((2, 2, 3))
    gradient[0], gradient[1] = 0.02, -0.02
    up = np.full((2, 2, 3), 110.0)
    up[1] = 90
    expect_close(answer(image, gradient, 10), up, "For a step of 10 levels")
    expect_close(
        answer(image, 1000 * gradient, 10), up, "When the gradient is a thousand times as steep,"
    )
    far = np.full((2, 2, 3), 255.0)
    far[1] = 0
    expect_close(answer(image, gradient, 200), far, "When the step leads out of 0–255,")
    return "a step uphill, as long as you said, and still a picture"


CHECKS = {
    "5.1": guess_members,
    "5.2": tpr_at_fpr,
    "5.3": log_ratio,
    "5.4": who_stays,
    "5.5": take_step,
}


# What they are tried out with when they are graded


def _guess_members(generator: Generator) -> list[Case]:
    def draw(num: int, num_classes: int, num_wrong: int, *, num_equal: int = 0) -> tuple[Any, ...]:
        """Pictures half of which are above the threshold, and some that are sure of another class.

        Some are exactly at the threshold.
        """
        threshold = round(float(generator.uniform(0.6, 0.75)), 3)
        labels = generator.integers(num_classes, size=num)
        sure = generator.uniform(threshold + 0.02, 0.99, num)
        unsure = generator.uniform(0.02, threshold - 0.02, num)
        is_sure = generator.permutation(np.arange(num) < num // 2)
        true = np.where(is_sure, sure, unsure)
        unlike = np.flatnonzero(~is_sure)[:num_wrong]
        true[unlike] = generator.uniform(0.01, 0.2, len(unlike))
        true[np.flatnonzero(is_sure)[:num_equal]] = threshold
        probabilities = np.zeros((num, num_classes))
        # What is left goes to the next class, so that the sum is 1.
        probabilities[np.arange(num), labels] = true
        probabilities[np.arange(num), (labels + 1) % num_classes] = 1 - true
        return probabilities, labels, threshold

    return [
        Case("some are sure and wrong", draw(20, 10, 4)),
        Case("many are sure and wrong", draw(30, 5, 12)),
        Case("two classes", draw(16, 2, 4)),
        Case("some are exactly at the threshold", draw(20, 10, 3, num_equal=3)),
        Case("many pictures", draw(120, 10, 20)),
        Case("few pictures", draw(6, 3, 2)),
    ]


def _tpr_at_fpr(generator: Generator) -> list[Case]:
    def draw(
        num_others: int, fpr: float, *, digits: int | None = None, shift: float = 0.25
    ) -> tuple[Any, ...]:
        """Scores of others, none of them close to each other, and ten times as many of members.

        So there are members between any two others; the best of all are members, too.
        """
        others = _spread(num_others)
        members = (1 + shift) * _spread(10 * num_others + 7)
        offset = float(generator.uniform(-3, 3))
        scores = [generator.permutation(one + offset) for one in (members, others)]
        if digits is not None:
            scores = [np.round(one, digits) for one in scores]
        return *scores, fpr

    def _spread(num: int) -> Any:
        return (np.arange(num) + generator.uniform(0.2, 0.8, num)) / num

    return [
        Case("one in a hundred of many", draw(200, 0.01)),
        Case("a share that is no whole number of others", draw(30, 0.05)),
        Case("not a single one", draw(int(generator.integers(20, 40)), 0.02)),
        Case("many of them", draw(50, 0.3, shift=0.1)),
        Case("scores that are rounded", draw(40, 0.1, digits=1)),
        Case("half of a few", draw(7, 0.5, shift=0.4)),
    ]


def _log_ratio(generator: Generator) -> list[Case]:
    def draw(
        num: int, *, place: float, distance: float = 4.0, alike: bool = False, wide: float = 1.0
    ) -> tuple[Any, ...]:
        """A confidence at a place between the means, 0 for "out" to 1 for "in"."""
        centre = float(generator.uniform(-2, 2))
        when_out = generator.normal(centre, 1, num)
        when_in = when_out[::-1] + distance if alike else generator.normal(0, wide, num)
        when_in = when_in if alike else when_in + centre + distance
        confidence = (1 - place) * when_out.mean() + place * when_in.mean()
        return float(confidence + generator.uniform(0.2, 0.4)), when_in, when_out

    return [
        Case("as for a member", draw(12, place=1.0)),
        Case("as for a stranger", draw(12, place=-0.2)),
        Case("few networks", draw(3, place=0.6)),
        Case("both spread alike", draw(8, place=0.8, alike=True)),
        Case("those that saw it spread wide", draw(16, place=0.5, wide=3.0)),
        Case("surer than any network", draw(10, place=2.0)),
    ]


def _who_stays(generator: Generator) -> list[Case]:
    def draw(num: int, num_copies: int, *, last_is_hers: bool) -> tuple[Any, ...]:
        """Pictures of five people; half of the copies are of the person's, under other names."""
        people = np.array(["Ada", "Ben", "Cy", "Dee", "Eve"])
        person = str(generator.choice(people))
        others = people[people != person]
        owners = np.where(
            generator.permutation(np.arange(num) < num // 3), person, generator.choice(others, num)
        )
        owners[-1] = person if last_is_hers else others[0]
        copy_of = np.full(num, -1)
        places = generator.permutation(np.flatnonzero(owners[:-1] != person))
        hers = np.flatnonzero(owners[:-1] == person)
        half = num_copies // 2
        copies, sources = places[:num_copies], places[num_copies:]
        copy_of[copies[:half]] = generator.choice(hers, half)
        copy_of[copies[half:]] = generator.choice(sources, num_copies - half)
        return owners, copy_of, person

    return [
        Case("nothing was copied", draw(15, 0, last_is_hers=False)),
        Case("some of hers were copied", draw(20, 6, last_is_hers=False)),
        Case("the last picture is hers", draw(20, 6, last_is_hers=True)),
        Case("many copies", draw(40, 16, last_is_hers=False)),
        Case("few pictures", draw(9, 4, last_is_hers=True)),
        Case("many pictures", draw(200, 40, last_is_hers=True)),
    ]


def _take_step(generator: Generator) -> list[Case]:
    def draw(
        size: tuple[int, int], levels: tuple[float, float], step_size: float, *, length: float
    ) -> tuple[Any, ...]:
        shape = (*size, 3)
        gradient = generator.normal(0, 1, shape)
        gradient *= length / np.sqrt(np.mean(gradient**2))
        return generator.uniform(*levels, shape), gradient, step_size

    steps = [float(one) for one in generator.uniform(3, 9, 6).round(1)]
    return [
        Case("a gentle slope", draw((4, 4), (100, 150), steps[0], length=0.01)),
        Case("a steep slope", draw((4, 4), (100, 150), steps[1], length=30.0)),
        Case("a slope of length 1", draw((5, 3), (100, 150), steps[2], length=1.0)),
        Case("near white", draw((4, 4), (250, 255), steps[3] + 10, length=0.2)),
        Case("near black", draw((4, 4), (0, 5), steps[4] + 10, length=0.2)),
        Case("a long step", draw((3, 6), (0, 255), 20 * steps[5], length=0.05)),
    ]


PROBES = {
    "5.1": Probe(_guess_members, 0, read_numbers),
    "5.2": Probe(_tpr_at_fpr, 1e-6, read_numbers),
    "5.3": Probe(_log_ratio, 1e-6, read_numbers),
    "5.4": Probe(_who_stays, 0, read_numbers),
    "5.5": Probe(_take_step, 1e-3, read_numbers),
}
