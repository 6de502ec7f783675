"""A batch as it is seen in a terminal."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from course_utils.formats import format_memory, format_points, format_seconds
from course_utils.grading.batch.grade import (
    Event,
    Planned,
    Ready,
    SubmissionFinished,
    SubmissionPostponed,
    SubmissionStarted,
)
from course_utils.grading.judgement import Judgement


class BatchProgress:
    """Shows how far a batch is: a bar with the time left, and a line for each submission."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: list[str] = []
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("looking for submissions", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Show what has happened in a batch."""
        match event:
            case Planned(learners=learners):
                self._progress.update(self._task, total=len(learners))
                self._describe("the instructor's notebook" if learners else "nothing to grade")
            case Ready(num_workers=num_workers):
                self._describe(f"{num_workers} at a time")
            case SubmissionStarted(learner=learner):
                self._running.append(learner)
                self._describe(", ".join(self._running))
            case SubmissionPostponed(learner=learner):
                self._running.remove(learner)
                self._describe(", ".join(self._running))
                self._print(f"{learner}: out of time on a busy computer; will be run again, alone")
            case SubmissionFinished(learner=learner, judgements=judgements, error=error):
                self._running = [one for one in self._running if one != learner]
                self._describe(", ".join(self._running))
                self._progress.advance(self._task)
                for judgement in judgements:
                    self._print(_line(judgement))
                if error:
                    self._print(f"{learner}: {error}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)

    def _describe(self, text: str) -> None:
        self._progress.update(self._task, description=text)


def _line(judgement: Judgement) -> str:
    points = f"{format_points(judgement.score)} of {format_points(judgement.max_score)} points"
    took = f"{format_seconds(judgement.seconds)}, {format_memory(judgement.peak_memory)}"
    return "; ".join([f"{_name(judgement)}: {points} ({took})", *_remarks(judgement)])


def _name(judgement: Judgement) -> str:
    """Whose notebook it is, and which where an assignment has several."""
    other = judgement.notebook != judgement.assignment
    return f"{judgement.learner}, {judgement.notebook}" if other else judgement.learner


def _remarks(judgement: Judgement) -> list[str]:
    """What is worth knowing beside the score."""
    remarks = [] if judgement.ending.kind == "finished" else [judgement.ending.message]
    num = len(judgement.repairs)
    return remarks + ([f"{num} repair{'s' if num > 1 else ''}"] if num else [])


def judgements_table(judgements: Sequence[Judgement]) -> Table:
    """Show submissions with their scores, in the order of the learners."""
    table = Table(
        "learner",
        Column("score", justify="right"),
        Column("of", justify="right"),
        "time",
        "peak memory",
        Column("remarks", overflow="fold"),
    )
    for one in sorted(judgements, key=lambda judgement: (judgement.learner, judgement.notebook)):
        table.add_row(
            Text(_name(one)),
            format_points(one.score),
            format_points(one.max_score),
            format_seconds(one.seconds),
            format_memory(one.peak_memory),
            Text("; ".join(_remarks(one))),
        )
    return table
