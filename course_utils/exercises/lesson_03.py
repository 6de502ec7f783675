"""Checks of lesson 3: training."""

from typing import Any

import numpy as np

from course_utils.exercises.expectations import Wrong, expect_close, expect_equal


def step(answer: Any) -> str:
    """Move against the gradient: ``weight - learning_rate * gradient``."""
    expect_close(answer(1.0, 4.0, 0.1), 0.6, "From weight 1 with gradient 4 and learning rate 0.1")
    expect_close(answer(-1.0, -2.0, 0.5), 0.0, "When the gradient is negative,")
    expect_close(answer(3.0, 0.0, 0.5), 3.0, "When the gradient is 0,")
    return "downhill, by learning rate times gradient"


def accuracy(answer: Any) -> str:
    """``probabilities.argmax(axis=1)`` is the most probable class of each picture; the mean of a
    comparison with ``==`` is the share of Trues."""
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3]])
    expect_close(answer(np.array([0, 1, 2, 0]), probabilities), 1, "When all four are right,")
    expect_close(answer(np.array([0, 2, 2, 1]), probabilities), 0.5, "When two of four are right,")
    return "the share of pictures whose most probable class is the true one"


def best_epoch(answer: Any) -> str:
    """``np.argmin`` gives the position of the smallest value, counted from 0; epochs count
    from 1."""
    expect_equal(answer([2.0, 1.5, 1.1, 1.2, 1.4]), 3, "For losses that rise after epoch 3,")
    expect_equal(answer([0.9, 1.0]), 1, "When the first epoch was the best,")
    expect_equal(answer(np.array([3.0, 2.0])), 2, "While the loss still falls,")
    return "the epoch with the lowest validation loss, counted from 1"


def num_pictures(answer: Any) -> str:
    """Solve 1.96 · √(p(1 − p) / n) = margin for n and round up with ``math.ceil``."""
    for rate, margin, expected in ((0.5, 0.02, 2401), (0.8, 0.02, 1537), (0.9, 0.01, 3458)):
        expect_close(
            answer(rate, margin),
            expected,
            f"For an accuracy of {rate:.0%} and a margin of ±{100 * margin:.0f} points",
        )
    return "half the margin takes four times the pictures"


def worst_class(answer: Any) -> str:
    """For each class, look only at the pictures whose true label it is
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
    """``done = step / num_steps`` is the share of the training that lies behind. While it is less
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
    """``values.mean(axis=0)`` and ``values.var(axis=0)`` give one number for each feature. Subtract
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


CHECKS = {
    "3.1": step,
    "3.2": best_epoch,
    "3.3": accuracy,
    "3.4": num_pictures,
    "3.5": worst_class,
    "3.6": learning_rate,
    "3.7": normalise,
}
