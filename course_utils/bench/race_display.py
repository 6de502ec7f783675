"""The race of the recipes as it is seen in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from course_utils.bench.race import Race, Step, Watcher
from course_utils.bench.race_report import notes, table


@contextmanager
def progress(console: Console) -> Iterator[Watcher]:
    """Show what is running and how much is left; away from a terminal, a line for each training."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    # Refreshed seldom, since it shares the cores with what is measured.
    options: dict[str, Any] = {"refresh_per_second": 1, "disable": not console.is_terminal}
    with Progress(*columns, console=console, **options) as bar:
        task = bar.add_task("getting ready", total=None, left="")

        def watch(step: Step) -> None:
            bar.update(
                task,
                description=step.name,
                completed=step.number - 1,
                total=step.total,
                left=step.left,
            )
            if not console.is_terminal:
                console.print(
                    f"{step.number} of {step.total}: {step.name}; {step.left}",
                    soft_wrap=True,
                    highlight=False,
                )

        yield watch


def show(race: Race, console: Console) -> None:
    """Print a race's table and notes."""
    cells = table(race)
    shown = Table("", *(Column(name, justify="right") for name in cells.columns))
    for name, row in cells.iterrows():
        shown.add_row(str(name), *row)
    console.print(shown)
    for line in notes(race):
        console.print(line, highlight=False, markup=False)
