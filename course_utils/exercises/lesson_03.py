"""Checks of lesson 3: training."""

from typing import Any

import numpy as np

from course_utils.exercises.expectations import expect_close, expect_equal


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


CHECKS = {
    "3.1": step,
    "3.2": best_epoch,
    "3.3": accuracy,
    "3.4": num_pictures,
    "3.5": worst_class,
}
