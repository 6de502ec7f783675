"""A small nbgrader course: an exercise, an essay, and submissions of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ASSIGNMENT = "demo"
RIGHT = "def step(weight, gradient, learning_rate):\n    return weight - learning_rate * gradient"
SOLUTION = """\
def step(weight, gradient, learning_rate):
    ### BEGIN SOLUTION
    return weight - learning_rate * gradient
    ### END SOLUTION"""
CHECK = """\
assert callable(step)
### BEGIN HIDDEN TESTS
from course_utils.exercises import emit

emit("3.1", step)
### END HIDDEN TESTS"""


def _mark(cell, name, **marks):
    flags = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = flags | {"schema_version": 3, "grade_id": name} | marks
    return cell


def _make_source():
    cells = [
        new_markdown_cell("# Demo"),
        _mark(new_code_cell(SOLUTION), "exercise-3-1", solution=True),
        _mark(new_code_cell(CHECK), "check-3-1", grade=True, locked=True, points=2),
        _mark(new_markdown_cell("Why?"), "essay", grade=True, solution=True, points=3),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture(scope="session")
def run_nbgrader():
    """Run nbgrader's own command, which looks for the program alembic on its path."""

    def run(folder, *arguments):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=folder,
            env=os.environ | {"PATH": path},
            check=True,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture(scope="session")
def course_template(tmp_path_factory, run_nbgrader):
    folder = tmp_path_factory.mktemp("template") / "course"
    source = folder / "source" / ASSIGNMENT / "demo.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(_make_source(), source)
    (folder / "nbgrader_config.py").write_text(
        'get_config().CourseDirectory.course_id = "pixels"\n'
    )
    run_nbgrader(folder, "generate_assignment", ASSIGNMENT)
    return folder


@pytest.fixture
def course_folder(course_template, tmp_path):
    """An nbgrader course with a released assignment, ``demo``, that nobody has handed in."""
    return Path(shutil.copytree(course_template, tmp_path / "course"))


@pytest.fixture
def submit(course_folder):
    """Hand in ``demo`` with these answers; returns the submission's folder."""

    def submit(learner, answer=RIGHT, *, essay="Because.", timestamp=None):
        folder = course_folder / "submitted" / learner / ASSIGNMENT
        folder.mkdir(parents=True, exist_ok=True)
        release = course_folder / "release" / ASSIGNMENT / "demo.ipynb"
        notebook = nbformat.read(release, as_version=4)
        notebook.cells[1].source = answer
        notebook.cells[3].source = essay
        nbformat.write(notebook, folder / "demo.ipynb")
        if timestamp:
            (folder / "timestamp.txt").write_text(timestamp)
        return folder

    return submit
