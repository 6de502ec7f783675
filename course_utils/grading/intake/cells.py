"""The cells of a submitted file, which may be anything: read, cleaned and, where old, converted."""

import ast
import json
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import nbformat
from nbformat import NotebookNode

from course_utils.grading.intake.submission import SubmissionError, check_size, enumerate_texts
from course_utils.grading.judgement import Repair
from course_utils.grading.pictures import Attachments, keep_pictures
from course_utils.notebooks import get, get_text, grade_id, marks, tags

MAX_CELLS = 2_000
# A megabyte of "[],[],…" becomes 20 MB in memory; no lesson with its outputs comes near this.
_MAX_CONTAINERS = 1_000_000
_MAX_PARSED_CHARACTERS = 100_000
FLAGS = ("grade", "locked", "solution", "task", "points")
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_STUB_LINE = re.compile(r"raise NotImplementedError\b.*")
_NO_CELLS = (
    "the file is JSON but no notebook, since it has no list of cells; hand in the notebook as "
    "Jupyter saves it"
)
WITHOUT_IDS = "the notebook was saved in an old format, without cell ids"


@dataclass(frozen=True)
class Cell:
    """What is looked at of a submitted cell; empty where it has no such thing, or no sound one."""

    place: int  # from 1
    cell_type: str
    source: str
    id: str
    grade_id: str
    flags: Mapping[str, bool | float]
    tags: frozenset[str]
    pictures: Attachments = field(default_factory=dict)  # pasted into the text, by name

    @property
    def names(self) -> frozenset[str]:
        """Names of the functions and classes that it defines."""
        return find_definitions(self.source) if self.cell_type == "code" else frozenset()

    @property
    def essence(self) -> str:
        """Its text without what differs between unchanged copies of one stub."""
        return find_essence(self.source)


def read_cells(submitted: bytes) -> tuple[list[Cell], list[Repair]]:
    """Read the cells of a file that may be anything.

    Raises:
        SubmissionError: it is no notebook.
    """
    content, repairs = _read_json(submitted)
    raw_cells, more_repairs = _list_cells(content)
    cells = [_read_cell(place, raw) for place, raw in enumerate(raw_cells, start=1)]
    cleaned = [replace(cell, source=_UNWRITABLE.sub("\ufffd", cell.source)) for cell in cells]
    damaged = [cell.place for cell in cells if _UNWRITABLE.search(cell.source)]
    if damaged:
        message = "characters that no file can hold were replaced by \ufffd"
        more_repairs.append(Repair("format", name_places(damaged), message))
    return cleaned, repairs + more_repairs


def _read_json(submitted: bytes) -> tuple[object, list[Repair]]:
    check_size(submitted)
    if submitted.count(b"{") + submitted.count(b"[") > _MAX_CONTAINERS:
        raise SubmissionError(
            "the file has too many parts for a notebook; clear its outputs, save it and hand it "
            "in again"
        )
    encoding = json.detect_encoding(submitted)
    try:
        content = json.loads(submitted.decode(encoding))
    except UnicodeDecodeError as error:
        raise SubmissionError(
            f"the file is not text (byte {error.start} is not {encoding}); hand in the notebook "
            "as Jupyter saves it"
        ) from None
    except json.JSONDecodeError as error:
        raise SubmissionError(
            f"the file is no notebook, or not a whole one (line {error.lineno}: {error.msg}); open "
            "it in Jupyter, save it and hand it in again"
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        reason = "a number is too long" if isinstance(error, ValueError) else "too deeply nested"
        raise SubmissionError(
            f"the file is no notebook ({reason}); hand in the notebook as Jupyter saves it"
        ) from None
    if encoding in ("utf-8", "utf-8-sig"):
        return content, []
    return content, [Repair("format", "", f"the file was saved as {encoding}, not as UTF-8")]


def _list_cells(content: object) -> tuple[list[object], list[Repair]]:
    """The cells of a notebook of format 3 or 4, as format 4 has them."""
    match content:
        case {"nbformat": 4, "cells": list(cells), **rest}:
            _check_number(cells)
            minor = rest.get("nbformat_minor")
            if isinstance(minor, int) and minor >= 5:
                return cells, []
            return cells, [Repair("format", "", WITHOUT_IDS)]
        case {"nbformat": 3, "worksheets": [*worksheets]}:
            sheets = [get(sheet, "cells") for sheet in worksheets]
            if not all(isinstance(sheet, list) for sheet in sheets):
                raise SubmissionError(_NO_CELLS)
            old_cells = [cell for sheet in sheets for cell in sheet]
            _check_number(old_cells)
            message = "the notebook was saved in format 3 and has been converted"
            return _upgrade(old_cells), [Repair("format", "", message)]
        case {"nbformat": int(version)} if version not in (3, 4):
            raise SubmissionError(
                f"the notebook is of format {version!s:.9}, not 4; open it in Jupyter, save it "
                "and hand it in again"
            )
    raise SubmissionError(_NO_CELLS)


def _check_number(cells: Sequence[object]) -> None:
    if len(cells) > MAX_CELLS:
        raise SubmissionError(
            f"the notebook has {len(cells)} cells, more than {MAX_CELLS}; remove what isn't part "
            "of the lesson"
        )


def _upgrade(old_cells: Sequence[object]) -> list[object]:
    """Convert cells of format 3, whose outputs are left behind."""
    cells = [_read_old_cell(place, raw) for place, raw in enumerate(old_cells, start=1)]
    sheet = nbformat.v3.new_worksheet(cells=cells)
    upgraded = nbformat.convert(nbformat.v3.new_notebook(worksheets=[sheet]), 4).cells
    return [
        {"cell_type": cell.cell_type, "source": cell.source, "metadata": get(old, "metadata")}
        for cell, old in zip(upgraded, old_cells, strict=True)
    ]


def _read_old_cell(place: int, raw: object) -> NotebookNode:
    match raw:
        case {"cell_type": "code", "input": text}:
            return nbformat.v3.new_code_cell(input=_read_text(place, text))
        case {"cell_type": "heading", "source": text}:
            level = get(raw, "level")
            level = level if isinstance(level, int) and level in range(1, 7) else 1
            return nbformat.v3.new_heading_cell(source=_read_text(place, text), level=level)
        case {"cell_type": "markdown" | "html" | "raw" as kind, "source": text}:
            return nbformat.v3.new_text_cell(kind, source=_read_text(place, text))
    raise SubmissionError(_not_a_cell(place))


def _read_cell(place: int, raw: object) -> Cell:
    match raw:
        case {"cell_type": "code" | "markdown" | "raw" as kind, "source": text}:
            return Cell(
                place,
                kind,
                _read_text(place, text),
                get_text(raw, "id"),
                grade_id(raw),
                read_flags(marks(raw)),
                tags(raw),
                keep_pictures(get(raw, "attachments")) if kind == "markdown" else {},
            )
    raise SubmissionError(_not_a_cell(place))


def _read_text(place: int, text: object) -> str:
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        return "".join(text)
    if isinstance(text, str):
        return text
    raise SubmissionError(_not_a_cell(place))


def _not_a_cell(place: int) -> str:
    return (
        f"cell {place} is no cell of a notebook: its kind or its text is missing or of the wrong "
        "type; open the notebook in Jupyter, save it and hand it in again"
    )


def read_flags(nbgrader: object) -> dict[str, bool | float]:
    """Read the marks and points in nbgrader's metadata; those of another type count as lost."""
    flags = {name: get(nbgrader, name) for name in FLAGS}
    return {name: value for name, value in flags.items() if isinstance(value, int | float)}


def find_definitions(source: str) -> frozenset[str]:
    """Names of the functions and classes that a cell defines; its text may be anything."""
    if len(source) <= _MAX_PARSED_CHARACTERS:
        try:
            with warnings.catch_warnings(action="ignore"):
                body = ast.parse(source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
            pass  # magics, an unfinished answer, or hostile; Python 3.11 in several threads
        else:
            kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            return frozenset(node.name for node in body if isinstance(node, kinds))
    return frozenset(_DEFINITION.findall(source))


def find_essence(source: str) -> str:
    """A cell's text without what differs between unchanged copies of one stub."""
    lines = (
        _STUB_LINE.sub("raise NotImplementedError", line.rstrip()) for line in source.split("\n")
    )
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def name_places(places: Iterable[int]) -> str:
    """Name cells by their places, such as ``cells 2, 5``."""
    numbers = list(places)
    return f"cell{'s' * (len(numbers) > 1)} {enumerate_texts(map(str, numbers))}"
