"""The invented learners hand in what the table says, and deserve the score that it says.

Nothing that they hand in is run here but single functions, and not the hostile ones.
"""

import ast
import math
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.execution.lessons import find_lessons
from course_utils.exercises.probes import PROBES, collect_answers
from course_utils.grading.release.example_class import (
    ASSIGNMENT,
    EXERCISES,
    KINDS,
    MISTAKES,
    SOLUTIONS,
    TABLE,
    ExampleClassError,
    make_example_class,
    read_example_class,
)
from course_utils.grading.release.student_edition import make_student_edition

LESSON = find_lessons(Path(__file__).parents[3] / "notebooks")[2]
NUM_KINDS = len(KINDS)
HOSTILE = {
    *("endless loop", "all memory", "endless output", "sys.exit"),
    *("fork bomb", "a gigabyte of output"),
}
UNREADABLE = {"cut off"}
SLOW = {"slow", "computes long"}
INCOMPLETE = {"syntax error", "deleted check", "lost metadata"}


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "source" / ASSIGNMENT
    folder.mkdir(parents=True)
    (folder / LESSON.name).write_bytes(LESSON.read_bytes())
    return tmp_path


def read_functions():
    """The lesson's functions: by exercise, the code above the solution and the name."""
    functions = {}
    for cell in make_student_edition(LESSON).cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            exercise = cell.metadata.nbgrader.grade_id.removeprefix("exercise-").replace("-", ".")
            functions[exercise] = cell.source
    return functions


FUNCTIONS = read_functions()


def define(source):
    namespace = {"np": np, "math": math}
    exec(source, namespace)
    (statement,) = [one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef)]
    return namespace[statement.name]


def handed_in(course, learner):
    (path,) = (course / "submitted" / learner.learner / ASSIGNMENT).iterdir()
    return path


def solution_sources(path):
    """The learner's functions by exercise."""
    notebook = nbformat.read(path, as_version=4)
    return {
        cell.metadata.nbgrader.grade_id.removeprefix("exercise-").replace("-", "."): cell.source
        for cell in reversed(notebook.cells)
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def read_points():
    return {
        cell.metadata.nbgrader.grade_id.removeprefix("check-").replace("-", "."): (
            cell.metadata.nbgrader.points
        )
        for cell in nbformat.read(LESSON, as_version=4).cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }


def is_solved(source):
    """Whether a network or training is the lesson's own: no mistake, no stub."""
    return "NotImplementedError" not in source and not any(
        source.endswith(mistake) for mistake in MISTAKES.values()
    )


def share_right(exercise, answer, *, seed, own):
    expected = collect_answers(exercise, own, seed=seed)
    found = collect_answers(exercise, answer, seed=seed)
    tolerance = PROBES[exercise].tolerance
    right = [
        one["error"] is None
        and (one["kind"], one["shape"]) == (other["kind"], other["shape"])
        and (
            one["value"] == other["value"]
            if isinstance(one["value"], str)
            else np.allclose(
                np.array(one["value"], float),
                np.array(other["value"], float),
                rtol=0,
                atol=tolerance,
            )
        )
        for one, other in zip(found, expected, strict=True)
    ]
    return sum(right) / len(right)


OWN = {
    exercise: define(
        next(
            cell.source
            for cell in nbformat.read(LESSON, as_version=4).cells
            if cell.metadata.get("nbgrader", {}).get("grade_id")
            == f"exercise-{exercise.replace('.', '-')}"
        )
    )
    for exercise in SOLUTIONS
}


def test_every_exercise_of_the_lesson_is_solved_in_every_way():
    assert set(FUNCTIONS) == set(EXERCISES) == SOLUTIONS.keys() | MISTAKES.keys()
    assert list(FUNCTIONS) == list(EXERCISES)
    assert not SOLUTIONS.keys() & MISTAKES.keys()
    for ways in SOLUTIONS.values():
        assert ways.keys() == {"another way", "in part", "mistake"}
        shares = [ways[style].share for style in ("mistake", "in part", "another way")]
        assert shares == sorted(set(shares))
        assert shares[-1] == 1


@settings(max_examples=20)
@given(seed=st.integers(0, 2**63))
def test_each_way_is_right_for_the_share_that_is_stated_whatever_the_seed(seed):
    for exercise, ways in SOLUTIONS.items():
        for style, solution in ways.items():
            stub = FUNCTIONS[exercise].splitlines()[-1]
            indented = "\n".join(f"    {line}" for line in solution.body.splitlines())
            answer = define(FUNCTIONS[exercise].replace(stub, indented))
            share = share_right(exercise, answer, seed=seed, own=OWN[exercise])
            assert share == pytest.approx(float(solution.share)), (exercise, style)


def test_the_first_dozen_shows_one_kind_each_in_a_fixed_order(course):
    learners = make_example_class(course, 12, seed=0)
    assert [one.kind for one in learners] == [
        "right",
        "another way",
        "in part",
        "mistakes",
        "not done",
        "syntax error",
        "endless loop",
        "all memory",
        "deleted check",
        "edited check",
        "cut off",
        "renamed",
    ]
    scores = [round(one.expected_score, 2) for one in learners]
    assert scores == [35, 35, 31.91, 0.29, 0, 34, 27, 29, 35, 34, 0, 35]
    assert {one.max_score for one in learners} == {35}


def test_kinds_can_be_chosen_and_the_rest_is_drawn(course):
    learners = make_example_class(course, 4, seed=0, kinds=["fork bomb", "right", "fork bomb"])
    assert [one.kind for one in learners] == ["fork bomb", "right", "fork bomb", "mixed"]
    assert [one.expected_score for one in learners[:3]] == [26, 35, 26]
    assert "fork()" in solution_sources(handed_in(course, learners[2]))["3.13"]
    assert "fork()" not in solution_sources(handed_in(course, learners[1]))["3.13"]
    with pytest.raises(ExampleClassError, match=r"no kind 'polite' of .* 'right', 'another way'"):
        make_example_class(course, 1, seed=0, kinds=["polite"])


def test_what_is_handed_in_deserves_what_is_expected(course):
    """Found by running the functions themselves, where that is safe."""
    points = read_points()
    learners = make_example_class(course, NUM_KINDS + 6, seed=3)
    seen = set()
    for learner in learners:
        if learner.kind in HOSTILE | UNREADABLE | INCOMPLETE | SLOW:
            continue
        sources = solution_sources(handed_in(course, learner))
        score = sum(
            points[exercise] * share_right(exercise, define(sources[exercise]), seed=1, own=own)
            for exercise, own in OWN.items()
        ) + sum(points[exercise] for exercise in MISTAKES if is_solved(sources[exercise]))
        assert score == pytest.approx(learner.expected_score), learner
        seen.add(learner.kind)
    assert seen >= {"right", "in part", "mistakes", "not done", "mixed", "retagged check"}


def test_broken_submissions_are_broken_as_described(course):
    learners = make_example_class(course, NUM_KINDS, seed=0)
    paths = {one.kind: handed_in(course, one) for one in learners}
    texts = {kind: path.read_text(encoding="utf-8") for kind, path in paths.items()}
    notebooks = {
        kind: nbformat.reads(text, as_version=4)
        for kind, text in texts.items()
        if kind != "cut off"
    }
    ids = {
        kind: [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
        for kind, notebook in notebooks.items()
    }
    with pytest.raises(nbformat.reader.NotJSONError):
        nbformat.reads(texts["cut off"], as_version=4)
    with pytest.raises(SyntaxError):
        ast.parse(solution_sources(paths["syntax error"])["3.13"])
    assert "check-3-3" not in ids["deleted check"]
    assert ids["duplicated cells"].count("check-3-3") == 2
    assert ids["moved cells"][-1] == "check-3-3"
    assert sorted(map(str, ids["moved cells"])) == sorted(map(str, ids["right"]))
    assert not any(ids["lost metadata"])
    assert "nbval-skip" in texts["retagged check"]
    assert 'print(\\"3.1 ✓' in texts["edited check"]
    assert '"nbformat": 3' in texts["old format"]
    assert paths["renamed"].name == "03_training (1).ipynb"
    assert "sys.exit(0)" in solution_sources(paths["sys.exit"])["3.3"]
    assert "while" in solution_sources(paths["endless loop"])["3.14"]
    assert "2**26" in solution_sources(paths["all memory"])["3.15"]
    assert "while True" in solution_sources(paths["endless output"])["3.16"]
    assert "fork()" in solution_sources(paths["fork bomb"])["3.13"]
    assert "range(1000)" in solution_sources(paths["a gigabyte of output"])["3.17"]
    assert "sleep" in solution_sources(paths["slow"])["3.14"]
    assert "process_time() + 12" in solution_sources(paths["computes long"])["3.14"]
    for kind, notebook in notebooks.items():
        if kind != "old format":
            nbformat.validate(notebook)


def test_no_submission_holds_a_hidden_test(course):
    make_example_class(course, NUM_KINDS, seed=0)
    paths = list(course.glob("submitted/*/*/*"))
    assert len(paths) >= NUM_KINDS
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert "HIDDEN TESTS" not in text
        assert "emit(" not in text


def test_the_table_beside_says_the_same_and_names_nobody_real(course):
    learners = make_example_class(course, NUM_KINDS + 30, seed=1)
    assert read_example_class(course) == learners
    assert len({one.learner for one in learners}) == len(learners)
    assert all(one.last_name.startswith("Invented") for one in learners)
    assert all(one.email.endswith("@example.org") for one in learners)
    assert {path.name for path in (course / "submitted").iterdir()} == {
        one.learner for one in learners
    }


def test_a_seed_draws_the_same_class_and_another_seed_another_one(course, tmp_path):
    learners = make_example_class(course, NUM_KINDS + 5, seed=1)
    assert make_example_class(course, NUM_KINDS + 5, seed=1) == learners
    before = (course / TABLE).read_text(encoding="utf-8")
    with pytest.raises(ExampleClassError, match="a course of its own"):
        make_example_class(course, NUM_KINDS + 5, seed=2)
    assert (course / TABLE).read_text(encoding="utf-8") == before


def test_what_learners_handed_in_is_not_overwritten(course):
    real = course / "submitted" / "agate-01" / ASSIGNMENT / LESSON.name
    real.parent.mkdir(parents=True)
    real.write_text("real work", encoding="utf-8")
    with pytest.raises(ExampleClassError, match="agate-01"):
        make_example_class(course, 3, seed=0)
    assert real.read_text(encoding="utf-8") == "real work"
    assert not (course / TABLE).exists()


@pytest.mark.parametrize("num_learners", [0, -1])
def test_a_class_of_nobody_is_refused(course, num_learners):
    with pytest.raises(ExampleClassError, match="at least 1"):
        make_example_class(course, num_learners, seed=0)


def test_a_folder_that_is_no_course_is_refused(tmp_path):
    with pytest.raises(ExampleClassError, match="course init-grading"):
        make_example_class(tmp_path, 3, seed=0)
