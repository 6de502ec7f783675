"""A commented assignment to begin with: one check of each kind, which grades as it stands."""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.grading.judge.outputs import TAG
from course_utils.grading.records.gradebook import Course
from course_utils.grading.release.student_edition import ReleaseError, write_new

_NAME = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)

_INTRODUCTION = """\
# {name}

Write a function, compute a number, and say what you found. Replace each line that raises \
`NotImplementedError` by your code."""

_SQUARES = '''\
def squares(n):
    """The squares of 1, 2, … n, as a list."""
    ### BEGIN SOLUTION
    return [number**2 for number in range(1, n + 1)]
    ### END SOLUTION'''

_PUBLISHED = """\
print("squares(3) is", squares(3), "and should be [1, 4, 9]")
### BEGIN HIDDEN TESTS
# A published check. Learners don't see this part. It runs in their notebook and in yours, with the
# same random numbers, which are new in each batch. What comes back is compared outside of both,
# with the tolerances that stand here; each value that is right earns its share of the points.
from course_utils.exercises import Publisher

with Publisher("squares") as check:
    check.call("squares", int(check.random.integers(5, 40)), name="a drawn number")
    check.call("squares", 1)
    check.call("squares", 0, weight=2)  # counts twice
### END HIDDEN TESTS"""

_TOTAL = """\
### BEGIN SOLUTION
total = sum(squares(100)) / 7
### END SOLUTION"""

_OUTPUT = """\
# What this cell shows is compared with what it shows in your own notebook: it has the tag
# "compare-output", and in its metadata a tolerance for the numbers.
print(f"a seventh of the sum of all squares up to 100: {total:.3f}")"""

_IS_EVEN = '''\
def is_even(number):
    """Whether a whole number is even."""
    ### BEGIN SOLUTION
    return number % 2 == 0
    ### END SOLUTION'''

_ASSERTED = """\
assert is_even(4), "4 is even"
### BEGIN HIDDEN TESTS
# nbgrader's own kind of check: an error means no points, a number as the last value means so many.
# It is quickly written, and learners who try can forge it: it runs in their own process. The report
# says which points were given like that.
assert is_even(0)
assert not is_even(-7)
### END HIDDEN TESTS"""

_ESSAY = """\
Why do the squares grow faster and faster? (Graded by hand, in nbgrader's formgrader.)"""


def new_assignment(course: Course, name: str) -> Path:
    """Write an assignment with one check of each kind into a course.

    Args:
        course: the nbgrader course.
        name: of the assignment and of its notebook.

    Returns:
        The notebook, ``source/{name}/{name}.ipynb``.

    Raises:
        ReleaseError: the name can't be one, or there is such an assignment.
    """
    if not _NAME.fullmatch(name):
        raise ReleaseError(
            f"{name!r} is not a name for an assignment; take letters, digits, - and _, such as hw1"
        )
    folder = course.folder / "source" / name
    if folder.exists():
        raise ReleaseError(f"{folder} is there already; choose another name")
    path = folder / f"{name}.ipynb"
    text = f"{nbformat.writes(_make_notebook(name))}\n"
    write_new({path: text}, advice="choose another name")
    return path


def _make_notebook(name: str) -> NotebookNode:
    output = new_code_cell(_OUTPUT, metadata={"tags": [TAG], "course": {"tolerance": 0.002}})
    cells = [
        new_markdown_cell(_INTRODUCTION.format(name=name)),
        _mark(new_code_cell(_SQUARES), "squares", solution=True),
        _mark(new_code_cell(_PUBLISHED), "check-squares", grade=True, locked=True, points=4),
        new_markdown_cell("Now let `total` be a seventh of the sum of the squares of 1 to 100."),
        _mark(new_code_cell(_TOTAL), "total", solution=True),
        _mark(output, "check-total", grade=True, locked=True, points=2),
        _mark(new_code_cell(_IS_EVEN), "is-even", solution=True),
        _mark(new_code_cell(_ASSERTED), "check-is-even", grade=True, locked=True, points=1),
        new_markdown_cell(_ESSAY),
        _mark(new_markdown_cell("Your answer."), "essay", grade=True, solution=True, points=3),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _mark(cell: NotebookNode, name: str, **marks: bool | int) -> NotebookNode:
    """Give a cell nbgrader's metadata."""
    flags = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = flags | {"schema_version": 3, "grade_id": name} | marks
    return cell
