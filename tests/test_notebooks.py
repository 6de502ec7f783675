"""Notebook files are read, and nbgrader's metadata are believed only where they make sense."""

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_notebook

from course_utils import notebooks
from course_utils.notebooks import NotebookError, read_notebook

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "nbgrader", "grade_id", "solution", "grade", "tags", "x"]),
            inner,
            max_size=4,
        )
    ),
)


def cell(**marks):
    return {"metadata": {"nbgrader": marks, "tags": ["parameters", 3]}}


def test_a_notebook_gets_a_kernel_unless_it_names_one(tmp_path):
    for kernel in ({}, {"kernelspec": {"name": "r", "display_name": "R"}}):
        nbformat.write(new_notebook(metadata=kernel), tmp_path / "a.ipynb")
        found = read_notebook(tmp_path / "a.ipynb").metadata.kernelspec["name"]
        assert found == ("r" if kernel else "python3")


@pytest.mark.parametrize("text", ["", "[]", '{"cells": [', '{"nbformat": 9}', "[" * 9999])
def test_what_is_not_a_notebook_is_named(tmp_path, text):
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    with pytest.raises(NotebookError, match=r"a\.ipynb is not a notebook"):
        read_notebook(path)


@pytest.mark.parametrize(
    ("marks", "is_solution", "is_check"),
    [
        ({"solution": True, "grade": False}, True, False),
        ({"solution": False, "grade": True}, False, True),
        ({"solution": True, "grade": True}, True, False),
        ({"solution": False, "grade": False}, False, False),
        ({}, False, False),
    ],
)
def test_cells_are_solutions_or_checks_or_neither(marks, is_solution, is_check):
    one = cell(grade_id="a", **marks)
    assert notebooks.grade_id(one) == "a"
    assert (notebooks.is_solution(one), notebooks.is_check(one)) == (is_solution, is_check)
    assert notebooks.tags(one) == {"parameters"}


@given(ANYTHING)
def test_metadata_that_make_no_sense_count_as_missing(anything):
    assert isinstance(notebooks.grade_id(anything), str)
    assert isinstance(notebooks.is_check(anything), bool)
    assert all(isinstance(tag, str) for tag in notebooks.tags(anything))
    assert not notebooks.marks({"metadata": {"nbgrader": [anything]}})
