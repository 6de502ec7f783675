"""Checks of lesson 1: data."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.random import Generator

from course_utils.exercises.expectations import Wrong, expect_close, expect_equal
from course_utils.exercises.probing import (
    Case,
    Probe,
    read_numbers,
    read_typed_numbers,
    read_whole_number,
)


def scale(answer: Any) -> str:
    """Pixels run from 0 to 255. By what do you divide so that they run from 0 to 1? And which type
    do the numbers have then?

    Divide by 255. NumPy turns uint8 into a floating-point type when you divide;
    ``.astype("float32")`` makes it the type that networks compute with."""
    pixels = np.array([[0, 51], [204, 255]], dtype=np.uint8)
    found = answer(pixels)
    expect_close(found, [[0, 0.2], [0.8, 1]], "For the pixels 0, 51, 204 and 255")
    if getattr(found, "dtype", None) != np.float32:
        raise Wrong(f"The values are right, but their type is {found.dtype}, not float32.")
    if pixels.dtype != np.uint8 or pixels[1, 1] != 255:
        raise Wrong("Your function changed the picture it was given; return a new array.")
    return "0 becomes 0, 255 becomes 1, and the type is float32"


def one_hot(answer: Any) -> str:
    """Each row has num_classes numbers, and all but one are 0. In which column is the 1?

    ``np.eye(num_classes)`` is a table with ones on its diagonal: row 3 is the one-hot form of
    label 3. An array of labels can pick many rows at once."""
    expect_close(answer(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]], "For labels 2 and 0 of 3,")
    expect_close(answer(np.array([1]), 4), [[0, 1, 0, 0]], "For label 1 of 4,")
    return "one row for each label, with a single 1 in the label's column"


def class_shares(answer: Any) -> str:
    """Count how often each class occurs, including those that never do. Then turn counts into
    shares.

    ``np.bincount(labels, minlength=num_classes)`` counts each label, and ``minlength`` keeps a
    place for classes that never occur. Divide by the number of labels."""
    expect_close(answer(np.array([0, 1, 1, 1]), 2), [0.25, 0.75], "For labels 0, 1, 1, 1")
    expect_close(
        answer(np.array([0, 0, 2, 2]), 4), [0.5, 0, 0.5, 0], "When classes 1 and 3 never occur,"
    )
    return "the shares add up to 1, and absent classes count as 0"


def nearest_mean(answer: Any) -> str:
    """Compare the picture with every mean. Which number says how far two pictures lie apart? And
    what becomes of a difference below zero in uint8?

    ``means - image`` is an array of differences, one picture for each class. Square them, sum
    over every axis but the first, and ``np.argmin`` gives the class with the smallest sum. Take
    care that the picture is no longer uint8, or differences below zero wrap around to 255."""
    means = np.zeros((3, 2, 2, 3))
    means[1] += 100
    means[2] += 200
    for value, nearest in ((10, 0), (120, 1), (255, 2)):
        image = np.full((2, 2, 3), value, dtype=np.uint8)
        expect_equal(answer(image, means), nearest, f"For a picture of {value}s,")
    lopsided = np.zeros((2, 1, 2, 3))
    lopsided[0, 0, 0] = 60
    lopsided[1, 0] = 40
    expect_equal(
        answer(np.zeros((1, 2, 3), np.uint8), lopsided),
        1,
        "When one mean is far off in one pixel and the other is less far off in two,",
    )
    return "the class whose mean picture has the smallest sum of squared differences"


def num_duplicates(answer: Any) -> str:
    """A picture counts if an equal one came before it. How many different pictures are there?

    Two pictures are equal when ``image.tobytes()`` is. Put those into a ``set``, which keeps
    one of each, and compare its size with the number of pictures."""
    pictures = np.zeros((5, 2, 2, 3), dtype=np.uint8)
    pictures[1] = pictures[3] = 7
    pictures[4, 0, 0, 0] = 1
    expect_equal(answer(pictures), 2, "For 5 pictures of which 2 repeat an earlier one,")
    expect_equal(answer(pictures[[0, 1, 4]]), 0, "For 3 different pictures,")
    expect_equal(answer(pictures[[1, 1, 1]]), 2, "For the same picture three times,")
    return "each repetition of an earlier picture is counted once"


CHECKS = {
    "1.1": class_shares,
    "1.2": scale,
    "1.3": one_hot,
    "1.4": num_duplicates,
    "1.5": nearest_mean,
}


# What they are tried out with when they are graded


def _class_shares(generator: Generator) -> list[Case]:
    def draw(num_classes: int, absent: Iterable[int], num: int) -> tuple[Any, ...]:
        """Labels among which each class occurs, but for the absent ones."""
        present = np.setdiff1d(np.arange(num_classes), list(absent))
        drawn = generator.choice(present, num - len(present))
        return generator.permutation(np.concatenate([present, drawn])), num_classes

    num = int(generator.integers(20, 40))
    return [
        Case("every class occurs", draw(4, [], num)),
        Case("the last class never occurs", draw(5, [4], num)),
        Case("the first class never occurs", draw(4, [0], num)),
        Case("two classes between others never occur", draw(6, [2, 3], num)),
        Case("few pictures", draw(3, [1], 5)),
        Case("many classes", draw(40, [], 300 + num)),
    ]


def _scale(generator: Generator) -> list[Case]:
    def draw(*shape: int, low: int = 0, high: int = 250) -> tuple[Any, ...]:
        return (generator.integers(low, high, shape, dtype=np.uint8),)

    return [
        Case("a grey picture", draw(5, 7)),
        Case("a colour picture", draw(4, 5, 3)),
        Case("several pictures", draw(3, 4, 4, 3)),
        Case("a dark picture", draw(4, 4, 3, low=1, high=20)),
        Case("a bright picture", draw(4, 4, 3, low=200)),
        Case("every value that a pixel can have", (generator.permutation(256).astype(np.uint8),)),
    ]


def _one_hot(generator: Generator) -> list[Case]:
    def draw(num: int, num_classes: int, low: int = 0, high: int | None = None) -> tuple[Any, ...]:
        return generator.integers(low, high or num_classes, num), num_classes

    every_class = generator.permutation([0, 1, 2, 3, *generator.integers(4, size=5)])
    return [
        Case("more pictures than classes", (every_class, 4)),
        Case("fewer pictures than classes", draw(3, 7)),
        Case("the last class never occurs", draw(8, 5, high=4)),
        Case("the first class never occurs", draw(8, 5, low=1)),
        Case("a single picture", draw(1, 6)),
        Case("many classes", draw(30, 50)),
    ]


def _num_duplicates(generator: Generator) -> list[Case]:
    def draw(*copies: int) -> np.ndarray:
        """As many copies as asked for of each of several different pictures, in their order."""
        pixels = generator.integers(1, 256, (len(copies), 4, 4, 3), dtype=np.uint8)
        pixels[:, 0, 0, 0] = generator.permutation(256)[: len(copies)]
        return np.repeat(pixels, copies, axis=0)

    many = generator.integers(1, 5, 30)
    similar = np.repeat(draw(1), 6, axis=0)
    similar[np.arange(6), 3, generator.permutation(4)[[0, 1, 2, 3, 0, 1]], [0, 0, 0, 0, 1, 1]] = 0
    pairs, far = generator.integers(3, 9, 2).tolist()
    first = draw(*[1] * 9)
    return [
        Case("pairs", (generator.permutation(draw(*[2] * pairs, 1, 1, 1)),)),
        Case("one picture many times", (draw(int(generator.integers(5, 9)), 1, 1),)),
        Case("copies far behind the first", (np.concatenate([first, first[:far]]),)),
        Case("many pictures", (generator.permutation(draw(*many)),)),
        Case("pictures that differ in one number", (np.concatenate([similar, similar[2:4]]),)),
        Case("no copies", (draw(*[1] * int(generator.integers(6, 12))),)),
    ]


def _nearest_mean(generator: Generator) -> list[Case]:
    def draw(nearest: int, num_classes: int, low: int = 20, high: int = 230) -> tuple[Any, ...]:
        """A picture that resembles one of the means."""
        means = generator.uniform(low, high, (num_classes, 4, 5, 3))
        image = means[nearest] + generator.normal(0, 8, (4, 5, 3))
        return np.clip(image, 0, 255).astype(np.uint8), means

    def draw_lopsided(nearest: int) -> tuple[Any, ...]:
        """Another mean is far off in one number, the nearest one less far off in four."""
        image = generator.integers(100, 150, (2, 2, 3), dtype=np.uint8)
        offsets = np.full((8, 12), 70.0)
        other = (nearest + int(generator.integers(1, 8))) % 8
        offsets[[nearest, other]] = 0
        offsets[nearest, generator.permutation(12)[:4]] = generator.uniform(20, 24, 4)
        offsets[other, generator.integers(12)] = generator.uniform(60, 65)
        signs = generator.choice([-1, 1], offsets.shape)
        return image, image + (signs * offsets).reshape(8, 2, 2, 3)

    nearest = [int(label) for label in generator.permutation(8)]
    return [
        Case("eight classes", draw(nearest[0], 8)),
        Case("ten classes", draw(nearest[1], 10)),
        Case("dark pictures", draw(nearest[2], 8, 5, 60)),
        Case("bright pictures", draw(nearest[3], 8, 190, 250)),
        Case("one mean far off in one number, one less far off in four", draw_lopsided(nearest[4])),
        Case("the same with other pictures", draw_lopsided(nearest[5])),
        Case("many classes", draw(nearest[6], 40)),
    ]


PROBES = {
    "1.1": Probe(_class_shares, 1e-6, read_numbers),
    "1.2": Probe(_scale, 1e-6, read_typed_numbers, keep_arguments=True),
    "1.3": Probe(_one_hot, 1e-6, read_numbers),
    "1.4": Probe(_num_duplicates, 0, read_whole_number),
    "1.5": Probe(_nearest_mean, 0, read_whole_number),
}
