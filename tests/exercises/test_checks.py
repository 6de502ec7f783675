"""Every check accepts the lesson's own solution and refuses common mistakes with a hint."""

import math

import numpy as np
import pytest

from course_utils.exercises import CHECKS, check


def not_done(*arguments):
    raise NotImplementedError


MISTAKES = {
    "1.2": [lambda x: x / 255, lambda x: (x / 256).astype("float32"), lambda x: None],
    "1.3": [lambda labels, n: labels, lambda labels, n: np.eye(n)[labels].T],
    "1.1": [
        lambda labels, n: np.bincount(labels) / len(labels),
        lambda labels, n: np.bincount(labels, minlength=n),
    ],
    "1.5": [
        lambda image, means: int(np.argmin(np.abs(means - image).sum(axis=(1, 2, 3)))),
        lambda image, means: int(np.argmax(((means - image) ** 2).sum(axis=(1, 2, 3)))),
    ],
    "1.4": [lambda images: len(images) - 1, lambda images: len({i.tobytes() for i in images})],
    "2.1": [
        lambda plane, kernel: plane,
        lambda plane, kernel: np.zeros((plane.shape[0] - 2, plane.shape[1] - 2)),
    ],
    "2.2": [lambda s, c, f: s * s * f + f, lambda s, c, f: s * s * c * f],
    "2.3": [lambda plane: plane[::2, ::2], lambda plane: plane.max()],
    "2.4": [lambda x: np.exp(x) / np.exp(x).sum(), lambda x: x / x.sum()],
    "2.5": [lambda p, label: -np.log2(p[label]), lambda p, label: 1 - p[label]],
    "3.1": [lambda w, g, r: w + r * g, lambda w, g, r: w - g],
    "3.3": [lambda y, p: (p > 0.5).mean(), lambda y, p: int((p.argmax(axis=1) == y).sum())],
    "3.2": [lambda losses: int(np.argmin(losses)), lambda losses: 1 + int(np.argmax(losses))],
    "3.4": [lambda p, m: int(1.96**2 * p * (1 - p) / m**2), lambda p, m: math.ceil(1 / m**2)],
    "3.5": [lambda y, p, names: names[0], lambda y, p, names: 0],
    "4.1": [lambda a, b: (a == b).sum(), lambda a, b: 1.0],
    "4.2": [lambda y, p, g: float(np.mean(y == p)), lambda y, p, g: 0.0],
    "4.3": [lambda e, n: np.mean(e), lambda e, n: np.sum(np.multiply(e, n))],
    "4.4": [lambda percent, n: [round(percent * n / 100)], lambda percent, n: []],
}


def test_every_exercise_has_its_mistakes_tested():
    assert MISTAKES.keys() == CHECKS.keys()


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [(exercise, answer) for exercise, answers in MISTAKES.items() for answer in answers],
)
def test_mistakes_get_a_hint(exercise, answer, capsys):
    check(exercise, answer)
    verdict, hint = capsys.readouterr().out.splitlines()
    assert verdict.startswith(f"{exercise} ✗ ")
    assert hint.startswith("Hint: ")
    assert "``" not in hint


@pytest.mark.parametrize("exercise", CHECKS)
def test_an_exercise_that_is_not_done_yet_keeps_its_hint_for_the_first_try(exercise, capsys):
    check(exercise, not_done)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{exercise} … not done yet: write your function")


@pytest.mark.parametrize("exercise", CHECKS)
@pytest.mark.parametrize("answer", [None, 3, "text", lambda: None, lambda *arguments: "text"])
def test_nothing_a_learner_writes_stops_the_notebook(exercise, answer, capsys):
    check(exercise, answer)
    assert capsys.readouterr().out.startswith(f"{exercise} ✗ ")


def test_an_error_names_the_line_of_the_learners_function(capsys):
    def step(weight, gradient, learning_rate):
        scaled = gradient * learning_rate  # noqa: F841
        return weight - scled  # noqa: F821

    check("3.1", step)
    out = capsys.readouterr().out
    assert "line 3 of your function raised NameError: name 'scled' is not defined" in out


def test_an_unknown_exercise_is_an_error():
    with pytest.raises(KeyError, match=r"there is no exercise '9\.9'"):
        check("9.9", not_done)
