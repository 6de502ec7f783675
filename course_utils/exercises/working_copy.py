"""A learner's own copy of the lessons, in which the exercises are still to be solved."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course_utils.execution.files import write_text
from course_utils.execution.lessons import read_notebook

# nbgrader's marks
_REGION = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN (?P<kind>SOLUTION|HIDDEN TESTS)[ \t]*\n"
    r"(?:.*\n)*?"
    r"[ \t]*### END (?P=kind)[ \t]*$",
    re.MULTILINE,
)
_LEFT_OVER = re.compile(r"### (?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)")
_CODE_STUB = 'raise NotImplementedError("Replace this line by your code.")'
_PROSE_STUB = "*Your answer here.*"


class WorkingCopyError(Exception):
    """A lesson cannot be turned into an exercise; the message says which and why."""


@dataclass(frozen=True)
class WorkingCopy:
    """What :func:`prepare` did.

    Attributes:
        folder: where the copies are.
        added: names of the lessons that were copied.
        kept: names of those that were there already and stay as they are.
    """

    folder: Path
    added: tuple[str, ...]
    kept: tuple[str, ...]


def prepare(lessons: Sequence[Path], folder: Path) -> WorkingCopy:
    """Copy lessons without their solutions and outputs; what is already there is left alone.

    Args:
        lessons: the notebooks of the course.
        folder: the learner's folder, made if need be.

    Raises:
        WorkingCopyError: a lesson's marks do not pair up.
    """
    missing = [lesson for lesson in lessons if not (folder / lesson.name).exists()]
    exercises = {lesson.name: make_exercise(lesson) for lesson in missing}
    for name, notebook in exercises.items():
        write_text(folder / name, nbformat.writes(notebook) + "\n")
    kept = tuple(lesson.name for lesson in lessons if lesson not in missing)
    return WorkingCopy(folder, tuple(exercises), kept)


def make_exercise(lesson: Path) -> nbformat.NotebookNode:
    """Read a lesson without its solutions, hidden tests and outputs.

    Raises:
        WorkingCopyError: its marks do not pair up.
    """
    notebook = read_notebook(lesson)
    for number, cell in enumerate(notebook.cells, start=1):
        is_code = cell.cell_type == "code"
        try:
            cell.source = remove_solutions(cell.source, stub=_CODE_STUB if is_code else _PROSE_STUB)
        except ValueError as error:
            raise WorkingCopyError(f"{lesson.name}, cell {number}: {error}") from None
        if is_code:
            cell.outputs = []
            cell.execution_count = None
    return notebook


def remove_solutions(source: str, *, stub: str) -> str:
    """Replace each solution by a stub at its indentation, and remove hidden tests.

    Args:
        source: a cell's source, with nbgrader's marks.
        stub: what takes the place of a solution.

    Raises:
        ValueError: a mark has no partner.
    """

    def replace(region: re.Match[str]) -> str:
        return region["indent"] + stub if region["kind"] == "SOLUTION" else ""

    replaced = _REGION.sub(replace, source)
    if left_over := _LEFT_OVER.search(replaced):
        raise ValueError(f"the mark {left_over[0]!r} has no partner")
    return replaced.rstrip("\n") if replaced != source else source
