"""Scores for the systems that want them: Canvas, Moodle, and nbgrader's own CSV.

A file for Canvas or Moodle is best made from the one that the system itself exports, the roster:
its rows say who is in the course, and under which identifiers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from course_utils.files import write_own
from course_utils.grading.lms.canvas import export_canvas, export_new_canvas
from course_utils.grading.lms.moodle import export_moodle
from course_utils.grading.lms.rosters import Table, format_table
from course_utils.grading.lms.scores import ExportError, Score, note_waiting

System = Literal["canvas", "moodle", "csv"]
CSV_COLUMNS = (
    "assignment",
    "duedate",
    "timestamp",
    "student_id",
    "last_name",
    "first_name",
    "email",
    "raw_score",
    "late_submission_penalty",
    "score",
    "max_score",
)


@dataclass(frozen=True)
class Exported:
    """What came of an export.

    Attributes:
        path: the file.
        num_scores: how many scores are in it.
        ungraded: learners of the roster who have no score.
        unknown: learners with a score who are not in the roster, or not clearly so.
        notes: what else the instructor should know, in sentences.
    """

    path: Path
    num_scores: int
    ungraded: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


def export(
    scores: Sequence[Score],
    path: Path,
    *,
    to: System,
    roster: Path | None = None,
    titles: Mapping[str, str] | None = None,
    force: bool = False,
) -> Exported:
    """Write a file with scores that a learning management system, or a spreadsheet, reads.

    A text that a spreadsheet would take for a formula gets an apostrophe in front. A roster keeps
    its columns, its rows and their order, and is not changed itself. Scores that Canvas has as
    excused (``EX``) stay so. Moodle's ``Last modified (grade)`` stays as it is too: by it Moodle
    sees that somebody has graded there in the meantime.

    Args:
        scores: what the gradebook says.
        path: the file to write; an older export that nobody has changed is replaced.
        to: ``canvas``, ``moodle`` (the grading worksheet) or ``csv`` (nbgrader's columns).
        roster: the file that Canvas or Moodle exported; Moodle always needs one.
        titles: for an assignment's name the title that it has in Canvas, where they differ.
        force: whether any other file is replaced, too.

    Raises:
        FilesError: another file, or a folder, is in the way.
        ExportError: there are no scores, or too many assignments for the file, or the roster is
            not what the system exports, or the very file to write.
    """
    if not scores:
        raise ExportError("there are no scores to export; grade an assignment first")
    for score in scores:
        if not all(map(math.isfinite, (score.raw_score, score.penalty, score.max_score))):
            raise ExportError(
                f"the score of {score.learner!r} for {score.assignment!r} is no finite number; "
                "set it right in formgrader"
            )
    if roster and path.exists() and path.samefile(roster):
        raise ExportError(f"{path} is the roster itself; choose another name for the export")
    if to == "csv":
        made = _export_csv(scores)
    elif to == "moodle":
        made = export_moodle(scores, roster)
    elif roster is None:
        made = export_new_canvas(scores, titles or {})
    else:
        made = export_canvas(scores, roster, titles or {})
    write_own(path.parent, {path.name: made.text}, maker="course export", force=force)
    return Exported(path, made.num_scores, made.ungraded, made.unknown, made.notes)


def _export_csv(scores: Sequence[Score]) -> Table:
    rows = [
        [
            score.assignment,
            str(score.duedate or ""),
            str(score.timestamp or ""),
            score.learner,
            score.last_name,
            score.first_name,
            score.email,
            str(score.raw_score),
            str(score.penalty),
            str(score.score),
            str(score.max_score),
        ]
        for score in scores
    ]
    text = format_table([list(CSV_COLUMNS), *rows])
    return Table(text, len(rows), (), (), note_waiting(scores))
