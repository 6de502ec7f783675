"""Scores for Moodle, which reads back the grading worksheet of an assignment."""

import html
import re
from collections.abc import Sequence
from pathlib import Path

from course_utils.formats import format_points
from course_utils.grading.lms.rosters import (
    Roster,
    Row,
    Table,
    format_table,
    match_rows,
    read_number,
    read_roster,
)
from course_utils.grading.lms.scores import (
    ExportError,
    Score,
    find_graded,
    find_unknown,
    note_waiting,
    show_points,
)


def export_moodle(scores: Sequence[Score], roster: Path | None) -> Table:
    """Write scores and comments into the worksheet that Moodle exported.

    Raises:
        ExportError: there is no worksheet, or none of Moodle's, or it is about one assignment and
            the scores are about several.
    """
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
    table = read_roster(roster, _find_columns)
    grade, comments = _find_columns(table)
    notes = list(note_waiting(scores))
    maxima = {read_number(row[grade + 1]) for row in table.rows} - {scores[0].max_score}
    if maxima:
        theirs = ", ".join(sorted("no number" if one is None else f"{one:g}" for one in maxima))
        notes.append(
            f"Moodle's maximum for {names[0]} is {theirs}, and these scores are out of "
            f"{format_points(scores[0].max_score)} points; nothing was converted. Moodle passes "
            "over scores above its maximum, and all of them where it grades with words."
        )
    if comments is None:
        notes.append("The worksheet has no column for comments, so none were written.")
    matches = match_rows(scores, [_find_identifiers(row, grade) for row in table.rows])
    num_scores = 0
    for score in scores:
        place = matches.get(score.learner)
        if place is None or not score.submitted:
            continue
        table.rows[place][grade] = show_points(score)
        if comments is not None:
            table.rows[place][comments] = _make_comment(score)
        num_scores += 1
    text = format_table([table.header, *table.rows], delimiter=table.delimiter)
    graded = find_graded(scores, matches)
    ungraded = tuple(
        ": ".join(row[: min(2, grade)])
        for place, row in enumerate(table.rows)
        if place not in graded
    )
    return Table(text, num_scores, ungraded, find_unknown(scores, matches), tuple(notes))


def _find_columns(table: Roster) -> tuple[int, int | None]:
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


def _find_identifiers(row: Row, grade: int) -> set[str]:
    """What a learner may be called by: the number of ``Participant 123``, an address, an id.

    The full name in the second column is not among it, since learners can choose it.
    """
    number = re.search(r"\d+$", row[0])
    return {row[0], number[0] if number else row[0], *row[2:grade]} - {""}


def _make_comment(score: Score) -> str:
    """A comment as HTML, which is how Moodle reads it."""
    points = f"{format_points(score.score)} of {format_points(score.max_score)} points"
    late = f", after {format_points(score.penalty)} for lateness" if score.penalty else ""
    lines = [f"{points}{late}.", *score.comments]
    return "<br>".join(html.escape(line).replace("\n", "<br>") for line in lines)
