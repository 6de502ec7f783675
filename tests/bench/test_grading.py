"""The grading benchmark gives nbgrader the same small lesson, and names a grader that fails."""

import shutil

import pytest

from course_utils.bench.grading import (
    HARMLESS,
    HOSTILE,
    _set_parameters,
    _time,
    measure_hostile_class,
)
from course_utils.bench.process import Family
from course_utils.execution.lessons import RunError, read_notebook
from course_utils.grading.course_folder import init_grading
from course_utils.grading.example_class import ASSIGNMENT, read_example_class
from course_utils.grading.results import CheckResult, Ending, Judgement
from course_utils.grading.sandbox import unavailable
from course_utils.grading.store import write_graded


def test_submissions_get_the_parameters_that_the_lesson_is_graded_with(tmp_path):
    init_grading(tmp_path / "course", with_example_class=2)
    _set_parameters(tmp_path / "course")
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


def test_a_grader_that_fails_is_an_error(tmp_path):
    assert _time(["true"], tmp_path) > 0
    with pytest.raises(RunError, match=r"-l /nowhere failed: .*/nowhere"):
        _time(["ls", "-l", "/nowhere"], tmp_path)


@pytest.fixture
def grade_hostile_class(monkeypatch):
    """Measure a hostile class whose grader writes these scores, others where none is given."""

    def grade(scores, left=()):
        def write_verdicts(command, folder, *, name):
            assert command[-2:] == ("grade", ASSIGNMENT)
            students = read_example_class(folder)
            assert {one.kind for one in students} == {*HARMLESS, *HOSTILE}
            for one in students:
                score = scores.get(one.kind, one.expected_score)
                check = CheckResult("check", "3.1", score, one.max_score, (), "", "")
                judgement = Judgement(
                    one.student, ASSIGNMENT, ASSIGNMENT, (check,), (),
                    Ending("died", 3, "it ended at cell 3"), 1.0, 1, "",
                )  # fmt: skip
                if score is not None:
                    write_graded(folder, judgements=(judgement,), fingerprint="")
            return Family(12.0, 3 * 10**9, left)

        def lay_out(folder, *, lessons):
            (lesson,) = lessons
            (folder / "source" / ASSIGNMENT).mkdir(parents=True)
            shutil.copy(lesson, folder / "source" / ASSIGNMENT)

        monkeypatch.setattr("course_utils.bench.grading.init_grading", lay_out)
        monkeypatch.setattr("course_utils.bench.grading.measure_family", write_verdicts)
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
    assert "right: 5.5 points instead of 11 (it ended at cell 3)" in failure
    assert "fork bomb: not graded" in failure
    measured, failure = grade_hostile_class({}, ("python", "bwrap"))
    assert measured["processes left behind"] == "2 processes"
    assert failure == "processes left behind by the grader: python, bwrap"


def test_without_a_sandbox_no_hostile_class_is_graded(monkeypatch):
    monkeypatch.setattr("course_utils.bench.grading.unavailable", lambda: "there is no bwrap")
    with pytest.raises(RunError, match="there is no bwrap"):
        next(measure_hostile_class())
