"""Checks of every kind, written in an instructor's notebook and judged with real kernels."""

import math

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.grading.judge.limits import RunLimits
from course_utils.grading.judge.running import JudgeError, execute
from course_utils.grading.judge.scoring import read_expected, score

SOLVED = """\
import numpy as np, pandas as pd

def squares(n):
    return [number**2 for number in range(1, n + 1)]

total = 0.5
table = pd.DataFrame({"name": ["a", "b"], "size": [1.0, 2.5]})
names = {"first": "Ada", "numbers": [1, 2]}"""

PUBLISHED = """\
from course_utils.exercises import Publisher

with Publisher("everything") as check:
    n = int(check.random.integers(3, 30))
    check.call("squares", n, name="a drawn number")
    check.call("squares", 1, weight=3)
    check.variable("total", tolerance=0.1)
    check.variable("table")
    check.variable("names")
    check.value(np.ones(3), name="an array", exact_type=True)"""

ASSERTED = "assert squares(2) == [1, 4], 'not the squares'\nassert squares(0) == []"
PARTIAL = "2 if squares(1) == [1] else 0.5"
SHOWN = "print('total', total)\ntable"


def make(answer, *checks):
    """A notebook with an answer and checks, each a source and its metadata."""
    cells = [mark(new_code_cell(answer), "answer", solution=True)]
    for number, (source, metadata) in enumerate(checks):
        cell = new_code_cell(source, metadata=dict(metadata))
        cells.append(mark(cell, f"check-{number}", grade=True, locked=True, points=4))
    return new_notebook(cells=cells)


def mark(cell, grade_id, **marks):
    flags = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = flags | {"schema_version": 3, "grade_id": grade_id} | marks
    return cell


def run(notebook, seed=7):
    return execute(notebook, kernel="python3", seed=seed)


def judge(answer, *checks, source=SOLVED):
    expected = read_expected(make(source, *checks), run(make(source, *checks)))
    found = run(make(answer, *checks))
    return score(expected, found=found, learner="ada", assignment="a", notebook="n").checks


def test_what_the_instructor_publishes_is_compared_value_by_value():
    (right,) = judge(SOLVED, (PUBLISHED, {}))
    assert (right.score, right.kind, right.exercise) == (4, "published", "everything")
    assert [answer.case for answer in right.answers] == [
        "a drawn number",
        "squares(1)",
        "total",
        "table",
        "names",
        "an array",
    ]
    changed = SOLVED.replace("n + 1", "n").replace("0.5", "0.59").replace("2.5", "2.6")
    (partly,) = judge(changed.replace("Ada", "Bob"), (PUBLISHED, {}))
    assert partly.score == pytest.approx(4 * 2 / 8)
    assert {one.case: one.reason for one in partly.answers if one.reason} == {
        "a drawn number": partly.answers[0].reason,
        "squares(1)": "another shape was expected than (0,)",
        "table": "in the column 'size', another value was expected than an array of 2 numbers, "
        "1.0, 2.6",
        "names": "in the key 'first', another text was expected than 'Bob'",
    }


def test_what_is_missing_costs_its_share_and_says_so():
    (missing,) = judge("import numpy as np\ndel_me = 1", (PUBLISHED, {}))
    assert missing.score == pytest.approx(4 * 1 / 8)
    assert "there is no squares" in missing.answers[0].reason


def test_inputs_are_drawn_anew_in_each_batch():
    notebook = make(SOLVED, (PUBLISHED, {}))
    answers = {run(notebook, seed).answers["check-0"] for seed in (1, 2, 2)}
    assert len(answers) == 2


def test_a_test_cell_of_nbgrader_gives_what_nbgrader_would_give():
    checks = ((ASSERTED, {}), (PARTIAL, {}))
    notebook_with_partial = (ASSERTED, {}), ("4 if squares(1) == [1] else 0.5", {})
    right = judge(SOLVED, *notebook_with_partial)
    assert [(one.score, one.kind, one.can_be_forged) for one in right] == [
        (4, "assert", True),
        (4, "assert", True),
    ]
    wrong = judge(SOLVED.replace("**2", "**3"), *notebook_with_partial)
    assert [one.score for one in wrong] == [0, 4]
    assert wrong[0].reason == "AssertionError: not the squares"
    partial = judge(SOLVED.replace("n + 1", "n"), *notebook_with_partial)
    assert [(one.score, one.reason) for one in partial][1] == (0.5, "it gave 0.5 of 4 points")
    with pytest.raises(JudgeError, match=r"'check-1' gives the instructor's own answer 2 of 4"):
        judge(SOLVED, *checks)


def test_an_instructor_whose_own_answer_fails_is_told_where():
    with pytest.raises(JudgeError, match=r"cell 2 \(check-0\) raised AssertionError: not the"):
        judge(SOLVED, (ASSERTED, {}), source=SOLVED.replace("**2", "**3"))


def test_more_points_than_there_are_count_as_none():
    check = ("4 if squares(1) == [1] else 400", {})
    (one,) = judge(SOLVED.replace("n + 1", "n"), check)
    assert one.score == 0


@pytest.mark.parametrize(
    ("change", "points"),
    [(("total", "total"), 4), (("0.5", "0.52"), 4), (("0.5", "0.7"), 0), (("'a'", "'c'"), 0)],
)
def test_outputs_are_compared_as_nbval_does_with_a_tolerance(change, points):
    metadata = {"tags": ["compare-output"], "course": {"tolerance": 0.1}}
    source = SOLVED.replace('"a"', "'a'")
    (one,) = judge(source.replace(*change), (SHOWN, metadata), source=source)
    assert (one.score, one.kind, one.can_be_forged) == (points, "output", False)
    assert bool(one.reason) == (points == 0)


def test_a_cell_that_shows_nothing_is_not_the_same():
    check = ("print(total)", {"tags": ["compare-output"]})
    (silent,) = judge(SOLVED + "\nprint = lambda *_: None", check)
    assert (silent.score, silent.reason) == (0, "another output was expected than nothing")
    (failed,) = judge("1 / 0", check)
    assert failed.reason == "NameError: name 'total' is not defined"


MODEL = """\
import os
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
from keras import layers

model = keras.Sequential([
    layers.Input((8, 8, 3)),
    layers.Conv2D(4, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Flatten(),
    layers.Dropout(0.5),
    layers.Dense(10, activation="softmax"),
])
before = model.get_weights()"""
MODEL_CHECK = """\
from course_utils.exercises import Publisher

with Publisher("network") as check:
    check.model("model")
import numpy as np
assert all(np.array_equal(*pair) for pair in zip(before, model.get_weights()))"""


def test_a_network_is_compared_layer_by_layer_and_by_what_it_predicts():
    right, padded, quiet = (
        judge(answer, (MODEL_CHECK, {}), source=MODEL)[0]
        for answer in (
            MODEL,
            MODEL.replace('padding="same", ', ""),
            MODEL.replace('activation="relu"', 'activation="tanh"'),
        )
    )
    assert right.score == 4
    assert [one.case for one in right.answers if not one.passed] == []
    reasons = {one.case: one.reason for one in padded.answers if one.reason}
    assert set(reasons) == {
        "layer 1", "layer 2", "layer 3", "layer 4", "layer 5",
        "predictions with drawn weights",
    }  # fmt: skip
    assert "in the key 'output shape'" in reasons["layer 1"]
    assert "-1.0, 6.0, 6.0, 4.0" in reasons["layer 1"]
    assert [one.case for one in quiet.answers if not one.passed] == [
        "layer 1",
        "predictions with drawn weights",
    ]
    assert quiet.score == pytest.approx(4 * (1 / 2) * (5 / 6))


FIGURE = """\
import matplotlib.pyplot as plt

figure, axes = plt.subplots()
axes.plot([1, 2, 3], [1.0, 4.0, 9.0], label="squares")
axes.set(xlabel="n", title="Squares")
axes.legend();"""
FIGURE_CHECK = """\
from course_utils.exercises import Publisher

with Publisher("figure") as check:
    check.figure("axes")"""


def test_the_data_of_a_figure_are_compared():
    right, wrong = (
        judge(answer, (FIGURE_CHECK, {}), source=FIGURE)[0]
        for answer in (FIGURE, FIGURE.replace("9.0", "8.0"))
    )
    assert right.score == 4
    assert wrong.score == 0
    assert "in the key 'lines'" in wrong.answers[0].reason


@pytest.mark.parametrize(
    ("marks", "metadata", "message"),
    [
        ({"points": -1}, {}, "'check-0' is worth -1, not some points"),
        ({"points": math.inf}, {}, "is worth inf"),
        ({"grade_id": ""}, {}, "check cell 2 of the source has no grade_id"),
        ({}, {"tags": ["compare-output"], "course": {"tolerance": "much"}}, "tolerance 'much'"),
    ],
)
def test_metadata_of_the_instructor_that_make_no_sense_are_named(marks, metadata, message):
    notebook = make("a = 1", ("a", metadata))
    notebook.cells[1].metadata["nbgrader"] |= marks
    run_without = run(make("a = 1", ("a", metadata)))
    run_without.notebook.cells[1].metadata = nbformat.from_dict(notebook.cells[1].metadata)
    with pytest.raises(JudgeError, match=message):
        read_expected(notebook, run_without)


@pytest.mark.parametrize("shown", ["x = 1", "print()", "print(' ')"])
def test_an_output_check_that_shows_nothing_is_refused(shown):
    """Otherwise everybody would get its points."""
    message = r"'check-0' shows nothing that can be compared: print something there, or take away"
    with pytest.raises(JudgeError, match=message):
        judge(SOLVED, (shown, {"tags": ["compare-output"]}))


def test_what_an_instructor_can_do_about_a_run_that_ends_early_is_said():
    notebook = make(SOLVED, ("while True: pass", {}))
    with pytest.raises(
        JudgeError, match=r"timed out .* at cell 2; make it quicker, or allow more w"
    ):
        read_expected(
            notebook,
            execute(notebook, kernel="python3", seed=7, limits=RunLimits(cell_seconds=1)),
        )
