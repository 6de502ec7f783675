"""The attacks by what is in the file that a learner hands in, beside the code that it runs."""

import json
from collections.abc import Callable

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from tests.grading.attacks.lesson import make_student_edition, mark, write

_CHECKS = (3, -1)  # the places of the check cells


def _tags_everywhere(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "nbval-skip", "raises-exception", "parameters"]


def _magic_comments(notebook):
    for cell in notebook.cells[1:]:
        cell.source = f"# NBVAL_SKIP\n# NBVAL_IGNORE_OUTPUT\n{cell.source}"


def _stored_outputs(notebook):
    for count, cell in enumerate(notebook.cells[1:], start=1):
        cell.execution_count = count
        cell.outputs = [new_output("stream", text="3.1 ✓")]


def _edited_checks(notebook):
    for place in _CHECKS:
        notebook.cells[place].source = "print('✓')"
        notebook.cells[place].metadata["nbgrader"]["points"] = 1000


def _deleted_checks(notebook):
    del notebook.cells[3], notebook.cells[-1]


def _renamed_checks(notebook):
    notebook.cells[3].metadata["nbgrader"]["grade_id"] = "exercise-3-1"
    notebook.cells[3].metadata["nbgrader"] |= {"grade": False, "solution": True}
    notebook.cells[-1].metadata["nbgrader"] |= {"solution": True, "grade": False, "locked": False}


def _checks_as_text(notebook):
    for place in _CHECKS:
        notebook.cells[place].cell_type = "markdown"
        for field in ("outputs", "execution_count"):
            del notebook.cells[place][field]


def _two_checks_of_one_name(notebook):
    for place in _CHECKS:
        name = notebook.cells[place].metadata["nbgrader"]["grade_id"]
        notebook.cells.append(_make_check(name, points=3))


def _additional_checks(notebook):
    notebook.cells.append(_make_check("check-3-3", points=100))


def _look_alike_names(notebook):
    for place in _CHECKS:  # a Cyrillic letter in the place of a Latin one
        name = notebook.cells[place].metadata["nbgrader"]["grade_id"].replace("c", "с")
        notebook.cells[place] = _make_check(name, points=5)


def _make_check(name, *, points):
    return mark(new_code_cell("pass"), name, grade=True, locked=True, points=points)


# The submitted notebook is run as it is: its checks, its marks, its points.
HANDED_IN: dict[str, Callable[[NotebookNode], None]] = {
    "tags on every cell": _tags_everywhere,
    "magic comments": _magic_comments,
    "stored outputs": _stored_outputs,
    "checks edited": _edited_checks,
    "checks deleted": _deleted_checks,
    "checks renamed": _renamed_checks,
    "checks turned into text": _checks_as_text,
    "two checks of one name": _two_checks_of_one_name,
    "checks of its own": _additional_checks,
    "checks of a name that looks alike": _look_alike_names,
}


def _change(**fields):
    """The file with these fields among its metadata."""
    content = json.loads(write(make_student_edition()))
    content["metadata"] |= fields
    return json.dumps(content)


def _deep():
    return _change(deep="DEEP").replace('"DEEP"', "[" * 100_000 + "]" * 100_000).encode()


def _long_number():
    return _change(number=12345).replace("12345", "9" * 10_000).encode()


def _unwritable_characters():
    notebook = make_student_edition()
    notebook.cells[2].source = "step = '\ud800'"
    return json.dumps(notebook).encode()


def _stray_marks():
    notebook = make_student_edition()
    notebook.cells[2].source = "### BEGIN HIDDEN TESTS\nstep = None\n### BEGIN HIDDEN TESTS"
    return write(notebook)


def _another_kernel():
    kernel = {"name": "mine", "display_name": "mine", "language": "bash", "argv": ["true"]}
    return _change(kernelspec=kernel).encode()


def _many_parts():
    return _change(parts="PARTS").replace('"PARTS"', f"[{'[],' * 1_050_000}[]]").encode()


def _another_format():
    content = json.loads(write(make_student_edition()))
    return json.dumps(content | {"nbformat": 5}).encode()


def _strange_cells():
    content = json.loads(write(make_student_edition()))
    content["cells"][2]["source"] = {"def step": 0}
    return json.dumps(content).encode()


# The file is read as if it were a notebook that Jupyter has saved.
READ: dict[str, Callable[[], bytes]] = {
    "a file that is nested too deep": _deep,
    "a number too long to be read": _long_number,
    "a file of too many parts": _many_parts,
    "a format that is still to come": _another_format,
    "a cell whose text is none": _strange_cells,
    "characters that no file can hold": _unwritable_characters,
    "nbgrader's marks in an answer": _stray_marks,
    "a kernel of its own": _another_kernel,
}
