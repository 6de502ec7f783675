"""The ``course`` command. Each subcommand parses its options and leaves the work to a module."""

import os
import signal
import sys
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Column, Table
from rich.text import Text
from typer.core import TyperCommand

from course_utils.bench.commands import app as bench_app
from course_utils.console import PLAIN, CommandGroup, console, error_console, examples
from course_utils.grading.commands import add_commands, find_sandbox_check


class _RunCommand(TyperCommand):
    """Takes two words for each ``-p``, as papermill does; Typer knows no repeated pairs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = iter(args)
        joined = []
        for word in words:
            joined.append(word)
            if word in ("-p", "--parameter"):
                joined.append("=".join(islice(words, 2)))
        return super().parse_args(ctx, joined)


def _split_pair(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise typer.BadParameter("-p takes two words, the parameter's name and its value")
    return name, value


app = typer.Typer(
    cls=CommandGroup,
    name="course",
    help="Pixels and People: a course in image classification and in what it does to people.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    csv = "csv"
    json = "json"


@app.command(epilog=examples("course check"))
def check() -> None:
    """Report whether this computer has what the course needs, and what to do if not."""
    from course_utils import environment

    findings: list[environment.Finding] = []
    with console.status("Looking around …"):
        findings.extend(environment.inspect(no_sandbox=find_sandbox_check()))
    table = Table("", "status", "found", "what to do")
    for one in findings:
        style = {"OK": "green", "note": "yellow", "missing": "bold red"}[one.status]
        table.add_row(one.subject, Text(one.status, style), Text(one.found), Text(one.advice))
    console.print(table)
    if any(one.status == "missing" for one in findings):
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "course lab",
        "course lab --folder ~/pixels -- --no-browser --port 9000",
    )
)
def lab(
    jupyter_options: Annotated[
        list[str] | None, typer.Argument(help="Options for JupyterLab, after [b]--[/].")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Your own folder of lessons.")] = Path("my-lessons"),
    prepare_only: Annotated[
        bool, typer.Option("--prepare-only", help="Make the folder, start nothing.")
    ] = False,
) -> None:
    """Open your own copies of the lessons in JupyterLab; what you wrote is never overwritten."""
    from course_utils.execution.lessons import course_folder, find_lessons
    from course_utils.exercises.working_copy import prepare

    lessons = find_lessons()
    essays = course_folder() / "essays"
    copy = prepare(
        lessons,
        folder,
        texts=[path for path in essays.glob("*.md") if path.stem in ("template", "rubric")],
    )
    for name in copy.added:
        console.print(f"{folder / name}: new", **PLAIN)
    for name in copy.kept:
        console.print(f"{folder / name}: yours, left as it is", **PLAIN)
    if prepare_only:
        return
    first = quote(copy.lessons[0])
    command = [
        *(sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.resolve()}"),
        *(f"--LabApp.default_url=/lab/tree/{first}", *(jupyter_options or [])),
    ]
    sys.stdout.flush()
    # JupyterLab takes this process's place, so Ctrl-C reaches it and nothing else.
    os.execv(sys.executable, command)  # noqa: S606


@app.command(epilog=examples("course progress", "course progress --folder ~/pixels"))
def progress(
    folder: Annotated[Path, typer.Option(help="Your own folder of lessons.")] = Path("my-lessons"),
) -> None:
    """Show which exercises you have solved."""
    from course_utils.exercises import CHECKS
    from course_utils.exercises.solved import SolvedError, by_lesson, read_solved

    solved = read_solved(folder, known=CHECKS)
    if solved is None:
        raise SolvedError(
            f"{folder} is no learner's folder; `course lab` makes one, and --folder names yours"
        )
    table = Table(
        "lesson", Column("solved", justify="right"), Column("of", justify="right"), "left"
    )
    for one in by_lesson(solved, known=CHECKS):
        table.add_row(one.lesson, str(one.num_solved), str(one.total), ", ".join(one.left))
    console.print(table)
    console.print(f"{len(solved)} of {len(CHECKS)} exercises solved", **PLAIN)


@app.command(epilog=examples("course download", "course download cifar10"))
def download(
    dataset: Annotated[str, typer.Argument(help="Name of the data set.")] = "cifar10",
) -> None:
    """Fetch a data set now, so that lessons can use it off-line."""
    from course_utils import datasets

    if dataset not in datasets.NAMES:
        names = " and ".join(datasets.NAMES)
        raise datasets.DatasetError(f"there is no data set {dataset!r}: known are {names}")
    if dataset == "pixels10":
        console.print("pixels10 is drawn by the course itself: there is nothing to fetch.")
        return
    from course_utils.datasets import cifar10

    console.print(f"{dataset} is there: {cifar10.download()}")


@app.command(
    cls=_RunCommand,
    epilog=examples(
        "course run",
        "course run 03 -p epochs 20 -p seed 7",
        "course run --dataset cifar10 -p num_train 10000 --output runs/photographs",
    ),
)
def run(  # noqa: PLR0917, a command's options
    lessons: Annotated[
        list[str] | None, typer.Argument(help="Lessons, such as [b]03[/]; all by default.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A data set's name, or the path to a folder, zip or tar.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--parameter",
            metavar="NAME VALUE",
            help="Set a parameter in the lessons that know it; repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the results: a new or empty one, or that of an earlier run, which is "
            "added to. runs/<time> by default."
        ),
    ] = None,
    kernel: Annotated[str, typer.Option(help="Name of the Jupyter kernel.")] = "python3",
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds that one cell may take.")
    ] = None,
) -> None:
    """Run lessons without a browser and collect their results."""
    from course_utils.execution.lessons import assign_parameters, find_lessons, select
    from course_utils.execution.results import read_results
    from course_utils.execution.run_display import format_results, lessons_table, run_with_progress
    from course_utils.execution.run_folder import add, open_run, read_summaries

    given = [_split_pair(pair) for pair in parameters or []]
    if dataset is not None:
        given = [("dataset", dataset), *given]
    assigned = assign_parameters(select(find_lessons(), lessons or []), given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    done = []
    stopped = False
    with open_run(output, assigned) as folder:
        try:
            for lesson, one in run_with_progress(
                assigned, console=console, kernel=kernel, timeout=timeout
            ):
                done.append((one, add(one, lesson, folder)))
        except KeyboardInterrupt:
            stopped = True
        if done:
            console.print(format_results(read_results(folder), style=Format.table))
            console.print(lessons_table(read_summaries(folder)))
            console.print(f"Results: {folder / 'index.html'}", **PLAIN)
    for one, is_new in done:
        if one.failure:
            earlier = "" if is_new else "; its earlier results are still there"
            error_console.print(f"{one.lesson} failed {one.failure}{earlier}", **PLAIN)
    if stopped:
        error_console.print(f"Stopped: {len(done)} of {len(assigned)} lessons had finished.")
        raise typer.Exit(130)
    if any(one.failure for one, _ in done):
        raise typer.Exit(1)


@app.command(hidden=True, epilog=examples("course notebooks", "course notebooks 02"))
def notebooks(
    lessons: Annotated[list[str] | None, typer.Argument(help="Lessons; all by default.")] = None,
) -> None:
    """Run lessons with their defaults and store the outputs in them (for maintainers)."""
    from course_utils.execution.lessons import find_lessons, select
    from course_utils.execution.run_display import run_with_progress
    from course_utils.execution.store import store_outputs

    chosen = select(find_lessons(), lessons or [])
    failed = False
    for lesson, one in run_with_progress({lesson: {} for lesson in chosen}, console=console):
        if one.failure or one.executed is None:
            failed = True
            error_console.print(f"{lesson}: left as it was; it failed {one.failure}", **PLAIN)
        else:
            store_outputs(lesson, one.executed)
    if failed:
        raise typer.Exit(1)


@app.command(
    epilog=examples("course results", "course results runs/photographs --format csv > table.csv")
)
def results(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of a run; the latest in runs/ by default.")
    ] = None,
    style: Annotated[Format, typer.Option("--format", help="How to print them.")] = Format.table,
) -> None:
    """Print the results of a run, and how its lessons were run."""
    from course_utils.execution.results import read_results
    from course_utils.execution.run_display import format_results, lessons_table
    from course_utils.execution.run_folder import latest_run, read_summaries

    folder = folder or latest_run()
    shown = format_results(read_results(folder), style=style)
    lessons = read_summaries(folder)
    if isinstance(shown, str):
        print(shown)
    else:
        console.print(shown)
        console.print(lessons_table(lessons))
    for one in lessons:
        if one.failure:
            error_console.print(f"{one.lesson} failed {one.failure}", **PLAIN)


@app.command(epilog=examples("course claims", "course claims --run runs/photographs"))
def claims(
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of a run; by default the results stored in the lessons count."),
    ] = None,
) -> None:
    """Check what the essays claim against their evidence."""
    from course_utils.claims import Outcome
    from course_utils.claims import check as check_claims
    from course_utils.execution.lessons import course_folder
    from course_utils.execution.run_folder import read_summaries

    verdicts = check_claims(course_folder(), run=run)
    styles = {Outcome.holds: "green", Outcome.fails: "bold red", Outcome.not_run: "bold yellow"}
    table = Table(Column("subject", overflow="fold"), "verdict", "reason")
    for verdict in verdicts:
        word = Text(verdict.outcome, styles[verdict.outcome])
        table.add_row(Text(verdict.subject), word, Text(verdict.reason))
    console.print(table)
    hold, fail, missing = (sum(one.outcome == each for one in verdicts) for each in Outcome)
    for one in read_summaries(run) if run else []:
        if one.settings:
            console.print(f"{one.lesson} was run with {one.settings}.", **PLAIN)
        if one.failure:
            error_console.print(f"{one.lesson} failed {one.failure}", **PLAIN)
    console.print(f"{hold} hold, {fail} fail.")
    if missing:
        error_console.print(
            f"{missing} not checked: their lessons are not in this run.", style="bold yellow"
        )
    if fail:
        raise typer.Exit(1)


app.add_typer(bench_app)
add_commands(app)
