"""A course that nbgrader works with, laid out without overwriting anything."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from course_utils.execution.lessons import find_lessons
from course_utils.grading.records.gradebook import GradebookError, read_course
from course_utils.grading.release.course_folder import (
    CourseFolderError,
    init_grading,
    release_assignment,
)
from course_utils.grading.release.example_class import read_example_class
from course_utils.grading.release.student_edition import text_of_student_edition
from course_utils.grading.sources import SourceError
from course_utils.notebooks import read_notebook

LESSONS = find_lessons(Path(__file__).parents[3] / "notebooks")
TRAINING = LESSONS[2]


def run_nbgrader(folder, *arguments):
    """Call nbgrader as an instructor does, in the course's folder."""
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def snapshot(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def graded_points(course, assignment):
    with Gradebook(course.database, course.name) as gradebook:
        cells = gradebook.find_notebook(assignment, assignment).grade_cells
        return {cell.name: cell.max_score for cell in cells}


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    """A course with all lessons and a small class; tests that change it make their own."""
    folder = tmp_path_factory.mktemp("courses") / "my course"
    return init_grading(folder, lessons=LESSONS, with_example_class=2)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A course with one lesson, made where no environment is activated.

    nbgrader calls a program by name, which then is on no path.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.defpath)
        done = init_grading(tmp_path_factory.mktemp("courses") / "course", lessons=[TRAINING])
        assert os.environ["PATH"] == os.defpath
    assert "nbgrader_config.py" in done.written
    return done.folder


@pytest.fixture
def course(template, tmp_path):
    """A copy that a test may change; nothing in a course depends on the place that it is in."""
    return shutil.copytree(template, tmp_path / "course")


def test_each_lesson_is_an_assignment_with_its_source_unchanged(laid_out):
    assert laid_out.assignments == tuple(lesson.stem for lesson in LESSONS)
    for lesson in LESSONS:
        copied = laid_out.folder / "source" / lesson.stem / lesson.name
        assert copied.read_bytes() == lesson.read_bytes()
    assert (laid_out.folder / "source" / "04_ethics" / "essays" / "rubric.md").is_file()


def test_the_gradebook_knows_the_points_of_every_check(laid_out):
    course = read_course(laid_out.folder)
    assert course.name == "my-course"
    for lesson in LESSONS:
        points = {
            cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
            for cell in read_notebook(lesson).cells
            if cell.metadata.get("nbgrader", {}).get("grade")
        }
        assert graded_points(course, lesson.stem) == points != {}


def test_the_gradebook_keeps_the_hidden_tests_and_the_release_does_not(laid_out):
    course = read_course(laid_out.folder)
    with Gradebook(course.database, course.name) as gradebook:
        source = gradebook.find_source_cell("check-3-1", "03_training", "03_training").source
    assert 'emit("3.1", step)' in source
    for lesson in LESSONS:
        released = laid_out.folder / "release" / lesson.stem / lesson.name
        assert released.read_text(encoding="utf-8") == text_of_student_edition(lesson)
    assert (laid_out.folder / "release" / "04_ethics" / "essays" / "rubric.md").is_file()


def test_the_learners_of_an_example_class_are_enrolled(laid_out):
    course = read_course(laid_out.folder)
    with Gradebook(course.database, course.name) as gradebook:
        enrolled = {one.id: (one.first_name, one.last_name) for one in gradebook.students}
    assert enrolled == {one.learner: (one.first_name, one.last_name) for one in laid_out.learners}
    assert read_example_class(laid_out.folder) == laid_out.learners
    assert len(laid_out.learners) == 2


def test_nbgrader_works_in_the_folder(laid_out):
    assert "03_training" in run_nbgrader(laid_out.folder, "db", "assignment", "list")
    before = snapshot(laid_out.folder / "release")
    run_nbgrader(laid_out.folder, "generate_assignment", "03_training", "--force")
    assert snapshot(laid_out.folder / "release") == before


def test_the_database_can_be_upgraded_by_a_later_nbgrader(laid_out):
    with sqlite3.connect(laid_out.folder / "gradebook.db") as connection:
        assert connection.execute("select version_num from alembic_version").fetchall()


def test_again_it_does_nothing(course):
    before = snapshot(course)
    assert init_grading(course, lessons=[TRAINING]).written == ()
    assert snapshot(course) == before


def test_after_an_interruption_it_adds_what_is_missing(course):
    before = snapshot(course)
    (course / "source" / "03_training" / TRAINING.name).unlink()
    (course / "gradebook.db").unlink()
    shutil.rmtree(course / "release")
    mended = init_grading(course, lessons=[TRAINING])
    assert mended.written == ("source/03_training/03_training.ipynb",)
    assert graded_points(read_course(course), "03_training")
    assert snapshot(course).keys() == before.keys()


@pytest.mark.parametrize("part", ["gradebook.db", "source", "autograded"])
def test_the_folder_of_another_course_is_refused(tmp_path, part):
    (tmp_path / part).mkdir()
    before = snapshot(tmp_path)
    with pytest.raises(CourseFolderError, match=rf"another course already \({part}\)"):
        init_grading(tmp_path, lessons=[TRAINING])
    assert snapshot(tmp_path) == before


def test_a_source_that_an_instructor_changed_is_not_overwritten(course):
    (course / "source" / "03_training" / TRAINING.name).write_text("mine", encoding="utf-8")
    (course / "release" / "03_training" / TRAINING.name).unlink()
    before = snapshot(course)
    with pytest.raises(CourseFolderError, match=TRAINING.name):
        init_grading(course, lessons=[TRAINING])
    assert snapshot(course) == before


def test_a_configuration_that_an_instructor_changed_holds(course):
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("c.CourseDirectory.db_url = 'sqlite:///marks.db'\n")
    shutil.rmtree(course / "release")
    assert init_grading(course, lessons=[TRAINING]).written == ()
    assert read_course(course).database.startswith(f"sqlite:///{course}/marks.db")
    assert graded_points(read_course(course), "03_training")
    (course / "nbgrader_config.py").write_text("mine")
    with pytest.raises(GradebookError, match=r"nbgrader_config\.py: NameError"):
        init_grading(course, lessons=[TRAINING])


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "course").write_text("")
    with pytest.raises(CourseFolderError, match="course cannot be laid out"):
        init_grading(tmp_path / "course", lessons=[TRAINING])


def test_a_faulty_lesson_is_named_and_nothing_is_written(make_lesson, tmp_path):
    path = make_lesson("01_first", "n = 3", "### BEGIN SOLUTION\nn\n### END SOLUTION")
    with pytest.raises(CourseFolderError, match=r"01_first\.ipynb cannot be released: Solution"):
        init_grading(tmp_path / "course", lessons=[TRAINING, path])
    assert not (tmp_path / "course").exists()


def test_a_release_that_the_gradebook_does_not_know_is_not_passed_over(course):
    (course / "gradebook.db").unlink()
    with pytest.raises(CourseFolderError, match=r"call `course release 03_training --course .*`"):
        init_grading(course, lessons=[TRAINING])


def test_what_a_source_cannot_be_released_for_is_named_with_its_cell(course, capfd):
    source = course / "source" / "03_training" / TRAINING.name
    source.write_text(source.read_text().replace("### END SOLUTION", "### THE END", 1))
    before = snapshot(course)
    with pytest.raises(SourceError, match=r"ing\.ipynb, cell \d+ \(.*\) has 'BEGIN SOLUTION' with"):
        release_assignment(read_course(course), "03_training")
    assert snapshot(course) == before
    assert "Traceback" not in "".join(capfd.readouterr())


def test_what_nbgrader_stops_at_is_said_in_place_of_its_traceback(course, capfd):
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("c.ClearSolutions.code_stub = {'R': 'stop()'}\n")
    with pytest.raises(CourseFolderError, match=r"generate 03_training: .* 'python' has not"):
        release_assignment(read_course(course), "03_training")
    assert "Traceback" not in "".join(capfd.readouterr())


def test_the_assignment_of_this_course_is_released_whatever_else_is_configured(
    course, tmp_path, monkeypatch
):
    """Header and footer lie in the course, wherever the command is called."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("c.IncludeHeaderFooter.header = 'header.ipynb'\n")
    with pytest.raises(SourceError, match=r"header\.ipynb cannot be read \(No such file"):
        release_assignment(read_course(course), "03_training")
    header = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Honour code")])
    nbformat.write(header, course / "header.ipynb")
    done = release_assignment(read_course(course), "03_training")
    assert done == course.resolve() / "release" / "03_training"
    assert read_notebook(done / TRAINING.name).cells[0].source == "Honour code"
    assert not list(elsewhere.iterdir())


def test_a_gradebook_that_cannot_be_opened_is_said_in_words(course, capfd):
    (course / "gradebook.db").write_bytes(b"hello" * 1000)
    with pytest.raises(CourseFolderError, match=r"DatabaseError: .* file is not a database$"):
        release_assignment(read_course(course), "03_training")
    assert "Traceback" not in "".join(capfd.readouterr())
