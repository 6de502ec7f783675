"""What there is to export: everybody's scores, as the gradebook has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.formats import format_points
from course_utils.grading.records.gradebook import Course, explain

if TYPE_CHECKING:
    from nbgrader.api import Assignment, Gradebook, Student


class ExportError(ValueError):
    """Scores cannot be exported; the message says why and what to do."""


@dataclass(frozen=True)
class Score:
    """What a learner has for an assignment, by computer and by hand.

    Attributes:
        assignment: the assignment's name.
        learner: the learner's identifier in the gradebook.
        first_name: empty when the gradebook has none, as the next three.
        last_name: the family name.
        email: the address for mail.
        lms_user_id: the learner's number in the learning management system.
        duedate: when it was due, in UTC; None without a date.
        timestamp: when it was handed in, in UTC; None when that isn't known.
        submitted: whether there is a submission.
        raw_score: points before the penalty.
        penalty: points taken off for lateness.
        max_score: points that could be earned.
        needs_manual_grade: whether answers wait for being graded by hand.
        comments: what the graders wrote.
    """

    assignment: str
    learner: str
    first_name: str
    last_name: str
    email: str
    lms_user_id: str
    duedate: datetime | None
    timestamp: datetime | None
    submitted: bool
    raw_score: float
    penalty: float
    max_score: float
    needs_manual_grade: bool
    comments: tuple[str, ...]

    @property
    def score(self) -> float:
        """Points with the penalty taken off, but never less than none."""
        return max(0.0, self.raw_score - self.penalty)


def collect_scores(course: Course, *, assignments: Sequence[str] = ()) -> list[Score]:
    """Collect what every learner has for every assignment, with what graders gave by hand.

    Args:
        course: the nbgrader course.
        assignments: names of the assignments that are wanted; empty for all.

    Returns:
        The scores by assignment and learner, also for learners who handed in nothing.

    Raises:
        ExportError: there is no gradebook, or no such assignment in it.
    """
    from nbgrader.api import Gradebook
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    address = make_url(course.database)
    shown = address.render_as_string(hide_password=True)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        raise ExportError(f"there is no gradebook {shown}; grade an assignment first")
    try:
        with Gradebook(course.database, course.name) as gradebook:
            return _read_gradebook(gradebook, assignments)
    except (SQLAlchemyError, ValueError) as error:
        if isinstance(error, ExportError):
            raise
        raise ExportError(str(explain(course, error))) from None


def _read_gradebook(gradebook: "Gradebook", names: Sequence[str]) -> list[Score]:
    assignments = {assignment.name: assignment for assignment in gradebook.assignments}
    if missing := sorted(set(names) - set(assignments)):
        raise ExportError(
            f"the gradebook has no assignment {', '.join(missing)}; "
            f"it has {', '.join(sorted(assignments)) or 'none at all'}"
        )
    learners = gradebook.students
    return [
        score
        for name in sorted(set(names) or assignments)
        for score in _read_assignment(assignments[name], learners)
    ]


def _read_assignment(assignment: "Assignment", learners: Sequence["Student"]) -> list[Score]:
    submissions = {submission.student_id: submission for submission in assignment.submissions}
    scores = []
    for learner in learners:
        submission = submissions.get(learner.id)
        comments = (
            [one.manual_comment for notebook in submission.notebooks for one in notebook.comments]
            if submission
            else []
        )
        scores.append(
            Score(
                assignment.name,
                learner.id,
                first_name=learner.first_name or "",
                last_name=learner.last_name or "",
                email=learner.email or "",
                lms_user_id=learner.lms_user_id or "",
                duedate=assignment.duedate,
                timestamp=submission.timestamp if submission else None,
                submitted=submission is not None,
                raw_score=submission.score if submission else 0.0,
                penalty=submission.late_submission_penalty if submission else 0.0,
                max_score=assignment.max_score,
                needs_manual_grade=bool(submission and submission.needs_manual_grade),
                comments=tuple(comment for comment in comments if comment),
            )
        )
    return scores


def note_waiting(scores: Sequence[Score]) -> tuple[str, ...]:
    """A note about scores that are not final."""
    number = sum(score.needs_manual_grade for score in scores)
    if not number:
        return ()
    return (f"{number} of these scores wait for answers to be graded by hand in formgrader.",)


def show_points(score: Score | None) -> str:
    """Write what a learner gets; nothing for a learner who handed in nothing."""
    return format_points(score.score) if score and score.submitted else ""


def find_unknown(scores: Sequence[Score], matches: Mapping[str, int]) -> tuple[str, ...]:
    """Find the learners who handed in and have no row among the matches."""
    submitted = {score.learner for score in scores if score.submitted}
    return tuple(sorted(submitted - set(matches)))


def find_graded(scores: Sequence[Score], matches: Mapping[str, int]) -> set[int]:
    """Find the rows of learners who handed in."""
    submitted = {score.learner for score in scores if score.submitted}
    return {place for learner, place in matches.items() if learner in submitted}
