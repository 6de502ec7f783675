"""Any nbgrader assignment is graded: nbgrader's own example, and one with files and marks."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.grading.batch.grade import grade
from course_utils.grading.batch.plan import BatchError
from course_utils.grading.records.gradebook import read_course, read_scores
from course_utils.grading.records.judgements import read_judgements
from course_utils.grading.sandbox.provisioner import unavailable
from course_utils.notebooks import grade_id

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

SQUARES = """\
def squares(n):
    if n < 1:
        raise ValueError("no")
    return [i**2 for i in range(1, n + 1)]"""
SOLVED = {
    "squares": SQUARES,
    "sum_of_squares": "def sum_of_squares(n):\n    return sum(squares(n))",
    "sum_of_squares_equation": "$$\\sum i^2$$",
    "sum_of_squares_application": "sum_of_squares(3)",
}
ANSWERS = {
    "solved": SOLVED,
    "half": {
        "squares": "def squares(n):\n    return [i**2 for i in range(1, n + 1)]",
        "sum_of_squares": "def sum_of_squares(n):\n    return sum(i * i for i in range(n + 1))",
    },
    "empty": {},
    "hostile": {"squares": "import os\nos._exit(0)"},
}


def hand_in(folder, learner, assignment, notebook, answers):
    """Hand in what was released, with these answers by grade_id; None takes the cell out."""
    target = folder / "submitted" / learner / assignment
    shutil.copytree(folder / "release" / assignment, target, dirs_exist_ok=True)
    found = nbformat.read(target / notebook, as_version=4)
    for cell in list(found.cells):
        if grade_id(cell) in answers:
            cell.source = answers[grade_id(cell)] or ""
            if answers[grade_id(cell)] is None:
                found.cells.remove(cell)
    nbformat.write(found, target / notebook)


@pytest.fixture
def quickstart(tmp_path, run_nbgrader):
    run_nbgrader(tmp_path, "quickstart", "c1")
    folder = tmp_path / "c1"
    run_nbgrader(folder, "generate_assignment", "ps1")
    for learner, answers in ANSWERS.items():
        hand_in(folder, learner, "ps1", "problem1.ipynb", answers)
    return folder


def test_nbgraders_own_example_gets_nbgraders_points(quickstart, run_nbgrader, monkeypatch):
    theirs = Path(shutil.copytree(quickstart, quickstart.with_name("c2")))
    shutil.rmtree(theirs / "submitted" / "hostile")
    config = theirs / "nbgrader_config.py"
    config.write_text(config.read_text().replace(str(quickstart), str(theirs)))
    run_nbgrader(theirs, "autograde", "ps1")
    expected = read_scores(read_course(theirs), "ps1")

    monkeypatch.chdir(quickstart)

    def course(*words):
        result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        return result.output

    output = course("grade", "ps1")
    assert "solved, problem1: 3 of 3 points" in output
    found = read_scores(read_course(quickstart), "ps1")
    assert {learner: found[learner] for learner in expected} == expected
    assert sum(score or 0 for score in found["hostile"].values()) == 0

    judged = {one.learner: one for one in read_judgements(quickstart, "ps1") if one.checks}
    assert judged["solved"].repairs == ()
    assert all(check.can_be_forged for check in judged["solved"].checks)
    course("feedback", "ps1")
    page = (quickstart / "feedback" / "half" / "ps1" / "problem1.html").read_text()
    assert "AssertionError: did not raise" in page
    course("report")
    page = Path("report", "index.html").read_text()
    assert "correct_squares, squares_invalid_input" in page
    assert "can be forged" in page
    course("export")
    rows = [row.split(",") for row in Path("scores-csv.csv").read_text().splitlines()[1:]]
    points = {"solved": "3.0", "half": "1.5", "empty": "0.0", "hostile": "0.0"}
    assert {row[3]: row[7] for row in rows} == points
    result = CliRunner().invoke(app, ["grade", "ps1", "--no-asserts"])
    assert result.exit_code == 2
    assert "problem1 has checks that learners can forge (correct_squares, squares_inv" in re.sub(
        r"\s+", " ", result.output
    )


BEGIN, END = "#-- mine", "#-- yours"
ANSWER = f"import helper\n\ndef total():\n    {BEGIN}\n    return helper.read().sum()\n    {END}"
CHECK = """\
#? from here
from course_utils.exercises import Publisher

with Publisher("total") as check:
    check.call("total")
#? to here"""
READ_ONLY = """\
import pathlib
def total():
    try:
        pathlib.Path("data/numbers.csv").write_text("1000")
    except OSError:
        pass
    try:
        pathlib.Path("helper.py").unlink()
    except OSError:
        return float(pathlib.Path("data/numbers.csv").read_text().split()[1]) - 1"""


@pytest.fixture
def assignment(tmp_path, run_nbgrader):
    """An assignment with data, a module, two notebooks and marks of its instructor's own."""
    folder = tmp_path / "mine"
    source = folder / "source" / "hw"
    (source / "data").mkdir(parents=True)
    (source / "data" / "numbers.csv").write_text("1\n2\n3.5\n")
    (source / "helper.py").write_text(
        "import numpy as np\n\ndef read():\n    return np.loadtxt('data/numbers.csv')\n"
    )
    flags = {"locked": False, "task": False, "schema_version": 3}
    for name in ("one", "two"):
        answer = new_code_cell(ANSWER)
        answer.metadata["nbgrader"] = flags | {
            "grade": False, "solution": True, "grade_id": "answer"
        }  # fmt: skip
        check = new_code_cell(CHECK)
        check.metadata["nbgrader"] = flags | {
            "grade": True, "solution": False, "grade_id": "check", "points": 3
        }  # fmt: skip
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        cells = [new_markdown_cell("# Homework"), answer, check]
        notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, source / f"{name}.ipynb")
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.ClearSolutions.begin_solution_delimeter = {BEGIN!r}\n"
        f"c.ClearSolutions.end_solution_delimeter = {END!r}\n"
        "c.ClearSolutions.code_stub = {'python': 'pass  # yours'}\n"
        "c.ClearHiddenTests.begin_test_delimeter = '#? from here'\n"
        "c.ClearHiddenTests.end_test_delimeter = '#? to here'\n"
    )
    run_nbgrader(folder, "generate_assignment", "hw")
    return folder


def test_files_two_notebooks_and_marks_of_ones_own(assignment):
    right = {"answer": "import helper\ndef total():\n    return 6.5"}
    answers = {
        "right": right,
        "helped": {"answer": "import helper\ntotal = lambda: sum(helper.read())"},
        "deleted": {"answer": None},
        "writer": {"answer": READ_ONLY},
        "untouched": {},
    }
    for learner, answer in answers.items():
        hand_in(assignment, learner, "hw", "one.ipynb", answer)
    result = grade(assignment, "hw", num_workers=2)
    points = {one.learner: one.score for one in result.graded if one.notebook == "one"}
    assert points == {"right": 3, "helped": 3, "deleted": 0, "writer": 0, "untouched": 0}
    executed = next(
        one.executed for one in result.graded if (one.learner, one.notebook) == ("deleted", "one")
    )
    assert "helper.read().sum()" not in executed
    assert "pass  # yours" in executed
    assert {one.score for one in result.graded if one.notebook == "two"} == {0}
    told = CliRunner().invoke(app, ["feedback", "hw", "--course", str(assignment)])
    assert told.exit_code == 0, told.output
    for learner in answers:
        page = (assignment / "feedback" / learner / "hw" / "one.html").read_text()
        assert "Publisher" not in page
        assert "from here" not in page

    assert not grade(assignment, "hw").graded
    data = assignment / "source" / "hw" / "data" / "numbers.csv"
    data.write_text("4\n5\n")
    again = grade(assignment, "hw", learners=["right", "helped"])
    points = {one.learner: one.score for one in again.graded if one.notebook == "one"}
    assert points == {"right": 0, "helped": 3}


def test_files_that_are_too_large_are_named(assignment, monkeypatch):
    hand_in(assignment, "ada", "hw", "one.ipynb", {})
    monkeypatch.setattr("course_utils.grading.batch.plan._MAX_FILES_BYTES", 10)
    with pytest.raises(BatchError, match=r"larger than 0 MB, .* among them"):
        grade(assignment, "hw")


def test_a_course_that_submissions_could_read_is_not_graded(assignment, monkeypatch):
    hand_in(assignment, "ada", "hw", "one.ipynb", {})
    monkeypatch.setattr(
        "course_utils.grading.sandbox.provisioner._python_folders", lambda: [assignment.parent]
    )
    with pytest.raises(BatchError, match=r"mine lies in a folder of this Python"):
        grade(assignment, "hw")
