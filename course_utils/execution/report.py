"""What a run leaves behind to be read: a table of results and pages for the browser."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat

from course_utils.execution.lessons import RunError
from course_utils.execution.records import Record
from course_utils.execution.runs import LessonRun
from course_utils.files import write_text

COLUMNS = ("lesson", "name", "value", "low", "high", "text")
_TEMPLATES = Path(__file__).parent / "templates"
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


def write_report(runs: Sequence[LessonRun], output: Path) -> None:
    """Write ``results.csv``, a page for each executed notebook, and ``index.html``.

    The pages load nothing from elsewhere, so formulas in them stay in TeX.

    Args:
        runs: what came of each lesson.
        output: the folder of the run.
    """
    for run in runs:
        if run.executed is not None:
            write_text(run.executed.with_suffix(".html"), notebook_page(run.executed))
    write_text(output / "index.html", _index_page(runs))
    records = [(run.lesson, record) for run in runs for record in run.records]
    write_text(output / "results.csv", results_csv(records))


def notebook_page(path: Path) -> str:
    """Render an executed notebook as one HTML page, with the alternative texts of its figures."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        extra_template_basedirs=[str(_TEMPLATES)], template_name="lesson", language_code="en"
    )
    notebook = nbformat.read(path, as_version=4)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    return str(page)


def _index_page(runs: Sequence[LessonRun]) -> str:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)
    environment.filters.update(seconds=format_seconds, megabytes=format_memory)
    template = environment.get_template("index.html.j2")
    return template.render(runs=runs, ok=sum(run.failure is None for run in runs))


def format_seconds(seconds: float) -> str:
    """Write a duration, such as ``1 min 05 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def format_memory(num_bytes: int) -> str:
    """Write an amount of memory in megabytes, such as ``512 MB``."""
    return f"{num_bytes / 1e6:,.0f} MB"


def results_csv(records: Iterable[tuple[str, Record]]) -> str:
    """Write records as CSV with the columns :data:`COLUMNS`.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.

    Args:
        records: the name of the lesson and the record, for each record.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for lesson, record in records:
        value = _mark_text(record.value) if isinstance(record.value, str) else record.value
        low, high = ("" if end is None else end for end in (record.low, record.high))
        writer.writerow([_escape(lesson), record.name, value, low, high, _escape(record.text)])
    return text.getvalue()


def read_results(folder: Path) -> list[tuple[str, Record]]:
    """Read the results of a run back from its ``results.csv``.

    Returns:
        The name of the lesson and the record, for each record.

    Raises:
        RunError: there is no such file, or it is not one that a run wrote.
    """
    path = folder / "results.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"no results in {folder}: {error}") from None
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        if tuple(next(rows)) != COLUMNS:
            raise ValueError
        return [_read_row(row) for row in rows]
    except (StopIteration, ValueError, csv.Error):
        raise RunError(f"{path} is not a table of results with the columns {COLUMNS}") from None


def _read_row(row: list[str]) -> tuple[str, Record]:
    lesson, name, value, low, high, text = row
    low_end, high_end = (float(end) if end else None for end in (low, high))
    return _unescape(lesson), Record(name, _read_value(value), low_end, high_end, _unescape(text))


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
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _unescape(text: str) -> str:
    return text.removeprefix("'")
