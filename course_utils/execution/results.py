"""What a run leaves behind to be read: a table of results and pages for the browser."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course_utils.execution.lessons import RunError
from course_utils.execution.records import Record
from course_utils.execution.runs import Summary
from course_utils.files import finish
from course_utils.formats import escape_formula, format_memory, format_seconds

COLUMNS = ("lesson", "name", "value", "low", "high", "text", "parameters", "finished", "version")
_COLUMNS_BEFORE = COLUMNS[:6]  # of runs before 2026-12
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Result:
    """A record with the run that it came from.

    Attributes:
        lesson: the name of the lesson.
        record: its name, value and interval.
        parameters: the lesson's parameters as JSON; empty where they aren't known.
        finished: when the lesson ended, ISO 8601; empty where it isn't known.
        version: of the course; empty where it isn't known.
    """

    lesson: str
    record: Record
    parameters: str = ""
    finished: str = ""
    version: str = ""


def notebook_page(notebook: str, *, title: str) -> str:
    """Render an executed notebook as one HTML page, with the alternative texts of its figures.

    The page loads nothing from elsewhere, so formulas in it stay in TeX.

    Args:
        notebook: the text of its file.
        title: of the page.
    """
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        extra_template_basedirs=[str(_TEMPLATES)], template_name="lesson", language_code="en"
    )
    node = nbformat.reads(notebook, as_version=4)
    page, _ = exporter.from_notebook_node(node, {"metadata": {"name": title}})
    return str(page)


def index_page(lessons: Sequence[Summary], results: Sequence[Result]) -> str:
    """Render the page that lists the lessons of a run and their results."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)
    environment.filters.update(seconds=format_seconds, megabytes=format_memory)
    template = environment.get_template("index.html.j2")
    return template.render(
        lessons=lessons, results=results, ok=sum(one.status == "ok" for one in lessons)
    )


def results_csv(results: Iterable[Result]) -> str:
    """Write results as CSV with the columns :data:`COLUMNS`.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for result in results:
        record = result.record
        value = _mark_text(record.value) if isinstance(record.value, str) else record.value
        low, high = ("" if end is None else end for end in (record.low, record.high))
        run = (result.parameters, result.finished, result.version)
        writer.writerow(
            [
                *(_escape(result.lesson), record.name, value, low, high, _escape(record.text)),
                *map(_escape, run),
            ]
        )
    return text.getvalue()


def read_results(folder: Path) -> list[Result]:
    """Read the results of a run back from its ``results.csv``.

    Raises:
        RunError: there is no such file, or it is not one that a run wrote.
    """
    path = folder / "results.csv"
    try:
        finish(folder)
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"no results in {folder}: {error}") from None
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        columns = tuple(next(rows))
        if columns not in (COLUMNS, _COLUMNS_BEFORE):
            raise ValueError
        return [_read_row(row) for row in rows]
    except (StopIteration, ValueError, TypeError, csv.Error):
        raise RunError(
            f"{path} is not a table of results; `course run` writes one into a folder of its own"
        ) from None


def _read_row(row: list[str]) -> Result:
    lesson, name, value, low, high, text, *run = row
    low_end, high_end = (float(end) if end else None for end in (low, high))
    record = Record(name, _read_value(value), low_end, high_end, _unescape(text))
    return Result(_unescape(lesson), record, *map(_unescape, run))


def _mark_text(value: str) -> str:
    """Escape a text value so that it is read back as a text, even if it looks like a number."""
    escaped = _escape(value)
    return escaped if isinstance(_read_value(escaped), str) else f"'{escaped}"


def _read_value(value: str) -> float | str:
    for convert in (int, float):
        try:
            return convert(value)
        except ValueError:
            continue
    return _unescape(value)


def _escape(text: str) -> str:
    """Keep a spreadsheet from computing with a text; :func:`_unescape` finds the text again."""
    return f"'{text}" if text.startswith("'") else escape_formula(text)


def _unescape(text: str) -> str:
    return text.removeprefix("'")
