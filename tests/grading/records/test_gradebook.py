"""nbgrader's gradebook as the grader writes it, read back by nbgrader itself."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta

import nbformat
import pytest
from nbgrader.api import Gradebook

from course_utils.grading.intake.repair import repair
from course_utils.grading.judgement import CheckResult, Ending, Judgement
from course_utils.grading.lms.scores import ExportError, collect_scores
from course_utils.grading.records.gradebook import (
    GradebookError,
    check_assignment,
    read_course,
    read_scores,
    save,
)
from course_utils.grading.records.grades import read_grades
from course_utils.grading.records.judgements import autograded_file
from tests.grading.browsing import draw_picture

STUB = "YOUR ANSWER HERE"  # what nbgrader puts in the place of an essay
EXERCISE_STUB = """\
def step(weight, gradient, learning_rate):
    # YOUR CODE HERE
    raise NotImplementedError()"""
JPEG = draw_picture("JPEG")
CHECK, ESSAY = ("demo", "check-3-1"), ("demo", "essay")


@pytest.fixture
def course(course_folder):
    return read_course(course_folder)


@pytest.fixture
def judge(course_folder, submit):
    """A judgement without a run: the repaired submission, and these points."""

    def judge(learner="ada", score=1.5, *, broken=False, **submission):
        folder = submit(learner, **submission)
        source = nbformat.read(course_folder / "source" / "demo" / "demo.ipynb", as_version=4)
        notebook = repair(source, (folder / "demo.ipynb").read_bytes()).notebook
        check = CheckResult("check-3-1", "3.1", score, 2.0, (), "", "")
        ending = Ending("refused" if broken else "finished", 0, "")
        executed = "" if broken else nbformat.writes(notebook)
        return Judgement(learner, "demo", "demo", (check,), (), ending, 1.0, 1, executed)

    return judge


def find_submission(course, learner="ada"):
    """What nbgrader knows of a submission."""
    with Gradebook(course.database, course.name) as gradebook:
        notebook = gradebook.find_submission_notebook("demo", "demo", learner)
        return {
            "score": notebook.score,
            "max_score": notebook.max_score,
            "penalty": notebook.late_submission_penalty,
            "timestamp": notebook.assignment.timestamp,
            "needs_manual_grade": {g.name: g.needs_manual_grade for g in notebook.grades},
            "comments": {comment.name: comment.comment for comment in notebook.comments},
        }


def grade_by_hand(course, *, score, comment):
    with Gradebook(course.database, course.name) as gradebook:
        gradebook.find_grade("essay", "demo", "demo", "ada").manual_score = score
        gradebook.find_grade("essay", "demo", "demo", "ada").needs_manual_grade = False
        gradebook.find_comment("essay", "demo", "demo", "ada").manual_comment = comment
        gradebook.db.commit()


def make_due(course, due):
    with Gradebook(course.database, course.name) as gradebook:
        gradebook.update_or_create_assignment("demo", duedate=due)


def test_scores_are_saved_and_the_essay_is_left_to_be_graded_by_hand(course, judge):
    save(course, [judge()])
    save(course, [judge("bob", 0.25, essay=STUB)])
    assert read_scores(course, "demo") == {
        "ada": {CHECK: 1.5, ESSAY: None},
        "bob": {CHECK: 0.25, ESSAY: 0.0},
    }
    assert read_scores(course, "other") == {}
    ada, bob = find_submission(course), find_submission(course, "bob")
    assert (ada["score"], ada["max_score"], ada["penalty"]) == (1.5, 5.0, None)
    assert ada["needs_manual_grade"] == {"check-3-1": False, "essay": True}
    assert ada["comments"] == {"exercise-3-1": None, "essay": None}
    assert bob["needs_manual_grade"] == {"check-3-1": False, "essay": False}
    assert bob["comments"] == {"exercise-3-1": None, "essay": "No response."}


def test_scores_and_comments_given_by_hand_outlive_grading_again(course, judge):
    save(course, [judge()])
    grade_by_hand(course, score=2.5, comment="Well said.")
    save(course, [judge(score=2.0)])
    found = find_submission(course)
    assert found["score"] == 4.5
    assert found["comments"]["essay"] == "Well said."
    assert found["needs_manual_grade"] == {"check-3-1": False, "essay": True}


def test_a_submission_that_cannot_be_read_gets_no_points_and_leaves_no_old_notebook(course, judge):
    good, broken = judge(), judge(score=0.0, broken=True)
    save(course, [good])
    assert autograded_file(course.folder, good).exists()
    save(course, [broken])
    assert read_scores(course, "demo")["ada"] == {CHECK: 0.0, ESSAY: 0.0}
    assert not any(find_submission(course)["needs_manual_grade"].values())
    folder = autograded_file(course.folder, broken).parent
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_what_a_cell_printed_earns_nothing(course, judge):
    """nbgrader takes a number that a check cell shows for its score."""
    judgement = judge()
    notebook = nbformat.reads(judgement.executed, as_version=4)
    notebook.cells[2].outputs = [
        nbformat.v4.new_output("execute_result", data={"text/plain": "2"}, execution_count=1)
    ]
    forged = replace(judgement, checks=(), executed=nbformat.writes(notebook))
    save(course, [forged])
    assert read_scores(course, "demo")["ada"][CHECK] == 0.0


@pytest.mark.parametrize("method", ["none", "zero"])
def test_a_late_submission_is_penalised_as_configured(course_folder, judge, method):
    with (course_folder / "nbgrader_config.py").open("a") as file:
        file.write(f"get_config().LateSubmissionPlugin.penalty_method = '{method}'\n")
    course = read_course(course_folder)
    due = datetime(2031, 5, 4, 12)
    make_due(course, due)
    save(course, [judge(timestamp="2031-05-04 11:00:00 UTC")])
    assert find_submission(course)["penalty"] is None
    save(course, [judge(timestamp="2031-05-04T14:00:00+01:00")])
    found = find_submission(course)
    assert found["timestamp"] == due + timedelta(hours=1)
    assert found["penalty"] == (1.5 if method == "zero" else None)


@pytest.mark.parametrize("timestamp", ["soon", "\udcff", "9" * 5000, "\0"])
def test_a_broken_timestamp_is_as_none(course, judge, timestamp):
    judgement = judge()
    path = course.folder / "submitted" / "ada" / "demo" / "timestamp.txt"
    path.write_bytes(timestamp.encode("utf-8", "surrogateescape"))
    save(course, [judgement])
    assert find_submission(course)["timestamp"] is None


def test_a_timestamp_that_links_elsewhere_is_not_followed(course, judge, tmp_path):
    judgement = judge()
    (tmp_path / "secret").write_text("2031-05-04")
    (course.folder / "submitted" / "ada" / "demo" / "timestamp.txt").symlink_to(tmp_path / "secret")
    save(course, [judgement])
    assert find_submission(course)["timestamp"] is None
    assert not (course.folder / "autograded" / "ada" / "demo" / "timestamp.txt").exists()


@pytest.mark.parametrize("raise_at", ["save_penalty", "_write_timestamp"])
def test_an_error_leaves_the_gradebook_as_it_was(course, judge, monkeypatch, raise_at):
    save(course, [judge(score=2.0)])
    before = dump(course)

    def fail(*_):
        raise ValueError("cut short")

    monkeypatch.setattr(f"course_utils.grading.records.gradebook.{raise_at}", fail)
    for learner in ("ada", "bob"):
        with pytest.raises(GradebookError, match="cut short"):
            save(course, [judge(learner, 1.0)])
    assert dump(course) == before


def dump(course):
    with sqlite3.connect(course.folder / "gradebook.db") as connection:
        return list(connection.iterdump())


def test_a_process_killed_before_the_commit_leaves_the_gradebook_as_it_was(course, judge):
    save(course, [judge(score=2.0)])
    before = dump(course)
    judgement = judge(score=1.0)
    child = os.fork()
    if child == 0:
        import course_utils.grading.records.gradebook as module

        module._write_timestamp = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        save(course, [judgement])
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert dump(course) == before
    save(course, [judgement])
    assert read_scores(course, "demo")["ada"][CHECK] == 1.0


def test_nbgrader_makes_feedback_and_its_table_from_the_result(course, judge, run_nbgrader):
    save(course, [judge(timestamp="2031-05-04 11:00:00 UTC")])
    save(course, [judge("bob", 0.0, broken=True)])
    grade_by_hand(course, score=2.5, comment="Well said.")
    run_nbgrader(course.folder, "generate_feedback", "demo")
    pages = sorted((course.folder / "feedback").rglob("*.html"))
    assert [page.relative_to(course.folder).as_posix() for page in pages] == [
        "feedback/ada/demo/demo.html"
    ]
    page = pages[0].read_text()
    assert "Score: 4.0 / 5.0" in " ".join(page.split())
    assert "Well said." in page
    run_nbgrader(course.folder, "export", "--to", "grades.csv")
    rows = [line.split(",") for line in (course.folder / "grades.csv").read_text().splitlines()]
    scores = {row[3]: row[9] for row in rows[1:]}
    assert scores == {"ada": "4.0", "bob": "0.0"}


def test_nothing_of_a_submission_runs_where_nbgrader_shows_it(course, judge, run_nbgrader):
    attack = "<img src=x onerror=alert(1)>"
    judgement = judge(essay=f"1 < 2 and {attack}<script>alert(2)</script>\n\n<!-- x -->")
    notebook = nbformat.reads(judgement.executed, as_version=4)
    pictures = {"image/png": 'x"><script>alert(3)</script>', "image/jpeg": JPEG}
    texts = {"text/html": attack, "image/svg+xml": f"<svg>{attack}</svg>", "text/plain": attack}
    scripts = {"application/javascript": "alert(4)", "text/markdown": attack, "text/latex": attack}
    notebook.cells[1].outputs = [
        nbformat.v4.new_output("display_data", data=pictures | texts | scripts)
    ]
    judgement = replace(judgement, executed=nbformat.writes(notebook))
    save(course, [judgement])
    saved = nbformat.read(autograded_file(course.folder, judgement), as_version=4)
    assert saved.cells[1].outputs[0].data == {"image/jpeg": JPEG, "text/plain": attack}
    run_nbgrader(course.folder, "generate_feedback", "demo")
    page = (course.folder / "feedback" / "ada" / "demo" / "demo.html").read_text()
    assert "1 &lt; 2 and" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert attack not in page
    assert "<script>alert" not in page


def test_the_gradebook_has_to_know_the_assignment_as_it_is(course):
    path = course.folder / "source" / "demo" / "demo.ipynb"
    source = path.read_text()
    check_assignment(course, "demo", {"demo": source})
    for old, new, message in (
        ("callable(step)", "True", "cells check-3-1"),
        ('"points": 3', '"points": 4', "cells essay"),
        ('"grade_id": "essay"', '"grade_id": "text"', "cells essay, text"),
    ):
        assert old in source
        with pytest.raises(GradebookError, match=rf"\({message}\).*course release demo --course"):
            check_assignment(course, "demo", {"demo": source.replace(old, new)})
    for broken in ("{", "{}", source.replace('"points": 3,', "")):
        with pytest.raises(GradebookError, match=r"demo\.ipynb is not a notebook with nbgrader's"):
            check_assignment(course, "demo", {"demo": broken})
    with pytest.raises(GradebookError, match="notebooks more"):
        check_assignment(course, "demo", {"demo": source, "more": source})
    with pytest.raises(GradebookError, match="no such assignment"):
        check_assignment(course, "other", {"other": source})


def test_the_configuration_says_where_the_gradebook_is(course_folder, tmp_path):
    database = course_folder / "gradebook.db"
    assert read_course(course_folder).name == "pixels"
    assert f"sqlite:///{database}?" in read_course(course_folder).database
    moved = tmp_path / "elsewhere" / "marks.db"
    moved.parent.mkdir()
    database.rename(moved)
    with pytest.raises(GradebookError, match=r"no gradebook .*gradebook.db yet; `course release"):
        read_scores(read_course(course_folder), "demo")
    assert not database.exists()
    database.touch()
    with pytest.raises(GradebookError, match="no gradebook"):
        read_scores(read_course(course_folder), "demo")
    given = read_course(course_folder, database=f"sqlite:///{moved}")
    assert read_scores(given, "demo") == {}
    with (course_folder / "nbgrader_config.py").open("a") as file:
        file.write(
            "c = get_config()\nc.CourseDirectory.db_url = 'sqlite:///../elsewhere/marks.db'\n"
        )
    assert read_scores(read_course(course_folder), "demo") == {}


def test_passwords_are_not_shown(course_folder):
    course = read_course(
        course_folder, database=f"sqlite://user:secret@/{course_folder / 'no' / 'such.db'}"
    )
    with pytest.raises(GradebookError) as raised:
        read_scores(course, "demo")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [("c.", "nbgrader_config.py: SyntaxError"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_broken_configuration_is_named(course_folder, config, message):
    (course_folder / "nbgrader_config.py").write_text(config)
    with pytest.raises(GradebookError, match=message):
        read_course(course_folder)


def test_a_folder_that_is_no_course_and_an_address_that_is_none_are_refused(
    tmp_path, course_folder
):
    with pytest.raises(GradebookError, match=r"no nbgrader course.*init-grading"):
        read_course(tmp_path)
    for address in ("gradebook", "nosuchdatabase://computer/gradebook"):
        with pytest.raises(GradebookError, match=f"'{address}' is none"):
            read_course(course_folder, database=address)


def test_a_driver_that_is_not_installed_is_named(course_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pg8000", None)
    with pytest.raises(GradebookError, match=r"//ada:[*]+@here/marks needs the driver pg8000,"):
        read_course(course_folder, database="postgresql+pg8000://ada:secret@here/marks")


def test_scores_are_read_without_importing_nbgrader(course, judge):
    save(course, [judge()])
    code = (
        "import sys; from pathlib import Path\n"
        "from course_utils.grading.records.gradebook import read_course, read_scores\n"
        "print(read_scores(read_course(Path(sys.argv[1])), 'demo'))\n"
        "print([name for name in ('nbgrader', 'nbformat', 'dask') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, course.folder], capture_output=True, text=True, check=True
    )
    scores, slow = done.stdout.splitlines()
    assert scores == str({"ada": {CHECK: 1.5, ESSAY: None}})
    assert slow == "[]"


@pytest.mark.parametrize(
    ("kind", "score", "answer", "expected"),
    [
        ("assert", 1.5, {}, "The points of check-3-1 were given in the learner's own process"),
        ("assert", 0.0, {}, None),
        ("published", 1.5, {}, None),
    ],
)
def test_the_comment_beside_the_answer_says_which_points_can_be_forged(
    course, judge, kind, score, answer, expected
):
    judgement = judge(score=score)
    save(course, [replace(judgement, checks=(replace(judgement.checks[0], kind=kind),))])
    with Gradebook(course.database, course.name) as gradebook:
        comment = gradebook.find_comment("exercise-3-1", "demo", "demo", "ada").comment
        essay = gradebook.find_comment("essay", "demo", "demo", "ada").comment
    assert essay is None
    assert comment == expected or comment.startswith(expected)
    (grade,) = read_grades(course, "demo").values()
    assert grade.comments == {}


def test_points_for_an_answer_that_is_not_there_are_called_forgeable_too(course, judge):
    judgement = judge(answer=EXERCISE_STUB)
    save(course, [replace(judgement, checks=(replace(judgement.checks[0], kind="assert"),))])
    with Gradebook(course.database, course.name) as gradebook:
        comment = gradebook.find_comment("exercise-3-1", "demo", "demo", "ada").comment
    assert comment.startswith("No response. The points of check-3-1 were given")
    (grade,) = read_grades(course, "demo").values()
    assert grade.comments == {"exercise-3-1": "No response."}
    save(course, [judgement])
    with Gradebook(course.database, course.name) as gradebook:
        comment = gradebook.find_comment("exercise-3-1", "demo", "demo", "ada").comment
    assert comment == "No response."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c = get_config(", r"nbgrader_config\.py: SyntaxError: .*; correct that line"),
        ("import sys; sys.exit(3)", r"nbgrader_config\.py: SystemExit: 3; correct that line"),
        (
            "c = get_config(); c.CourseDirectory.root = '/nowhere'",
            r"nbgrader_config\.py says that the course is in /nowhere, and it is in .*: correct",
        ),
        (
            "c = get_config(); c.CourseDirectory.source_directory = 'src'",
            r"calls the folder 'source' 'src', and this grader .* take the line with .* away from",
        ),
        (
            "c = get_config(); c.CourseDirectory.submitted_directory = 'in'",
            "calls the folder 'submitted' 'in'",
        ),
    ],
)
def test_a_configuration_that_cannot_hold_is_named(course_folder, line, message):
    (course_folder / "nbgrader_config.py").write_text(line)
    with pytest.raises(GradebookError, match=message):
        read_course(course_folder)


def test_a_configuration_may_name_the_courses_own_places(course_folder):
    (course_folder / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.root = {str(course_folder)!r}\n"
        "c.CourseDirectory.source_directory = 'source'\n"
    )
    assert read_course(course_folder).folder == course_folder.resolve()


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (
            "nowhere.Plugin",
            r"plugin_class is 'nowhere\.Plugin', which cannot be loaded .*; install",
        ),
        ("builtins.dict", r"plugin_class is 'builtins\.dict', which cannot be loaded"),
    ],
)
def test_penalties_that_cannot_be_computed_stop_before_anybody_is_graded(
    course_folder, plugin, message
):
    (course_folder / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.AssignLatePenalties.plugin_class = {plugin!r}\n"
    )
    text = (course_folder / "source" / "demo" / "demo.ipynb").read_text()
    with pytest.raises(GradebookError, match=message):
        check_assignment(read_course(course_folder), "demo", {"demo": text})


def test_a_due_date_that_is_none_is_named(course_folder):
    course = read_course(course_folder)
    with sqlite3.connect(course_folder / "gradebook.db") as connection:
        connection.execute("UPDATE assignment SET duedate = 'tomorrow'")
    text = (course_folder / "source" / "demo" / "demo.ipynb").read_text()
    with pytest.raises(GradebookError, match=r"'tomorrow', where a date belongs; set the due date"):
        check_assignment(course, "demo", {"demo": text})
    with pytest.raises(ExportError, match=r"'tomorrow', where a date belongs; set the due date"):
        collect_scores(course)


def test_a_penalty_that_an_instructors_own_code_fails_to_compute_is_named(
    course, judge, monkeypatch, tmp_path
):
    (tmp_path / "our_penalties.py").write_text(
        "from nbgrader.plugins import BasePlugin\n"
        "class Penalties(BasePlugin):\n"
        "    def late_submission_penalty(self, student, score, seconds):\n"
        "        return 'a lot'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with (course.folder / "nbgrader_config.py").open("a") as file:
        file.write("get_config().AssignLatePenalties.plugin_class = 'our_penalties.Penalties'\n")
    with Gradebook(course.database, course.name) as gradebook:
        gradebook.update_or_create_assignment("demo", duedate="2031-05-04 12:00:00 UTC")
    with pytest.raises(GradebookError, match=r"of 'ada' for being late .* raised ValueError"):
        save(
            read_course(course.folder),
            [judge(timestamp="2031-05-04T14:00:00+01:00")],
        )
