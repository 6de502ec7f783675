"""What grading costs: beside other graders, and with submissions that are out to do harm.

nbgrader runs submissions as they are, one at a time, and lesson 3 trains two networks. This grader
runs several at a time and gives the lesson small parameters. To tell the two apart, nbgrader is
measured with these parameters, too, and so is otter. They get no hostile submissions: nothing would
hold them.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path

import nbformat

from benchmarks import otter
from benchmarks.family import measure_family
from course_utils.bench.measurement import Measurement
from course_utils.execution.lessons import RunError, find_lessons
from course_utils.formats import format_points
from course_utils.grading.records.gradebook import read_course, read_scores
from course_utils.grading.records.judgements import read_judgements
from course_utils.grading.release.course_folder import init_grading, scripts_on_path
from course_utils.grading.release.example_class import ASSIGNMENT, Learner, make_example_class
from course_utils.grading.sandbox.provisioner import unavailable
from course_utils.notebooks import NotebookError, read_notebook

NUM_LEARNERS = 50
HARMLESS = ("right", "another way", "in part", "mistakes")
HOSTILE = ("fork bomb", "all memory", "a gigabyte of output", "endless loop")
# What is handed in first to all graders, none of which it can harm; then comes what is drawn.
ORDINARY = (
    *("right", "in part", "mistakes", "syntax error", "computes long", "cut off"),
    *("another way", "not done"),
)

_GRADE = (sys.executable, "-m", "course_utils", "grade", ASSIGNMENT)
_NBGRADER = (sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT)


@dataclass(frozen=True)
class _Grader:
    """A grader beside this one.

    Attributes:
        name: what it is called.
        command: grades what is submitted in the folder in which it is called.
        folder: the course.
        target: how many times faster this grader should be; None where there is no aim.
    """

    name: str
    command: Sequence[str]
    folder: Path
    target: float | None = None


def measure_grading(*, num_learners: int = NUM_LEARNERS) -> Iterator[Measurement]:
    """Grade the same class here, by nbgrader and, where it is installed, by otter.

    The slowest of them comes last.

    Args:
        num_learners: at least 1.

    Raises:
        RunError: a grader gives no score to anyone.
    """
    with tempfile.TemporaryDirectory(prefix="course-bench-") as name:
        course, small, full = (Path(name, one) for one in ("course", "small", "full"))
        _make_class(course, num_learners, kinds=ORDINARY)
        shutil.copytree(course, full)
        shutil.copytree(course, small)
        set_parameters(small)
        others = [
            _Grader("nbgrader, small parameters", _NBGRADER, small),
            _Grader("otter, small parameters", otter.COMMAND, small),
            _Grader("nbgrader", _NBGRADER, full, 3),
        ]
        if otter.unavailable():
            del others[1]
        else:
            source = course / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
            otter.write_autograder(source, small / otter.AUTOGRADER)
        ours = _measure_grader(_Grader("course grade", _GRADE, course), num_learners)
        yield from ours
        for grader in others:
            theirs = _measure_grader(grader, num_learners)
            yield from theirs
            yield Measurement(
                f"course grade / {grader.name}",
                ours[0].value / theirs[0].value,
                "times",
                at_least=grader.target,
            )


def _measure_grader(grader: _Grader, num_learners: int) -> list[Measurement]:
    """Grade a class; the first measurement tells how fast that is.

    Raises:
        RunError: nobody got a score.
    """
    with scripts_on_path():
        family = measure_family(grader.command, grader.folder, name=grader.name, may_fail=True)
    num_graded = _count_graded(grader)
    if not num_graded:
        raise RunError(f"{grader.name} graded nothing: {family.failure or 'it names no reason'}")
    return [
        Measurement(
            f"{grader.name}: submissions", 60 * num_learners / family.seconds, "per minute"
        ),
        Measurement(f"{grader.name}: submissions with a score", num_graded, f"of {num_learners}"),
        Measurement(
            f"{grader.name}: CPU time", family.cpu_seconds / num_learners, "s per submission"
        ),
        Measurement(
            f"{grader.name}: peak memory of all processes together (PSS)",
            family.peak_memory / 1e9,
            "GB",
        ),
    ]


def _count_graded(grader: _Grader) -> int:
    """How many learners have a score, be it 0."""
    if grader.command == otter.COMMAND:
        scores = grader.folder / otter.SCORES
        return len(json.loads(scores.read_text(encoding="utf-8"))) if scores.exists() else 0
    cells = read_scores(read_course(grader.folder), ASSIGNMENT).values()
    return sum(any(score is not None for score in one.values()) for one in cells)


def measure_hostile_class() -> Iterator[Measurement]:
    """Grade a class in which each harmless learner has a hostile one beside it.

    Raises:
        RunError: the grader fails, gives a score that is not deserved, or leaves processes behind.
    """
    if reason := unavailable():
        raise RunError(reason)
    kinds = [kind for pair in zip(HOSTILE, HARMLESS, strict=True) for kind in pair]
    with tempfile.TemporaryDirectory(prefix="course-bench-") as name:
        course = Path(name, "course")
        learners = _make_class(course, len(kinds), kinds=kinds)
        with scripts_on_path():
            family = measure_family(_GRADE, course, name="a hostile class")
        wrong = _find_wrong_scores(course, learners)
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
            at_least=len(chosen),
        )
    yield Measurement(
        "hostile class: processes left behind", len(family.left), "processes", at_most=0
    )
    if wrong:
        raise RunError(f"scores that are not deserved: {'; '.join(wrong.values())}")
    if family.left:
        raise RunError(f"processes left behind by the grader: {', '.join(family.left)}")


def _make_class(course: Path, num_learners: int, *, kinds: Sequence[str]) -> tuple[Learner, ...]:
    """Lay out a course with lesson 3 and submissions of these kinds, then drawn ones."""
    init_grading(course, lessons=[one for one in find_lessons() if one.stem == ASSIGNMENT])
    return make_example_class(course, num_learners, seed=0, kinds=kinds)


def _find_wrong_scores(course: Path, learners: Sequence[Learner]) -> dict[str, str]:
    """Which kinds of submission did not get the score that they deserve, each with a sentence."""
    judged = {one.learner: one for one in read_judgements(course, ASSIGNMENT)}
    wrong = {}
    for learner in learners:
        judgement = judged.get(learner.learner)
        if judgement is None:
            wrong[learner.kind] = f"{learner.kind}: not graded"
        elif not isclose(judgement.score, learner.expected_score, abs_tol=1e-6):
            wrong[learner.kind] = (
                f"{learner.kind}: {format_points(judgement.score)} points instead of "
                f"{format_points(learner.expected_score)} "
                f"({judgement.ending.message or judgement.ending.kind})"
            )
    return wrong


def set_parameters(course: Path) -> None:
    """Write the parameters that lesson 3 is graded with into the submissions that can be read."""
    source = read_notebook(course / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    lines = [f"{name} = {value!r}" for name, value in source.metadata.course.grading.items()]
    for path in course.glob(f"submitted/*/{ASSIGNMENT}/*.ipynb"):
        try:
            notebook = read_notebook(path)
        except NotebookError:  # one of the class is cut off
            continue
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", []):
                cell.source = "\n".join([cell.source, *lines])
        nbformat.write(notebook, path)
