"""The instructors' commands, as they are typed, from the course folder to the files for an LMS."""

import json
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.grading import commands
from course_utils.grading.judgement import CheckResult, Ending, Judgement
from course_utils.grading.records.gradebook import read_course, save
from course_utils.grading.records.judgements import write_graded
from course_utils.grading.sandbox.provisioner import unavailable

needs_sandbox = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


@pytest.fixture
def course(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})

    return run


def test_release_writes_the_student_edition_and_never_over_it(course, tmp_path):
    made = course("release", "03", "--to", "handout")
    assert made.exit_code == 0, made.output
    lesson = tmp_path / "handout" / "03_training.ipynb"
    assert "BEGIN" not in lesson.read_text()
    assert "there already" in course("release", "03", "--to", "handout").output
    lesson.write_text("my own work")
    refused = course("release", "03", "--to", "handout")
    assert refused.exit_code == 2
    assert "03_training.ipynb" in refused.output
    assert lesson.read_text() == "my own work"
    assert course("release", "03", "--to", "handout", "--force").exit_code == 0
    assert lesson.read_text() != "my own work"


@needs_sandbox
def test_from_an_export_to_the_scores(course, course_folder, tmp_path, monkeypatch, submit):
    submit("eve", "def step(*_):\n    return 0")
    notebook = submit("ada") / "demo.ipynb"
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(notebook, "grace/demo.ipynb")
        archive.writestr("../evil.ipynb", "{}")
    monkeypatch.chdir(course_folder)
    refused = course("collect", tmp_path / "export.zip", "demo")
    assert refused.exit_code == 2
    assert "evil" in refused.output
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(notebook, "grace/demo.ipynb")
    assert "grace: new" in course("collect", tmp_path / "export.zip", "demo").output

    graded = course("grade", "demo")
    assert graded.exit_code == 0, graded.output
    assert "ada: 2 of 2 points" in graded.output
    assert "eve: 0 of 2 points" in graded.output
    assert "3 graded now, 0 unchanged" in graded.output
    assert "0 graded now, 3 unchanged" in course("grade", "demo").output
    assert "1 graded now" in course("grade", "demo", "--learner", "ada", "--regrade").output

    assert course("feedback", "demo").exit_code == 0
    for learner in ("ada", "eve", "grace"):
        page = (course_folder / "feedback" / learner / "demo" / "demo.html").read_text()
        assert "BEGIN HIDDEN" not in page
    assert course("report").exit_code == 0
    assert "eve" in (course_folder / "report" / "index.html").read_text()
    assert "3 scores" in course("export", "--to", "csv").output
    rows = (course_folder / "scores-csv.csv").read_text().splitlines()
    assert len(rows) == 4
    assert course("export", "demo", "--to", "canvas", "--output", "c.csv").exit_code == 0

    # All of it again, over its own files; then over files that it didn't make.
    assert course("export", "--to", "csv").exit_code == course("report").exit_code == 0
    report, notes = course_folder / "report" / "index.html", course_folder / "notes.csv"
    for path in (report, notes):
        path.write_text("mine")
    before = (course_folder / "gradebook.db").read_bytes()
    (course_folder / "link").symlink_to(course_folder)
    for command, message in (
        (("report",), "index.html is in the way: it has been changed"),
        (("export", "--output", "notes.csv"), "notes.csv is in the way"),
        (("export", "--output", "gradebook.db"), "is the gradebook itself"),
        (("export", "--output", "gradebook.db", "--force"), "is the gradebook itself"),
        (("export", "--output", "link/gradebook.db", "--force"), "is the gradebook itself"),
        (("export", "--output", "source"), "source is a folder"),
        (("export", "--output", "notes.csv/scores"), "notes.csv is a file"),
    ):
        refused = course(*command)
        assert refused.exit_code == 2
        assert message in refused.output
    assert report.read_text() == notes.read_text() == "mine"
    assert (course_folder / "gradebook.db").read_bytes() == before
    assert course("report", "--force").exit_code == 0
    assert course("export", "--output", "notes.csv", "--force").exit_code == 0
    assert "mine" not in report.read_text() + notes.read_text()


@needs_sandbox
def test_a_score_that_is_older_than_the_submission_is_called_that(
    course, course_folder, tmp_path, monkeypatch, submit
):
    better = submit("ada") / "demo.ipynb"
    with zipfile.ZipFile(tmp_path / "later.zip", "w") as archive:
        archive.write(better, "ada/demo.ipynb")
    submit("ada", "def step(*_):\n    return 0")
    submit("bob")
    monkeypatch.chdir(course_folder)
    assert course("grade", "demo").exit_code == 0
    for command in (("export",), ("feedback", "demo"), ("report",)):
        assert not {"older", "without", "not graded"} & set(course(*command).stderr.split())
    submit("cyd")
    kept = course("collect", tmp_path / "later.zip", "demo")
    assert kept.exit_code == 1
    assert "NOT taken" in kept.stderr and "1 submissions (ada)" in kept.stderr
    assert "1 is older" not in course("export").stderr
    assert course("collect", tmp_path / "later.zip", "demo", "--replace").exit_code == 0
    shutil.rmtree(course_folder / "submitted" / "bob")

    for command in (("export",), ("feedback", "demo"), ("report",)):
        said = course(*command)
        assert said.exit_code == 0
        assert "demo: 1 is older than the submission (ada)" in said.stderr
        assert "demo: 1 is without a submission any more (bob)" in said.stderr
        assert "demo: 1 is not graded at all (cyd)" in said.stderr
    page = (course_folder / "report" / "index.html").read_text()
    assert "1 is older than the submission (ada)" in page
    pages = {
        learner: (course_folder / "feedback" / learner / "demo" / "demo.html").read_text()
        for learner in ("ada", "bob")
    }
    assert "You have handed in another version since" in pages["ada"]
    assert "has been taken out of the course" in pages["bob"]
    assert course("grade", "demo").exit_code == 0
    assert "older" not in course("export").stderr
    course("feedback", "demo")
    page = (course_folder / "feedback" / "ada" / "demo" / "demo.html").read_text()
    assert "another version" not in page


SHOW_WHAT_IS_LOADED = """
import sys
from course_utils.cli import app

for words in (["report"], ["feedback", "demo"], ["export"]):
    app(words, standalone_mode=False)
heavy = {"fairlearn", "scipy.stats", "statsmodels", "sklearn", "tensorflow", "keras"}
sys.exit(", ".join(heavy & set(sys.modules)) or 0)
"""


def test_pages_and_tables_load_nothing_that_measures_or_trains(course_folder, submit):
    submit("ada")
    check = CheckResult("check-3-1", "3.1", 1.0, 2.0, (), "", "")
    ending = Ending("finished", 0, "")
    judgement = Judgement("ada", "demo", "demo", (check,), (), ending, 1.0, 1, "")
    save(read_course(course_folder), [judgement])
    write_graded(course_folder, judgements=(judgement,), fingerprint="")
    done = subprocess.run(
        [sys.executable, "-c", SHOW_WHAT_IS_LOADED],
        cwd=course_folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name in ("report/index.html", "feedback/ada/demo/demo.html", "scores-csv.csv"):
        assert (course_folder / name).exists()


def test_whoever_forgets_to_name_the_course_is_told(course, course_folder, monkeypatch):
    monkeypatch.chdir(course_folder)
    refused = course("release", "demo")
    assert refused.exit_code == 2
    assert "`course release demo --course .` releases it" in refused.output
    assert course("release", "demo", "--course", ".").exit_code == 0


def test_what_is_missing_is_said(course, course_folder, monkeypatch):
    assert "no nbgrader course" in course("grade", "demo").output
    monkeypatch.chdir(course_folder)
    assert "nothing has been graded" in course("feedback", "demo").output
    assert "nobody has handed in demo" in course("grade", "demo", "--no-sandbox").output


def test_a_missing_extra_is_named(course, monkeypatch):
    monkeypatch.setattr(commands, "find_spec", lambda name: None if name == "nbgrader" else name)
    refused = course("grade", "demo")
    assert refused.exit_code == 2
    assert "needs nbgrader" in refused.output
    assert "[instructor]" in refused.output


def test_without_bubblewrap_nothing_is_graded_unless_that_is_asked_for(
    course, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = course("grade", "demo")
    assert refused.exit_code == 2
    assert "--no-sandbox" in refused.output
    assert "apt" in refused.output


@needs_sandbox
def test_the_example_class_gets_what_it_deserves(course, tmp_path, monkeypatch):
    """Of those who solved it, the instructor's own run is one; each solution has its own test."""
    from course_utils.grading.release.example_class import read_example_class

    assert course("init-grading", "demo", "--with-example-class", 4).exit_code == 0
    monkeypatch.chdir(tmp_path / "demo")
    expected = {
        one.learner: one.expected_score
        for one in read_example_class(tmp_path / "demo")
        if one.kind in ("in part", "mistakes")
    }
    assert len(expected) == 2
    chosen = [word for learner in expected for word in ("--learner", learner)]
    graded = course("grade", "03_training", *chosen)
    assert graded.exit_code == 0, graded.output
    scores = {
        path.stem: sum(
            one["score"] for one in json.loads(path.read_text())["judgements"][0]["checks"]
        )
        for path in (tmp_path / "demo" / ".course" / "graded" / "03_training").glob("*.json")
    }
    assert scores == pytest.approx(expected, abs=1e-3)
    page = nbformat.read(
        next((tmp_path / "demo" / "autograded").rglob("03_training.ipynb")), as_version=4
    )
    nbformat.validate(page)
