"""Which submitted cell stands for which of the lesson's, and what is not as the lesson has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from nbformat import NotebookNode

from course_utils.grading.intake.cells import (
    FLAGS,
    Cell,
    find_definitions,
    find_essence,
    name_places,
    read_flags,
)
from course_utils.grading.judgement import Repair
from course_utils.notebooks import get_text, grade_id, is_solution, marks, tags

_INJECTED = "injected-parameters"  # papermill's tag for the parameters of an earlier run


@dataclass
class Matching:
    """Which submitted cell stands for which of the lesson's; the indices count from 0."""

    lesson: Sequence[NotebookNode]
    cells: Sequence[Cell]
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
        essence = find_essence(self.visible[place])
        worked_on = [index for index in copies if self.cells[index].essence != essence]
        if is_solution(self.lesson[place]):
            names = find_definitions(self.visible[place])
            answers = [index for index in worked_on if names <= self.cells[index].names]
            chosen = (answers or worked_on or copies)[-1]
        else:
            chosen = next((index for index in copies if index not in worked_on), copies[0])
        known = {essence, self.cells[chosen].essence}
        self.needless |= {i for i in copies if i != chosen and self.cells[i].essence in known}
        return chosen

    def _report_copies(self, grade_id: str, copies: Sequence[int], chosen: int) -> None:
        places = name_places(self.cells[index].place for index in copies)
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
            wanted = find_definitions(self.visible[place])
            stub = find_essence(self.visible[place])
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
            self.repairs.append(Repair("missing", f"{name_places(lost)} of the lesson", message))
        self._report_moved()
        self._report_extra()

    def _report_differences(self, place: int, cell: Cell) -> None:
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
        if is_fixed(original) and cell.source.strip() not in (
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
                self.repairs.append(Repair("extra", name_places(places), message))
        if places := [cell.place for cell in extra if not _is_kept(cell)]:
            message = "neither in the lesson nor code or text of the learner's; left out"
            self.repairs.append(Repair("extra", name_places(places), message))

    def list_extra(self) -> dict[int, list[Cell]]:
        """The learner's additional cells by the index of the lesson's cell they follow, or -1."""
        places = {index: place for place, index in self.pairs.items() if place not in self.borrowed}
        used = {*self.pairs.values(), *self.needless}
        extra: dict[int, list[Cell]] = {}
        anchor = -1
        for index, cell in enumerate(self.cells):
            anchor = places.get(index, anchor)
            if index not in used and cell.source.strip() and _is_kept(cell):
                extra.setdefault(anchor, []).append(cell)
        return extra


def _flags(cell: NotebookNode) -> dict[str, bool | float]:
    return _flags_or_default(read_flags(marks(cell)))


def _flags_or_default(flags: Mapping[str, bool | float]) -> dict[str, bool | float]:
    return {name: flags.get(name, False) for name in FLAGS}


def is_fixed(cell: NotebookNode) -> bool:
    """Whether the learner was not to change the cell: a check, or the parameters."""
    is_graded = bool(grade_id(cell)) and not is_solution(cell)
    return is_graded or "parameters" in tags(cell)


def _is_kept(cell: Cell) -> bool:
    return cell.cell_type in ("code", "markdown") and _INJECTED not in cell.tags


def _explain_missing(cell: NotebookNode) -> str:
    if is_solution(cell):
        return "no cell, or more than one, could be the answer; it counts as not done"
    return "it was deleted; the lesson's own is used"
