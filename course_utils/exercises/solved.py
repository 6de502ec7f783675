"""Which exercises a learner has solved, in a small file beside their lessons.

The file holds the numbers of exercises and nothing about the person. It is made with the learner's
folder (see ``working_copy``); where there is none, as in the course's own lessons, nothing is kept.
A link of its name, which the course doesn't make, is neither followed nor replaced.
"""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from course_utils.files import write_text

FILE_NAME = "solved.json"


class _Solved(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    solved: list[str] = []


class SolvedError(ValueError):
    """The file with the solved exercises can't be used; the message says why and what to do."""


def begin(folder: Path) -> None:
    """Make the file of a learner who has solved nothing yet; one that is there stays as it is."""
    path = folder / FILE_NAME
    if not os.path.lexists(path):
        _write(path, [])


def read_solved(folder: Path, *, known: Collection[str]) -> list[str] | None:
    """Read which exercises have been solved, in the order of ``known``.

    Args:
        folder: the learner's.
        known: the numbers of all exercises; others are left out.

    Returns:
        None where nothing is kept.

    Raises:
        SolvedError: the file holds something else, can't be read, or is a link.
    """
    path = folder / FILE_NAME
    if path.is_symlink():
        raise SolvedError(
            f"{path} is a link, and the course keeps what you solve in a file; move the link "
            "away and open the lessons with `course lab`"
        )
    try:
        found = _Solved.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SolvedError(f"{path} can't be read: {error.strerror}") from None
    except ValidationError:
        raise SolvedError(
            f"{path} doesn't hold the numbers of solved exercises any more; delete it, open the "
            "lessons with `course lab`, and run the check cells again"
        ) from None
    return [exercise for exercise in known if exercise in found.solved]


def remember(exercise: str, folder: Path, *, known: Collection[str]) -> list[str] | None:
    """Add an exercise to those that have been solved.

    Returns:
        All that have been; None where nothing is kept.

    Raises:
        SolvedError: the file can't be read or written; it stays as it is.
    """
    solved = read_solved(folder, known=known)
    if solved is None or exercise in solved:
        return solved
    solved = [one for one in known if one in {*solved, exercise}]
    try:
        _write(folder / FILE_NAME, solved)
    except OSError as error:
        raise SolvedError(f"{folder / FILE_NAME} can't be written: {error.strerror}") from None
    return solved


@dataclass(frozen=True)
class LessonProgress:
    """How far a learner is with a lesson.

    Attributes:
        lesson: its number.
        total: how many exercises it has.
        left: those that are not solved.
    """

    lesson: str
    total: int
    left: tuple[str, ...]

    @property
    def num_solved(self) -> int:
        """How many exercises are solved."""
        return self.total - len(self.left)


def by_lesson(solved: Collection[str], *, known: Iterable[str]) -> list[LessonProgress]:
    """Find out how far a learner is, lesson by lesson."""
    lessons = defaultdict(list)
    for exercise in known:
        lessons[exercise.partition(".")[0]].append(exercise)
    return [
        LessonProgress(lesson, len(exercises), tuple(one for one in exercises if one not in solved))
        for lesson, exercises in lessons.items()
    ]


def describe(solved: Collection[str], *, known: Collection[str]) -> str:
    """Say how far a learner is, a line for each lesson."""
    lines = [f"{len(solved)} of {len(known)} exercises solved"]
    for one in by_lesson(solved, known=known):
        rest = f"; left: {', '.join(one.left)}" if one.left and one.num_solved else ""
        lines.append(f"  lesson {one.lesson}: {one.num_solved} of {one.total}{rest}")
    return "\n".join(lines)


def _write(path: Path, solved: list[str]) -> None:
    write_text(path, _Solved(solved=solved).model_dump_json(indent=1) + "\n")
