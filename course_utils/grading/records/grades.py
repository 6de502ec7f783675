"""What the gradebook says of a submission: points by computer and by hand, comments, penalties.

This is what counts: pages and exports show it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils.grading.records.gradebook import (
    FORGEABLE,
    Course,
    read_learners,
    save_penalty,
    transaction,
)

if TYPE_CHECKING:
    from nbgrader.api import SubmittedNotebook

_FORGEABLE = re.compile(rf"The points of .* {re.escape(FORGEABLE)}\.")


@dataclass(frozen=True)
class CellGrade:
    """What one cell earned.

    Attributes:
        name: its ``grade_id``.
        points: that count, extra credit among them.
        max_points: that it can earn.
        by_hand: whether a person gave them, or has to.
        is_waiting: whether they are still to be given by hand.
    """

    name: str
    points: float
    max_points: float
    by_hand: bool
    is_waiting: bool


@dataclass(frozen=True)
class NotebookGrade:
    """What a submitted notebook earned.

    Attributes:
        cells: each that earns points.
        comments: what graders and the computer wrote for the learner, by the cell's ``grade_id``.
        penalty: points taken off for lateness.
    """

    cells: tuple[CellGrade, ...]
    comments: dict[str, str]
    penalty: float

    @property
    def total(self) -> float:
        """Points with the penalty taken off, but never less than none."""
        return max(0.0, sum(cell.points for cell in self.cells) - self.penalty)

    @property
    def max_points(self) -> float:
        """Points that can be earned."""
        return sum(cell.max_points for cell in self.cells)

    @property
    def is_waiting(self) -> bool:
        """Whether something is still to be graded by hand."""
        return any(cell.is_waiting for cell in self.cells)

    @property
    def by_hand(self) -> tuple[CellGrade, ...]:
        """The cells that a person grades, or has graded."""
        return tuple(cell for cell in self.cells if cell.by_hand)


def read_grades(course: Course, assignment: str) -> dict[tuple[str, str], NotebookGrade]:
    """Read what everybody has for an assignment, after its penalties were computed anew.

    Due dates, extensions and points by hand may have changed since a submission was graded, and
    the penalty for a late one with them.

    Returns:
        The grades by learner and notebook; empty where the gradebook has no such assignment.

    Raises:
        GradebookError: the gradebook cannot be used.
    """
    from nbgrader.api import MissingEntry

    with transaction(course) as gradebook:
        try:
            submissions = gradebook.find_assignment(assignment).submissions
        except MissingEntry:
            return {}
        grades = {}
        for submission in submissions:
            for notebook in submission.notebooks:
                save_penalty(course, gradebook, notebook)
                grades[submission.student.id, notebook.name] = _read_notebook(notebook)
        return grades


def refresh_penalties(course: Course, assignments: Sequence[str] = ()) -> None:
    """Compute the penalties of assignments anew, of all by default; without a gradebook, nothing.

    Raises:
        GradebookError: the gradebook cannot be used.
    """
    if not read_learners(course):
        return
    with transaction(course) as gradebook:
        for assignment in gradebook.assignments:
            if not assignments or assignment.name in assignments:
                for submission in assignment.submissions:
                    for notebook in submission.notebooks:
                        save_penalty(course, gradebook, notebook)


def _read_notebook(notebook: "SubmittedNotebook") -> NotebookGrade:
    cells = tuple(
        CellGrade(
            grade.name,
            points=float(grade.score or 0.0),
            max_points=float(grade.max_score or 0.0),
            by_hand=grade.manual_score is not None or grade.auto_score is None,
            is_waiting=bool(grade.needs_manual_grade),
        )
        for grade in notebook.grades
    )
    comments = {one.name: _for_learners(one.comment) for one in notebook.comments}
    comments = {name: text for name, text in comments.items() if text}
    return NotebookGrade(cells, comments, float(notebook.late_submission_penalty or 0.0))


def _for_learners(comment: str | None) -> str:
    """A comment without the sentence on points that can be forged, which is for graders."""
    return _FORGEABLE.sub("", comment or "").strip()
