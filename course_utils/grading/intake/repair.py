"""Repair: the notebook that is graded, the lesson with a learner's answers put into it.

Nothing of a submission is trusted but the text of its cells. Order, metadata, tags, locked cells
and parameters come from the lesson; the learner's cells are recognised by their ``grade_id``, then
by their cell id, their text, or the function that they define, never by their position.
"""

import ast
import copy
import json
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from itertools import count
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils.grading.judgement import Repair
from course_utils.notebooks import (
    NbgraderSettings,
    get,
    get_text,
    grade_id,
    is_solution,
    marks,
    tags,
)

MAX_BYTES = 20 * 2**20
MAX_CELLS = 2_000
# A megabyte of "[],[],…" becomes 20 MB in memory; no lesson with its outputs comes near this.
_MAX_CONTAINERS = 1_000_000
_MAX_PARSED_CHARACTERS = 100_000

_FLAGS = ("grade", "locked", "solution", "task", "points")
_INJECTED = "injected-parameters"  # papermill's tag for the parameters of an earlier run
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_STUB_LINE = re.compile(r"raise NotImplementedError\b.*")
_NOTEBOOK_NAME = re.compile(r"(?P<stem>.+)\.ipynb(\.txt|\.json)?", re.IGNORECASE | re.DOTALL)
_NO_CELLS = (
    "the file is JSON but no notebook, since it has no list of cells; hand in the notebook as "
    "Jupyter saves it"
)
_CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
_WITHOUT_IDS = "the notebook was saved in an old format, without cell ids"
_COPY_MARK = re.compile(r"([ _-]*copy\d*|[ _-]*\(\d+\)|-\d+)$")


class SubmissionError(Exception):
    """A submission cannot be graded; the message, one line, says why and what to do."""


@dataclass(frozen=True)
class FoundNotebook:
    """A submitted notebook.

    Attributes:
        path: its file.
        repairs: that it has another name than the lesson's, if it has.
    """

    path: Path
    repairs: tuple[Repair, ...]


@dataclass(frozen=True)
class Repaired:
    """A notebook that can be graded.

    Attributes:
        notebook: every cell of the lesson once and in its order, its locked cells with their hidden
            tests, its solution cells with the learner's text; the learner's additional cells behind
            those that they followed. It holds no solution of the instructor's and no outputs.
        repairs: what had to be put right.
    """

    notebook: NotebookNode
    repairs: tuple[Repair, ...]


def is_notebook_name(name: str) -> bool:
    """Whether a file of this name is a notebook, or one that a browser saved as text."""
    return _NOTEBOOK_NAME.fullmatch(name) is not None


def find_notebook(
    folder: Path, expected_name: str, *, siblings: Collection[str] = ()
) -> FoundNotebook:
    """Find a lesson's notebook among the files of a submission.

    A file of another name is taken if it is the only one whose name differs by no more than its
    case or a mark such as ``-Copy1`` or `` (1)``, or if it is the only notebook that is left over
    and this is the only one that is missing.

    Args:
        folder: the submission.
        expected_name: the lesson's file name, such as ``03_training.ipynb``.
        siblings: the file names of the assignment's notebooks, if it has several.

    Raises:
        SubmissionError: there is none, or more than one could be meant.
    """
    expected = folder / expected_name
    if _is_plain_file(expected):
        return FoundNotebook(expected, ())
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        message = f"the folder {folder.name!r} cannot be read: {error.strerror}"
        raise SubmissionError(message) from None
    notebooks = {
        file: _common_stem(match["stem"])
        for file in files
        if not file.name.startswith(".")
        and (match := _NOTEBOOK_NAME.fullmatch(file.name))
        and _is_plain_file(file)
    }
    wanted = _common_stem(Path(expected_name).stem)
    others = {_common_stem(Path(name).stem) for name in siblings} - {wanted}
    similar = [file for file, stem in notebooks.items() if stem == wanted]
    candidates = similar or [file for file, stem in notebooks.items() if stem not in others]
    only_this_is_missing = others <= set(notebooks.values())
    if len(candidates) == 1 and (similar or only_this_is_missing):
        message = f"the file is called {candidates[0].name!r}, not {expected_name!r}"
        return FoundNotebook(candidates[0], (Repair("renamed", "", message),))
    if not candidates:
        raise SubmissionError(f"there is no notebook; hand in {expected_name}")
    names = _enumerate(repr(file.name) for file in candidates)
    if not (similar or only_this_is_missing):
        raise SubmissionError(
            f"several notebooks are missing, and it is not clear which {names} is meant to be; "
            f"hand in one called {expected_name}"
        )
    raise SubmissionError(
        f"several notebooks could be meant ({names}); hand in one, called {expected_name}"
    )


def _is_plain_file(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink()
    except OSError:  # a folder that may not be entered
        return False


def _common_stem(stem: str) -> str:
    """What is left of a name without its case and the marks that copying adds."""
    shorter = stem.casefold().strip()
    while (cut := _COPY_MARK.sub("", shorter)) not in ("", shorter):
        shorter = cut.strip()
    return shorter


def read_submission(path: Path) -> bytes:
    """Read a submitted file, if it is one and not too large.

    Raises:
        SubmissionError: it cannot be read, is a link or no file, or is larger than
            :data:`MAX_BYTES`.
    """
    if not _is_plain_file(path):
        raise SubmissionError(f"{path.name!r} is no file; hand in the notebook itself")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SubmissionError(f"{path.name!r} cannot be read: {error.strerror}") from None
    _check_size(content)
    return content


def repair(
    source: NotebookNode, submitted: bytes, *, settings: NbgraderSettings | None = None
) -> Repaired:
    """Build the notebook to be graded from the lesson and what a learner handed in.

    Of several cells with one ``grade_id`` the one that is neither the unchanged stub nor a copy of
    another is the answer; if there are more, the last that defines the function. A solution that
    is nowhere to be found stays the stub of the student edition.

    Args:
        source: the lesson, with its solutions, hidden tests and nbgrader metadata.
        submitted: the content of the learner's file, which may be anything.
        settings: the course's, of nbgrader's ``ClearSolutions`` and ``ClearHiddenTests``.

    Raises:
        SubmissionError: the learner's file is no notebook.
        RuntimeError: nbgrader's marks in the lesson do not pair up.
    """
    cells, repairs = _read_cells(submitted)
    if not any("id" in cell for cell in source.cells):
        repairs = [one for one in repairs if one.message != _WITHOUT_IDS]
    lesson = _clear_solutions(source, settings or {})
    visible = _remove_hidden_tests(lesson.cells, settings or {})
    matching = _Matching(lesson.cells, cells, repairs, visible)
    matching.match()
    matching.report()
    lesson.cells = _join(matching)
    return Repaired(lesson, tuple(repairs))


def _clear_solutions(source: NotebookNode, settings: NbgraderSettings) -> NotebookNode:
    """The lesson without its solutions and outputs, but with its hidden tests.

    A solution cell that nothing was taken out of becomes an empty stub, whatever the marks are.
    """
    from nbgrader.preprocessors import ClearSolutions
    from traitlets.config import Config

    clear = ClearSolutions(config=Config(settings), enforce_metadata=False)
    lesson, _ = clear.preprocess(copy.deepcopy(source), {"metadata": {}})
    lesson = nbformat.v4.upgrade(lesson)
    for cell, original in zip(lesson.cells, source.cells, strict=True):
        if is_solution(original) and cell.source == original.source:
            is_code = cell.cell_type == "code"
            cell.source = _CODE_STUB if is_code else clear.text_stub
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return lesson


def _remove_hidden_tests(cells: Sequence[NotebookNode], settings: NbgraderSettings) -> list[str]:
    """The text of each of the lesson's cells as the student edition shows it."""
    from nbgrader.preprocessors import ClearHiddenTests
    from traitlets.config import Config

    notebook = nbformat.v4.new_notebook(cells=copy.deepcopy(list(cells)))
    clear = ClearHiddenTests(config=Config(settings), enforce_metadata=False)
    cleared, _ = clear.preprocess(notebook, {})
    return [cell.source.strip() for cell in cleared.cells]


@dataclass(frozen=True)
class _Cell:
    """What is looked at of a submitted cell; empty where it has no such thing, or no sound one."""

    place: int  # from 1
    cell_type: str
    source: str
    id: str
    grade_id: str
    flags: Mapping[str, bool | float]
    tags: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        return _find_definitions(self.source) if self.cell_type == "code" else frozenset()

    @property
    def essence(self) -> str:
        return _find_essence(self.source)


def _read_cells(submitted: bytes) -> tuple[list[_Cell], list[Repair]]:
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
        more_repairs.append(Repair("format", _name_places(damaged), message))
    return cleaned, repairs + more_repairs


def _read_json(submitted: bytes) -> tuple[object, list[Repair]]:
    _check_size(submitted)
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


def _check_size(submitted: bytes) -> None:
    if len(submitted) > MAX_BYTES:
        raise SubmissionError(
            f"the file is larger than {MAX_BYTES // 2**20} MB; clear its outputs, save it and hand "
            "it in again"
        )


def _list_cells(content: object) -> tuple[list[object], list[Repair]]:
    """The cells of a notebook of format 3 or 4, as format 4 has them."""
    match content:
        case {"nbformat": 4, "cells": list(cells), **rest}:
            _check_number(cells)
            minor = rest.get("nbformat_minor")
            if isinstance(minor, int) and minor >= 5:
                return cells, []
            return cells, [Repair("format", "", _WITHOUT_IDS)]
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
            return nbformat.v3.new_heading_cell(source=_read_text(place, text))
        case {"cell_type": "markdown" | "html" | "raw" as kind, "source": text}:
            return nbformat.v3.new_text_cell(kind, source=_read_text(place, text))
    raise SubmissionError(_not_a_cell(place))


def _read_cell(place: int, raw: object) -> _Cell:
    match raw:
        case {"cell_type": "code" | "markdown" | "raw" as kind, "source": text}:
            return _Cell(
                place,
                kind,
                _read_text(place, text),
                get_text(raw, "id"),
                grade_id(raw),
                _read_flags(marks(raw)),
                tags(raw),
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


def _read_flags(nbgrader: object) -> dict[str, bool | float]:
    flags = {name: get(nbgrader, name) for name in _FLAGS}
    return {name: value for name, value in flags.items() if isinstance(value, int | float)}


def _find_definitions(source: str) -> frozenset[str]:
    """Names of the functions and classes that a cell defines; its text may be anything."""
    if len(source) <= _MAX_PARSED_CHARACTERS:
        try:
            with warnings.catch_warnings(action="ignore"):
                body = ast.parse(source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # magics, an unfinished answer, or hostile
        else:
            kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            return frozenset(node.name for node in body if isinstance(node, kinds))
    return frozenset(_DEFINITION.findall(source))


def _find_essence(source: str) -> str:
    """A cell's text without what differs between unchanged copies of one stub."""
    lines = (
        _STUB_LINE.sub("raise NotImplementedError", line.rstrip()) for line in source.split("\n")
    )
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


@dataclass
class _Matching:
    """Which submitted cell stands for which of the lesson's; the indices count from 0."""

    lesson: Sequence[NotebookNode]
    cells: Sequence[_Cell]
    repairs: list[Repair]
    visible: Sequence[str]  # the lesson's texts in the student edition
    pairs: dict[int, int] = field(default_factory=dict)  # lesson -> submitted
    needless: set[int] = field(default_factory=set)  # copies of a cell that is there already
    borrowed: set[int] = field(default_factory=set)  # of the lesson: found by what they define

    def match(self) -> None:
        """Find the cells, by the surest sign first."""
        self._match_grade_ids()
        self._match_unique(
            [cell.id for cell in self.cells], [get_text(c, "id") for c in self.lesson]
        )
        self._match_unique([cell.source.strip() for cell in self.cells], self.visible)
        self._match_definitions()

    def _match_grade_ids(self) -> None:
        copies: dict[str, list[int]] = {}
        for index, cell in enumerate(self.cells):
            if cell.grade_id:
                copies.setdefault(cell.grade_id, []).append(index)
        for place, cell in enumerate(self.lesson):
            if found := copies.get(grade_id(cell)):
                self.pairs[place] = chosen = self._choose(place, found)
                if len(found) > 1:
                    self._report_copies(grade_id(cell), found, chosen)

    def _choose(self, place: int, copies: Sequence[int]) -> int:
        """Choose the cell that counts among those of one ``grade_id``; note which are needless."""
        essence = _find_essence(self.visible[place])
        worked_on = [index for index in copies if self.cells[index].essence != essence]
        if is_solution(self.lesson[place]):
            names = _find_definitions(self.visible[place])
            answers = [index for index in worked_on if names <= self.cells[index].names]
            chosen = (answers or worked_on or copies)[-1]
        else:
            chosen = next((index for index in copies if index not in worked_on), copies[0])
        known = {essence, self.cells[chosen].essence}
        self.needless |= {i for i in copies if i != chosen and self.cells[i].essence in known}
        return chosen

    def _report_copies(self, grade_id: str, copies: Sequence[int], chosen: int) -> None:
        places = _name_places(self.cells[index].place for index in copies)
        message = f"{places} are copies of one cell; cell {self.cells[chosen].place} counts"
        self.repairs.append(Repair("duplicated", grade_id, message))

    def _match_unique(self, found: Sequence[str], wanted: Sequence[str]) -> None:
        """Match what has no partner yet by a text that both have; the first of equals counts."""
        taken = {*self.pairs.values(), *self.needless}
        free: dict[str, list[int]] = {}
        for index in reversed(range(len(found))):
            if index not in taken:
                free.setdefault(found[index], []).append(index)
        for place, text in enumerate(wanted):
            if place not in self.pairs and text and free.get(text):
                self.pairs[place] = free[text].pop()

    def _match_definitions(self) -> None:
        """Take for a missing solution the only cell that defines its function."""
        missing = [
            place
            for place, cell in enumerate(self.lesson)
            if place not in self.pairs and is_solution(cell)
        ]
        names = [cell.names for cell in self.cells] if missing else []
        for place in missing:
            wanted = _find_definitions(self.visible[place])
            stub = _find_essence(self.visible[place])
            answers = {
                cell.essence: index
                for index, cell in enumerate(self.cells)
                if wanted and wanted <= names[index] and cell.essence != stub
            }
            if len(answers) == 1:
                self.pairs[place] = next(iter(answers.values()))
                self.borrowed.add(place)

    def report(self) -> None:
        """Report what is not as the lesson has it."""
        for place, cell in enumerate(self.lesson):
            if place in self.pairs:
                self._report_differences(place, self.cells[self.pairs[place]])
            elif grade_id(cell):
                self.repairs.append(Repair("missing", grade_id(cell), _explain_missing(cell)))
        lost = [p + 1 for p, c in enumerate(self.lesson) if p not in self.pairs and not grade_id(c)]
        if lost:
            message = (
                "these cells of the lesson are missing or cannot be recognised; its own are used"
            )
            self.repairs.append(Repair("missing", f"{_name_places(lost)} of the lesson", message))
        self._report_moved()
        self._report_extra()

    def _report_differences(self, place: int, cell: _Cell) -> None:
        original = self.lesson[place]
        label = grade_id(original) or f"cell {cell.place}"
        if grade_id(original) and cell.grade_id != grade_id(original):
            sign = "what it defines" if place in self.borrowed else "its id or its text"
            message = f"cell {cell.place} has lost its name; it was recognised by {sign}"
            self.repairs.append(Repair("metadata", label, message))
        elif _flags(original) != _flags_or_default(cell.flags):
            message = "its points or its marks for grading were changed; the lesson's count"
            self.repairs.append(Repair("retagged", label, message))
        if place in self.borrowed:
            return
        if cell.cell_type != original.cell_type:
            message = (
                f"it was turned into a {cell.cell_type} cell; it is {original.cell_type} again"
            )
            self.repairs.append(Repair("retagged", label, message))
        if cell.tags != tags(original):
            message = "its tags were changed; the lesson's count"
            self.repairs.append(Repair("retagged", label, message))
        if _is_fixed(original) and cell.source.strip() not in (
            self.visible[place],
            original.source.strip(),
        ):
            message = "it was edited; the lesson's own text is used"
            self.repairs.append(Repair("changed", label, message))

    def _report_moved(self) -> None:
        order = [
            index
            for place, index in sorted(self.pairs.items())
            if place not in self.borrowed and self.lesson[place].cell_type == "code"
        ]
        blocks = SequenceMatcher(None, sorted(order), order, autojunk=False).get_matching_blocks()
        in_order = {order[block.b + step] for block in blocks for step in range(block.size)}
        labels = {index: grade_id(self.lesson[place]) for place, index in self.pairs.items()}
        for index in order:
            if index not in in_order:
                place = f"cell {self.cells[index].place}"
                message = f"{place} was moved; it is back in the lesson's order"
                self.repairs.append(Repair("moved", labels[index] or place, message))

    def _report_extra(self) -> None:
        used = {*self.pairs.values(), *self.needless}
        extra = [c for i, c in enumerate(self.cells) if i not in used and c.source.strip()]
        kept = [cell for cell in extra if _is_kept(cell)]
        for kind, fate in (
            ("code", "run where they are and earn no points"),
            ("markdown", "stay where they are"),
        ):
            if places := [cell.place for cell in kept if cell.cell_type == kind]:
                message = f"not in the lesson; such cells {fate}"
                self.repairs.append(Repair("extra", _name_places(places), message))
        if places := [cell.place for cell in extra if not _is_kept(cell)]:
            message = "neither in the lesson nor code or text of the learner's; left out"
            self.repairs.append(Repair("extra", _name_places(places), message))

    def list_extra(self) -> dict[int, list[_Cell]]:
        """The learner's additional cells by the index of the lesson's cell they follow, or -1."""
        places = {index: place for place, index in self.pairs.items() if place not in self.borrowed}
        used = {*self.pairs.values(), *self.needless}
        extra: dict[int, list[_Cell]] = {}
        anchor = -1
        for index, cell in enumerate(self.cells):
            anchor = places.get(index, anchor)
            if index not in used and cell.source.strip() and _is_kept(cell):
                extra.setdefault(anchor, []).append(cell)
        return extra


def _join(matching: _Matching) -> list[NotebookNode]:
    """The cells to be graded: the lesson's with the learner's texts, and the learner's own."""
    taken_ids = {cell.id for cell in matching.lesson}
    new_ids = (name for number in count(1) if (name := f"extra-{number}") not in taken_ids)
    extra = matching.list_extra()

    def make(cell: _Cell) -> NotebookNode:
        new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
        return new[cell.cell_type](cell.source, id=next(new_ids))

    joined = [make(cell) for cell in extra.get(-1, [])]
    for place, cell in enumerate(matching.lesson):
        if place in matching.pairs:
            submitted = matching.cells[matching.pairs[place]]
            is_same_kind = submitted.cell_type == cell.cell_type == "code"
            if is_solution(cell) or (is_same_kind and not _is_fixed(cell)):
                cell.source = submitted.source
        joined += [cell, *(make(added) for added in extra.get(place, []))]
    return joined


def _flags(cell: NotebookNode) -> dict[str, bool | float]:
    return _flags_or_default(_read_flags(marks(cell)))


def _flags_or_default(flags: Mapping[str, bool | float]) -> dict[str, bool | float]:
    return {name: flags.get(name, False) for name in _FLAGS}


def _is_fixed(cell: NotebookNode) -> bool:
    """Whether the learner was not to change the cell: a check, or the parameters."""
    is_graded = bool(grade_id(cell)) and not is_solution(cell)
    return is_graded or "parameters" in tags(cell)


def _is_kept(cell: _Cell) -> bool:
    return cell.cell_type in ("code", "markdown") and _INJECTED not in cell.tags


def _explain_missing(cell: NotebookNode) -> str:
    if is_solution(cell):
        return "no cell, or more than one, could be the answer; it counts as not done"
    return "it was deleted; the lesson's own is used"


def _name_places(places: Iterable[int]) -> str:
    numbers = list(places)
    return f"cell{'s' * (len(numbers) > 1)} {_enumerate(map(str, numbers))}"


def _enumerate(texts: Iterable[str]) -> str:
    listed = list(texts)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more
