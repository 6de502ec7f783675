"""The ``course bench`` command: what is measured here, each figure beside its target."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from course_utils.console import PLAIN, console, error_console, examples

if TYPE_CHECKING:
    from course_utils.bench.measurement import Measurement

Json = Annotated[
    Path | None, typer.Option("--json", help="Write the measurements to this file, too.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace a file of that name that something else made.")
]
Dataset = Annotated[
    str | None,
    typer.Option(help="A data set's name, or the path to a folder, zip or tar."),
]

app = typer.Typer(
    name="bench",
    help="Measure the time and memory that the course needs on this computer.",
    epilog=examples(
        "course bench", "course bench start --json bench.json", "course bench training --full"
    ),
    invoke_without_command=True,
    rich_markup_mode="rich",
)


@app.callback()
def bench(context: typer.Context, json_file: Json = None, force: Force = False) -> None:
    """Measure all of them, one after the other, unless one is named."""
    if context.invoked_subcommand is None:
        show(_all, json_file, force=force)
    elif json_file or force:
        option = "--json" if json_file else "--force"
        raise typer.BadParameter(f"{option} goes behind `{context.invoked_subcommand}`")


@app.command(epilog=examples("course bench start", "course bench start --json bench.json"))
def start(json_file: Json = None, force: Force = False) -> None:
    """Time the import of the package, and the command's help."""
    from course_utils.bench.short import measure_start

    show(measure_start, json_file, force=force)


@app.command(epilog=examples("course bench data"))
def data(json_file: Json = None, force: Force = False) -> None:
    """Time the drawing of pictures."""
    from course_utils.bench.short import measure_data

    show(measure_data, json_file, force=force)


@app.command(epilog=examples("course bench lessons"))
def lessons(json_file: Json = None, force: Force = False) -> None:
    """Run all lessons; take their time and memory."""
    from course_utils.bench.short import measure_lessons

    show(measure_lessons, json_file, force=force)


@app.command(
    epilog=examples(
        "course bench training",
        "course bench training --full --dataset cifar10",
        "course bench training --full --runs original=1,classic=1,quick=5 --json race.json",
    )
)
def training(  # noqa: PLR0917, a command's options
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Train every recipe to the end, several times; takes hours. Stop it when you "
            "like: the same command goes on.",
        ),
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="A data set's name, or the path to a folder, zip or tar; cifar10 with "
            "[b]--full[/], else pixels10."
        ),
    ] = None,
    runs: Annotated[
        str | None,
        typer.Option(help="[b]--full[/]: how often each runs, such as original=1,quick=5."),
    ] = None,
    num_train: Annotated[
        int | None, typer.Option(min=1, help="[b]--full[/]: training images; all by default.")
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Write the measurements to this file, too. With [b]--full[/] it also keeps what "
            "is finished, and is bench-training.json by default.",
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Let the recipes race each other: a few steps of each, or all with --full."""
    for option, given in (("--runs", runs), ("--num-train", num_train)):
        if given and not full:
            raise typer.BadParameter(f"{option} goes with --full")
    if full:
        path = json_file or Path("bench-training.json")
        _race(dataset or "cifar10", path, runs, num_train, force=force)
    else:
        show(lambda: _short_race(dataset or "pixels10"), json_file, force=force, is_quiet=True)


def show(
    measure: "Callable[[], Iterator[Measurement]]",
    json_file: Path | None,
    *,
    force: bool,
    maker: str = "course bench",
    is_quiet: bool = False,
) -> None:
    """Measure, print each figure beside its target, and write them; those so far when stopped.

    Args:
        measure: yields the measurements.
        json_file: where to write them; None for nowhere.
        force: replace a file that ``maker`` didn't make.
        maker: the command that a written file is marked with.
        is_quiet: leave the showing of progress to ``measure``.

    Raises:
        typer.Exit: with 130, Ctrl-C stopped it.
    """
    from course_utils.bench.measurement import format_measurements, write_json
    from course_utils.files import check_own

    if json_file:
        check_own(json_file.parent, [json_file.name], maker=maker, force=force)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found: list[Measurement] = []
    stopped = False
    try:
        if is_quiet:
            found.extend(measure())
        else:
            with console.status("Measuring …") as status:
                for one in measure():
                    found.append(one)
                    status.update(f"Measuring … {one.name}: {one}")
    except KeyboardInterrupt:
        stopped = True
    finally:  # also when one of them failed
        if found:
            console.print(format_measurements(found))
            if json_file:
                write_json(found, json_file, maker=maker, force=force)
    if stopped:
        error_console.print(f"Stopped: {len(found)} figures had been measured.")
        raise typer.Exit(130)


def _all() -> "Iterator[Measurement]":
    from course_utils.bench.short import measure_data, measure_lessons, measure_start

    yield from measure_start()
    yield from measure_data()
    yield from _short_race("pixels10")
    yield from measure_lessons()


def _short_race(dataset: str) -> "Iterator[Measurement]":
    """Sample every recipe and print the table."""
    from course_utils.bench.race import run_short
    from course_utils.bench.race_display import progress
    from course_utils.bench.race_display import show as show_race
    from course_utils.bench.race_report import measurements

    with progress(console) as watcher:
        race = run_short(dataset, watcher=watcher)
    show_race(race, console)
    yield from measurements(race)


def _race(
    dataset: str, path: Path, runs: str | None, num_train: int | None, *, force: bool
) -> None:
    """Let the recipes train to the end, and print and write what came of it, also when stopped."""
    from course_utils.bench.race import NUM_SEEDS, parse_num_seeds, run_full
    from course_utils.bench.race_display import progress
    from course_utils.bench.race_display import show as show_race
    from course_utils.bench.race_report import MAKER, companions, write
    from course_utils.files import check_own

    num_seeds = parse_num_seeds(runs) if runs else NUM_SEEDS
    beside = companions(path)
    if path in beside:
        raise typer.BadParameter(f"--json {path} would be the page beside it; name it .json")
    check_own(path.parent, [one.name for one in beside], maker=MAKER, force=force)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    race: Any = None
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
        show_race(race, console)
        written = [str(one) for one in (path, *write(race, path, force=force))]
        console.print(f"Results: {', '.join(written)}", **PLAIN)
    if stopped:
        error_console.print("Stopped. The same command goes on with the trainings still missing.")
        raise typer.Exit(130)
