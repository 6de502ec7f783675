"""One lesson run with papermill, in a process of its own."""

import os
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import nbformat

from course_utils.execution.lessons import RunError, Value
from course_utils.files import write_text
from course_utils.notebooks import NotebookError, read_notebook

_ERROR_MARKER = "papermill-error-cell-tag"  # of the cells that papermill adds around a failure


@dataclass(frozen=True)
class Task:
    """A lesson to run.

    Attributes:
        lesson: the notebook.
        executed: where to write it with its outputs, as far as it got; in a temporary folder.
        parameters: the parameters that differ from the lesson's defaults.
        kernel: name of the Jupyter kernel.
        timeout: seconds that one cell may take; None for no limit.
    """

    lesson: Path
    executed: Path
    parameters: Mapping[str, Value]
    kernel: str
    timeout: float | None


@dataclass(frozen=True)
class Started:
    """A cell starts; sent while a lesson runs.

    Attributes:
        index: its place in the notebook, from 0.
        num_cells: how many cells the notebook has.
        heading: the heading above the cell, or its first line where there is none.
    """

    index: int
    num_cells: int
    heading: str


@dataclass(frozen=True)
class Finished:
    """The lesson has ended; sent last.

    Attributes:
        error: why it failed, in one line; empty when it did not.
    """

    error: str


def work(connection: Connection, task: Task) -> None:
    """Run a lesson; the target of its process.

    Tells through ``connection`` what happens: :class:`Started` for each cell, then
    :class:`Finished`. A SIGTERM stops the lesson and its kernel; a SIGINT is left to the parent.
    What the kernel prints outside the notebook goes to a file ``.log`` beside the executed one.

    Args:
        connection: to the parent process.
        task: what to run.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        try:
            with task.executed.with_suffix(".log").open("wb") as log:
                for stream in (1, 2):
                    os.dup2(log.fileno(), stream)
            error = _execute(connection, task)
        except (RunError, NotebookError) as failure:
            error = str(failure)
        except OSError as failure:
            error = f"{failure.strerror or failure}: {failure.filename or task.executed.parent}"
        connection.send(Finished(error))


def _execute(connection: Connection, task: Task) -> str:
    from nbclient.exceptions import DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    started = False

    def report(cell: nbformat.NotebookNode, cell_index: int) -> None:
        nonlocal started
        started = True
        connection.send(Started(cell_index, len(headings), headings[cell_index]))

    notebook = read_notebook(task.lesson)
    headings = _headings(notebook, injects=bool(task.parameters))
    with tempfile.TemporaryDirectory() as folder:
        # papermill formats paths: braces in the name of a folder would be taken for parameters.
        written = Path(folder) / "executed.ipynb"
        error = ""
        try:
            execute_notebook(
                notebook,
                str(written).replace("{", "{{").replace("}", "}}"),
                parameters=dict(task.parameters),
                kernel_name=task.kernel,
                progress_bar=False,
                execution_timeout=task.timeout,
                on_cell_start=report,
            )
        except PapermillExecutionError as failure:
            error = _one_line(failure.ename, failure.evalue)
        except DeadKernelError:
            error = "its kernel died, often for want of memory"
        except Exception as failure:  # a time-out, no such kernel, …
            error = _one_line(type(failure).__name__, str(failure))
        if started and written.exists():
            result = nbformat.read(written, as_version=4)
            error = error or _early_exit(result)
            result.metadata.papermill.update(
                input_path=task.lesson.name, output_path=task.executed.name
            )
            write_text(task.executed, nbformat.writes(result))
    return error


def _headings(notebook: nbformat.NotebookNode, *, injects: bool) -> list[str]:
    """For each cell of the executed notebook what to call its place."""
    headings: list[str] = []
    heading = ""
    for cell in notebook.cells:
        lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
        if cell.cell_type == "markdown":
            titles = [line.lstrip("# ") for line in lines if line.startswith("#")]
            heading = titles[-1] if titles else heading
        headings.append(heading or (lines[0] if lines else ""))
        if injects and "parameters" in cell.metadata.get("tags", []):
            headings.append(headings[-1])
            injects = False
    return headings if not injects else ["", *headings]


def _early_exit(notebook: nbformat.NotebookNode) -> str:
    """Papermill takes ``sys.exit(0)`` for success, although the cells after it never ran."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error" and output.ename == "SystemExit":
                return "SystemExit: the cell ended the lesson, the cells below did not run"
    return ""


def _one_line(name: str, message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return f"{name}: {lines[0]}" if lines else name
