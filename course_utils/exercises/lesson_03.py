"""Checks of lesson 3: training."""

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from course_utils.exercises import lesson_03_clinic, lesson_03_keras
from course_utils.exercises.expectations import Wrong, expect_close, expect_equal
from course_utils.exercises.probing import Case, Probe, read_numbers, read_text, read_whole_number


def step(answer: Any) -> str:
    """The gradient points uphill. Which way does the weight have to go, and how far?

    Move against the gradient: ``weight - learning_rate * gradient``."""
    expect_close(answer(1.0, 4.0, 0.1), 0.6, "From weight 1 with gradient 4 and learning rate 0.1")
    expect_close(answer(-1.0, -2.0, 0.5), 0.0, "When the gradient is negative,")
    expect_close(answer(3.0, 0.0, 0.5), 3.0, "When the gradient is 0,")
    return "downhill, by learning rate times gradient"


def accuracy(answer: Any) -> str:
    """Which class does a row of probabilities speak for? Compare it with the label.

    ``probabilities.argmax(axis=1)`` is the most probable class of each picture; the mean of a
    comparison with ``==`` is the share of Trues."""
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3]])
    expect_close(answer(np.array([0, 1, 2, 0]), probabilities), 1, "When all four are right,")
    expect_close(answer(np.array([0, 2, 2, 1]), probabilities), 0.5, "When two of four are right,")
    return "the share of pictures whose most probable class is the true one"


def best_epoch(answer: Any) -> str:
    """Find the place of the smallest loss, and mind where counting begins.

    ``np.argmin`` gives the position of the smallest value, counted from 0; epochs count
    from 1."""
    expect_equal(answer([2.0, 1.5, 1.1, 1.2, 1.4]), 3, "For losses that rise after epoch 3,")
    expect_equal(answer([0.9, 1.0]), 1, "When the first epoch was the best,")
    expect_equal(answer(np.array([3.0, 2.0])), 2, "While the loss still falls,")
    return "the epoch with the lowest validation loss, counted from 1"


def num_pictures(answer: Any) -> str:
    """Square both sides of the formula and solve it for n. Which way do you round?

    Solve 1.96 · √(p(1 − p) / n) = margin for n and round up with ``math.ceil``."""
    for rate, margin, expected in ((0.5, 0.02, 2401), (0.8, 0.02, 1537), (0.9, 0.01, 3458)):
        expect_close(
            answer(rate, margin),
            expected,
            f"For an accuracy of {100 * rate:.0f} % and a margin of ±{100 * margin:.0f} points",
        )
    return "half the margin takes four times the pictures"


def worst_class(answer: Any) -> str:
    """On which pictures is the accuracy of one class measured? Return the name of the class, not
    its number.

    For each class, look only at the pictures whose true label it is
    (``labels == number``) and take the share that was predicted right."""
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2])
    predictions = np.array([0, 1, 1, 1, 0, 2, 2, 0, 0])
    names = ("cat", "dog", "frog")
    predictions[0] = 1
    expect_equal(answer(labels, predictions, names), "cat", "When every cat was taken for a dog,")
    predictions[:2] = 0
    expect_equal(
        answer(labels, predictions, names),
        "frog",
        "When frogs are the commonest class but only half of them are recognised,",
    )
    return "the class with the smallest share of its own pictures recognised"


def learning_rate(answer: Any) -> str:
    """There are two straight lines. At which step does one end and the other begin?

    ``done = step / num_steps`` is the share of the training that is done. While it is less
    than ``warm_up``, the rate is ``highest * done / warm_up``. After that it falls from ``highest``
    in proportion to what is left: ``highest * (1 - done) / (1 - warm_up)``."""
    for step, expected, situation in (
        (0, 0.0, "At the beginning"),
        (10, 0.25, "Half-way through the warm-up"),
        (20, 0.5, "At the end of the warm-up"),
        (60, 0.25, "Half-way down"),
        (100, 0.0, "At the end"),
    ):
        expect_close(
            answer(step, 100, 0.5, 0.2),
            expected,
            f"{situation}, at step {step} of 100 with highest 0.5 and warm_up 0.2,",
        )
    expect_close(answer(30, 60, 0.1, 0.25), 0.2 / 3, "At step 30 of 60 with warm_up 0.25")
    expect_close(answer(0, 10, 0.1, 0.0), 0.1, "Without a warm-up, at the beginning,")
    expect_close(answer(5, 10, 0.1, 0.0), 0.05, "Without a warm-up, half-way,")
    return "up in a straight line to the highest, and down in another to zero"


def normalise(answer: Any) -> str:
    """There is one mean and one variance for each feature. Along which axis do you take them?

    ``values.mean(axis=0)`` and ``values.var(axis=0)`` give one number for each feature. Subtract
    the mean and divide by ``np.sqrt(variance + epsilon)``."""
    values = np.array([[1.0, 10, -4], [3, 30, -4], [5, 20, -1]])
    with np.errstate(all="ignore"):
        found = answer(values, 1e-12)
        constant = answer(np.full((4, 2), 7.0), 0.01)
    if isinstance(found, np.ndarray) and found.shape == values.shape:
        if not np.allclose(found.mean(axis=0), 0, atol=1e-6):
            raise Wrong("The mean of each feature, a column of the array, should become 0.")
        if not np.allclose(found.var(axis=0), 1, atol=1e-6):
            raise Wrong("The variance of each feature, a column of the array, should become 1.")
    expected = (values - values.mean(axis=0)) / values.std(axis=0)
    expect_close(found, expected, "For three pictures with three features")
    expect_close(constant, np.zeros((4, 2)), "When a feature never changes,")
    expect_close(
        answer(np.array([[1.0], [5.0]]), 5.0),
        [[-2 / 3], [2 / 3]],
        "With a variance of 4 and an epsilon of 5, so that the root is that of 9,",
    )
    return "every feature has mean 0 and variance 1, and nothing is divided by 0"


_OWN_CHECKS = {
    "3.1": step,
    "3.3": best_epoch,
    "3.13": accuracy,
    "3.14": num_pictures,
    "3.15": worst_class,
    "3.16": learning_rate,
    "3.17": normalise,
}
CHECKS = dict(
    sorted(
        (_OWN_CHECKS | lesson_03_keras.CHECKS | lesson_03_clinic.CHECKS).items(),
        key=lambda pair: int(pair[0].partition(".")[2]),
    )
)
GRADED = lesson_03_keras.GRADED | lesson_03_clinic.GRADED


# What they are tried out with when they are graded


def _step(generator: Generator) -> list[Case]:
    def draw(sign: int, low: float, high: float) -> tuple[Any, ...]:
        weight, gradient = generator.uniform(1, 5, 2)
        return float(weight), float(sign * gradient), float(generator.uniform(low, high))

    weight, gradient, rate = draw(1, 0.1, 0.5)
    return [
        Case("a gradient above zero", draw(1, 0.1, 0.5)),
        Case("a gradient below zero", draw(-1, 0.1, 0.5)),
        Case("a weight below zero", (-weight, gradient, rate)),
        Case("a small learning rate", draw(1, 0.001, 0.01)),
        Case("a learning rate above one", draw(-1, 1.2, 2)),
    ]


def _best_epoch(generator: Generator) -> list[Case]:
    def draw(best: int, num: int) -> np.ndarray:
        """Losses that fall until the best epoch, counted from 0, and rise after it."""
        distances = np.abs(np.arange(num) - best)
        return 0.5 + 0.1 * distances + generator.uniform(0, 0.04, num)

    noisy = generator.permutation(generator.uniform(0.5, 2, 40))
    return [
        Case("the loss rises again", (draw(int(generator.integers(3, 9)), 12),)),
        Case("it rises late", (draw(int(generator.integers(20, 28)), 30),)),
        Case("it still falls", (draw(6, 7),)),
        Case("a noisy curve", (noisy,)),
        Case("a list", (draw(int(generator.integers(2, 6)), 8).tolist(),)),
        Case("losses below zero", (draw(int(generator.integers(2, 6)), 8) - 5,)),
    ]


def _accuracy(generator: Generator) -> list[Case]:
    def draw(num: int, num_right: int, num_classes: int, share: float) -> tuple[Any, ...]:
        """The most probable class gets the share, more than any other one gets."""
        labels = generator.integers(num_classes, size=num)
        wrong = generator.permutation(num)[num_right:]
        predictions = labels.copy()
        predictions[wrong] += generator.integers(1, num_classes, len(wrong))
        probabilities = generator.uniform(0.9, 1, (num, num_classes))
        probabilities[np.arange(num), predictions % num_classes] = 0
        probabilities *= (1 - share) / probabilities.sum(axis=1, keepdims=True)
        probabilities[probabilities == 0] = share
        return labels, probabilities

    return [
        Case("a sure network", draw(31, int(generator.integers(15, 28)), 5, 0.8)),
        Case("a network that is never sure", draw(31, int(generator.integers(5, 28)), 5, 0.3)),
        Case("two classes", draw(17, int(generator.integers(3, 15)), 2, 0.7)),
        Case("mostly wrong", draw(40, int(generator.integers(1, 6)), 10, 0.4)),
        Case("mostly right", draw(40, int(generator.integers(35, 40)), 10, 0.4)),
        Case("many pictures", draw(201, int(generator.integers(50, 150)), 10, 0.2)),
    ]


def _num_pictures(generator: Generator) -> list[Case]:
    def draw(accuracy: float, low: int, high: int, fraction: float) -> tuple[Any, ...]:
        """An accuracy and a margin for which the number of pictures has about this fraction."""
        accuracy += generator.uniform(-0.02, 0.02)
        number = generator.integers(low, high) + fraction + generator.uniform(-0.1, 0.1)
        margin = 1.96 * math.sqrt(accuracy * (1 - accuracy) / number)
        return float(accuracy), float(margin)

    return [
        Case("an accuracy of about one half", draw(0.5, 500, 2000, 0.7)),
        Case("an accuracy near one", draw(0.95, 500, 2000, 0.7)),
        Case("a low accuracy", draw(0.15, 500, 2000, 0.7)),
        Case("a wide margin", draw(0.7, 20, 60, 0.7)),
        Case("a narrow margin", draw(0.8, 20_000, 60_000, 0.7)),
        Case("a little more than a whole number", draw(0.6, 100, 400, 0.3)),
    ]


def _worst_class(generator: Generator) -> list[Case]:
    words = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
        "lynx",
        "mule",
    ]

    def draw(sizes: list[int], shares: list[float], confused: bool = False) -> tuple[Any, ...]:
        """Classes of these sizes, of which these shares are recognised, in any order.

        The first of them is the worst, and is as often at one place as at another. The others'
        mistakes go to it if they are confused with it, so that it is predicted most often.
        """
        num = len(sizes)
        order = generator.permutation(num)
        numbers = np.argsort(order)  # where each of them went
        labels = np.repeat(numbers, sizes)
        predictions = labels.copy()
        ends = np.cumsum(sizes)
        for number, size, share, end in zip(numbers, sizes, shares, ends, strict=True):
            num_wrong = size - round(size * share)
            others = np.setdiff1d(np.arange(num), [number])
            target = numbers[:1] if confused and number != numbers[0] else others
            predictions[end - num_wrong : end] = generator.choice(target, num_wrong)
        mixed = generator.permutation(len(labels))
        names = tuple(generator.permutation(words)[:num].tolist())
        return labels[mixed], predictions[mixed], names

    others = [0.6, 0.5, 0.7, 0.8, 0.7, 0.6, 0.7]
    return [
        Case("six classes", draw([10] * 6, [0.4, 0.7, 0.8, 0.9, 0.8, 0.9])),
        Case("ten classes", draw([20] * 10, [0.5] + [0.7, 0.8, 0.9] * 3)),
        Case("the commonest class is the worst", draw([40] + [10] * 7, [0.3, *others])),
        Case("the rarest class is the worst", draw([5] + [40, 50] * 3 + [60], [0.2, *others])),
        Case("the worst class is predicted often", draw([20] * 8, [0.5] + [0.6] * 7, True)),
        Case("never recognised", draw([8] + [20] * 7, [0, *others])),
    ]


def _learning_rate(generator: Generator) -> list[Case]:
    highest = float(generator.uniform(0.05, 1))
    early, late = int(generator.integers(1, 19)), int(generator.integers(30, 90))
    return [
        Case("in the warm-up", (early, 100, highest, 0.2)),
        Case("the first step", (1, 40, highest, 0.25)),
        Case("at the end of the warm-up", (20, 80, 3 * highest, 0.25)),
        Case("on the way down", (late, 100, highest, 0.2)),
        Case("shortly before the end", (39, 40, highest, 0.3)),
        Case("no warm-up", (late, 100, highest, 0.0)),
        Case("a long training", (late * 100, 10_000, highest, 0.1)),
    ]


def _normalise(generator: Generator) -> list[Case]:
    def draw(num: int, num_features: int) -> np.ndarray:
        scale = generator.uniform(0.5, 20, num_features)
        return generator.normal(generator.uniform(-9, 9), scale, (num, num_features))

    two = draw(2, 3)
    two[1] = two[0] + generator.choice([-1, 1], 3) * generator.uniform(1, 9, 3)
    constant = draw(6, 3)
    constant[:, int(generator.integers(3))] = float(generator.integers(1, 9))
    return [
        Case("several features", (draw(12, 4), 1e-9)),
        Case("a single feature", (draw(9, 1), 1e-9)),
        Case("more features than pictures", (draw(5, 20), 1e-9)),
        Case("two pictures", (two, 1e-9)),
        Case("many pictures", (draw(300, 3), 1e-9)),
        Case("a feature that never changes", (constant, 1e-3)),
        Case("a large epsilon", (draw(10, 4), float(generator.uniform(2, 5)))),
    ]


PROBES = {
    "3.1": Probe(_step, 1e-6, read_numbers),
    "3.3": Probe(_best_epoch, 0, read_whole_number),
    "3.13": Probe(_accuracy, 1e-6, read_numbers),
    "3.14": Probe(_num_pictures, 1e-6, read_numbers),
    "3.15": Probe(_worst_class, 0, read_text),
    "3.16": Probe(_learning_rate, 1e-6, read_numbers),
    "3.17": Probe(_normalise, 1e-6, read_numbers),
}
