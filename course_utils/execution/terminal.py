"""A run as it is seen in a terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from course_utils.execution.lessons import Value
from course_utils.execution.records import Record
from course_utils.execution.report import format_memory, format_seconds, results_csv
from course_utils.execution.runs import LessonRun, run_lesson
from course_utils.execution.worker import Started


def run_with_progress(
    lessons: Mapping[Path, Mapping[str, Value]],
    *,
    output: Path,
    console: Console,
    kernel: str = "python3",
    timeout: float | None = None,
) -> Iterator[LessonRun]:
    """Run lessons one after the other and show how far they are.

    Args:
        lessons: the notebooks in their order, with their parameters.
        output: the folder for the executed notebooks.
        console: where to show the progress; away from a terminal, one line for each lesson.
        kernel: name of the Jupyter kernel.
        timeout: seconds that one cell may take; None for no limit.

    Yields:
        What came of each lesson, when it has ended.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("cell"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for lesson, parameters in lessons.items():
            task = progress.add_task(lesson.stem, total=None)
            run = run_lesson(
                lesson,
                dict(parameters),
                output=output,
                kernel=kernel,
                timeout=timeout,
                on_cell=partial(_show_cell, progress, task),
            )
            if not run.failure:
                progress.update(task, completed=progress.tasks[task].total)
            progress.stop_task(task)
            if not console.is_terminal:
                console.print(f"{run.lesson}: {run.status}, {format_seconds(run.seconds)}")
            yield run


def _show_cell(progress: Progress, task: TaskID, cell: Started) -> None:
    progress.update(task, completed=cell.index, total=cell.num_cells)


def runs_table(runs: Sequence[LessonRun]) -> Table:
    """Show lessons with their status, time and peak memory."""
    table = Table("lesson", "status", "time", "peak memory")
    for run in runs:
        status = Text(run.status, style="bold red" if run.failure else "green")
        table.add_row(
            run.lesson, status, format_seconds(run.seconds), format_memory(run.peak_memory)
        )
    return table


def format_results(results: Sequence[tuple[str, Record]], *, style: str) -> Table | str:
    """Show the results of a run.

    Args:
        results: the name of the lesson and the record, for each record.
        style: ``table``, ``csv`` or ``json``.
    """
    if style == "csv":
        return results_csv(results).rstrip("\n")
    if style == "json":
        rows = [
            {"lesson": lesson, "name": record.name, **record.numbers(), "text": record.text}
            for lesson, record in results
        ]
        return json.dumps(rows, indent=2, ensure_ascii=False)
    table = Table("lesson", Column("result", overflow="fold"), Column("value", overflow="fold"))
    for lesson, record in results:
        table.add_row(lesson, record.name, Text(record.text))
    return table
