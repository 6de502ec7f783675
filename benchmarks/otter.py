"""Otter-Grader, with which the benchmark compares this grader.

``otter grade`` runs a container of Docker's for each submission. Where there is none,
:func:`otter.api.grade_submission`, which is what ``otter run`` calls, grades one after the other on
the computer itself: no sandbox holds them, and no limit stops them.

Otter runs a submission as it is, check cells and all, and then the tests of its autograder on the
variables that are left. So the checks become tests, with the lesson's own solution inside.

:data:`COMMAND`, called in a course's folder, grades what is submitted there.
"""

import ast
import json
import sys
import warnings
import zipfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from course_utils.exercises.probes import PROBES, collect_answers, find_tolerance
from course_utils.files import write_text
from course_utils.grading.judge.comparison import Answer, compare, parse_emission
from course_utils.notebooks import read_notebook

AUTOGRADER = "autograder.zip"
SCORES = "otter-scores.json"

_ROOT = str(Path(__file__).parents[1])
COMMAND = (
    *(sys.executable, "-c"),
    f"import os, sys; sys.path.insert(0, {_ROOT!r}); os.environ['PYTHONPATH'] = {_ROOT!r}; "
    "from benchmarks.otter import main; main()",
)

_SEED = 0
# Later versions want an older wrapt than TensorFlow brings along. This one imports pkg_resources,
# which setuptools no longer holds, without asking for it.
_INSTALL = "pip install otter-grader==5.7.1 'setuptools<81'"
_TEST = """\
import functools
import math

import numpy as np
from otter.test_files import test_case

from benchmarks.otter import check_case, name_cases
import keras
import tensorflow as tf
from keras import layers

OK_FORMAT = False
name = {exercise!r}
points = {points!r}

{definitions}

{solution}


def run(case, env):
    check_case(name, case, {function}, env.get({function!r}))


for case in name_cases(name, {function}):
    globals()[case] = test_case(name=case)(functools.partial(run, case))
"""


def unavailable() -> str | None:
    """Why otter cannot be measured here, and what to do; None if it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module("otter.generate")
    except ImportError as error:
        return f"otter is not measured ({error}). To have it: {_INSTALL}"
    return None


def write_autograder(lesson: Path, path: Path) -> None:
    """Write an autograder zip with a test for each check cell of a lesson, a case for each input.

    Args:
        lesson: the instructor's notebook.
        path: the zip.
    """
    source = read_notebook(lesson).cells
    cells = {
        cell.metadata.nbgrader.grade_id: cell for cell in source if "nbgrader" in cell.metadata
    }
    definitions = "\n\n\n".join(
        cell.source
        for cell in source
        if cell.source.startswith("def ") and "nbgrader" not in cell.metadata
    )
    with zipfile.ZipFile(path, "w") as archive:
        for grade_id, cell in cells.items():
            if not cell.metadata.nbgrader.grade:
                continue
            solution = cells[grade_id.replace("check", "exercise")].source
            (function,) = [
                one.name for one in ast.parse(solution).body if isinstance(one, ast.FunctionDef)
            ]
            test = _TEST.format(
                exercise=".".join(grade_id.split("-")[1:]),
                points=cell.metadata.nbgrader.points,
                definitions=definitions,
                solution=solution,
                function=function,
            )
            archive.writestr(f"tests/{grade_id}.py", test)


def name_cases(exercise: str, own: Callable[..., Any]) -> list[str]:
    """Name what an exercise is tried out with."""
    if exercise in PROBES:
        return [case.name for case in PROBES[exercise].cases(np.random.default_rng(_SEED))]
    return [answer.case for answer in _collect(exercise, own)]


def check_case(exercise: str, case: str, own: Callable[..., Any], answer: object) -> None:
    """Compare what a learner's function gives with what the lesson's own gives.

    Raises:
        AssertionError: it gives something else.
    """
    expected, found = (_collect(exercise, function) for function in (own, answer))
    for result in compare(expected, found, tolerance=find_tolerance(exercise)):
        assert result.case != case or result.passed, result.reason


def _collect(exercise: str, function: object) -> Sequence[Answer]:
    answers = collect_answers(exercise, function, seed=_SEED)
    return parse_emission(json.dumps({"exercise": exercise, "answers": answers})).answers


def grade(submissions: Sequence[Path], autograder: Path) -> dict[Path, float]:
    """Grade notebooks without a container, one after the other.

    Returns:
        The points of each; those that otter fails at are named on standard error and left out.
    """
    from otter.api import grade_submission

    points = {}
    for path in submissions:
        try:
            results = grade_submission(str(path.resolve()), str(autograder.resolve()), quiet=True)
        except Exception as error:  # whatever otter raises, the others are graded
            sys.stderr.write(f"otter failed at {path}: {type(error).__name__}: {error}\n")
            continue
        if results.possible:  # otherwise no test was run
            points[path] = float(results.total)
    return points


def main() -> None:
    """Grade what is submitted in the working folder."""
    points = grade(sorted(Path("submitted").glob("*/*/*.ipynb")), Path(AUTOGRADER))
    write_text(Path(SCORES), json.dumps({str(path): total for path, total in points.items()}))
