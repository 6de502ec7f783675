"""An instructor's notebooks, looked through before they are released or graded.

nbgrader stops at the first thing that it can't use, in words that name neither file nor cell. Here
all of them are named, each with what to do.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.notebooks import NbgraderSettings, get, get_text, grade_id, marks, tags

if TYPE_CHECKING:
    import nbformat
    from nbformat import NotebookNode

_FLAGS = ("grade", "solution", "locked", "task")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SCHEMA = 3
_MAX_SHOWN = 8
# For each of nbgrader's pre-processors the words that begin and end its regions, the names of the
# settings for them, the flag of the cells that may have one, and what these are called.
_REGIONS = (
    ("ClearSolutions", "solution", "SOLUTION", "solution", "an answer"),
    ("ClearHiddenTests", "test", "HIDDEN TESTS", "grade", "a check (“Autograder tests”)"),
    ("ClearMarkScheme", "mark_scheme", "MARK SCHEME", "task", "a task"),
)
_TOOLBAR = "in JupyterLab's “Create Assignment” panel"


class SourceError(Exception):
    """An instructor's notebook can't be used; the message names file and cells, and what to do."""


def check_sources(folder: Path, settings: NbgraderSettings | None = None) -> None:
    """Look through the notebooks of an assignment, and what lies beside them.

    Args:
        folder: the assignment's source.
        settings: the course's, of nbgrader's ``ClearSolutions`` and the like.

    Raises:
        SourceError: something in them can't be used.
    """
    for path in sorted(folder.glob("*.ipynb")):
        check_source(path, settings)
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not (is_hidden or path.is_file() or path.is_dir()):
            kind = "a link that leads nowhere" if path.is_symlink() else "no ordinary file"
            raise SourceError(f"{path} is {kind}; put a file there, or remove it")


def check_source(path: Path, settings: NbgraderSettings | None = None) -> None:
    """Look through a notebook.

    Args:
        path: its file.
        settings: the course's, of nbgrader's ``ClearSolutions`` and the like.

    Raises:
        SourceError: it isn't one, or has marks or metadata that can't be used.
    """
    faults = list(_find_faults(_read(path), settings or {}))
    if len(faults) == 1:
        raise SourceError(f"{path}, {faults[0]}")
    if faults:
        shown = faults[:_MAX_SHOWN]
        more = len(faults) - len(shown)
        lines = [*shown, *([f"and {more} more"] if more else [])]
        raise SourceError("\n  ".join([f"{path}:", *lines]))


def read_source(path: Path) -> str:
    """Read the text of a notebook's file.

    Raises:
        SourceError: it isn't there, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SourceError(
            f"{path} is not written in UTF-8; open it in Jupyter and save it, or take an older copy"
        ) from None
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read ({error.strerror}); put the notebook there, or remove it"
        ) from None


def _read(path: Path) -> "NotebookNode":
    import nbformat

    text = read_source(path)
    advice = "open it in Jupyter, which says more, or take an older copy"
    if not text.strip():
        raise SourceError(f"{path} is empty; put the notebook there, or remove it")
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise SourceError(
            f"{path} is not a sound notebook: {_explain(text, error)}; {advice}"
        ) from None
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        raise SourceError(f"{path} is not a notebook, or not a whole one; {advice}") from None
    return notebook


def _explain(text: str, error: "nbformat.ValidationError") -> str:
    """A validation error in one line, with the cell or the part of the file that it is about."""
    import nbformat

    parsed = json.loads(text)
    cells = get(parsed, "cells")
    for place, cell in enumerate(cells if isinstance(cells, list) else [], start=1):
        try:
            nbformat.validate(cell, ref=f"{get(cell, 'cell_type')}_cell", version=4)
        except nbformat.ValidationError as inner:
            return f"cell {place}: {_shorten(inner)}"
        except (KeyError, TypeError, AttributeError):
            return f"cell {place} is no cell"
    where = ".".join(map(str, getattr(error, "absolute_path", ())))
    return f"{where}: {_shorten(error)}" if where else _shorten(error)


def _shorten(error: "nbformat.ValidationError") -> str:
    return str(error.message).partition("\n")[0][:200]


def _find_faults(notebook: "NotebookNode", settings: NbgraderSettings) -> Iterator[str]:
    """What can't be used, cell by cell."""
    language = get_text(get(notebook.metadata, "kernelspec"), "language") or "python"
    if language.casefold() not in ("python", "python3"):
        yield f"it is written in {language}, and only Python is graded: choose a Python kernel"
    if fault := _find_parameters_fault(notebook):
        yield fault
    seen: dict[str, int] = {}
    for place, cell in enumerate(notebook.cells, start=1):
        name = grade_id(cell)
        here = f"cell {place} ({name})" if name else f"cell {place}"
        found = [*_find_metadata_faults(cell), *_find_mark_faults(cell, settings)]
        if name and _is_marked(cell):
            if name in seen:
                found.append(f"has the ID of cell {seen[name]}: give it another {_TOOLBAR}")
            seen.setdefault(name, place)
        yield from (f"{here} {fault}" for fault in found)


def _find_parameters_fault(notebook: "NotebookNode") -> str:
    """What is wrong with the parameters that submissions are graded with; empty if nothing is."""
    found = notebook.metadata.get("course")
    parameters = found.get("grading") if isinstance(found, Mapping) else found
    if parameters is None:
        return ""
    if not isinstance(parameters, Mapping):
        return (
            f"the notebook's metadata say {parameters!r} where “course.grading” belongs: name "
            'parameters and their values there, such as {"course": {"grading": {"epochs": 1}}}'
        )
    texts = [cell.source for cell in notebook.cells if "parameters" in tags(cell)]
    unknown = [
        name
        for name in parameters
        if not any(re.search(rf"^{re.escape(name)}\b", text, re.MULTILINE) for text in texts)
    ]
    if not unknown:
        return ""
    names = ", ".join(map(repr, unknown))
    return (
        f"the notebook's metadata “course.grading” set {names}, and no cell "
        "with the tag “parameters” does: correct the name, or give the cell that tag"
    )


def _is_marked(cell: object) -> bool:
    return any(marks(cell).get(flag) for flag in _FLAGS)


def _find_metadata_faults(cell: object) -> Iterator[str]:
    found = get(get(cell, "metadata"), "nbgrader")
    if found is not None and not isinstance(found, Mapping):
        yield f"has the nbgrader metadata {found!r}: remove them, and mark the cell anew {_TOOLBAR}"
    if not _is_marked(cell):
        return
    version = marks(cell).get("schema_version")
    if type(version) is int and version > _SCHEMA:
        yield "was marked by a newer nbgrader than the one that is installed: install that one"
    elif version != _SCHEMA:
        yield (
            "was marked by an old nbgrader: keep a copy of the assignment, and call "
            "`nbgrader update` with this file"
        )
    name = marks(cell).get("grade_id")
    if not name:
        yield f"is marked and has no ID: give it one {_TOOLBAR}"
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        yield (
            f"has the ID {name!r}: take letters, digits, - and _ without accents and spaces, "
            f"{_TOOLBAR}"
        )
    if marks(cell).get("grade") or marks(cell).get("task"):
        yield from _find_points_faults(marks(cell))


def _find_points_faults(found: Mapping[str, Any]) -> Iterator[str]:
    points = found.get("points")
    if points is None:
        yield f"has no points: give it a number from 0 up {_TOOLBAR}"
    elif type(points) not in (int, float) or not 0 <= points < math.inf:
        yield f"is worth {points!r} points: give it a number from 0 up {_TOOLBAR}"


def _find_mark_faults(cell: "NotebookNode", settings: NbgraderSettings) -> Iterator[str]:
    """Regions that don't begin and end in turn, or are in a cell of another kind."""
    for class_name, option, words, flag, kind in _REGIONS:
        own = settings.get(class_name, {})
        begin = own.get(f"begin_{option}_delimeter", f"BEGIN {words}")
        end = own.get(f"end_{option}_delimeter", f"END {words}")
        is_open, has_any = False, False
        for number, line in enumerate(cell.source.split("\n"), start=1):
            if begin in line:
                if is_open:
                    yield f"has {begin!r} in line {number} within another: put {end!r} before it"
                is_open, has_any = True, True
            elif end in line:
                if not is_open:
                    yield (
                        f"has {end!r} in line {number} without {begin!r} above it, so learners "
                        "would see that part: add it"
                    )
                is_open = False
        if is_open:
            yield f"has {begin!r} without {end!r}: add the line that ends it"
        if has_any and own.get("enforce_metadata", True) and not marks(cell).get(flag):
            yield f"has {begin!r} and isn't marked as {kind}: mark it {_TOOLBAR}, or remove it"
