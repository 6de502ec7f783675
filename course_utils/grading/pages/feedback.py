"""What a learner gets back: one page with the score, the reasons, and the notebook as it ran.

The notebook on the page comes from outside. It is shown as text and as PNG and JPEG pictures;
nothing else of it reaches the page, so there is nothing that could run or load.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, Literal

from course_utils.exercises.publishing import MIME_TYPE
from course_utils.files import write_text
from course_utils.grading.judgement import CheckResult, EndingKind, Judgement, RepairKind
from course_utils.grading.pages.hidden import Marks, find_marks, split_hidden
from course_utils.grading.pages.html import plain_text, render
from course_utils.grading.pictures import OUTPUT_FORMATS, check_picture
from course_utils.grading.records.grades import NotebookGrade
from course_utils.notebooks import NbgraderSettings, grade_id

_HEADING = re.compile(r"(#{1,6}) +(\S.*)")
_NUM_TELLING = 8  # characters of a hidden line below which it may as well be the learner's own

_MAX_SOURCE = 20_000  # characters of a cell
_MAX_TEXT = 10_000  # characters of an output
_MAX_SCANNED = 1_000_000  # characters of an output that are looked at
_MAX_OUTPUTS = 50  # of a cell
_MAX_PICTURE = 2_000_000  # bytes
_MAX_PAGE = 20_000_000  # characters of all cells

_UNDONE = ("not done", "never reached", "not finished")

ENDING_ADVICE: dict[EndingKind, str] = {
    "finished": "",
    "timed_out": "Look in that cell for a loop that never ends, or do its work on less data.",
    "out_of_memory": "Look in that cell for arrays or lists that grow, or make smaller ones.",
    "died": "Take out of that cell what ends Python, such as exit() or os._exit(); run the "
    "notebook from the top before you hand it in.",
    "too_much_output": "Print less in that cell, above all inside loops.",
    "refused": "Open the notebook in JupyterLab, save it, and hand that file in again.",
    "interrupted": "This was not your doing. Ask your instructor to grade the notebook again.",
}
REPAIR_ADVICE: dict[RepairKind, str] = {
    "missing": "Keep all cells of the lesson; fetch a fresh copy if one got lost.",
    "duplicated": "Keep each exercise's cell once, and write your answer into that one.",
    "moved": "Leave the cells of the lesson in their order.",
    "retagged": "Leave the tags of the lesson's cells as they are.",
    "changed": "Write into the answer cells only; the others are put back before grading.",
    "extra": "Cells of your own are welcome; give none of them the name of a lesson's cell.",
    "renamed": "Hand the notebook in under the name that it came with.",
    "format": "Save the notebook with a current JupyterLab before you hand it in.",
    "metadata": "Work on the notebook in JupyterLab; some other programs lose what it needs.",
}


class FeedbackError(ValueError):
    """No page can be written; the message says why."""


@dataclass(frozen=True)
class _Output:
    kind: Literal["text", "error", "picture", "note"]
    text: str  # of a picture, its alternative text
    source: str = ""  # of a picture, a data: address


@dataclass(frozen=True)
class _Cell:
    number: int  # counted from 1
    is_code: bool
    level: int  # of the heading on the page; 0 without one
    heading: str
    text: str
    has_hidden: bool
    outputs: tuple[_Output, ...]
    check: int  # which of the judgement's checks it is, counted from 1; 0 for none


def feedback(
    judgement: Judgement,
    folder: Path,
    *,
    grade: NotebookGrade | None = None,
    notice: str = "",
    settings: NbgraderSettings | None = None,
) -> Path:
    """Write a learner's page, which needs no other file and loads nothing.

    It shows no source of hidden checks and none of the values that they ask for.

    Args:
        judgement: what grading found.
        folder: the course's ``feedback`` folder.
        grade: what the gradebook says, which is what counts; None where it says nothing.
        notice: a sentence to put on top.
        settings: the course's, of nbgrader's marks around what learners must not see.

    Returns:
        The page, ``{folder}/{learner}/{assignment}/{notebook}.html``.

    Raises:
        FeedbackError: the learner, assignment or notebook has a name that is no file name.
    """
    names = (judgement.learner, judgement.assignment, judgement.notebook)
    for name in names:
        if name in ("", ".", "..") or name != PurePath(name).name or {"\\", "\0"} & set(name):
            raise FeedbackError(
                f"{name!r} is no name for a file, so there is no feedback for "
                f"{judgement.learner!r}; rename the submission's folder"
            )
    path = folder.joinpath(*names[:2], f"{judgement.notebook}.html")
    write_text(path, feedback_page(judgement, grade=grade, notice=notice, settings=settings))
    return path


def feedback_page(
    judgement: Judgement,
    *,
    grade: NotebookGrade | None = None,
    notice: str = "",
    settings: NbgraderSettings | None = None,
) -> str:
    """Make the page that :func:`feedback` writes, as HTML."""
    cells, left_out = _read_cells(judgement, find_marks(settings or {}))
    return render(
        "feedback.html.j2",
        judgement=judgement,
        points={cell.name: cell for cell in grade.cells} if grade else {},
        grade=grade,
        notice=notice,
        verdicts=[verdict(check) for check in judgement.checks],
        cells=cells,
        left_out=left_out,
        ending_advice=ENDING_ADVICE,
        repair_advice=REPAIR_ADVICE,
    )


def verdict(check: CheckResult) -> Literal["right", "partly right", "wrong", "not done"]:
    """Sum up a check in words."""
    is_compared = bool(check.answers) or not check.reason
    if is_compared and check.score >= check.max_score and all(one.passed for one in check.answers):
        return "right"
    if check.score > 0:
        return "partly right"
    is_judged = check.kind != "published" and not check.reason.startswith(_UNDONE)
    return "wrong" if check.answers or is_judged else "not done"


def _read_cells(judgement: Judgement, marks: Marks) -> tuple[list[_Cell], int]:
    """The cells that fit on a page, and how many more there are."""
    found = _parse_cells(judgement.executed)
    parts = [split_hidden(_text(cell, "source"), marks) for cell in found]
    hidden = _telling(chain.from_iterable(own_hidden for _, own_hidden in parts))
    places = {check.grade_id: place for place, check in enumerate(judgement.checks, start=1)}
    cells: list[_Cell] = []
    size = 0
    for number, (cell, part) in enumerate(zip(found, parts, strict=True), start=1):
        cells.append(_read_cell(cell, part, number, places.get(grade_id(cell), 0), hidden))
        size += _size(cells[-1])
        if size > _MAX_PAGE:
            return cells[:-1], len(found) - number + 1
    return cells, 0


def _parse_cells(notebook: str) -> list[Mapping[str, Any]]:
    try:
        cells = json.loads(notebook)["cells"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return []
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


def _read_cell(
    cell: Mapping[str, Any],
    part: tuple[str, list[str]],
    number: int,
    check: int,
    hidden: Sequence[str],
) -> _Cell:
    source, own_hidden = part
    is_code = cell.get("cell_type") == "code"
    heading = None if is_code else _HEADING.match(source)
    text = source[heading.end() :] if heading else source
    outputs = cell.get("outputs")
    return _Cell(
        number,
        is_code,
        level=min(6, len(heading[1]) + 2) if heading else 0,
        heading=_shorten(heading[2], 200) if heading else "",
        text=_shorten(text.strip("\n"), _MAX_SOURCE),
        has_hidden=bool(own_hidden),
        outputs=tuple(
            _read_outputs(outputs, hidden, quotes_code=not own_hidden)
            if isinstance(outputs, list)
            else ()
        ),
        check=check,
    )


def _read_outputs(
    outputs: Sequence[object], hidden: Sequence[str], *, quotes_code: bool
) -> Iterator[_Output]:
    for output in outputs[:_MAX_OUTPUTS]:
        if isinstance(output, dict):
            yield from _read_output(output, hidden, quotes_code=quotes_code)
    if len(outputs) > _MAX_OUTPUTS:
        yield _Output("note", f"{len(outputs) - _MAX_OUTPUTS} more outputs are not shown.")


def _read_output(
    output: Mapping[str, Any], hidden: Sequence[str], *, quotes_code: bool
) -> Iterator[_Output]:
    if output.get("output_type") == "stream":
        yield _Output("text", _clean(_text(output, "text"), hidden))
    elif output.get("output_type") == "error":
        yield _Output("error", _clean(_error_text(output, quotes_code=quotes_code), hidden))
    elif isinstance(data := output.get("data"), dict) and MIME_TYPE not in data:
        yield _read_data(data, output.get("metadata"), hidden)


def _error_text(output: Mapping[str, Any], *, quotes_code: bool) -> str:
    """What an error says and, where the code around it may be quoted, where it was."""
    traceback = output.get("traceback")
    if quotes_code and isinstance(traceback, list) and traceback:
        return "\n".join(line for line in traceback if isinstance(line, str))
    return f"{_text(output, 'ename')}: {_text(output, 'evalue')}"


def _read_data(data: Mapping[str, Any], metadata: object, hidden: Sequence[str]) -> _Output:
    text = _clean(_text(data, "text/plain"), hidden)
    for mime_type in OUTPUT_FORMATS:
        if source := _picture(data.get(mime_type), mime_type):
            described = metadata.get(mime_type) if isinstance(metadata, dict) else None
            alt = _text(described, "alt") if isinstance(described, dict) else ""
            return _Output("picture", _clean(alt, hidden) or text or "A picture", source)
    if text:
        return _Output("text", text)
    kinds = ", ".join(str(kind) for kind in list(data)[:5])
    return _Output("note", _shorten(f"An output of the type {kinds or 'none'} is not shown.", 300))


def _picture(data: object, kind: str) -> str:
    """A ``data:`` address for a picture, or an empty text if it is none that a page can bear."""
    checked = check_picture(data, kind, max_bytes=_MAX_PICTURE)
    return f"data:{kind};base64,{checked}" if checked else ""


def _clean(text: str, hidden: Sequence[str]) -> str:
    """Plain text without the lines that quote a hidden one, and not too much of it."""
    lines = plain_text(text[:_MAX_SCANNED]).split("\n")
    shown = [line for line in lines if not any(secret in line for secret in hidden)]
    return _shorten("\n".join(shown).rstrip("\n"), _MAX_TEXT, total=len(text))


def _telling(hidden: Iterator[str]) -> list[str]:
    """The hidden lines that are worth looking for elsewhere."""
    lines = {plain_text(line).strip() for line in hidden}
    return sorted(line for line in lines if len(line) >= _NUM_TELLING)


def _shorten(text: str, max_length: int, *, total: int = 0) -> str:
    if len(text) <= max_length:
        return text
    left_out = max(total, len(text)) - max_length
    return f"{text[:max_length]}\n… {left_out:,} more characters are not shown."


def _text(values: Mapping[str, Any], name: str) -> str:
    """A text of a notebook, which may be stored as a list of its lines."""
    value = values.get(name)
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _size(cell: _Cell) -> int:
    outputs = sum(len(output.text) + len(output.source) for output in cell.outputs)
    return 200 + len(cell.text) + outputs  # 200 for the markup around it
