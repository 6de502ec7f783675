"""A learner's own copy of the lessons, in which the exercises are still to be solved.

It is made without nbgrader, which learners do not install; ``grading.release`` makes the edition
that is handed out and in with nbgrader's own pre-processors, and a test compares the two.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course_utils.execution.run_folder import is_run
from course_utils.exercises.solved import begin
from course_utils.files import make_folder, write_text
from course_utils.notebooks import read_notebook

# nbgrader's marks
_REGION = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN (?P<kind>SOLUTION|HIDDEN TESTS)[ \t]*\n"
    r"(?:.*\n)*?"
    r"[ \t]*### END (?P=kind)[ \t]*$",
    re.MULTILINE,
)
_LEFT_OVER = re.compile(r"### (?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)")
CODE_STUB = 'raise NotImplementedError("Replace this line by your code.")'
PROSE_STUB = "*Your answer here.*"


class WorkingCopyError(Exception):
    """A lesson cannot be turned into an exercise; the message says which and why."""


@dataclass(frozen=True)
class WorkingCopy:
    """What :func:`prepare` did.

    Attributes:
        folder: where the copies are.
        lessons: names of the lessons in it, in their order.
        added: the files that were copied, relative to the folder.
        kept: those that were there already and stay as they are.
    """

    folder: Path
    lessons: tuple[str, ...]
    added: tuple[str, ...]
    kept: tuple[str, ...]


def prepare(lessons: Sequence[Path], folder: Path, *, texts: Sequence[Path] = ()) -> WorkingCopy:
    """Copy lessons without their solutions and outputs; what is already there is left alone.

    Args:
        lessons: the notebooks of the course.
        folder: the learner's folder, made if need be.
        texts: files that are copied as they are, with the folder that they lie in.

    Raises:
        WorkingCopyError: a lesson's marks do not pair up, or the folder is the course's own or that
            of a run.
        FilesError: the folder is a file.
        OSError: the folder cannot be written to.
    """
    if any(lesson.parent.resolve() == folder.resolve() for lesson in lessons):
        raise WorkingCopyError(f"{folder} is the course's own; choose a folder for your copies")
    if is_run(folder):
        raise WorkingCopyError(f"{folder} is the folder of a run; choose another for your copies")
    sources = {lesson.name: lesson for lesson in lessons}
    sources |= {f"{text.parent.name}/{text.name}": text for text in texts}
    missing = {name: path for name, path in sources.items() if not os.path.lexists(folder / name)}
    contents = {
        name: text_of_exercise(path) if path in lessons else path.read_text(encoding="utf-8")
        for name, path in missing.items()
    }
    make_folder(folder)
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / name, content)
    begin(folder)
    kept = tuple(name for name in sources if name not in missing)
    return WorkingCopy(folder, tuple(lesson.name for lesson in lessons), tuple(missing), kept)


def text_of_exercise(lesson: Path) -> str:
    """A lesson as a learner gets it, as the text of a notebook file."""
    return f"{nbformat.writes(make_exercise(lesson))}\n"


def make_exercise(lesson: Path) -> nbformat.NotebookNode:
    """Read a lesson without its solutions, hidden tests and outputs.

    Raises:
        WorkingCopyError: its marks do not pair up.
    """
    notebook = read_notebook(lesson)
    for number, cell in enumerate(notebook.cells, start=1):
        is_code = cell.cell_type == "code"
        try:
            cell.source = remove_solutions(cell.source, stub=CODE_STUB if is_code else PROSE_STUB)
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
