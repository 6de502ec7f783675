"""An assignment of one's own, from nothing to scores, as the guide tells it."""

import shutil

import nbformat
import pytest
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.grading.records.gradebook import read_course
from course_utils.grading.records.judgements import read_judgements
from course_utils.grading.release.new_assignment import new_assignment
from course_utils.grading.release.student_edition import ReleaseError
from course_utils.grading.sandbox.provisioner import unavailable
from course_utils.notebooks import grade_id, read_notebook

RIGHT = {
    "squares": "def squares(n):\n    return [k * k for k in range(1, n + 1)]",
    "total": "total = sum(k * k for k in range(101)) / 7",
    "is-even": "is_even = lambda number: not number % 2",
    "essay": "The gaps grow.",
}
ANSWERS = {
    "right": RIGHT,
    "half": RIGHT | {"squares": RIGHT["squares"].replace("k * k", "k + 0"), "total": "total = 1"},
    "nothing": {},
    "hostile": {"squares": "import os\nos.kill(os.getpid(), 9)"},
}


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Run commands in an empty course."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        result = CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        return result.output

    run("init-grading", "mine", "--empty")
    monkeypatch.chdir(tmp_path / "mine")
    return run


def hand_in(folder, answers):
    for learner, cells in answers.items():
        target = folder / "submitted" / learner / "hw1"
        shutil.copytree(folder / "release" / "hw1", target)
        notebook = read_notebook(target / "hw1.ipynb")
        for cell in notebook.cells:
            cell.source = cells.get(grade_id(cell), cell.source)
        nbformat.write(notebook, target / "hw1.ipynb")


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_from_nothing_to_scores(course, tmp_path):
    folder = tmp_path / "mine"
    course("new-assignment", "hw1")
    course("release", "hw1", "--course", ".")
    released = (folder / "release" / "hw1" / "hw1.ipynb").read_text()
    assert "number**2" not in released
    assert "Publisher" not in released
    hand_in(folder, ANSWERS)
    course("grade", "hw1")
    judged = {one.learner: one for one in read_judgements(folder, "hw1")}
    points = {learner: [check.score for check in one.checks] for learner, one in judged.items()}
    assert points == {
        "right": [4, 2, 1],
        "half": [3, 0, 1],
        "nothing": [0, 0, 0],
        "hostile": [0, 0, 0],
    }
    assert [check.kind for check in judged["right"].checks] == ["published", "output", "assert"]
    assert judged["half"].checks[1].reason.startswith("another output was expected than a seventh")
    course("feedback", "hw1")
    course("report")
    course("export")
    assert "nothing to grade" not in course("grade", "hw1")


def test_the_release_follows_the_source(course, tmp_path):
    course("new-assignment", "hw1")
    course("release", "hw1", "--course", ".")
    source = tmp_path / "mine" / "source" / "hw1" / "hw1.ipynb"
    source.write_text(source.read_text().replace("faster and faster", "so fast"))
    course("release", "hw1", "--course", ".")
    assert "so fast" in (tmp_path / "mine" / "release" / "hw1" / "hw1.ipynb").read_text()


@pytest.mark.parametrize("name", ["", "a b", "../hw", ".hw", "hw/1", "ä", "--course"])
def test_what_cannot_be_a_name_is_refused(course, tmp_path, name):
    with pytest.raises(ReleaseError, match="is not a name for an assignment"):
        new_assignment(read_course(tmp_path / "mine"), name)


def test_an_assignment_that_is_there_stays(course, tmp_path):
    opened = read_course(tmp_path / "mine")
    path = new_assignment(opened, "hw1")
    path.write_text("mine")
    with pytest.raises(ReleaseError, match="hw1 is there already"):
        new_assignment(opened, "hw1")
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("release", "hw2", "--course", "."), "there is no assignment 'hw2'"),
        (("release", "--course", "."), "say which assignments to release"),
        (("new-assignment", "hw1", "--course", "nowhere"), "is no nbgrader course"),
        (("init-grading", "x", "--empty", "--with-example-class", "3"), "leave out --empty"),
    ],
)
def test_what_cannot_be_done_is_said(course, words, message):
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert message in result.output
