"""Tables of learning management systems: read as they were exported, and written again."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_utils.formats import escape_formula
from course_utils.grading.lms.scores import ExportError, Score

Row = list[str]
_MAX_ROSTER = 50_000_000  # bytes


@dataclass(frozen=True)
class Roster:
    """A table that a learning management system exported."""

    path: Path
    header: Row
    rows: list[Row]  # each as long as the header
    delimiter: str


@dataclass(frozen=True)
class Table:
    """The text of a file, and what there is to say of it."""

    text: str
    num_scores: int
    ungraded: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


def read_roster(path: Path, check: Callable[[Roster], object]) -> Roster:
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


def _parse_table(text: str, path: Path, delimiter: str) -> Roster:
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
    return Roster(path, header, others, delimiter)


def read_number(text: str) -> float | None:
    """Read a number with a point or a comma; None where there is none."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def match_rows(scores: Sequence[Score], identifiers: Sequence[set[str]]) -> dict[str, int]:
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


def format_table(rows: Sequence[Row], *, delimiter: str = ",") -> str:
    """Write CSV without a byte order mark; what is in the first row is no text from outside."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(rows[0])
    writer.writerows([escape_formula(cell) for cell in row] for row in rows[1:])
    return text.getvalue()
