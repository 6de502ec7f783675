"""Scores for the systems that want them: Canvas, Moodle, and nbgrader's own CSV.

A file for Canvas or Moodle is best made from the one that the system itself exports, the roster:
its rows say who is in the course, and under which identifiers.
"""

import csv
import html
import io
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from course_utils.files import write_own
from course_utils.formats import escape_formula, format_points
from course_utils.grading.records.gradebook import Course

if TYPE_CHECKING:
    from nbgrader.api import Assignment, Gradebook, Student

System = Literal["canvas", "moodle", "csv"]
Row = list[str]

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
_CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_CANVAS_IDENTIFIERS = ("ID", "SIS User ID", "SIS Login ID", "Integration ID")
_CANVAS_KEPT = ("EX", "N/A")  # excused, and not assigned to this learner
_POINTS_POSSIBLE = "    Points Possible"
_TEST_STUDENTS = ("Student, Test", "Test Student")
_MAX_ROSTER = 50_000_000  # bytes


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


@dataclass(frozen=True)
class _Roster:
    """A table that a learning management system exported."""

    path: Path
    header: Row
    rows: list[Row]  # each as long as the header
    delimiter: str


@dataclass(frozen=True)
class _Table:
    """The text of a file, and what :class:`Exported` says of it."""

    text: str
    num_scores: int
    ungraded: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


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
    except SQLAlchemyError as error:
        raise ExportError(f"the gradebook {shown} cannot be read: {error}") from None


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
        made = _export_moodle(scores, roster)
    elif roster is None:
        made = _export_new_canvas(scores, titles or {})
    else:
        made = _export_canvas(scores, roster, titles or {})
    write_own(path.parent, {path.name: made.text}, maker="course export", force=force)
    return Exported(path, made.num_scores, made.ungraded, made.unknown, made.notes)


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


def _export_csv(scores: Sequence[Score]) -> _Table:
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
    text = _format_table([list(CSV_COLUMNS), *rows])
    return _Table(text, len(rows), (), (), _waiting(scores))


def _export_new_canvas(scores: Sequence[Score], titles: Mapping[str, str]) -> _Table:
    """A file for Canvas without a roster: its learners are known by their login."""
    by_learner: dict[str, dict[str, Score]] = defaultdict(dict)
    for score in scores:
        by_learner[score.learner][score.assignment] = score
    names = list(dict.fromkeys(score.assignment for score in scores))
    possible = {score.assignment: format_points(score.max_score) for score in scores}
    rows: list[Row] = []
    for learner, found in by_learner.items():
        someone = next(iter(found.values()))
        name = ", ".join(filter(None, (someone.last_name, someone.first_name))) or learner
        points = [_points(found.get(assignment)) for assignment in names]
        rows.append([name, someone.lms_user_id, "", learner, "", *points])
    header = [*_CANVAS_COLUMNS, *(titles.get(name, name) for name in names)]
    second = [_POINTS_POSSIBLE, "", "", "", "", *(possible[name] for name in names)]
    text = _format_table([header, second, *rows])
    note = (
        "Canvas will know the learners by 'SIS Login ID', and create an assignment for each title "
        "that it does not have; give its own exported file as the roster to be sure of both."
    )
    submitted = [score for score in scores if score.submitted]
    return _Table(text, len(submitted), (), (), (note, *_waiting(scores)))


def _export_canvas(scores: Sequence[Score], roster: Path, titles: Mapping[str, str]) -> _Table:
    table = _read_roster(roster, _check_canvas)
    id_columns = [place for place, name in enumerate(table.header) if name in _CANVAS_IDENTIFIERS]
    learners = [row for row in table.rows if _identifiers(row, id_columns)]
    others = [row for row in table.rows if not _identifiers(row, id_columns)]
    possible = next((row for row in others if row[0].strip() == _POINTS_POSSIBLE.strip()), None)
    matches = _match(scores, [_identifiers(row, id_columns) for row in learners])
    notes = list(_waiting(scores))
    num_scores = 0
    for assignment in dict.fromkeys(score.assignment for score in scores):
        own = [score for score in scores if score.assignment == assignment]
        column = _canvas_column(table, titles.get(assignment, assignment), own[0], possible, notes)
        for score in own:
            place = matches.get(score.learner)
            if place is None or not score.submitted:
                continue
            row = learners[place]
            if row[column].strip().upper() in _CANVAS_KEPT:
                notes.append(f"{score.learner} keeps {row[column]} for {assignment}.")
            else:
                row[column] = _points(score)
                num_scores += 1
    text = _format_table([table.header, *table.rows], delimiter=table.delimiter)
    graded = _graded(scores, matches)
    names = [": ".join(filter(None, (row[0], row[id_columns[0]]))) for row in learners]
    ungraded = tuple(
        name
        for place, name in enumerate(names)
        if place not in graded and not name.startswith(_TEST_STUDENTS)
    )
    return _Table(text, num_scores, ungraded, _unknown(scores, matches), tuple(notes))


def _check_canvas(table: _Roster) -> None:
    """Check for what Canvas's importer needs: a name first, then an ID, and later a section."""
    if not (table.header.count("ID") == table.header.count("Section") == 1):
        raise ExportError(
            f"{table.path} is no gradebook from Canvas: it has the columns "
            f"{', '.join(table.header[:10])}, and needs Student, ID and Section; "
            "choose Export in Canvas's gradebook"
        )


def _canvas_column(
    table: _Roster, title: str, score: Score, possible: Row | None, notes: list[str]
) -> int:
    """The place of an assignment's column, which is added where Canvas has none."""
    own = re.compile(rf"{re.escape(title)}(?: \(\d+\))?", re.IGNORECASE)
    first = table.header.index("Section") + 1
    places = [
        place
        for place, heading in enumerate(table.header)
        if place >= first and own.fullmatch(heading)
    ]
    if len(places) > 1:
        headings = ", ".join(table.header[place] for place in places)
        raise ExportError(
            f"{title!r} may be any of {headings}; say which, with its number in brackets"
        )
    points = format_points(score.max_score)
    if places:
        theirs = _read_number(possible[places[0]]) if possible else None
        if theirs is not None and theirs != score.max_score:
            notes.append(
                f"Canvas counts {title} out of {theirs:g} points, and these scores are out of "
                f"{points}; nothing was converted."
            )
        return places[0]
    notes.append(
        f"{table.path} has no assignment {title!r}, so Canvas will create it; if it is there "
        "under another title, say which."
    )
    table.header.append(title)
    for row in table.rows:
        row.append(points if row is possible else "")
    return len(table.header) - 1


def _export_moodle(scores: Sequence[Score], roster: Path | None) -> _Table:
    names = sorted({score.assignment for score in scores})
    if len(names) > 1:
        raise ExportError(
            f"a grading worksheet of Moodle is about one assignment; choose one of "
            f"{', '.join(names)}"
        )
    if roster is None:
        raise ExportError(
            "Moodle takes scores only in its own file; download the grading worksheet from the "
            "assignment's page and give it as the roster"
        )
    table = _read_roster(roster, _moodle_columns)
    grade, comments = _moodle_columns(table)
    notes = list(_waiting(scores))
    maxima = {_read_number(row[grade + 1]) for row in table.rows} - {scores[0].max_score}
    if maxima:
        theirs = ", ".join(sorted("no number" if one is None else f"{one:g}" for one in maxima))
        notes.append(
            f"Moodle's maximum for {names[0]} is {theirs}, and these scores are out of "
            f"{format_points(scores[0].max_score)} points; nothing was converted. Moodle passes "
            "over scores above its maximum, and all of them where it grades with words."
        )
    if comments is None:
        notes.append("The worksheet has no column for comments, so none were written.")
    matches = _match(scores, [_moodle_identifiers(row, grade) for row in table.rows])
    num_scores = 0
    for score in scores:
        place = matches.get(score.learner)
        if place is None or not score.submitted:
            continue
        table.rows[place][grade] = _points(score)
        if comments is not None:
            table.rows[place][comments] = _moodle_comment(score)
        num_scores += 1
    text = _format_table([table.header, *table.rows], delimiter=table.delimiter)
    graded = _graded(scores, matches)
    ungraded = tuple(
        ": ".join(row[: min(2, grade)])
        for place, row in enumerate(table.rows)
        if place not in graded
    )
    return _Table(text, num_scores, ungraded, _unknown(scores, matches), tuple(notes))


def _moodle_columns(table: _Roster) -> tuple[int, int | None]:
    """The places of the grade and of the comments, in whatever language the worksheet is.

    Moodle puts the identifier first, calls one column by the word for a grade, and a later one
    by that word in brackets, ``Last modified (grade)``; the comments come right behind.
    """
    header = [heading.strip() for heading in table.header]
    for modified in reversed(range(len(header))):
        bracketed = re.fullmatch(r".+[(（](.+)[)）]", header[modified])
        word = bracketed[1].strip().casefold() if bracketed else None
        places = [place for place in range(1, modified) if header[place].casefold() == word]
        if len(places) == 1:
            comments = modified + 1 if modified + 1 < len(header) else None
            return places[0], comments
    raise ExportError(
        f"{table.path} is no grading worksheet that can be understood: it has the columns "
        f"{', '.join(header[:12])}, and needs Identifier, Grade and Last modified (grade); "
        "download it with Moodle's language set to English"
    )


def _moodle_identifiers(row: Row, grade: int) -> set[str]:
    """What a learner may be called by: the number of ``Participant 123``, an address, an id.

    The full name in the second column is not among it, since learners can choose it.
    """
    number = re.search(r"\d+$", row[0])
    return {row[0], number[0] if number else row[0], *row[2:grade]} - {""}


def _moodle_comment(score: Score) -> str:
    """A comment as HTML, which is how Moodle reads it."""
    points = f"{format_points(score.score)} of {format_points(score.max_score)} points"
    late = f", after {format_points(score.penalty)} for lateness" if score.penalty else ""
    lines = [f"{points}{late}.", *score.comments]
    return "<br>".join(html.escape(line).replace("\n", "<br>") for line in lines)


def _identifiers(row: Row, columns: Iterable[int]) -> set[str]:
    return {row[place].strip() for place in columns} - {""}


def _match(scores: Sequence[Score], identifiers: Sequence[set[str]]) -> dict[str, int]:
    """Find the row of each learner; who might be several rows, or shares one, has none.

    Args:
        scores: of learners who are known by their identifier, their number in the system or
            their address, whichever is found first.
        identifiers: what each row's learner may be called by.
    """
    places: dict[str, set[int]] = defaultdict(set)
    for place, names in enumerate(identifiers):
        for name in names:
            places[name.casefold()].add(place)
    found: dict[str, int] = {}
    for score in scores:
        for name in (score.learner, score.lms_user_id, score.email):
            if candidates := places.get(name.strip().casefold()):
                if len(candidates) == 1:
                    found[score.learner] = next(iter(candidates))
                break
    taken: dict[int, set[str]] = defaultdict(set)
    for learner, place in found.items():
        taken[place].add(learner)
    return {learner: place for learner, place in found.items() if len(taken[place]) == 1}


def _graded(scores: Sequence[Score], matches: Mapping[str, int]) -> set[int]:
    submitted = {score.learner for score in scores if score.submitted}
    return {place for learner, place in matches.items() if learner in submitted}


def _unknown(scores: Sequence[Score], matches: Mapping[str, int]) -> tuple[str, ...]:
    submitted = {score.learner for score in scores if score.submitted}
    return tuple(sorted(submitted - set(matches)))


def _waiting(scores: Sequence[Score]) -> tuple[str, ...]:
    """A note about scores that are not final."""
    number = sum(score.needs_manual_grade for score in scores)
    if not number:
        return ()
    return (f"{number} of these scores wait for answers to be graded by hand in formgrader.",)


def _points(score: Score | None) -> str:
    return format_points(score.score) if score and score.submitted else ""


def _read_number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _read_roster(path: Path, check: Callable[[_Roster], object]) -> _Roster:
    """Read a table with commas, semicolons or tabs, whichever makes the columns that are needed."""
    text = _read_text(path)
    errors = []
    for delimiter in (",", ";", "\t"):
        try:
            table = _parse_table(text, path, delimiter)
            check(table)
        except ExportError as error:
            errors.append(error)
        else:
            return table
    raise errors[0]


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_ROSTER:
            raise ExportError(f"{path} is too big for a roster: over {_MAX_ROSTER:,} bytes")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ExportError(f"the roster {path} cannot be read: {error}") from None
    except UnicodeDecodeError:
        raise ExportError(
            f"{path} is not written in UTF-8; export it again, or save it as “CSV UTF-8”"
        ) from None
    if "\0" in text:
        raise ExportError(f"{path} is no text file: it has NUL bytes; export it again as CSV")
    return text


def _parse_table(text: str, path: Path, delimiter: str) -> _Roster:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise ExportError(f"{path} is no CSV file, in line {reader.line_num}: {error}") from None
    if not rows:
        raise ExportError(f"{path} is empty; export it again")
    header, *others = rows
    for row in others:
        if len(row) > len(header):
            raise ExportError(
                f"{path} has a row of {len(row)} cells ({', '.join(row)[:60]}), which is more than "
                f"the {len(header)} of its first row; export it again"
            )
        row.extend([""] * (len(header) - len(row)))
    return _Roster(path, header, others, delimiter)


def _format_table(rows: Sequence[Row], *, delimiter: str = ",") -> str:
    """Write CSV without a byte order mark; what is in the first row is no text from outside."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(rows[0])
    writer.writerows([escape_formula(cell) for cell in row] for row in rows[1:])
    return text.getvalue()
