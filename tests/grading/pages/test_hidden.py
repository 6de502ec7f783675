"""What learners must not see of a cell, whatever marks a course sets around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.grading.pages.hidden import find_marks, split_hidden

LINES = st.lists(st.text(st.characters(exclude_characters="\n"), max_size=20), max_size=4)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("a\nb", "a\nb"),
        ("a\n### BEGIN HIDDEN TESTS\nx\n### END HIDDEN TESTS\nb", "a\nb"),
        ("a\n### BEGIN HIDDEN TESTS\nx", "a"),
        ("x\n### END HIDDEN TESTS\nb", "b"),
        ("a\n# BEGIN HIDDEN TESTS\nx\n# BEGIN HIDDEN TESTS\nx\n# END HIDDEN TESTS\nb", "a\nb"),
        ("a\n# BEGIN HIDDEN TESTS\n# END HIDDEN TESTS\nb\n# BEGIN HIDDEN TESTS\nx", "a"),
        ("a\n# begin hidden tests\nx\n# END HIDDEN TESTS\nx\n# END HIDDEN TESTS\nb", "a\nb"),
        ("x\n# END HIDDEN TESTS\nx\n# BEGIN HIDDEN TESTS\nx\n# END HIDDEN TESTS\nb", "b"),
        ("=== BEGIN MARK SCHEME ===\nx\n=== END MARK SCHEME ===", ""),
        ("def f():\n    ### BEGIN SOLUTION\n    x\n    ### END SOLUTION", "def f():"),
    ],
)
def test_hidden_parts_are_taken_out_however_they_are_marked(source, shown):
    assert split_hidden(source, find_marks({}))[0] == shown


@given(LINES, LINES)
def test_what_stands_around_a_hidden_part_stays(before, after):
    shown = [f"kept-{line}" for line in before], [f"kept-{line}" for line in after]
    hidden = ["### BEGIN HIDDEN TESTS", "gone", "### END HIDDEN TESTS"]
    rest, taken = split_hidden("\n".join([*shown[0], *hidden, *shown[1]]), find_marks({}))
    assert rest == "\n".join([*shown[0], *shown[1]])
    assert taken == hidden


@pytest.mark.parametrize(
    ("preprocessor", "option"),
    [
        ("ClearSolutions", "solution"),
        ("ClearHiddenTests", "test"),
        ("ClearMarkScheme", "mark_scheme"),
    ],
)
def test_a_courses_own_marks_count(preprocessor, option):
    begin, end = f"begin_{option}_delimeter", f"end_{option}_delimeter"
    marks = find_marks({preprocessor: {begin: "#? (from", end: "#? to)"}})
    assert split_hidden("a\n#? (from\nx\n#? to)\nb", marks)[0] == "a\nb"
    assert split_hidden("a\n### BEGIN HIDDEN TESTS\nx\n### END HIDDEN TESTS\nb", marks)[0] == "a\nb"
    half = find_marks({preprocessor: {begin: "#? (from"}})
    assert split_hidden("a\n#? (from\nx\n### END HIDDEN TESTS\nb", half)[0] == "a\nb"


@pytest.mark.parametrize("mark", ["", " ", None, 3, ["x"]])
def test_what_is_no_mark_hides_nothing(mark):
    marks = find_marks({"ClearHiddenTests": {"begin_test_delimeter": mark}})
    assert split_hidden("a\n b", marks) == ("a\n b", [])
