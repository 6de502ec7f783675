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
from course_utils.execution.results import Result, results_csv
from course_utils.execution.runs import LessonRun, Summary, run_lesson
from course_utils.execution.worker import Started
from course_utils.formats import format_memory, format_seconds


def run_with_progress(
    lessons: Mapping[Path, Mapping[str, Value]],
    *,
    console: Console,
    kernel: str = "python3",
    timeout: float | None = None,
) -> Iterator[tuple[Path, LessonRun]]:
    """Run lessons one after the other and show how far they are.

    Args:
        lessons: the notebooks in their order, with their parameters.
        console: where to show the progress; away from a terminal, one line for each lesson.
        kernel: name of the Jupyter kernel.
        timeout: seconds that one cell may take; None for no limit.

    Yields:
        Each lesson and what came of it, when it has ended.
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
                parameters,
                kernel=kernel,
                timeout=timeout,
                on_cell=partial(_show_cell, progress, task),
            )
            if not run.failure:
                progress.update(task, completed=progress.tasks[task].total)
            progress.stop_task(task)
            if not console.is_terminal:
                console.print(f"{run.lesson}: {run.status}, {format_seconds(run.seconds)}")
            yield lesson, run


def _show_cell(progress: Progress, task: TaskID, cell: Started) -> None:
    progress.update(task, completed=cell.index, total=cell.num_cells)


def lessons_table(lessons: Sequence[Summary]) -> Table:
    """Show the lessons of a run: how they ended, how long they took, when, with which settings."""
    table = Table("lesson", "status", "time", "peak memory", "finished", "parameters set")
    for one in lessons:
        table.add_row(
            one.lesson,
            Text(one.status, style="green" if one.status == "ok" else "bold red"),
            format_seconds(one.seconds),
            format_memory(one.peak_memory),
            one.when,
            Text(one.settings),
        )
    return table


def format_results(results: Sequence[Result], *, style: str) -> Table | str:
    """Show the results of a run.

    Args:
        results: as ``results.csv`` has them.
        style: ``table``, ``csv`` or ``json``.
    """
    if style == "csv":
        return results_csv(results).rstrip("\n")
    if style == "json":
        rows = [
            {
                "lesson": one.lesson,
                "name": one.record.name,
                **one.record.numbers(),
                "text": one.record.text,
                "parameters": json.loads(one.parameters or "null"),
                "finished": one.finished,
                "version": one.version,
            }
            for one in results
        ]
        return json.dumps(rows, indent=2, ensure_ascii=False)
    table = Table("lesson", Column("result", overflow="fold"), Column("value", overflow="fold"))
    for one in results:
        table.add_row(one.lesson, one.record.name, Text(one.record.text))
    return table
