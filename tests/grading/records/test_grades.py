"""What the gradebook says reaches every page and table, without grading again."""

import csv
import io

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.grading.judgement import CheckResult, Ending, Judgement
from course_utils.grading.records.gradebook import has_deadline, read_course, save
from course_utils.grading.records.grades import read_grades, refresh_penalties
from course_utils.grading.records.judgements import (
    find_submission_fingerprint,
    find_submissions,
    write_graded,
)

LATE = "2026-11-20 12:00:00 UTC"


@pytest.fixture
def graded(course_folder, submit):
    """A course in which ada has handed in late and has two points of two."""
    with (course_folder / "nbgrader_config.py").open("a") as file:
        file.write("\nc = get_config()\nc.LateSubmissionPlugin.penalty_method = 'zero'\n")
    submit("ada", timestamp=LATE)
    check = CheckResult("check-3-1", "3.1", 2.0, 2.0, (), "", "")
    executed = (course_folder / "submitted" / "ada" / "demo" / "demo.ipynb").read_text()
    judgement = Judgement(
        "ada", "demo", "demo", (check,), (), Ending("finished", 0, ""), 1.0, 10**6, executed
    )
    course = read_course(course_folder)
    save(course, [judgement])
    folder = find_submissions(course_folder, "demo")["ada"]
    write_graded(
        course_folder,
        judgements=(judgement,),
        fingerprint="x",
        submission=find_submission_fingerprint(folder),
    )
    return course


def change(course, edit):
    with Gradebook(course.database, course.name) as gradebook:
        edit(gradebook, gradebook.find_submission_notebook("demo", "demo", "ada"))
        gradebook.db.commit()


def set_due(course, when):
    with Gradebook(course.database, course.name) as gradebook:
        gradebook.update_or_create_assignment("demo", duedate=when)


def run(course, *words):
    result = CliRunner().invoke(app, [*words, "--course", str(course.folder)])
    assert result.exit_code == 0, result.output


def page(course):
    run(course, "feedback", "demo")
    return (course.folder / "feedback" / "ada" / "demo" / "demo.html").read_text()


def test_points_and_comments_by_hand_are_on_the_learners_page(graded):
    def by_hand(gradebook, notebook):
        essay = next(one for one in notebook.grades if one.name == "essay")
        essay.manual_score, essay.extra_credit, essay.needs_manual_grade = 2.5, 0.25, False
        comment = next(one for one in notebook.comments if one.name == "essay")
        comment.manual_comment = "Well argued <b>"
        check = next(one for one in notebook.grades if one.name == "check-3-1")
        check.manual_score = 1.5

    change(graded, lambda *_: None)
    before = page(graded)
    assert "still to be graded by hand" in before
    assert "2 of 5 points" in before
    change(graded, by_hand)
    after = page(graded)
    assert "4.25 of 5 points" in after
    assert "Well argued &lt;b&gt;" in after
    assert "changed by hand" in after
    assert "still to be graded" not in after


def test_a_changed_due_date_reaches_page_report_and_table(graded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not has_deadline(graded, "demo")
    for when, total in (("2026-11-21", "2"), ("2026-11-19", "0"), (None, "2")):
        set_due(graded, when)
        assert f"{total} of 5 points" in page(graded)
        run(graded, "export", "--output", "scores.csv", "--force")
        (row,) = csv.DictReader(io.StringIO((tmp_path / "scores.csv").read_text()))
        assert (float(row["score"]), row["student_id"]) == (float(total), "ada")
        run(graded, "report", "--force")
        text = (tmp_path / "report" / "index.html").read_text()
        assert f'<bdi>ada</bdi></th><td class="number">{total}' in text
        assert has_deadline(graded, "demo") == (when is not None)


def test_grades_are_read_and_penalties_refreshed_where_there_is_nothing(course_folder):
    course = read_course(course_folder)
    assert read_grades(course, "demo") == {}
    assert read_grades(course, "unknown") == {}
    course.database_file.unlink()
    refresh_penalties(course)
    assert not has_deadline(course, "demo")
