"""The ``course`` command. Each subcommand parses its options and leaves the work to a module."""

import errno
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
from typer.core import TyperCommand, TyperGroup

from course_utils.console import PLAIN, console, error_console, examples, print_anything
from course_utils.grading.commands import add_commands


class _Group(TyperGroup):
    """Shows errors of the package, which are written for its user, and of files as one line."""

    def main(self, *args: Any, **options: Any) -> Any:
        print_anything()
        return super().main(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # of `course … | head`
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            error_console.print(f"Error: {place}{_explain(error)}", **PLAIN)
            raise typer.Exit(2) from None
        except Exception as error:
            if not type(error).__module__.startswith("course_utils."):
                raise
            error_console.print(f"Error: {error}", **PLAIN)
            raise typer.Exit(2) from None


def _explain(error: OSError) -> str:
    advice = {
        errno.ENOSPC: "no space left on the disk; make room and call again",
        errno.EDQUOT: "your share of the disk is used up; make room and call again",
        errno.EACCES: "no permission for that; choose another place or change its permissions",
        errno.EROFS: "nothing can be written there; choose another place",
    }
    return advice.get(error.errno or 0, error.strerror or str(error))


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
    cls=_Group,
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


class Benchmark(StrEnum):
    """What can be measured."""

    start = "start"
    data = "data"
    training = "training"
    lessons = "lessons"
    grading = "grading"
    hostile = "hostile"
    ablation = "ablation"


# Only measured when asked for: they take long, or need more than a learner has installed.
_ON_REQUEST = (Benchmark.grading, Benchmark.hostile, Benchmark.ablation)


@app.command(epilog=examples("course check"))
def check() -> None:
    """Report whether this computer has what the course needs, and what to do if not."""
    from course_utils import environment

    findings: list[environment.Finding] = []
    with console.status("Looking around …"):
        findings.extend(environment.inspect())
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
        str | None, typer.Option(help="A data set's name, or the path to a folder or zip.")
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
    from course_utils.execution.report import read_results
    from course_utils.execution.run_folder import add, open_run, read_summaries
    from course_utils.execution.terminal import format_results, lessons_table, run_with_progress

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
        error_console.print(f"Stopped: {len(done)} of {len(assigned)} lessons had ended.")
        raise typer.Exit(130)
    if any(one.failure for one, _ in done):
        raise typer.Exit(1)


@app.command(hidden=True, epilog=examples("course notebooks", "course notebooks 02"))
def notebooks(
    lessons: Annotated[list[str] | None, typer.Argument(help="Lessons; all by default.")] = None,
) -> None:
    """Run lessons with their defaults and store the outputs in them (for maintainers)."""
    from course_utils.execution.lessons import find_lessons, select
    from course_utils.execution.store import store_outputs
    from course_utils.execution.terminal import run_with_progress

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
    from course_utils.execution.report import read_results
    from course_utils.execution.run_folder import latest_run, read_summaries
    from course_utils.execution.terminal import format_results, lessons_table

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


@app.command(
    epilog=examples(
        "course bench",
        "course bench start data --json bench.json",
        "course bench training",
        "course bench training --full --dataset cifar10",
        "course bench training --full --runs original=1,classic=1,quick=5 --json race.json",
        "course bench ablation --dataset cifar10 --num-train 20000 --json ablation.json",
        "course bench grading --students 6 --json grading.json",
        "course bench hostile",
    )
)
def bench(  # noqa: PLR0917, a command's options
    what: Annotated[
        list[Benchmark] | None,
        typer.Argument(
            help="What to measure; all but grading, which takes over an hour, that of a hostile "
            "class and the ablation by default."
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Write the measurements to this file, too. With [b]--full[/] and [b]ablation[/] "
            "it also keeps what is finished, and is bench-training.json or bench-ablation.json by "
            "default.",
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="[b]training[/]: train every recipe to the end, several times; takes hours. "
            "Stop it when you like: the same command goes on.",
        ),
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="[b]training[/] and [b]ablation[/]: a data set's name, or the path to a folder or "
            "zip; cifar10 with [b]--full[/] and for [b]ablation[/], else pixels10."
        ),
    ] = None,
    runs: Annotated[
        str | None,
        typer.Option(help="[b]--full[/]: how often each runs, such as original=1,quick=5."),
    ] = None,
    num_train: Annotated[
        int | None,
        typer.Option(
            min=1, help="[b]--full[/] and [b]ablation[/]: training images; all by default."
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=3, help="[b]ablation[/]: how often each step is trained; 3 by default."),
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(help="[b]ablation[/]: what to call the data set; its name by default."),
    ] = None,
    students: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="[b]grading[/]: how many submissions every grader gets; 50 by default. What is "
            "measured is shown also when you stop it.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="[b]--json[/]: replace files that something else made.")
    ] = False,
) -> None:
    """Measure the time and memory that the course needs on this computer."""
    from course_utils.bench import BENCHMARKS, MAKER, Measurement, machine, write_json
    from course_utils.files import check_own

    chosen = what or [one for one in Benchmark if one not in _ON_REQUEST]
    ablate = chosen == [Benchmark.ablation]
    race = chosen == [Benchmark.training]
    if Benchmark.ablation in chosen and not ablate:
        raise typer.BadParameter("the ablation takes long: measure it alone")
    _check_options(
        ("--full", full, race, "training"),
        ("--dataset", dataset, race or ablate, "training or ablation"),
        ("--runs", runs, full, "training --full"),
        ("--num-train", num_train, full or ablate, "training --full or ablation"),
        ("--seeds", seeds, ablate, "ablation"),
        ("--title", title, ablate, "ablation"),
        ("--students", students, Benchmark.grading in chosen, "grading"),
    )
    if ablate:
        path = json_file or Path("bench-ablation.json")
        _ablate(dataset or "cifar10", path, num_train, seeds or 3, title)
        return
    if full:
        path = json_file or Path("bench-training.json")
        _race(dataset or "cifar10", path, runs, num_train, force=force)
        return
    if json_file:
        check_own(json_file.parent, [json_file.name], maker=MAKER, force=force)
    measurements: list[Measurement] = []
    table = Table("measured", "value", "target", title=machine())
    try:
        for name in chosen:
            if name == Benchmark.training:
                measurements.extend(_short_race(dataset or "pixels10"))
                continue
            options = {}
            if name == Benchmark.grading:
                _say_if_otter_is_missing()
                options = {"num_students": students} if students else {}
            with console.status(f"Measuring: {name} …") as status:
                for one in BENCHMARKS[name](**options):
                    status.update(f"Measuring: {name} … {one.name}: {one}")
                    measurements.append(one)
                    table.add_row(one.name, str(one), one.target)
    finally:  # also when stopped
        if table.row_count:
            console.print(table)
        if json_file and measurements:
            write_json(measurements, json_file, force=force)


def _say_if_otter_is_missing() -> None:
    from course_utils.bench.otter import unavailable

    if reason := unavailable():
        error_console.print(reason, **PLAIN)


def _check_options(*rules: tuple[str, object, bool, str]) -> None:
    """Refuse an option that was given but would do nothing, saying what it goes with."""
    for option, given, useful, partner in rules:
        if given and not useful:
            raise typer.BadParameter(f"{option} goes with `course bench` {partner}")


def _ablate(
    dataset: str, path: Path, num_train: int | None, num_seeds: int, title: str | None
) -> None:
    """Train every step from classic to quick, and print what came of it."""
    from course_utils.bench.ablation import format_summary, measure
    from course_utils.files import check_own

    check_own(path.parent, [], maker="course bench ablation")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary = measure(dataset, num_train=num_train, num_seeds=num_seeds, title=title, path=path)
    except KeyboardInterrupt:
        error_console.print("Stopped. The same command goes on with the trainings still missing.")
        raise typer.Exit(130) from None
    console.print(format_summary(summary))
    console.print(f"Results: {path}", **PLAIN)


def _short_race(dataset: str) -> list[Any]:
    """Sample every recipe, print the table, and return the measurements."""
    from course_utils.bench.report import measurements
    from course_utils.bench.terminal import progress, show
    from course_utils.bench.training import run_short

    with progress(console) as watcher:
        race = run_short(dataset, watcher=watcher)
    show(race, console)
    return measurements(race)


def _race(
    dataset: str, path: Path, runs: str | None, num_train: int | None, *, force: bool
) -> None:
    """Let the recipes train to the end, and print and write what came of it, also when stopped."""
    from course_utils.bench.report import MAKER, companions, write
    from course_utils.bench.terminal import progress, show
    from course_utils.bench.training import NUM_SEEDS, parse_num_seeds, run_full
    from course_utils.files import check_own

    num_seeds = parse_num_seeds(runs) if runs else NUM_SEEDS
    beside = companions(path)
    if path in beside:
        raise typer.BadParameter(f"--json {path} would be the page beside it; name it .json")
    check_own(path.parent, [one.name for one in beside], maker=MAKER, force=force)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    race = None
    stopped = False
    try:
        with progress(console) as watcher:
            for now in run_full(
                dataset, path, num_train=num_train, num_seeds=num_seeds, watcher=watcher
            ):
                race = now
    except KeyboardInterrupt:
        stopped = True
    if race and race.results:
        show(race, console)
        written = [str(one) for one in (path, *write(race, path, force=force))]
        console.print(f"Results: {', '.join(written)}", **PLAIN)
    if stopped:
        error_console.print("Stopped. The same command goes on with the trainings still missing.")
        raise typer.Exit(130)


add_commands(app)

if __name__ == "__main__":
    app()
