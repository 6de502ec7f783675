"""Scoring: a submission's answers beside the instructor's.

A check cell of the instructor's notebook is of one of three kinds:

- *published*: it publishes answers, which are compared value by value. Those count that are in
  display data that the kernel sent in reply to the check cell's own request. There has to be one
  such message, and it has to be of the same name. With none, several, or another name the check
  earns nothing. Whoever forges one still has to know what is right.
- *output*: it has the tag ``compare-output``, and what it shows is compared as nbval does.
- *assert*: any other, as nbgrader has them. It runs in the learner's process and can be forged from
  there: an error means no points, a number as the last value is partial credit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import nbformat
from nbformat import NotebookNode

from course_utils.grading.judge.comparison import (
    Answer,
    Emission,
    EmissionError,
    compare,
    describe,
    parse_emission,
    shorten,
)
from course_utils.grading.judge.outputs import TAG, find_difference, has_something_to_compare
from course_utils.grading.judge.running import Execution, JudgeError
from course_utils.grading.judgement import CheckKind, CheckResult, Judgement, Repair
from course_utils.notebooks import get, grade_id, is_check, is_solution, marks, tags

_NOT_DONE = "NotImplementedError"
# What an instructor can do about a notebook that doesn't get to its end.
_ADVICE = {
    "timed_out": "make it quicker, or allow more with --cell-seconds",
    "out_of_memory": "let it take less memory, or allow more with --memory",
    "too_much_output": "let it print less",
}


@dataclass(frozen=True)
class Check:
    """A check cell of the source.

    Attributes:
        grade_id: its name.
        points: that it can earn.
        solution: the ``grade_id`` of the learner's cell above it; empty where there is none.
        kind: how it is judged.
        emission: the instructor's answers, where they are published.
        outputs: the instructor's outputs, where they are compared.
        tolerance: the largest difference between numbers in them that still count as equal.
    """

    grade_id: str
    points: float
    solution: str
    kind: CheckKind = "assert"
    emission: Emission | None = None
    outputs: tuple[NotebookNode, ...] = ()
    tolerance: float = 0.0

    @property
    def exercise(self) -> str:
        """The exercise's number or the check's name; empty where it has none."""
        return self.emission.exercise if self.emission else ""


def score(
    checks: Sequence[Check],
    *,
    found: Execution,
    learner: str,
    assignment: str,
    notebook: str,
    repairs: Sequence[Repair] = (),
) -> Judgement:
    """Compare a submission's answers with the instructor's.

    Args:
        checks: what the instructor's notebook checks, see :func:`read_expected`.
        found: the submission's run, with the same seed.
        learner: the learner's identifier.
        assignment: the assignment's name.
        notebook: the notebook's name.
        repairs: what was put right in the submission.
    """
    executed = nbformat.writes(found.notebook).encode("utf-8", errors="replace").decode("utf-8")
    return Judgement(
        learner=learner,
        assignment=assignment,
        notebook=notebook,
        checks=tuple(_judge_check(check, found) for check in checks),
        repairs=tuple(repairs),
        ending=found.ending,
        seconds=found.seconds,
        peak_memory=found.peak_memory,
        executed=executed,
        waiting_seconds=found.waiting_seconds,
    )


def find_checks(source: NotebookNode) -> list[Check]:
    """Find the check cells: code that earns points and is not the learner's to write.

    Raises:
        JudgeError: two of them have one ``grade_id``, or one has none.
    """
    checks: list[Check] = []
    solution = ""
    for place, cell in enumerate(source.cells, start=1):
        name = grade_id(cell)
        if is_solution(cell):
            solution = name
        elif is_check(cell) and cell.cell_type == "code":
            if not name:
                raise JudgeError(f"the check cell {place} of the source has no grade_id")
            if any(check.grade_id == name for check in checks):
                raise JudgeError(f"the source has two check cells {name!r}")
            checks.append(Check(name, _read_points(cell), solution))
    return checks


def _read_points(cell: NotebookNode) -> float:
    points = marks(cell).get("points", 0)
    if type(points) not in (int, float) or not 0 <= points < float("inf"):
        raise JudgeError(f"the check cell {grade_id(cell)!r} is worth {points!r}, not some points")
    return float(points)


def read_expected(source: NotebookNode, expected: Execution) -> list[Check]:
    """Read how each check cell is judged, from the instructor's run.

    Args:
        source: the instructor's notebook.
        expected: its run.

    Raises:
        JudgeError: the run did not get to its end, a cell of it raised an error, or the
            instructor's own copy would not get all points of a check.
    """
    if expected.ending.kind != "finished":
        advice = _ADVICE.get(expected.ending.kind, "run it in Jupyter, which says more")
        raise JudgeError(f"the instructor's notebook fails: {expected.ending.message}; {advice}")
    for place, cell in enumerate(expected.notebook.cells, start=1):
        if (error := _find_error(cell)) and "raises-exception" not in tags(cell):
            name = f" ({grade_id(cell)})" if grade_id(cell) else ""
            raise JudgeError(
                f"the instructor's notebook fails: cell {place}{name} raised {error}; mend it, and "
                "run all of it in Jupyter"
            )
    cells = dict(_graded_cells(expected.notebook))
    return [_read_check(check, cells[check.grade_id], expected) for check in find_checks(source)]


def _read_check(check: Check, cell: NotebookNode, expected: Execution) -> Check:
    """Decide of which kind a check is, and what its points depend on."""
    place = f"the instructor's check cell {check.grade_id!r}"
    published = expected.answers.get(check.grade_id, ())
    if len(published) > 1:
        raise JudgeError(
            f"{place} published answers {len(published)} times, not once; let it have one Publisher"
        )
    if TAG in tags(cell):
        if not has_something_to_compare(cell.outputs):
            raise JudgeError(
                f"{place} shows nothing that can be compared: print something there, or take away "
                f"its tag {TAG}"
            )
        return replace(
            check, kind="output", outputs=tuple(cell.outputs), tolerance=_read_tolerance(cell)
        )
    if published:
        return replace(check, kind="published", emission=_read_emission(published[0], place))
    if (points := _determine_grade(cell)) != check.points:
        raise JudgeError(
            f"{place} gives the instructor's own answer {points:g} of {check.points:g} points: it "
            f"shows {_show(cell)}; correct the check or your answer"
        )
    return check


def _read_tolerance(cell: NotebookNode) -> float:
    tolerance = get(cell.metadata.get("course"), "tolerance")
    if tolerance is None:
        return 0.0
    if type(tolerance) not in (int, float) or not 0 <= tolerance < float("inf"):
        raise JudgeError(
            f"the check cell {grade_id(cell)!r} has the tolerance {tolerance!r}, not a number from "
            "0 up"
        )
    return float(tolerance)


def _read_emission(text: str, place: str) -> Emission:
    try:
        emission = parse_emission(text)
    except EmissionError as error:
        raise JudgeError(f"{place} published no answers: {error}") from None
    if not emission.answers:
        raise JudgeError(f"{place} tried out no cases")
    if not any(answer.weight for answer in emission.answers):
        raise JudgeError(f"{place} has no answer that weighs anything")
    for answer in emission.answers:
        if fault := _find_unreadable(answer):
            raise JudgeError(f"{place} has no answer to {answer.case!r}: {fault}")
    return emission


def _find_unreadable(answer: Answer) -> str:
    """What of an answer, or inside it, can't be compared; empty when all can."""
    if answer.kind in ("error", "other"):
        return answer.error or "it cannot be compared"
    inside = (_find_unreadable(item) for item in answer.items if isinstance(item, Answer))
    return next(filter(None, inside), "")


def _judge_check(check: Check, found: Execution) -> CheckResult:
    cell = dict(_graded_cells(found.notebook)).get(check.grade_id)
    published = found.answers.get(check.grade_id)
    if published is None or cell is None:
        reason = f"never reached: {found.ending.message or 'there is no such cell'}"
    elif check.kind == "published":
        if not published:
            reason = _explain_silence(check, found)
        elif len(published) > 1:
            reason = f"the check published answers {len(published)} times, so none of them counts"
        else:
            return _judge_answers(check, published[0])
    elif _is_cut_off(cell, found):
        reason = f"not finished: {found.ending.message}"
    elif check.kind == "output":
        reason = _find_error(cell) or find_difference(
            check.outputs, cell.outputs, tolerance=check.tolerance
        )
        if not reason:
            return _make_result(check, check.points, "")
    else:
        return _judge_assert(check, cell, found)
    return _make_result(check, 0.0, reason)


def _make_result(check: Check, points: float, reason: str) -> CheckResult:
    return CheckResult(
        check.grade_id, check.exercise, points, check.points, (), reason, "", check.kind
    )


def _judge_assert(check: Check, cell: NotebookNode, found: Execution) -> CheckResult:
    """Give what nbgrader would give for a test cell that ran in the learner's process."""
    points = min(max(_determine_grade(cell), 0.0), check.points)
    if points == check.points:
        return _make_result(check, points, "")
    if _find_error(cell):
        reason = _explain_silence(check, found)
    else:
        reason = f"it gave {points:g} of {check.points:g} points"
    return _make_result(check, points, reason.removeprefix("the check could not run: "))


def _determine_grade(cell: NotebookNode) -> float:
    """The points that nbgrader reads in a test cell's outputs.

    A number above the cell's points is not for a learner's process to give: it counts as none.
    """
    from nbgrader.utils import determine_grade

    try:
        points, _ = determine_grade(cell)
    except ValueError:
        return 0.0
    return float(points or 0.0)


def _judge_answers(check: Check, text: str) -> CheckResult:
    assert check.emission is not None
    try:
        emission = parse_emission(text)
    except EmissionError as error:
        return _make_result(check, 0.0, f"the check published no sound answers: {error}")
    if emission.exercise != check.exercise:
        name = shorten(emission.exercise)
        return _make_result(check, 0.0, f"the check published answers to exercise {name}")
    answers = compare(check.emission.answers, emission.answers)
    by_case = {answer.case: answer for answer in emission.answers}
    wrong = [
        by_case[answer.case] for answer in answers if not answer.passed and answer.case in by_case
    ]
    weights = [answer.weight for answer in check.emission.answers]
    right = sum(weight for weight, answer in zip(weights, answers, strict=True) if answer.passed)
    not_done = all(answer.reason.startswith(_NOT_DONE) for answer in answers)
    return CheckResult(
        grade_id=check.grade_id,
        exercise=check.exercise,
        score=check.points * right / sum(weights),
        max_score=check.points,
        answers=tuple(answers),
        reason="not done" if not_done else "",
        found=describe(wrong[0]) if wrong and not not_done else "",
        kind=check.kind,
    )


def _is_cut_off(cell: NotebookNode, found: Execution) -> bool:
    """Whether the run ended in this cell."""
    place = found.ending.cell
    return bool(place) and found.notebook.cells[place - 1] is cell


def _show(cell: NotebookNode) -> str:
    outputs = cell.get("outputs", [])
    texts = (one.get("text") or one.get("data", {}).get("text/plain") for one in outputs)
    return _find_error(cell) or shorten(" ".join(filter(None, texts))) or "nothing"


def _explain_silence(check: Check, found: Execution) -> str:
    """Why a check cell that was reached published nothing."""
    cells = dict(_graded_cells(found.notebook))
    if _find_error(cells.get(check.solution)).startswith(_NOT_DONE):
        return "not done"
    cell = cells.get(check.grade_id)
    if cell is not None and _is_cut_off(cell, found):
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
