"""How many submissions a minute: this grader and nbgrader's own, one after the other.

nbgrader runs submissions as they are, one at a time, and lesson 3 trains two networks. This grader
runs several at a time and gives the lesson small parameters. To tell the two apart, nbgrader is
measured with these parameters, too.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat

from course_utils.bench.measurements import Measurement
from course_utils.execution.lessons import RunError, read_notebook
from course_utils.grading.course_folder import init_grading, scripts_on_path
from course_utils.grading.example_class import ASSIGNMENT

NUM_STUDENTS = 4  # the first kinds of the example class are harmless, also outside the sandbox
_TARGET = "≥ 3"


def measure_grading() -> Iterator[Measurement]:
    """Grade the same class three times: by nbgrader, by it with small parameters, and here.

    Raises:
        RunError: a grader fails.
    """
    with tempfile.TemporaryDirectory(prefix="course-bench-") as name:
        course = Path(name, "course")
        init_grading(course, with_example_class=NUM_STUDENTS)
        small = Path(shutil.copytree(course, Path(name, "small")))
        _set_parameters(small)
        nbgrader = [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT]
        here = [sys.executable, "-m", "course_utils.cli", "grade", ASSIGNMENT]
        rates = {}
        for label, command, folder in (
            ("nbgrader", nbgrader, Path(shutil.copytree(course, Path(name, "nbgrader")))),
            ("nbgrader, small parameters", nbgrader, small),
            ("course grade", here, course),
        ):
            rates[label] = 60 * NUM_STUDENTS / _time(command, folder)
            yield Measurement(f"{label}: submissions", rates[label], "per minute")
    yield Measurement(
        "course grade / nbgrader", rates["course grade"] / rates["nbgrader"], "times", _TARGET
    )
    yield Measurement(
        "course grade / nbgrader, small parameters",
        rates["course grade"] / rates["nbgrader, small parameters"],
        "times",
    )


def _set_parameters(course: Path) -> None:
    """Write the parameters that lesson 3 is graded with into the submissions."""
    source = read_notebook(course / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    lines = [f"{name} = {value!r}" for name, value in source.metadata.course.grading.items()]
    for path in course.glob(f"submitted/*/{ASSIGNMENT}/*.ipynb"):
        notebook = read_notebook(path)
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", []):
                cell.source = "\n".join([cell.source, *lines])
        nbformat.write(notebook, path)


def _time(command: list[str], folder: Path) -> float:
    """Wall seconds that a command takes in a folder."""
    start = time.perf_counter()
    with scripts_on_path():
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, check=False
        )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RunError(f"{' '.join(command[1:])} failed: {done.stderr.strip()[-500:]}")
    return seconds
