"""Lessons are found, and what is asked of them is checked before anything runs."""

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.datasets import DatasetError
from course_utils.execution.lessons import (
    Parameter,
    RunError,
    all_values,
    assign_parameters,
    course_folder,
    find_lessons,
    parse_value,
    read_parameters,
    select,
)
from course_utils.notebooks import NotebookError

PARAMETERS = (
    'dataset = "pixels10"  # a name or a path\n'
    "num_train = 400  # images\n"
    "rate: float = 1  # of learning\n"
    "quick = False\n"
    "limit = None\n"
)


def parameter(type_name):
    return Parameter("num_train", type_name, "0", "how many")


def test_lessons_are_found_in_order_and_other_files_are_not(make_lesson, tmp_path):
    for name in ("02_second", "01_first", "notes", "3_third"):
        make_lesson(name)
    lessons = find_lessons(tmp_path / "notebooks")
    assert [lesson.stem for lesson in lessons] == ["01_first", "02_second"]
    assert all(lesson.is_absolute() for lesson in lessons)
    with pytest.raises(RunError, match="no lessons"):
        find_lessons(tmp_path)


def test_a_folder_of_somebody_elses_notebooks_is_never_taken_for_the_course(
    make_lesson, tmp_path, monkeypatch
):
    make_lesson("01_thesis", "n = 3")
    monkeypatch.chdir(tmp_path)
    assert find_lessons()[0].stem == "01_data_loading"
    assert (course_folder() / "essays" / "claims.yaml").exists()


def test_a_package_outside_the_courses_own_checkout_takes_the_installed_lessons(
    make_lesson, tmp_path, monkeypatch
):
    make_lesson("01_thesis", "n = 3")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "thesis"')
    monkeypatch.setattr("course_utils.__file__", str(tmp_path / "course_utils" / "__init__.py"))
    assert course_folder() == Path(sys.prefix, "share", "pixels-and-people")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "pixels-and-people"')
    assert course_folder() == tmp_path


def test_all_values_are_those_given_and_the_defaults(make_lesson):
    lesson = make_lesson("01_first", PARAMETERS + "both = 1 + 1\n")
    assert all_values(lesson, {"num_train": 5}) == {
        "dataset": "pixels10",
        "num_train": 5,
        "rate": 1,
        "quick": False,
        "limit": None,
        "both": "1 + 1",
    }


@pytest.mark.parametrize("name", ["2", "02", "02_second", "02_second.ipynb", "notebooks/02_second"])
def test_a_lesson_goes_by_number_or_name(make_lesson, name):
    lessons = [make_lesson("01_first"), make_lesson("02_second")]
    assert select(lessons, [name]) == lessons[1:]
    assert select(lessons, [name, "01"]) == lessons
    assert select(lessons, []) == lessons


@pytest.mark.parametrize("name", ["7", "", "second", "01_second"])
def test_an_unknown_lesson_is_refused_and_the_known_are_listed(make_lesson, name):
    with pytest.raises(RunError, match="02_second"):
        select([make_lesson("02_second")], [name])


def test_parameters_have_types_defaults_and_help(make_lesson):
    found = read_parameters(make_lesson("01_first", PARAMETERS))
    assert {name: one.type_name for name, one in found.items()} == {
        "dataset": "str",
        "num_train": "int",
        "rate": "float",
        "quick": "bool",
        "limit": "NoneType",
    }
    assert found["num_train"] == Parameter("num_train", "int", "400", "images")


def test_a_parameter_goes_to_the_lessons_that_know_it(make_lesson):
    first = make_lesson("01_first", "num_train = 400")
    second = make_lesson("02_second", "num_train = 400\nepochs = 1")
    assigned = assign_parameters([first, second], [("epochs", "3"), ("num_train", "50")])
    assert assigned == {first: {"num_train": 50}, second: {"epochs": 3, "num_train": 50}}


@pytest.mark.parametrize(
    ("given_parameters", "message"),
    [
        ([("epoch", "3")], "'epoch'; known are dataset, limit, num_train, quick, rate"),
        ([("num_train", "abc")], "num_train: 'abc' is not a whole number"),
        ([("num_train", "1.5")], "num_train: '1.5' is not a whole number"),
        ([("rate", "fast")], "rate: 'fast' is not a number"),
        ([("rate", "nan")], "rate: 'nan' is not a number"),
        ([("quick", "maybe")], "quick: 'maybe' is not true or false"),
        ([("num_train", "1"), ("num_train", "2")], "twice"),
    ],
)
def test_what_no_lesson_can_use_is_refused(make_lesson, given_parameters, message):
    with pytest.raises(RunError, match=message):
        assign_parameters([make_lesson("01_first", PARAMETERS)], given_parameters)


def test_a_dataset_is_looked_for_and_its_path_made_absolute(make_lesson, tmp_path, monkeypatch):
    lesson = make_lesson("01_first", PARAMETERS)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for asked, found in (("mine", str(tmp_path / "mine")), ("pixels10", "pixels10")):
        assert assign_parameters([lesson], [("dataset", asked)]) == {lesson: {"dataset": found}}
    with pytest.raises(DatasetError, match="known names are pixels10 and cifar10"):
        assign_parameters([lesson], [("dataset", "nonsense")])


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"cells": 3}', "\xff"])
def test_a_file_that_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "01_broken.ipynb"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(NotebookError, match="01_broken"):
        read_parameters(path)


@given(st.integers())
def test_whole_numbers_are_read(number):
    assert parse_value(parameter("int"), str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read(number):
    assert parse_value(parameter("float"), repr(number)) == number


@given(st.text())
def test_texts_stay_as_they_are(text):
    assert parse_value(parameter("str"), text) == text


@given(st.sampled_from(["int", "float", "bool", "str", "NoneType", "list"]), st.text())
def test_a_value_has_the_type_asked_for_or_is_refused_by_name(type_name, text):
    types = {"int": int, "float": float, "bool": bool, "str": str}
    try:
        value = parse_value(parameter(type_name), text)
    except RunError as error:
        assert "num_train" in str(error)
        assert repr(text) in str(error)
    else:
        assert type(value) is types.get(type_name, type(value))
        assert not isinstance(value, float) or type_name != "float" or math.isfinite(value)
