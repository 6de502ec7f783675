"""The outputs that the lessons in the repository carry."""

from pathlib import Path

import nbformat

from course_utils.files import write_text
from course_utils.notebooks import read_notebook


def store_outputs(lesson: Path, executed: str) -> None:
    """Give a lesson the outputs and execution counts of its executed copy, and nothing else.

    Metadata, which holds timings and the names of machines' programs, stays that of the lesson, so
    that storing the same outputs again changes nothing.

    Args:
        lesson: the notebook that gets the outputs; replaced as a whole.
        executed: the text of the same notebook, run with its default parameters.
    """
    notebook = read_notebook(lesson)
    for cell, done in zip(
        notebook.cells, nbformat.reads(executed, as_version=4).cells, strict=True
    ):
        if cell.cell_type == "code":
            cell.outputs = done.outputs
            cell.execution_count = done.execution_count
    write_text(lesson, nbformat.writes(notebook) + "\n")
