"""Exercises whose answers are networks: right ones earn everything, whatever the seed."""

import functools
import inspect
import json

import pytest

from course_utils.exercises import check
from course_utils.exercises.probes import GRADED, collect_answers
from course_utils.grading.judge.comparison import compare, parse_emission
from course_utils.grading.release.example_class import MISTAKES as EXAMPLES
from tests.exercises.networks import LESSON_3, MISTAKES, RIGHT

each_exercise = pytest.mark.parametrize("exercise", GRADED)
SEEDS = (0, 7)
SLOW = {f"3.{number}" for number in range(7, 13)}  # they train


def share(exercise, answer, seed):
    """Which part of the points an answer earns."""
    expected, found = (_read_back(exercise, one, seed) for one in (RIGHT[exercise][0], answer))
    results = compare(expected, found, tolerance=1e-6)
    return sum(
        result.passed * one.weight for result, one in zip(results, expected, strict=True)
    ) / sum(one.weight for one in expected)


@functools.cache
def _read_back(exercise, answer, seed):
    answers = collect_answers(exercise, answer, seed=seed)
    text = json.dumps({"exercise": exercise, "answers": answers}, allow_nan=False)
    return parse_emission(text).answers


def not_done(*arguments):
    raise NotImplementedError("Replace this line by your code.")


def test_every_exercise_has_its_answers():
    assert RIGHT.keys() == MISTAKES.keys() == GRADED.keys()


@pytest.mark.parametrize(
    ("exercise", "answer"), [(one, answer) for one in RIGHT for answer in RIGHT[one]]
)
def test_right_answers_are_accepted_and_earn_everything(exercise, answer, capsys):
    check(exercise, answer)
    assert capsys.readouterr().out.startswith(f"{exercise} ✓ ")
    for seed in SEEDS[: 1 if exercise in SLOW else None]:
        assert share(exercise, answer, seed) == pytest.approx(1)


@pytest.mark.parametrize(
    ("exercise", "answer"), [(one, answer) for one in MISTAKES for answer in MISTAKES[one]]
)
def test_mistakes_cost_something(exercise, answer):
    assert share(exercise, answer, SEEDS[0]) < 1


@each_exercise
def test_the_inputs_depend_on_the_seed(exercise):
    one, other = (_read_back(exercise, RIGHT[exercise][0], seed) for seed in SEEDS)
    assert one != other


@each_exercise
@pytest.mark.parametrize("answer", [not_done, None, lambda *_: None, lambda *_: 0, lambda: 0])
def test_no_answer_earns_next_to_nothing(exercise, answer):
    assert share(exercise, answer, SEEDS[0]) < 0.05


@pytest.mark.parametrize("exercise", EXAMPLES)
def test_the_example_classs_mistakes_earn_nothing(exercise):
    name = {"3.2": "fit_network", "3.4": "make_callbacks", "3.5": "classify", "3.6": "train_step"}
    own = LESSON_3[name.get(exercise, f"treat_{'abcdef'[int(exercise[2:]) - 7]}")]
    arguments = inspect.signature(own)
    namespace = dict(LESSON_3)
    exec(f"def answer{arguments}:\n    {EXAMPLES[exercise]}", namespace)
    assert share(exercise, namespace["answer"], SEEDS[0]) == 0
