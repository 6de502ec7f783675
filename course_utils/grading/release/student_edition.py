"""The student edition of the lessons: without solutions, hidden tests and outputs.

nbgrader's own pre-processors make it, those of ``nbgrader generate_assignment``, with the course's
stubs; only the one that writes into a gradebook is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

import course_utils
from course_utils.exercises.working_copy import CODE_STUB, PROSE_STUB
from course_utils.files import write_text
from course_utils.notebooks import read_notebook

# nbgrader's configuration of what takes the place of solutions.
STUBS = {"ClearSolutions": {"code_stub": {"python": CODE_STUB}, "text_stub": PROSE_STUB}}

_README = """\
# Your copy of the lessons

Python 3.11, 3.12 or 3.13 is needed, and 2 GB of disk. In this folder:

```sh
python -m venv .venv
.venv/bin/python -m pip install -r requirements.txt
.venv/bin/jupyter lab
```

On Windows write `.venv\\Scripts\\python` and `.venv\\Scripts\\jupyter`. If pip does not find the
course, your instructor has a copy of it: give pip that folder or file in place of
`-r requirements.txt`.

In each exercise replace the line that raises `NotImplementedError` by your code, then run the cell
below it, which tells you at once whether it works. Leave the other cells and their order alone.
Before you hand in, choose *Run ▸ Restart Kernel and Run All Cells* and save. Keep the notebooks'
names.
"""


class ReleaseError(Exception):
    """The student edition cannot be made or written; the message says why and what to do."""


@dataclass(frozen=True)
class Release:
    """What :func:`release` did.

    Attributes:
        folder: where the student edition is.
        lessons: names of its notebooks, in their order.
        written: the files that were written, relative to the folder.
        unchanged: those that were there already, with the same content.
    """

    folder: Path
    lessons: tuple[str, ...]
    written: tuple[str, ...]
    unchanged: tuple[str, ...]


def release(lessons: Sequence[Path], to: Path, *, force: bool = False) -> Release:
    """Write the student edition of lessons, and what a learner needs to run it.

    The texts for an essay, ``essays/template.md`` and ``essays/rubric.md``, go with the lessons
    that mention them.

    Args:
        lessons: the notebooks of the course.
        to: the folder, made if need be.
        force: replace files that are there with another content.

    Raises:
        ReleaseError: a lesson's marks or metadata are faulty, or a file is there with another
            content, be it an older edition or a learner's work. Nothing is written then.
    """
    contents = {
        "README.md": _README,
        "requirements.txt": f"pixels-and-people=={course_utils.__version__}\n",
    }
    for lesson in lessons:
        contents[lesson.name] = text_of_student_edition(lesson)
        contents |= {
            name: path.read_text(encoding="utf-8") for name, path in find_texts(lesson).items()
        }
    written = write_new(
        {to / name: content for name, content in contents.items()},
        force=force,
        advice="take another folder, or replace them with --force",
    )
    names = tuple(path.relative_to(to).as_posix() for path in written)
    return Release(
        to,
        tuple(lesson.name for lesson in lessons),
        names,
        tuple(name for name in contents if name not in names),
    )


def text_of_student_edition(lesson: Path) -> str:
    """A lesson as it is handed out, as the text of a notebook file.

    Raises:
        ReleaseError: its marks or metadata are faulty.
    """
    return f"{nbformat.writes(make_student_edition(lesson))}\n"


def make_student_edition(lesson: Path) -> nbformat.NotebookNode:
    """Read a lesson without its solutions, hidden tests and outputs, and with locked cells.

    Args:
        lesson: a notebook with nbgrader's metadata and marks.

    Raises:
        ReleaseError: they are faulty.
    """
    from nbgrader.converters import GenerateAssignment
    from nbgrader.nbgraderformat import SchemaTooNewError, SchemaTooOldError, ValidationError
    from nbgrader.preprocessors import SaveCells
    from traitlets.config import Config

    notebook, resources = read_notebook(lesson), {"metadata": {"path": str(lesson.parent)}}
    try:
        for kind in GenerateAssignment().preprocessors:
            if kind is not SaveCells:
                notebook, resources = kind(config=Config(STUBS))(notebook, resources)
    except (RuntimeError, ValidationError, SchemaTooOldError, SchemaTooNewError) as error:
        raise ReleaseError(f"{lesson.name} cannot be released: {error}") from error
    return notebook


def find_texts(lesson: Path) -> dict[str, Path]:
    """The texts that a lesson sends its reader to, by the name that it uses for them."""
    names = ("essays/template.md", "essays/rubric.md")
    places = {name: lesson.parent.parent / name for name in names}
    prose = "\n".join(cell.source for cell in read_notebook(lesson).cells)
    return {name: path for name, path in places.items() if name in prose and path.is_file()}


def write_new(contents: Mapping[Path, str], *, advice: str, force: bool = False) -> list[Path]:
    """Write text files, but none if one of them is there with another content.

    Args:
        contents: the text of each file.
        advice: what to do when files are there, to end the message with.
        force: replace them.

    Returns:
        The files that were written; the others have that content already.

    Raises:
        ReleaseError: files are there with another content, or something else is in their place.
    """
    missing = [path for path, content in contents.items() if not _holds(path, content)]
    in_the_way = [str(path) for path in missing if path.exists() or path.is_symlink()]
    if in_the_way and not force:
        raise ReleaseError(f"other content is there already: {_join(in_the_way)}; {advice}")
    try:
        for path in missing:
            write_text(path, contents[path])
    except OSError as error:
        raise ReleaseError(f"{error.filename} cannot be written: {error.strerror}") from error
    return missing


def _holds(path: Path, content: str) -> bool:
    try:
        return path.read_bytes() == content.encode("utf-8")
    except OSError:
        return False


def _join(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
