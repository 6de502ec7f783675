"""Repair: the notebook that is graded, the lesson with a learner's answers put into it.

Nothing of a submission is trusted but the text of its cells and the pictures pasted into it. Order,
metadata, tags, locked cells and parameters come from the lesson; the learner's cells are recognised
by their ``grade_id``, then by their cell id, their text, or the function that they define, never by
their position.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import nbformat
from nbformat import NotebookNode

from course_utils.grading.intake.cells import WITHOUT_IDS, Cell, read_cells
from course_utils.grading.intake.matching import Matching, is_fixed
from course_utils.grading.judgement import Repair
from course_utils.notebooks import NbgraderSettings, is_solution

_CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"


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
    cells, repairs = read_cells(submitted)
    if not any("id" in cell for cell in source.cells):
        repairs = [one for one in repairs if one.message != WITHOUT_IDS]
    lesson = _clear_solutions(source, settings or {})
    visible = _remove_hidden_tests(lesson.cells, settings or {})
    matching = Matching(lesson.cells, cells, repairs, visible)
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


def _join(matching: Matching) -> list[NotebookNode]:
    """The cells to be graded: the lesson's with the learner's texts, and the learner's own."""
    taken_ids = {cell.id for cell in matching.lesson}
    new_ids = (name for number in count(1) if (name := f"extra-{number}") not in taken_ids)
    extra = matching.list_extra()

    def make(cell: Cell) -> NotebookNode:
        new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
        added = new[cell.cell_type](cell.source, id=next(new_ids))
        _add_pictures(added, cell)
        return added

    joined = [make(cell) for cell in extra.get(-1, [])]
    for place, cell in enumerate(matching.lesson):
        if place in matching.pairs:
            submitted = matching.cells[matching.pairs[place]]
            is_same_kind = submitted.cell_type == cell.cell_type == "code"
            if is_solution(cell) or (is_same_kind and not is_fixed(cell)):
                cell.source = submitted.source
                _add_pictures(cell, submitted)
        joined += [cell, *(make(added) for added in extra.get(place, []))]
    return joined


def _add_pictures(cell: NotebookNode, submitted: Cell) -> None:
    """Put what was pasted into an answer beside what the lesson's own text shows."""
    if cell.cell_type == "markdown" and submitted.pictures:
        pictures = cell.get("attachments", {}) | submitted.pictures
        cell.attachments = nbformat.from_dict(pictures)
