"""The lesson that the attacks are handed in for, with careful checks and with careless ones.

A notebook is a file's content here, since some attacks are files that no library would write.
"""

from collections.abc import Mapping

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

MAX_SCORE = 5
STUB = 'raise NotImplementedError("Replace this line by your code.")'
ANSWERS = {
    "step": "return weight - learning_rate * gradient",
    "best_epoch": "return min(range(len(losses)), key=losses.__getitem__) + 1",
}
EMITTED = {
    function: f'from course_utils.exercises import emit\n\nemit("{exercise}", {function})'
    for exercise, function in (("3.1", "step"), ("3.3", "best_epoch"))
}
# Hidden tests as nbgrader's manual teaches them: they run, with the answers, where the learner's
# code does.
ASSERTED = {
    "step": """\
assert step(2.0, 3.0, 0.5) == 0.5
assert step(1.0, 0.0, 0.1) == 1.0
assert step(0.0, -4.0, 0.25) == 1.0""",
    "best_epoch": """\
import numpy as np
assert np.isclose(best_epoch([0.9, 0.5, 0.7]), 2)
assert np.isclose(best_epoch([0.3]), 1)
assert np.isclose(best_epoch([3.0, 2.0, 1.0]), 3)""",
}


def make_source(hidden: Mapping[str, str]) -> NotebookNode:
    """The instructor's lesson, with these hidden tests of each function."""
    bodies = {
        function: f"### BEGIN SOLUTION\n    {answer}\n    ### END SOLUTION"
        for function, answer in ANSWERS.items()
    }
    tests = {
        function: f"### BEGIN HIDDEN TESTS\n{test}\n### END HIDDEN TESTS"
        for function, test in hidden.items()
    }
    return _make_lesson(bodies, tests)


def make_student_edition(
    answers: Mapping[str, str] | None = None, *, tests: Mapping[str, str] | None = None
) -> NotebookNode:
    """The lesson as learners get it.

    Args:
        answers: bodies of the functions, instead of the stubs.
        tests: of each function, which the learner can read; by default there are none.
    """
    stubs = dict.fromkeys(ANSWERS, STUB)
    return _make_lesson(stubs | dict(answers or {}), tests or dict.fromkeys(ANSWERS, ""))


def write(notebook: NotebookNode) -> bytes:
    """The content of a notebook's file."""
    return nbformat.writes(notebook).encode()


def _make_lesson(bodies, tests):
    cells = [new_markdown_cell("# A lesson"), new_code_cell("import math")]
    for exercise, function, arguments, points in (
        ("3-1", "step", "weight, gradient, learning_rate", 2),
        ("3-3", "best_epoch", "losses", 3),
    ):
        solution = new_code_cell(f"def {function}({arguments}):\n    {bodies[function]}")
        check = new_code_cell(f"assert callable({function})\n{tests[function]}".rstrip())
        cells += [
            mark(solution, f"exercise-{exercise}", solution=True),
            mark(check, f"check-{exercise}", grade=True, locked=True, points=points),
        ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def mark(cell, grade_id, **marks):
    """The cell, with nbgrader's metadata."""
    flags = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = flags | {"schema_version": 3, "grade_id": grade_id} | marks
    return cell
