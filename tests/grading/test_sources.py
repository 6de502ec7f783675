"""What an instructor's notebook can't be used for is named, with file, cell and remedy."""

import json
import os

import nbformat
import pytest

from course_utils.execution.lessons import find_lessons
from course_utils.grading.release.new_assignment import new_assignment
from course_utils.grading.sources import SourceError, check_source, check_sources


@pytest.fixture
def source(course_folder):
    """An assignment with one check of each kind."""
    from course_utils.grading.records.gradebook import read_course

    return new_assignment(read_course(course_folder), "hw1")


def edit(path, change):
    """Change a notebook as the text of its file, cells by their ``grade_id``."""
    notebook = json.loads(path.read_text())
    cells = {
        cell["metadata"].get("nbgrader", {}).get("grade_id"): cell for cell in notebook["cells"]
    }
    change(cells, notebook)
    path.write_text(json.dumps(notebook))


def find_message(path):
    with pytest.raises(SourceError) as caught:
        check_source(path)
    message = str(caught.value)
    assert str(path) in message
    return message


def test_what_is_sound_passes(source):
    check_source(source)
    check_sources(source.parent)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; put the notebook there"),
        (b"\n", "is empty; put the notebook there"),
        (b"hello", "not a notebook, or not a whole one; open it in Jupyter"),
        (b"[]", "not a notebook, or not a whole one; open it in Jupyter"),
        (b"null", "not a notebook, or not a whole one; open it in Jupyter"),
        (b'{"cells": [', "not a notebook, or not a whole one; open it in Jupyter"),
        ("{}".encode("utf-16"), "is not written in UTF-8; open it in Jupyter"),
    ],
)
def test_files_that_are_no_notebooks(source, content, message):
    source.write_bytes(content)
    assert message in find_message(source)


def test_places_where_there_is_no_file(source):
    source.unlink()
    source.mkdir()
    assert "cannot be read (Is a directory); put the notebook there" in find_message(source)
    source.rmdir()
    source.symlink_to("nowhere")
    assert "cannot be read (No such file or directory)" in find_message(source)


def set_marks(name, **values):
    def change(cells, _):
        cells[name]["metadata"]["nbgrader"].update(values)

    return change


def drop_mark(name, mark):
    return lambda cells, _: cells[name]["metadata"]["nbgrader"].pop(mark)


def replace(name, old, new):
    def change(cells, _):
        text = "".join(cells[name]["source"])
        assert old in text
        cells[name]["source"] = text.replace(old, new)

    return change


CHECK = "check-squares"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_marks(CHECK, points=-2), "cell 3 (check-squares) is worth -2 points: give it a numb"),
        (set_marks(CHECK, points=float("nan")), "cell 3 (check-squares) is worth nan points"),
        (set_marks(CHECK, points=float("inf")), "cell 3 (check-squares) is worth inf points"),
        (set_marks(CHECK, points="4"), "cell 3 (check-squares) is worth '4' points"),
        (set_marks(CHECK, points=True), "cell 3 (check-squares) is worth True points"),
        (drop_mark(CHECK, "points"), "cell 3 (check-squares) has no points: give it a number"),
        (set_marks("essay", points=-3), "(essay) is worth -3 points"),
        (drop_mark(CHECK, "grade_id"), "cell 3 is marked and has no ID: give it one"),
        (set_marks(CHECK, grade_id=""), "cell 3 is marked and has no ID: give it one"),
        (set_marks(CHECK, grade_id="a b"), "has the ID 'a b': take letters, digits"),
        (set_marks(CHECK, grade_id=7), "cell 3 has the ID 7: take letters, digits"),
        (set_marks(CHECK, grade_id="squares"), "cell 3 (squares) has the ID of cell 2: give it"),
        (set_marks(CHECK, schema_version=1), "by an old nbgrader: keep a copy of the assignment"),
        (drop_mark(CHECK, "schema_version"), "by an old nbgrader: keep a copy of the assignment"),
        (set_marks(CHECK, schema_version=9), "by a newer nbgrader than the one that is installed"),
        (
            lambda cells, _: cells[CHECK]["metadata"].update(nbgrader="x"),
            "cell 3 has the nbgrader metadata 'x': remove them",
        ),
        (
            replace("squares", "    ### END SOLUTION", ""),
            "cell 2 (squares) has 'BEGIN SOLUTION' without 'END SOLUTION': add the line",
        ),
        (
            replace("squares", "    ### BEGIN SOLUTION", ""),
            "cell 2 (squares) has 'END SOLUTION' in line 5 without 'BEGIN SOLUTION' above it",
        ),
        (
            replace("squares", "### END SOLUTION", "### BEGIN SOLUTION\n    ### END SOLUTION"),
            "cell 2 (squares) has 'BEGIN SOLUTION' in line 5 within another: put 'END SOLUTION'",
        ),
        (
            replace(CHECK, "### END HIDDEN TESTS", ""),
            "cell 3 (check-squares) has 'BEGIN HIDDEN TESTS' without 'END HIDDEN TESTS'",
        ),
        (
            set_marks("squares", solution=False),
            "cell 2 (squares) has 'BEGIN SOLUTION' and isn't marked as an answer: mark it",
        ),
        (
            set_marks(CHECK, grade=False),
            "has 'BEGIN HIDDEN TESTS' and isn't marked as a check (“Autograder tests”): mark it",
        ),
        (
            lambda cells, _: cells["squares"].pop("source"),
            "is not a sound notebook: cell 2: 'source' is a required property",
        ),
        (
            lambda _, notebook: notebook["metadata"].update(kernelspec=[1]),
            "is not a sound notebook: metadata.kernelspec: [1] is not of type 'object'; open",
        ),
        (
            lambda _, notebook: notebook["metadata"].update(course={"grading": [1]}),
            "the notebook's metadata say [1] where “course.grading” belongs: name parameters",
        ),
        (
            lambda _, notebook: notebook["metadata"].update(course="x"),
            "the notebook's metadata say 'x' where “course.grading” belongs",
        ),
        (
            lambda _, notebook: notebook["metadata"].update(course={"grading": {"epochs": 1}}),
            "“course.grading” set 'epochs', and no cell with the tag “parameters” does: correct",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_cell(source, change, message):
    edit(source, change)
    assert message in find_message(source)


def test_all_is_said_at_once(source):
    edit(source, set_marks(CHECK, points=-2))
    edit(source, set_marks("check-total", points=None))
    edit(source, set_marks("essay", grade_id="an essay"))
    lines = find_message(source).split("\n  ")
    assert [line.partition(")")[0] for line in lines[1:]] == [
        "cell 3 (check-squares", "cell 6 (check-total", "cell 10 (an essay",
    ]  # fmt: skip


def test_many_faults_are_counted(source):
    def repeat(_, notebook):
        check = notebook["cells"][2]
        notebook["cells"] = [check | {"id": f"cell-{number}"} for number in range(12)]

    edit(source, repeat)
    assert find_message(source).endswith("\n  and 3 more")


def test_marks_of_the_courses_own_are_known(source):
    edit(source, replace("squares", "### END SOLUTION", "#-- yours"))
    edit(source, replace("squares", "### BEGIN SOLUTION", "#-- mine"))
    edit(source, replace("total", "### END SOLUTION", ""))
    own = {"begin_solution_delimeter": "#-- mine", "end_solution_delimeter": "#-- yours"}
    check_source(source, {"ClearSolutions": own})
    edit(source, replace("squares", "#-- yours", ""))
    with pytest.raises(SourceError, match="has '#-- mine' without '#-- yours'"):
        check_source(source, {"ClearSolutions": own})


def test_marks_anywhere_are_allowed_where_the_course_says_so(source):
    edit(source, set_marks("squares", solution=False))
    check_source(source, {"ClearSolutions": {"enforce_metadata": False}})


def test_parameters_are_looked_for_in_their_cell(source):
    def change(_, notebook):
        first = notebook["cells"][1]
        first["metadata"]["tags"] = ["parameters"]
        first["source"] = ["epochs: int = 3\n", f"n = 2\n{''.join(first['source'])}"]
        notebook["metadata"]["course"] = {"grading": {"epochs": 1, "n": 1}}

    edit(source, change)
    check_source(source)
    edit(source, lambda _, notebook: notebook["metadata"]["course"]["grading"].update(epoch=1))
    assert "set 'epoch', and no cell" in find_message(source)


def test_the_lessons_themselves_are_sound():
    for lesson in find_lessons():
        check_source(lesson)


def test_older_formats_are_read(source):
    notebook = nbformat.read(source, as_version=4)
    source.write_text(nbformat.writes(notebook, version=3))
    check_source(source)


def test_each_notebook_of_an_assignment_is_looked_at(source):
    (source.parent / "more.ipynb").write_text("{")
    with pytest.raises(SourceError, match=r"hw1/more\.ipynb is not a notebook"):
        check_sources(source.parent)


def test_links_that_lead_nowhere_are_named(source):
    """They would be missing where submissions run."""
    (source.parent / "data").mkdir()
    link = source.parent / "data" / "numbers.csv"
    link.symlink_to("/nowhere/numbers.csv")
    with pytest.raises(SourceError, match=r"data/numbers\.csv is a link that leads nowhere; put"):
        check_sources(source.parent)
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(SourceError, match="is a link that leads nowhere"):
        check_sources(source.parent)
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(SourceError, match="is no ordinary file; put a file there"):
        check_sources(source.parent)
    link.rename(link.with_name(".numbers.csv"))
    check_sources(source.parent)


def test_other_languages_are_named(source):
    def change(_, notebook):
        notebook["metadata"]["kernelspec"] = {
            "name": "julia-1.9", "display_name": "Julia", "language": "julia"
        }  # fmt: skip

    edit(source, change)
    assert "is written in julia, and only Python is graded: choose a Python" in find_message(source)
