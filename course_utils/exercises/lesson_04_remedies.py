"""Checks of lesson 4's short cuts, mitigation, and wrong labels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from course_utils.exercises.expectations import Wrong, expect_close
from course_utils.exercises.probing import Case, Probe, read_numbers
from course_utils.exercises.publishing import Publisher

_GREY = 128
_NUM_DRAWS = 40


@dataclass(frozen=True)
class _Weighing:
    """Stands for a network: each class's answer is a weighted mean of the pixels."""

    weights: NDArray[np.float64]  # (num_classes, height, width)

    def __call__(self, images: Any) -> NDArray[np.float64]:
        pixels = np.asarray(images, float)
        if pixels.ndim != 4 or pixels.shape[1:] != (*self.weights.shape[1:], 3):
            raise ValueError(
                f"predict takes pictures of shape (n, {self.weights.shape[1]}, "
                f"{self.weights.shape[2]}, 3), and these are {pixels.shape}; one picture is "
                "image[None]"
            )
        answers: NDArray[np.float64] = np.einsum(
            "nrc,krc->nk", pixels.mean(axis=-1) / 255, self.weights
        )
        return answers


def occlusion_map(answer: Any) -> str:
    """Each number of the map compares two answers: to the whole picture, and to which other one?

    Go through rows and columns of squares. For each, make a copy of the picture,
    ``hidden = image.copy()``, set ``hidden[top : top + size, left : left + size] = 128``, and keep
    ``predict(image[None])[0, label] - predict(hidden[None])[0, label]``."""
    bright = np.full((4, 6, 3), 255, np.uint8)
    weights = np.zeros((2, 4, 6))
    weights[1, :2, 2:4], weights[0] = 0.25, 1 / 24
    image = bright.copy()
    found = answer(_Weighing(weights), image, 1, 2)
    if (image != 255).any():
        raise Wrong("Your function changes the picture that it is given: hide parts of a copy.")
    one = (255 - _GREY) / 255
    second = np.array([[0, 1, 0], [0, 0, 0]])
    expect_close(
        found,
        second * one,
        "When class 1 is seen in the second square of the first row of a white picture of 4 × 6 "
        "pixels, with size 2,",
    )
    found = answer(_Weighing(weights), bright.copy(), 0, 2)
    expect_close(found, np.full((2, 3), one / 6), "When class 0 is seen everywhere,")
    found = answer(_Weighing(weights), np.zeros((4, 6, 3), np.uint8), 1, 2)
    situation = "When the picture is black, so that grey squares raise the answer,"
    expect_close(found, second * (-_GREY / 255), situation)
    found = answer(_Weighing(weights), bright.copy(), 0, 3)
    expect_close(
        found, np.full((1, 2), one * 9 / 24), "With size 3, where the last row fits no square,"
    )
    return "what the class's probability loses when each square is hidden"


def group_weights(answer: Any) -> str:
    """If a group has a tenth of the pictures, how much more must each of them count?

    A picture's weight is ``n / (num_groups * count)``, where ``count`` is the size of its group:
    ``np.unique(groups, return_inverse=True, return_counts=True)`` has what you need."""
    groups = np.array(["A", "A", "B", "A"])
    expect_close(answer(groups), [2 / 3, 2 / 3, 2, 2 / 3], "For three pictures of A and one of B")
    expect_close(answer(groups[:2]), [1, 1], "When there is one group only,")
    three = np.array(["y", "x", "y", "y", "z", "z"])
    expect_close(answer(three), [2 / 3, 2, 2 / 3, 2 / 3, 1, 1], "For groups of 1, 3 and 2")
    return "every group counts equally, and a picture counts 1 on average"


def resample(answer: Any) -> str:
    """Draw from each group on its own. How many pictures does each contribute?

    For each name in ``np.unique(groups)``: ``members = np.flatnonzero(groups == name)``, and
    ``generator.choice(members, len(groups) // num_groups)`` draws with replacement; join the
    parts with ``np.concatenate``."""
    groups = np.array(list("AAAAAAABAAAAAAAAABAA"))
    drawn = [
        _expect_indices(answer(groups.copy(), seed), len(groups)) for seed in range(_NUM_DRAWS)
    ]
    for one in drawn:
        counts = {name: int((groups[one] == name).sum()) for name in "AB"}
        if counts != {"A": 10, "B": 10}:
            raise Wrong(
                "From 18 pictures of A and 2 of B ten of each are to be drawn, and yours are "
                f"{counts['A']} of A and {counts['B']} of B."
            )
    if not np.array_equal(drawn[3], np.asarray(answer(groups.copy(), 3))):
        raise Wrong("With the same seed other pictures are drawn: use np.random.default_rng(seed).")
    if all(np.array_equal(drawn[0], one) for one in drawn):
        raise Wrong("Every seed draws the same pictures.")
    if missing := len(groups) - len(np.unique(drawn)):
        raise Wrong(f"In {_NUM_DRAWS} draws {missing} of the 20 pictures were never drawn.")
    three = np.array(["x", "y", "y", "z", "y", "y"])
    drawn_three = _expect_indices(answer(three, 0), 6)
    found = [(three[drawn_three] == name).sum() for name in "xyz"]
    expect_close(found, [2, 2, 2], "For groups of 1, 4 and 1, how many of each are drawn:")
    return "the groups are equally common, and every picture may be drawn"


def _expect_indices(found: Any, number: int) -> NDArray[np.int64]:
    """What a learner's function drew.

    Raises:
        Wrong: it isn't indices of so many pictures.
    """
    if found is None:
        raise Wrong("Your function returns None: is the return missing?")
    drawn = np.asarray(found)
    if drawn.ndim != 1 or not np.issubdtype(drawn.dtype, np.integer):
        raise Wrong(
            "An array of indices is expected, whole numbers of shape (n,), and yours holds "
            f"{drawn.dtype} in shape {drawn.shape}."
        )
    if len(drawn) and not 0 <= drawn.min() <= drawn.max() < number:
        raise Wrong(f"The pictures have the indices 0 to {number - 1}, and you draw others.")
    indices: NDArray[np.int64] = drawn.astype(np.int64)
    return indices


def raise_weights(answer: Any) -> str:
    """A group's weight grows by a factor that its loss decides. What do they sum to afterwards?

    Multiply ``weights`` by ``np.exp(step_size * losses)``, and divide the result by its sum."""
    half, third = np.array([0.5, 0.5]), np.array([0.2, 0.3, 0.5])
    for weights, losses, step, expected, situation in (
        (half, [1, 1], 0.1, half, "When both losses are equal,"),
        (half, [0, np.log(3)], 1, [0.25, 0.75], "With a step of 1 and losses of 0 and ln 3"),
        (
            np.array([0.75, 0.25]),
            [0, np.log(9)],
            0.5,
            half,
            "From weights of 0.75 and 0.25, with a step of 0.5 and losses of 0 and ln 9",
        ),
        (
            third,
            [np.log(2), 0, 0],
            1,
            np.array([4, 3, 5]) / 12,
            "With three groups, of which the first has a loss of ln 2",
        ),
    ):
        found = answer(weights.copy(), np.array(losses, float), float(step))
        expect_close(found, np.asarray(expected), situation)
    return "the group with the highest loss gains weight, step by step"


def corrected_accuracy(answer: Any) -> str:
    """Of right answers, how many agree with a wrong label? And of wrong answers?

    With ``chance = noise / (num_classes - 1)`` the report is
    ``reported = true * (1 - noise) + (1 - true) * chance``. Solve this for ``true``."""
    expect_close(answer(0.9, 0.0, 10), 0.9, "When no label is wrong,")
    expect_close(answer(0.82, 0.1, 3), (0.82 - 0.05) / 0.85, "For 82 % with 10 % noise, 3 classes,")
    perfect = answer(0.8, 0.2, 10)
    expect_close(perfect, 1.0, "When 80 % is reported, and 20 % of the labels are wrong,")
    expect_close(answer(0.2 / 9, 0.2, 10), 0.0, "When no answer is right, with 10 classes,")
    return "the accuracy that wrong test labels hide"


CHECKS = {
    "4.4": occlusion_map,
    "4.5": group_weights,
    "4.6": resample,
    "4.7": raise_weights,
    "4.13": corrected_accuracy,
}


# What they are tried out with when they are graded


def _occlusion_map(generator: Generator) -> list[Case]:
    def draw(height: int, width: int, size: int, *, num_classes: int = 3) -> tuple[Any, ...]:
        weights = generator.normal(0, 4 / (height * width), (num_classes, height, width))
        image = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
        return _Weighing(weights), image, int(generator.integers(num_classes)), size

    return [
        Case("a square picture", draw(8, 8, 4)),
        Case("a wide picture", draw(4, 12, 2)),
        Case("a high picture", draw(12, 6, 3)),
        Case("squares that don't fit", draw(7, 9, 2)),
        Case("squares of one pixel", draw(3, 4, 1)),
        Case("many classes", draw(8, 12, 4, num_classes=9)),
    ]


def _group_weights(generator: Generator) -> list[Case]:
    def draw(*sizes: int) -> tuple[Any, ...]:
        names = generator.permutation(list("ABCDEFGHKLMN"))[: len(sizes)]
        return (generator.permutation(np.repeat(names, sizes)),)

    def some(low: int, high: int) -> int:
        return int(generator.integers(low, high))

    rare = generator.permutation(["A"] * some(80, 99) + ["B"] * some(2, 6))
    return [
        Case("A and a rare B", (rare,)),
        Case("two groups", draw(some(5, 15), some(20, 30))),
        Case("three groups", draw(some(5, 15), some(20, 30), some(40, 60))),
        Case("many groups", draw(*(some(2, 9) for _ in range(7)), 20)),
        Case("groups of one picture", draw(1, 1, 1, some(5, 9))),
        Case("groups named by numbers", (generator.permutation([7] * some(3, 9) + [2] * 20),)),
    ]


def _publish_resample(publisher: Publisher, answer: Any) -> None:
    """How many of each group were drawn, from how many pictures, and whether seeds decide."""
    random = publisher.random
    for name, drawn_sizes in {
        "two groups": (int(random.integers(20, 30)), int(random.integers(3, 9))),
        "groups of one size": (int(random.integers(5, 12)),) * 2,
        "three groups": tuple(int(size) for size in random.integers(2, 25, 3)),
        "many groups": tuple(int(size) for size in random.integers(2, 12, 5)),
        "a group of one picture": (1, int(random.integers(20, 40))),
    }.items():
        sizes = [*drawn_sizes]
        sizes[-1] += -sum(sizes) % len(sizes)  # so that they can be equally common
        names = random.permutation(list("ABCDEFGH"))[: len(sizes)]
        groups = random.permutation(np.repeat(names, sizes))

        def ask(groups: Any = groups) -> list[int]:
            drawn = [
                _expect_indices(answer(groups.copy(), seed), len(groups))
                for seed in range(_NUM_DRAWS)
            ]
            counts = [
                [int((groups[one] == name).sum()) for name in np.unique(groups)] for one in drawn
            ]
            again = np.asarray(answer(groups.copy(), 1))
            different = len({one.tobytes() for one in drawn})
            return [
                *(min(column) for column in zip(*counts, strict=True)),
                *(max(column) for column in zip(*counts, strict=True)),
                len(np.unique(np.concatenate(drawn))),
                int(np.array_equal(again, drawn[1])),
                int(different > 1),
            ]

        publisher.call(ask, name=name)


def _raise_weights(generator: Generator) -> list[Case]:
    def draw(num_groups: int, step_size: float, *, start: str = "any") -> tuple[Any, ...]:
        weights = generator.dirichlet(np.full(num_groups, 4.0))
        if start == "equal":
            weights = np.full(num_groups, 1 / num_groups)
        return weights, generator.uniform(0.2, 3, num_groups), step_size

    return [
        Case("the first step", draw(2, 0.3, start="equal")),
        Case("a later step", draw(2, 0.2)),
        Case("a large step", draw(3, 2.0)),
        Case("many groups", draw(9, 0.5)),
        Case("losses far apart", (np.array([0.6, 0.4]), generator.uniform([0, 4], [1, 6]), 0.7)),
    ]


def _corrected_accuracy(generator: Generator) -> list[Case]:
    def draw(num_classes: int, low: float, high: float) -> tuple[Any, ...]:
        noise, true = generator.uniform(low, high), generator.uniform(0.55, 0.95)
        reported = true * (1 - noise) + (1 - true) * noise / (num_classes - 1)
        return float(reported), float(noise), num_classes

    return [
        Case("ten classes", draw(10, 0.05, 0.15)),
        Case("much noise", draw(10, 0.3, 0.5)),
        Case("three classes", draw(3, 0.05, 0.2)),
        Case("two classes", draw(2, 0.1, 0.3)),
        Case("a hundred classes", draw(100, 0.1, 0.3)),
    ]


PROBES = {
    "4.4": Probe(_occlusion_map, 1e-6, read_numbers),
    "4.5": Probe(_group_weights, 1e-6, read_numbers),
    "4.7": Probe(_raise_weights, 1e-6, read_numbers),
    "4.13": Probe(_corrected_accuracy, 1e-6, read_numbers),
}
GRADED: dict[str, Callable[[Publisher, Any], None]] = {"4.6": _publish_resample}
