"""An error is told without where in TensorFlow it came from, and by the learner's own line."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils.exercises.errors import find_line, summarise_error

IMAGES = np.zeros((32, 2, 2, 1), np.uint8)


def make_network():
    layers = [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([*layers, keras.layers.Softmax()])


def train(loss, labels):
    network = make_network()
    network.compile("sgd", loss)
    network.fit(IMAGES, labels, verbose=0)


def helper():
    raise ValueError("in a helper")


def calls_a_helper(values):
    doubled = [value * 2 for value in values]
    return helper() or doubled


def fails_in_a_comprehension(values):
    total = 0
    return total + sum((value / 0 for value in values), start=0)


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (
            lambda: train("sparse_categorical_crossentropy", np.full(32, 7)),
            "Received a label value of 7 which is outside the valid range",
        ),
        (lambda: train("mse", np.zeros(32)), "but are 32 and 3 with input shapes"),
        (lambda: tf.matmul(np.ones((2, 3)), np.ones((2, 3))), "Matrix size-incompatible"),
        (lambda: make_network()(IMAGES[:, :1]), "received input with shape (32, 2)"),
        (helper, "in a helper"),
    ],
)
def test_an_error_says_what_is_wrong_in_one_line(fail, said):
    with pytest.raises(Exception) as caught:
        fail()
    summary = summarise_error(caught.value)
    assert said in summary
    assert not any(
        inner in summary for inner in ("{{", 'File "', "[Op", "\n", "\x1b", "received by")
    )


def test_an_error_that_has_no_text_is_no_error():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    assert summarise_error(MuteError()) == ""


@pytest.mark.parametrize(
    ("answer", "line"), [(calls_a_helper, 3), (fails_in_a_comprehension, 3), (len, None)]
)
def test_the_line_is_one_of_the_learners_function(answer, line):
    with pytest.raises((ValueError, ZeroDivisionError, TypeError)) as caught:
        answer([1]) if line else answer(3)
    assert find_line(caught.value, answer) == line
