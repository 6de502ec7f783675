"""Notebook files: how they are read, and what nbgrader's metadata say of their cells.

The accessors take a cell of anybody's notebook. Metadata that make no sense count as missing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode


NbgraderSettings = Mapping[str, Mapping[str, Any]]
"""nbgrader's settings by class and option, of what is a solution, a hidden test and a stub."""


class NotebookError(Exception):
    """A file is not a notebook; the message names it and says why."""


def read_notebook(path: Path) -> "NotebookNode":
    """Read a notebook in the newest format, with a Python kernel unless it names another.

    Raises:
        NotebookError: the file is not a notebook.
    """
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
        notebook.metadata.setdefault("language_info", {"name": "python"})
    except (ValueError, AttributeError, TypeError, RecursionError, nbformat.ValidationError) as err:
        raise NotebookError(f"{path} is not a notebook: {err}") from None
    return notebook


def get(mapping: object, key: str) -> Any:
    """Look a key up in what may not be a mapping; None where there is nothing."""
    return mapping.get(key) if isinstance(mapping, Mapping) else None


def get_text(mapping: object, key: str) -> str:
    """Look a text up in what may not be a mapping; empty where there is none."""
    value = get(mapping, key)
    return value if isinstance(value, str) else ""


def marks(cell: object) -> Mapping[str, Any]:
    """Find what nbgrader's metadata say of a cell; empty where they say nothing."""
    found = get(get(cell, "metadata"), "nbgrader")
    return found if isinstance(found, Mapping) else {}


def grade_id(cell: object) -> str:
    """Find the name that nbgrader knows a cell by; empty where it has none."""
    return get_text(marks(cell), "grade_id")


def is_solution(cell: object) -> bool:
    """Tell whether a cell is the learner's to write."""
    return bool(marks(cell).get("solution"))


def is_check(cell: object) -> bool:
    """Tell whether a cell earns points and is not the learner's to write."""
    return bool(marks(cell).get("grade")) and not is_solution(cell)


def tags(cell: object) -> frozenset[str]:
    """Find a cell's tags."""
    found = get(get(cell, "metadata"), "tags")
    return (
        frozenset(tag for tag in found if isinstance(tag, str))
        if isinstance(found, list)
        else (frozenset())
    )
