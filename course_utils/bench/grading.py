"""What grading costs: beside nbgrader, and with submissions that are out to do harm.

nbgrader runs submissions as they are, one at a time, and lesson 3 trains two networks. This grader
runs several at a time and gives the lesson small parameters. To tell the two apart, nbgrader is
measured with these parameters, too. It gets no hostile submissions: nothing would hold them.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from math import isclose
from pathlib import Path

import nbformat

from course_utils.bench.measurements import Measurement
from course_utils.bench.process import measure_family
from course_utils.execution.lessons import RunError, find_lessons, read_notebook
from course_utils.grading.course_folder import init_grading, scripts_on_path
from course_utils.grading.example_class import ASSIGNMENT, Student, make_example_class
from course_utils.grading.results import format_points
from course_utils.grading.sandbox import unavailable
from course_utils.grading.store import read_judgements

NUM_STUDENTS = 12  # of the class that nbgrader can grade, too; a drawn kind is harmless
HARMLESS = ("right", "another way", "in part", "mistakes")
HOSTILE = ("fork bomb", "all memory", "a gigabyte of output", "endless loop")

_TARGET = "≥ 3"
_GRADE = (sys.executable, "-m", "course_utils.cli", "grade", ASSIGNMENT)


def measure_grading() -> Iterator[Measurement]:
    """Grade the same class three times: by nbgrader, by it with small parameters, and here.

    Raises:
        RunError: a grader fails.
    """
    with tempfile.TemporaryDirectory(prefix="course-bench-") as name:
        course = Path(name, "course")
        _make_class(course, NUM_STUDENTS, kinds=HARMLESS)
        small = Path(shutil.copytree(course, Path(name, "small")))
        _set_parameters(small)
        nbgrader = [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT]
        rates = {}
        for label, command, folder in (
            ("nbgrader", nbgrader, Path(shutil.copytree(course, Path(name, "nbgrader")))),
            ("nbgrader, small parameters", nbgrader, small),
            ("course grade", _GRADE, course),
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


def measure_hostile_class() -> Iterator[Measurement]:
    """Grade a class in which each harmless student has a hostile one beside it.

    Raises:
        RunError: the grader fails, gives a score that is not deserved, or leaves processes behind.
    """
    if reason := unavailable():
        raise RunError(reason)
    kinds = [kind for pair in zip(HOSTILE, HARMLESS, strict=True) for kind in pair]
    with tempfile.TemporaryDirectory(prefix="course-bench-") as name:
        course = Path(name, "course")
        students = _make_class(course, len(kinds), kinds=kinds)
        with scripts_on_path():
            family = measure_family(_GRADE, course, name="a hostile class")
        wrong = _find_wrong_scores(course, students)
    yield Measurement("hostile class: time", family.seconds, "s")
    yield Measurement(
        "hostile class: peak memory of all processes together (PSS)",
        family.peak_memory / 1e9,
        "GB",
    )
    for label, chosen in (("harmless", HARMLESS), ("hostile", HOSTILE)):
        yield Measurement(
            f"hostile class: {label} submissions with the score they deserve",
            len(set(chosen) - wrong.keys()),
            f"of {len(chosen)}",
            "all",
        )
    yield Measurement("hostile class: processes left behind", len(family.left), "processes", "0")
    if wrong:
        raise RunError(f"scores that are not deserved: {'; '.join(wrong.values())}")
    if family.left:
        raise RunError(f"processes left behind by the grader: {', '.join(family.left)}")


def _make_class(course: Path, num_students: int, *, kinds: Sequence[str]) -> tuple[Student, ...]:
    """Lay out a course with lesson 3 and submissions of these kinds, then drawn ones."""
    init_grading(course, lessons=[one for one in find_lessons() if one.stem == ASSIGNMENT])
    return make_example_class(course, num_students, seed=0, kinds=kinds)


def _find_wrong_scores(course: Path, students: Sequence[Student]) -> dict[str, str]:
    """Which kinds of submission did not get the score that they deserve, each with a sentence."""
    judged = {one.student: one for one in read_judgements(course, ASSIGNMENT)}
    wrong = {}
    for student in students:
        judgement = judged.get(student.student)
        if judgement is None:
            wrong[student.kind] = f"{student.kind}: not graded"
        elif not isclose(judgement.score, student.expected_score, abs_tol=1e-6):
            wrong[student.kind] = (
                f"{student.kind}: {format_points(judgement.score)} points instead of "
                f"{format_points(student.expected_score)} "
                f"({judgement.ending.message or judgement.ending.kind})"
            )
    return wrong


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


def _time(command: Sequence[str], folder: Path) -> float:
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
