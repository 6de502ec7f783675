"""The immediate checks behind the lessons' exercises, with their hints.

A lesson's check cell reads ``check("2.1", convolve)``. It prints ``2.1 ✓`` and what was found, or
what is wrong and a hint; a learner's mistake never stops the notebook. The first failure gets a
nudge, the second the method. These checks help a learner along. The points are awarded elsewhere,
for the values that the instructor's copy of a check cell emits (see ``probes``).
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_utils.exercises import (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_03_clinic,
    lesson_04,
    lesson_04_audits,
    lesson_04_remedies,
    lesson_04_verdict,
    lesson_05_privacy,
    lesson_05_provenance,
)
from course_utils.exercises.errors import find_line, summarise_error
from course_utils.exercises.expectations import Wrong
from course_utils.exercises.probes import emit
from course_utils.exercises.publishing import Publisher, grading_seed
from course_utils.exercises.readings import cut
from course_utils.exercises.solved import SolvedError, describe, read_solved, remember

__all__ = ["CHECKS", "Publisher", "check", "emit", "show_progress"]

Check = Callable[[Any], str]

CHECKS: dict[str, Check] = {
    **lesson_01.CHECKS,
    **lesson_02.CHECKS,
    **lesson_03.CHECKS,
    **lesson_04.CHECKS,
    **lesson_04_audits.CHECKS,
    **lesson_04_remedies.CHECKS,
    **lesson_04_verdict.CHECKS,
    **lesson_05_provenance.CHECKS,
    **lesson_05_privacy.CHECKS,
}
_num_failures: Counter[str] = Counter()
_MAX_ERROR = 300  # characters; Keras tells a whole page


def check(exercise: str, answer: Any) -> None:
    """Try a learner's function on small inputs and print the verdict, with a hint if it is wrong.

    Args:
        exercise: the exercise's number, such as ``"2.1"``.
        answer: the function that the exercise asked for.

    Raises:
        KeyError: if there is no such exercise. Nothing the answer does raises an error here.
    """
    if exercise in lesson_03_clinic.CHECKS and grading_seed() is not None:
        print(f"{exercise} is tried out below")  # training twice would cost too much time
        return
    if exercise not in CHECKS:
        raise KeyError(f"there is no exercise {exercise!r}; there are {', '.join(CHECKS)}")
    try_out = CHECKS[exercise]
    try:
        found = try_out(answer)
    except NotImplementedError:
        print(f"{exercise} … not done yet: write your function above, then run this cell again.")
    except Wrong as mistake:
        print(f"{exercise} ✗ {mistake}\n{_next_hint(exercise)}")
    except (Exception, SystemExit) as error:  # whatever a learner's function may raise
        print(f"{exercise} ✗ {_describe(error, answer)}\n{_next_hint(exercise)}")
    else:
        print(f"{exercise} ✓ {found}")
        _keep(exercise)


def show_progress() -> None:
    """Print which exercises have been solved in this folder; nothing where that isn't kept."""
    try:
        solved = read_solved(Path(), known=CHECKS)
    except SolvedError as error:
        print(error)
    else:
        if solved is not None:
            print(describe(solved, known=CHECKS))


def _keep(exercise: str) -> None:
    _num_failures.pop(exercise, None)
    try:
        solved = remember(exercise, Path(), known=CHECKS)
    except SolvedError as error:
        print(error)
    else:
        if solved is not None:
            print(f"{len(solved)} of {len(CHECKS)} solved")


def _next_hint(exercise: str) -> str:
    """A nudge at first, the method from the second failure on."""
    nudge, _, method = (CHECKS[exercise].__doc__ or "").partition("\n\n")
    hint = method if _num_failures[exercise] else nudge
    _num_failures[exercise] += 1
    return "Hint: " + " ".join(hint.split()).replace("``", "`")


def _describe(error: BaseException, answer: Any) -> str:
    """Where in the learner's own code an error came from, and what it says."""
    if not hasattr(answer, "__code__"):
        return f"a function was expected, but this is {answer!r}."
    line = find_line(error, answer)
    place = "calling your function" if line is None else f"line {line} of your function"
    said = cut(summarise_error(error), length=_MAX_ERROR)
    return f"{place} raised {type(error).__name__}: {said}"
