"""Checks of lesson 1: data."""

from typing import Any

import numpy as np

from course_utils.exercises.expectations import Wrong, expect_close, expect_equal


def scale(answer: Any) -> str:
    """Divide by 255. NumPy turns uint8 into a floating-point type when you divide;
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
    """``np.eye(num_classes)`` is a table with ones on its diagonal: row 3 is the one-hot form of
    label 3. An array of labels can pick many rows at once."""
    expect_close(answer(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]], "For labels 2 and 0 of 3,")
    expect_close(answer(np.array([1]), 4), [[0, 1, 0, 0]], "For label 1 of 4,")
    return "one row for each label, with a single 1 in the label's column"


def class_shares(answer: Any) -> str:
    """``np.bincount(labels, minlength=num_classes)`` counts each label, and ``minlength`` keeps a
    place for classes that never occur. Divide by the number of labels."""
    expect_close(answer(np.array([0, 1, 1, 1]), 2), [0.25, 0.75], "For labels 0, 1, 1, 1")
    expect_close(
        answer(np.array([0, 0, 2, 2]), 4), [0.5, 0, 0.5, 0], "When classes 1 and 3 never occur,"
    )
    return "the shares add up to 1, and absent classes count as 0"


def nearest_mean(answer: Any) -> str:
    """``means - image`` is an array of differences, one picture for each class. Square them, sum
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
    """Two pictures are equal when ``image.tobytes()`` is. Put those into a ``set``, which keeps
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
