"""The grading benchmark gives nbgrader the same small lesson, and names a grader that fails."""

import pytest

from course_utils.bench.grading import _set_parameters, _time
from course_utils.execution.lessons import RunError, read_notebook
from course_utils.grading.course_folder import init_grading
from course_utils.grading.example_class import ASSIGNMENT


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
