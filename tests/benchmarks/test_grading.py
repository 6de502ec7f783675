"""The grading benchmark gives nbgrader the same small lesson, and says what it cost."""

import json
import shutil
import zipfile

import pytest

from benchmarks import otter
from benchmarks.family import Family
from benchmarks.grading import (
    HARMLESS,
    HOSTILE,
    measure_grading,
    measure_hostile_class,
    set_parameters,
)
from course_utils.execution.lessons import RunError, find_lessons
from course_utils.grading.judgement import CheckResult, Ending, Judgement
from course_utils.grading.records.judgements import write_graded
from course_utils.grading.release.course_folder import init_grading
from course_utils.grading.release.example_class import ASSIGNMENT, read_example_class
from course_utils.grading.sandbox.provisioner import unavailable
from course_utils.notebooks import read_notebook

LESSON = next(one for one in find_lessons() if one.stem == ASSIGNMENT)


def test_submissions_get_the_parameters_that_the_lesson_is_graded_with(tmp_path):
    init_grading(tmp_path / "course", lessons=[LESSON], with_example_class=2)
    set_parameters(tmp_path / "course")
    paths = list(tmp_path.glob(f"course/submitted/*/{ASSIGNMENT}/*.ipynb"))
    assert len(paths) == 2
    for path in paths:
        source = tmp_path / "course" / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        asked = read_notebook(source).metadata.course.grading
        given = {}
        for cell in read_notebook(path).cells:
            if "parameters" in cell.metadata.get("tags", []):
                exec(cell.source, given)
        assert asked
        assert {name: given[name] for name in asked} == asked


def test_a_submission_that_cannot_be_read_is_left_as_it_is(tmp_path):
    path = tmp_path / "submitted" / "agate-01" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    lesson = tmp_path / "source" / ASSIGNMENT / path.name
    for one, text in ((path, '{"cells": ['), (lesson, LESSON.read_text(encoding="utf-8"))):
        one.parent.mkdir(parents=True)
        one.write_text(text, encoding="utf-8")
    set_parameters(tmp_path)
    assert path.read_text(encoding="utf-8") == '{"cells": ['


@pytest.fixture
def grade_class(monkeypatch):
    """Measure a class with graders that take so long, and give a score to so many learners."""

    def grade(seconds, num_graded, *, with_otter=True):
        def lay_out(folder, *, lessons):
            (folder / "source" / ASSIGNMENT).mkdir(parents=True)
            shutil.copy(*lessons, folder / "source" / ASSIGNMENT)

        def run(command, folder, *, name, may_fail):
            assert may_fail
            learners = sorted(one.name for one in (folder / "submitted").iterdir())
            assert len(learners) == 3
            graded = learners[: num_graded.get(name, 3)]
            if name.startswith("otter"):
                assert zipfile.is_zipfile(folder / otter.AUTOGRADER)
                (folder / otter.SCORES).write_text(json.dumps(dict.fromkeys(graded, 1.0)))
            scores[folder] = {one: {(ASSIGNMENT, "check-3-1"): 0.0} for one in graded}
            scores[folder] |= {
                one: {(ASSIGNMENT, "check-3-1"): None} for one in learners[len(graded) :]
            }
            return Family(seconds.get(name, 60.0), 30.0, 2 * 10**9, (), "it stumbled")

        scores = {}
        module = "benchmarks.grading"
        monkeypatch.setattr(f"{module}.init_grading", lay_out)
        monkeypatch.setattr(f"{module}.measure_family", run)
        monkeypatch.setattr(f"{module}.read_course", lambda folder: folder)
        monkeypatch.setattr(f"{module}.read_scores", lambda folder, assignment: scores[folder])
        reason = None if with_otter else "there is no otter"
        monkeypatch.setattr(f"{module}.otter.unavailable", lambda: reason)
        return {one.name: one for one in measure_grading(num_learners=3)}

    return grade


def test_every_grader_grades_the_same_class(grade_class):
    measured = grade_class(
        {"course grade": 15.0, "nbgrader": 90.0}, {"nbgrader": 2, "otter, small parameters": 1}
    )
    graders = [
        name.removesuffix(": submissions") for name in measured if name.endswith(": submissions")
    ]
    assert graders == [
        "course grade",
        "nbgrader, small parameters",
        "otter, small parameters",
        "nbgrader",
    ]
    values = {name: str(one) for name, one in measured.items()}
    assert values["course grade: submissions"] == "12 per minute"
    assert values["course grade: submissions with a score"] == "3 of 3"
    assert values["nbgrader: submissions with a score"] == "2 of 3"
    assert values["otter, small parameters: submissions with a score"] == "1 of 3"
    assert values["nbgrader: CPU time"] == "10 s per submission"
    assert values["nbgrader: peak memory of all processes together (PSS)"] == "2 GB"
    assert values["course grade / nbgrader"] == "6 times"
    assert values["course grade / otter, small parameters"] == "4 times"
    assert [one.name for one in measured.values() if one.target] == ["course grade / nbgrader"]


def test_without_otter_the_others_are_measured(grade_class):
    measured = grade_class({}, {}, with_otter=False)
    assert "course grade / nbgrader" in measured
    assert not [name for name in measured if "otter" in name]


def test_a_grader_that_graded_nothing_is_an_error(grade_class):
    with pytest.raises(RunError, match="nbgrader, small parameters graded nothing: it stumbled"):
        grade_class({}, {"nbgrader, small parameters": 0})


@pytest.fixture
def grade_hostile_class(monkeypatch):
    """Measure a hostile class whose grader writes these scores, others where none is given."""

    def grade(scores, left=()):
        def write_verdicts(command, folder, *, name):
            assert command[-2:] == ("grade", ASSIGNMENT)
            learners = read_example_class(folder)
            assert {one.kind for one in learners} == {*HARMLESS, *HOSTILE}
            for one in learners:
                score = scores.get(one.kind, one.expected_score)
                check = CheckResult("check", "3.1", score, one.max_score, (), "", "")
                judgement = Judgement(
                    one.learner, ASSIGNMENT, ASSIGNMENT, (check,), (),
                    Ending("died", 3, "it ended at cell 3"), 1.0, 1, "",
                )  # fmt: skip
                if score is not None:
                    write_graded(folder, judgements=(judgement,), fingerprint="")
            return Family(12.0, 20.0, 3 * 10**9, left, "")

        def lay_out(folder, *, lessons):
            (lesson,) = lessons
            (folder / "source" / ASSIGNMENT).mkdir(parents=True)
            shutil.copy(lesson, folder / "source" / ASSIGNMENT)

        monkeypatch.setattr("benchmarks.grading.init_grading", lay_out)
        monkeypatch.setattr("benchmarks.grading.measure_family", write_verdicts)
        measured, failure = {}, ""
        try:
            for one in measure_hostile_class():
                measured[one.name.partition(": ")[2]] = str(one)
        except RunError as error:
            failure = str(error)
        return measured, failure

    return grade


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_a_hostile_class_is_measured_and_its_scores_are_looked_at(grade_hostile_class):
    measured, failure = grade_hostile_class({})
    assert measured == {
        "time": "12 s",
        "peak memory of all processes together (PSS)": "3 GB",
        "harmless submissions with the score they deserve": "4 of 4",
        "hostile submissions with the score they deserve": "4 of 4",
        "processes left behind": "0 processes",
    }
    assert failure == ""


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_scores_that_are_not_deserved_and_processes_left_are_named(grade_hostile_class):
    measured, failure = grade_hostile_class({"right": 5.5, "fork bomb": None}, ("python",))
    assert measured["harmless submissions with the score they deserve"] == "3 of 4"
    assert measured["hostile submissions with the score they deserve"] == "3 of 4"
    assert "right: 5.5 points instead of 35 (it ended at cell 3)" in failure
    assert "fork bomb: not graded" in failure
    measured, failure = grade_hostile_class({}, ("python", "bwrap"))
    assert measured["processes left behind"] == "2 processes"
    assert failure == "processes left behind by the grader: python, bwrap"


def test_without_a_sandbox_no_hostile_class_is_graded(monkeypatch):
    monkeypatch.setattr("benchmarks.grading.unavailable", lambda: "there is no bwrap")
    with pytest.raises(RunError, match="there is no bwrap"):
        next(measure_hostile_class())
