"""The values that a check cell emits when it is graded: what an answer gives for random inputs.

Whether they are right is decided elsewhere, by comparison with what the lesson's own solution gives
for the same inputs. Nothing in here knows a right answer, so there is nothing to find.
"""

import copy
import io
import warnings
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from course_utils.exercises import (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_04_audits,
    lesson_04_remedies,
    lesson_04_verdict,
    lesson_05_privacy,
    lesson_05_provenance,
)
from course_utils.exercises.probing import Case, Probe
from course_utils.exercises.publishing import TOLERANCE, Publisher, grading_seed, publish
from course_utils.exercises.readings import (
    Reading,
    describe_error,
    make_reading,
)

PROBES: dict[str, Probe] = {
    **lesson_01.PROBES,
    **lesson_02.PROBES,
    **lesson_03.PROBES,
    **lesson_04.PROBES,
    **lesson_04_audits.PROBES,
    **lesson_04_remedies.PROBES,
    **lesson_04_verdict.PROBES,
    **lesson_05_provenance.PROBES,
    **lesson_05_privacy.PROBES,
}


GRADED = {**lesson_02.GRADED, **lesson_03.GRADED, **lesson_04_remedies.GRADED}


def find_tolerance(exercise: str) -> float:
    """The largest difference between numbers that is none, where an answer gives no other."""
    return PROBES[exercise].tolerance if exercise in PROBES else TOLERANCE


def emit(exercise: str, answer: Any) -> None:
    """Publish what an answer gives for an exercise's random inputs; outside grading, do nothing.

    It is grading when the environment variable ``COURSE_GRADING_SEED`` holds a whole number. The
    values go out as one message of display data.

    Args:
        exercise: the exercise's number, such as ``"2.1"``.
        answer: the function that the exercise asked for.

    Raises:
        KeyError: there is no such exercise. Nothing that the answer does raises an error here.
    """
    seed = grading_seed()
    if seed is not None:
        answers = collect_answers(exercise, answer, seed=seed)
        publish(exercise, answers, tolerance=find_tolerance(exercise))


def collect_answers(exercise: str, answer: Any, *, seed: int) -> list[Reading]:
    """Call an answer once for each case of an exercise.

    Args:
        exercise: the exercise's number.
        answer: the learner's function, or whatever else has its name.
        seed: fixes the inputs, together with the exercise.

    Returns:
        One dictionary for each case, which can be written as JSON, with the keys ``case``, ``kind``
        (``number``, ``array``, ``text``, ``boolean``, ``none``, ``list``, ``error`` or ``other``),
        ``dtype`` (None where the type does not matter), ``shape``, ``value`` (infinite numbers and
        NaN as text) and ``error``.

    Raises:
        KeyError: there is no such exercise.
    """
    if exercise in GRADED:
        publisher = Publisher(exercise, seed=seed)
        GRADED[exercise](publisher, answer)
        return publisher.answers
    if exercise not in PROBES:
        known = ", ".join([*PROBES, *GRADED])
        raise KeyError(f"there is no exercise {exercise!r}; there are {known}")
    probe = PROBES[exercise]
    generator = np.random.default_rng([seed, *map(int, exercise.split("."))])
    return [{"case": case.name} | _try(answer, case, probe) for case in probe.cases(generator)]


def _try(answer: Any, case: Case, probe: Probe) -> Reading:
    arguments = copy.deepcopy(case.arguments)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = [answer(*one) for one in arguments] if probe.many_calls else answer(*arguments)
            if probe.keep_arguments and not _are_equal(arguments, case.arguments):
                return make_reading("error", error="argument changed: return a new array instead")
            return probe.read(found)
    except (Exception, SystemExit) as error:  # whatever a learner's function may raise
        return make_reading("error", error=describe_error(error))


def _are_equal(found: Iterable[Any], given: Iterable[Any]) -> bool:
    """Whether arrays are as they were, in type and value."""
    pairs = zip(found, given, strict=True)
    return all(one.dtype == other.dtype and np.array_equal(one, other) for one, other in pairs)
