"""Scoring: a submission's answers beside the instructor's.

The rule that decides which answers count: those in display data that the kernel sent in reply to
the check cell's own request. There has to be one such message, and it has to be of the check's
exercise. With none, several, or another exercise's the check earns nothing. Whoever forges one
still has to know what is right.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_utils.exercises.probes import PROBES
from course_utils.grading.judge.comparison import (
    Emission,
    EmissionError,
    compare,
    describe,
    parse_emission,
    shorten,
)
from course_utils.grading.judge.running import Execution, JudgeError
from course_utils.grading.judgement import CheckResult, Judgement, Repair
from course_utils.notebooks import grade_id, is_check, is_solution, marks, tags

_NOT_DONE = "NotImplementedError"


@dataclass(frozen=True)
class Check:
    """A check cell of the source.

    Attributes:
        grade_id: its name.
        points: that it can earn.
        solution: the ``grade_id`` of the learner's cell above it; empty where there is none.
    """

    grade_id: str
    points: float
    solution: str


def score(
    source: NotebookNode,
    *,
    expected: Execution,
    found: Execution,
    learner: str,
    assignment: str,
    notebook: str,
    repairs: Sequence[Repair] = (),
    tolerances: Mapping[str, float] | None = None,
) -> Judgement:
    """Compare a submission's answers with the instructor's.

    Args:
        source: the instructor's notebook, which alone says what is checked for how many points.
        expected: its run.
        found: the submission's run, with the same seed.
        learner: the learner's identifier.
        assignment: the assignment's name.
        notebook: the notebook's name.
        repairs: what was put right in the submission.
        tolerances: for each exercise the largest difference between numbers that still count as
            equal; by default those of :data:`course_utils.exercises.probes.PROBES`.

    Raises:
        JudgeError: the instructor's notebook or its run is broken.
    """
    if tolerances is None:
        tolerances = {exercise: probe.tolerance for exercise, probe in PROBES.items()}
    emissions = read_expected(source, expected, exercises=tolerances)
    checks = tuple(
        _judge_check(check, emissions[check.grade_id], found, tolerances)
        for check in find_checks(source)
    )
    executed = nbformat.writes(found.notebook).encode("utf-8", errors="replace").decode("utf-8")
    return Judgement(
        learner=learner,
        assignment=assignment,
        notebook=notebook,
        checks=checks,
        repairs=tuple(repairs),
        ending=found.ending,
        seconds=found.seconds,
        peak_memory=found.peak_memory,
        executed=executed,
    )


def find_checks(source: NotebookNode) -> list[Check]:
    """Find the check cells: code that earns points and is not the learner's to write.

    Raises:
        JudgeError: two of them have one ``grade_id``.
    """
    checks: list[Check] = []
    solution = ""
    for cell in source.cells:
        name = grade_id(cell)
        if is_solution(cell):
            solution = name
        elif is_check(cell) and cell.cell_type == "code":
            if any(check.grade_id == name for check in checks):
                raise JudgeError(f"the source has two check cells {name!r}")
            checks.append(Check(name, float(marks(cell).get("points", 0)), solution))
    return checks


def read_expected(
    source: NotebookNode, expected: Execution, *, exercises: Mapping[str, float] | None = None
) -> dict[str, Emission]:
    """Read the expected answers of each check cell, by its ``grade_id``.

    Args:
        source: the instructor's notebook.
        expected: its run.
        exercises: those that there are; by default those that have probes.

    Raises:
        JudgeError: the run did not get to its end, a cell of it raised an error, or a check cell
            did not publish answers that a learner's can be compared with.
    """
    if expected.ending.kind != "finished":
        raise JudgeError(f"the instructor's notebook fails: {expected.ending.message}")
    for place, cell in enumerate(expected.notebook.cells, start=1):
        if (error := _find_error(cell)) and "raises-exception" not in tags(cell):
            raise JudgeError(f"the instructor's notebook fails: cell {place} raised {error}")
    return {
        check.grade_id: _read_expected_answers(
            check, expected, exercises=PROBES if exercises is None else exercises
        )
        for check in find_checks(source)
    }


def _read_expected_answers(
    check: Check, expected: Execution, *, exercises: Mapping[str, Any]
) -> Emission:
    place = f"the instructor's check cell {check.grade_id!r}"
    published = expected.answers.get(check.grade_id, ())
    if len(published) != 1:
        raise JudgeError(f"{place} published answers {len(published)} times, not once")
    try:
        emission = parse_emission(published[0])
    except EmissionError as error:
        raise JudgeError(f"{place} published no answers: {error}") from None
    if emission.exercise not in exercises:
        raise JudgeError(f"{place} is of an unknown exercise, {emission.exercise!r}")
    if not emission.answers:
        raise JudgeError(f"{place} tried out no cases")
    for answer in emission.answers:
        if answer.kind in ("error", "other"):
            raise JudgeError(f"{place} has no answer to {answer.case!r}: {answer.error}")
    return emission


def _judge_check(
    check: Check, expected: Emission, found: Execution, tolerances: Mapping[str, float]
) -> CheckResult:
    def fail(reason: str) -> CheckResult:
        return CheckResult(check.grade_id, expected.exercise, 0.0, check.points, (), reason, "")

    published = found.answers.get(check.grade_id)
    if published is None:
        return fail(f"never reached: {found.ending.message or 'there is no such cell'}")
    if not published:
        return fail(_explain_silence(check, found))
    if len(published) > 1:
        return fail(f"the check published answers {len(published)} times, so none of them counts")
    try:
        emission = parse_emission(published[0])
    except EmissionError as error:
        return fail(f"the check published no sound answers: {error}")
    if emission.exercise != expected.exercise:
        return fail(f"the check published answers to exercise {shorten(emission.exercise)}")
    tolerance = tolerances[expected.exercise]
    answers = compare(expected.answers, emission.answers, tolerance=tolerance)
    by_case = {answer.case: answer for answer in emission.answers}
    wrong = [
        by_case[answer.case] for answer in answers if not answer.passed and answer.case in by_case
    ]
    num_right = sum(answer.passed for answer in answers)
    not_done = all(answer.reason.startswith(_NOT_DONE) for answer in answers)
    return CheckResult(
        grade_id=check.grade_id,
        exercise=expected.exercise,
        score=check.points * num_right / len(answers),
        max_score=check.points,
        answers=tuple(answers),
        reason="not done" if not_done else "",
        found=describe(wrong[0]) if wrong and not not_done else "",
    )


def _explain_silence(check: Check, found: Execution) -> str:
    """Why a check cell that was reached published nothing."""
    cells = dict(_graded_cells(found.notebook))
    if _find_error(cells.get(check.solution)).startswith(_NOT_DONE):
        return "not done"
    place = found.ending.cell
    if place and found.notebook.cells[place - 1] is cells.get(check.grade_id):
        return f"not finished: {found.ending.message}"
    if error := _find_error(cells.get(check.grade_id)):
        return f"the check could not run: {error}"
    return "the check published no answers"


def _find_error(cell: NotebookNode | None) -> str:
    """The error that a cell raised, in one line; empty when it raised none."""
    for output in cell.get("outputs", []) if cell else []:
        if output.output_type == "error":
            return shorten(f"{output.ename}: {output.evalue}")
    return ""


def _graded_cells(notebook: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    for cell in notebook.cells:
        if grade_id(cell) and cell.cell_type == "code":
            yield grade_id(cell), cell
