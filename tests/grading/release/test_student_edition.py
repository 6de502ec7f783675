"""The student edition holds no answer, and nbgrader takes the lessons as they are."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.preprocessors import CheckCellMetadata

import course_utils
from course_utils.execution.lessons import find_lessons
from course_utils.exercises.working_copy import make_exercise
from course_utils.grading.release.student_edition import (
    ReleaseError,
    find_texts,
    make_student_edition,
    release,
    write_new,
)

LESSONS = find_lessons(Path(__file__).parents[3] / "notebooks")

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def solution_cells(notebook):
    return {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def signatures(source):
    """Names and arguments of the functions that a cell defines."""
    return [
        (statement.name, ast.dump(statement.args), ast.get_docstring(statement))
        for statement in ast.parse(source).body
        if isinstance(statement, ast.FunctionDef)
    ]


def make_graded_lesson(make_lesson, solution, check, **changes):
    """A lesson with an exercise and its check."""
    path = make_lesson("01_first", "n = 3", solution, check)
    notebook = nbformat.read(path, as_version=4)
    marks = {"schema_version": 3, "grade": False, "locked": False, "solution": True, "task": False}
    notebook.cells[1].metadata["nbgrader"] = marks | {"grade_id": "exercise"}
    notebook.cells[2].metadata["nbgrader"] = (
        marks
        | {"solution": False, "grade": True, "locked": True, "grade_id": "check", "points": 1}
        | changes
    )
    nbformat.write(notebook, path)
    return path


SOLUTION = (
    "def one():\n    ### BEGIN SOLUTION\n    SECRET = 1\n    return SECRET\n    ### END SOLUTION"
)
CHECK = "one()\n### BEGIN HIDDEN TESTS\nassert one() == 1  # SECRET\n### END HIDDEN TESTS"


@each_lesson
def test_each_exercise_keeps_its_function_and_loses_its_solution(lesson):
    source, learner = nbformat.read(lesson, as_version=4), make_student_edition(lesson)
    solved, stubs = solution_cells(source), solution_cells(learner)
    assert solved.keys() == stubs.keys() != set()
    for name, cell in solved.items():
        assert signatures(cell.source) == signatures(stubs[name].source) != []
        namespace = {}
        exec(stubs[name].source, namespace)
        (function,) = [value for value in namespace.values() if callable(value)]
        with pytest.raises(NotImplementedError):
            function(*range(function.__code__.co_argcount))


@each_lesson
def test_each_check_calls_the_function_of_its_exercise_and_emits_its_answers(lesson):
    cells = nbformat.read(lesson, as_version=4).cells
    for number, cell in enumerate(cells):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            ((name, _, _),) = signatures(cell.source)
            exercise = cell.metadata.nbgrader.grade_id.removeprefix("exercise-").replace("-", ".")
            check = cells[number + 1]
            assert check.metadata.nbgrader.grade_id == f"check-{exercise.replace('.', '-')}"
            calls = [f'check("{exercise}", {name})', f'emit("{exercise}", {name})']
            assert re.findall(r"^\w+\(.*\)$", check.source, re.MULTILINE) == calls


@each_lesson
def test_no_hidden_test_solution_or_output_leaks_into_the_student_edition(lesson):
    learner = make_student_edition(lesson)
    text = nbformat.writes(learner)
    assert "SOLUTION" not in text
    assert "HIDDEN TESTS" not in text
    assert not re.search(r"\bemit\b", text)
    for cell in learner.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@each_lesson
def test_nothing_else_changes(lesson):
    source, learner = nbformat.read(lesson, as_version=4), make_student_edition(lesson)
    assert [cell.id for cell in source.cells] == [cell.id for cell in learner.cells]
    for before, after in zip(source.cells, learner.cells, strict=True):
        if "nbgrader" not in before.metadata:
            assert (before.source, before.metadata) == (after.source, after.metadata)
        else:
            locked = before.metadata.nbgrader.locked
            assert after.metadata.deletable is False
            assert after.metadata.get("editable", True) is not locked
            assert before.metadata.nbgrader.items() <= after.metadata.nbgrader.items()
    nbformat.validate(learner)
    CheckCellMetadata().preprocess(learner, {})


@each_lesson
def test_the_copies_that_learners_make_without_nbgrader_say_the_same(lesson):
    own, learner = make_exercise(lesson), make_student_edition(lesson)
    assert [cell.source for cell in own.cells] == [cell.source for cell in learner.cells]


def test_nbgrader_validate_finds_nothing_to_complain_about(tmp_path):
    """It runs the lesson; the first one is the fastest."""
    lesson = shutil.copy(LESSONS[0], tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "validate", lesson],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Success!" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_learner_gets_what_it_takes_to_run_the_lessons(tmp_path):
    done = release(LESSONS, tmp_path / "edition")
    assert done.lessons == tuple(lesson.name for lesson in LESSONS)
    assert not done.unchanged
    assert set(done.written) == {
        "README.md",
        "requirements.txt",
        *done.lessons,
        "essays/template.md",
        "essays/rubric.md",
    }
    read = {name: (done.folder / name).read_text(encoding="utf-8") for name in done.written}
    assert read["requirements.txt"] == f"pixels-and-people=={course_utils.__version__}\n"
    assert "pip install -r requirements.txt" in read["README.md"]
    mentioned = {
        name for lesson in LESSONS for name in re.findall(r"essays/\w+\.md", read[lesson.name])
    }
    assert mentioned <= set(done.written)


def test_texts_go_with_the_lesson_that_mentions_them_alone(tmp_path):
    assert find_texts(LESSONS[0]) == {}
    assert set(find_texts(LESSONS[3])) == {"essays/template.md", "essays/rubric.md"}
    assert not (release(LESSONS[:1], tmp_path).folder / "essays").exists()


def test_the_same_edition_again_changes_nothing_and_learner_work_is_never_overwritten(tmp_path):
    first = release(LESSONS[:2], tmp_path)
    again = release(LESSONS[:2], tmp_path)
    assert (again.written, set(again.unchanged)) == ((), set(first.written))
    work = tmp_path / LESSONS[1].name
    work.write_text("my own work", encoding="utf-8")
    (tmp_path / "README.md").unlink()
    with pytest.raises(ReleaseError, match=LESSONS[1].name):
        release(LESSONS[:2], tmp_path)
    assert work.read_text(encoding="utf-8") == "my own work"
    assert not (tmp_path / "README.md").exists()
    forced = release(LESSONS[:2], tmp_path, force=True)
    assert forced.written == ("README.md", LESSONS[1].name)
    assert "my own work" not in work.read_text(encoding="utf-8")


def test_a_link_to_somewhere_else_is_not_followed(tmp_path):
    outside = tmp_path / "outside.md"
    (tmp_path / "edition").mkdir()
    (tmp_path / "edition" / "README.md").symlink_to(outside)
    with pytest.raises(ReleaseError, match="README"):
        release(LESSONS[:1], tmp_path / "edition")
    release(LESSONS[:1], tmp_path / "edition", force=True)
    assert not outside.exists()


def test_something_else_in_the_place_of_a_file_or_folder_is_named(tmp_path):
    (tmp_path / "README.md").mkdir()
    with pytest.raises(ReleaseError, match=r"README\.md"):
        release(LESSONS[:1], tmp_path, force=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReleaseError, match="file"):
        write_new({tmp_path / "file" / "below": "text"}, advice="")


def test_a_small_lesson_is_released(make_lesson, tmp_path):
    path = make_graded_lesson(make_lesson, SOLUTION, CHECK)
    done = release([path], tmp_path / "edition")
    text = (done.folder / "01_first.ipynb").read_text(encoding="utf-8")
    assert "SECRET" not in text
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("solution", "check", "changes", "message"),
    [
        (SOLUTION.replace("### END SOLUTION", ""), CHECK, {}, "end solution"),
        (SOLUTION, CHECK.replace("### END HIDDEN TESTS", ""), {}, "hidden tests"),
        (SOLUTION, CHECK, {"grade": False, "locked": False}, "[Hh]idden"),
        (SOLUTION, CHECK, {"schema_version": 99}, "99"),
        (SOLUTION, CHECK, {"points": -1}, "validate|minimum|metadata"),
        (SOLUTION, CHECK, {"grade_id": "not allowed!"}, "validate|match|metadata"),
        (SOLUTION, CHECK, {"grade_id": "exercise"}, "validate|[Dd]uplicate|metadata"),
    ],
)
def test_a_faulty_lesson_is_refused_by_name_and_nothing_is_written(
    make_lesson, tmp_path, solution, check, changes, message
):
    path = make_graded_lesson(make_lesson, solution, check, **changes)
    with pytest.raises(
        ReleaseError, match=rf"(?s)01_first\.ipynb cannot be released: .*({message})"
    ):
        release([LESSONS[0], path], tmp_path / "edition")
    assert not (tmp_path / "edition").exists()
