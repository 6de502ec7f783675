"""Scores for Canvas, which reads back the table of its own gradebook."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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

_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_IDENTIFIERS = ("ID", "SIS User ID", "SIS Login ID", "Integration ID")
_KEPT = ("EX", "N/A")  # excused, and not assigned to this learner
_POINTS_POSSIBLE = "    Points Possible"
_TEST_STUDENTS = ("Student, Test", "Test Student")


def export_new_canvas(scores: Sequence[Score], titles: Mapping[str, str]) -> Table:
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
        points = [show_points(found.get(assignment)) for assignment in names]
        rows.append([name, someone.lms_user_id, "", learner, "", *points])
    header = [*_COLUMNS, *(titles.get(name, name) for name in names)]
    second = [_POINTS_POSSIBLE, "", "", "", "", *(possible[name] for name in names)]
    text = format_table([header, second, *rows])
    note = (
        "Canvas will know the learners by 'SIS Login ID', and create an assignment for each title "
        "that it does not have; give its own exported file as the roster to be sure of both."
    )
    submitted = [score for score in scores if score.submitted]
    return Table(text, len(submitted), (), (), (note, *note_waiting(scores)))


def export_canvas(scores: Sequence[Score], roster: Path, titles: Mapping[str, str]) -> Table:
    """Write scores into the table that Canvas exported, for the learners whom it names.

    Raises:
        ExportError: the roster is no table of Canvas's, or a title may be several of its columns.
    """
    table = read_roster(roster, _check)
    id_columns = [place for place, name in enumerate(table.header) if name in _IDENTIFIERS]
    learners = [row for row in table.rows if _find_identifiers(row, id_columns)]
    others = [row for row in table.rows if not _find_identifiers(row, id_columns)]
    possible = next((row for row in others if row[0].strip() == _POINTS_POSSIBLE.strip()), None)
    matches = match_rows(scores, [_find_identifiers(row, id_columns) for row in learners])
    notes = list(note_waiting(scores))
    num_scores = 0
    for assignment in dict.fromkeys(score.assignment for score in scores):
        own = [score for score in scores if score.assignment == assignment]
        column = _find_column(table, titles.get(assignment, assignment), own[0], possible, notes)
        for score in own:
            place = matches.get(score.learner)
            if place is None or not score.submitted:
                continue
            row = learners[place]
            if row[column].strip().upper() in _KEPT:
                notes.append(f"{score.learner} keeps {row[column]} for {assignment}.")
            else:
                row[column] = show_points(score)
                num_scores += 1
    text = format_table([table.header, *table.rows], delimiter=table.delimiter)
    graded = find_graded(scores, matches)
    names = [": ".join(filter(None, (row[0], row[id_columns[0]]))) for row in learners]
    ungraded = tuple(
        name
        for place, name in enumerate(names)
        if place not in graded and not name.startswith(_TEST_STUDENTS)
    )
    return Table(text, num_scores, ungraded, find_unknown(scores, matches), tuple(notes))


def _check(table: Roster) -> None:
    """Check for what Canvas's importer needs: a name first, then an ID, and later a section."""
    if not (table.header.count("ID") == table.header.count("Section") == 1):
        raise ExportError(
            f"{table.path} is no gradebook from Canvas: it has the columns "
            f"{', '.join(table.header[:10])}, and needs Student, ID and Section; "
            "choose Export in Canvas's gradebook"
        )


def _find_column(
    table: Roster, title: str, score: Score, possible: Row | None, notes: list[str]
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
        theirs = read_number(possible[places[0]]) if possible else None
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


def _find_identifiers(row: Row, columns: Iterable[int]) -> set[str]:
    return {row[place].strip() for place in columns} - {""}
