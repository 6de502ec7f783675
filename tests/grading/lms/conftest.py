"""A gradebook with scores."""

import os
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from course_utils.grading.records.gradebook import Course


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Ada has late, graded-by-hand points; Grace waits for a grader; Alan handed in nothing."""
    folder = tmp_path_factory.mktemp("course")
    database = f"sqlite:///{folder / 'gradebook.db'}"
    # For a new gradebook nbgrader calls alembic, which is beside this Python.
    programs = (str(Path(sys.executable).parent), os.environ["PATH"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join(programs))
        gradebook = Gradebook(database)
    with gradebook:
        gradebook.add_assignment("Training", duedate="2026-03-01 12:00:00 UTC")
        gradebook.add_notebook("lesson", "Training")
        gradebook.add_grade_cell("a", "lesson", "Training", max_score=6, cell_type="code")
        gradebook.add_grade_cell("b", "lesson", "Training", max_score=4, cell_type="markdown")
        gradebook.add_solution_cell("b", "lesson", "Training")
        gradebook.add_assignment("Empty")
        gradebook.add_student("ada", first_name="Ada", last_name="Lovelace", lms_user_id="11")
        gradebook.add_student("grace", email="grace@example.org")
        gradebook.add_student("alan")
        for learner in ("ada", "grace"):
            submission = gradebook.add_submission("Training", learner)
            notebook = submission.notebooks[0]
            grades = {grade.name: grade for grade in notebook.grades}
            grades["a"].auto_score, grades["a"].needs_manual_grade = 4.5, False
            if learner == "ada":
                grades["b"].manual_score, grades["b"].needs_manual_grade = 3, False
                notebook.late_submission_penalty = 1.25
                notebook.comments[0].manual_comment = "Well <argued>"
            else:
                notebook.comments[0].auto_comment = "No response."
        gradebook.db.commit()
    return Course(folder, database, Config())
