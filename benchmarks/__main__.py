"""The maintainers' benchmarks: ``python -m benchmarks`` in the repository."""

import json
import signal
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from course_utils.bench.commands import Force, Json, show
from course_utils.console import PLAIN, CommandGroup, console, error_console, examples

MAKER = "python -m benchmarks"

app = typer.Typer(
    cls=CommandGroup,
    name=MAKER,
    help="What only maintainers measure. Call it in the repository.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.command(epilog=examples("python -m benchmarks grading --learners 6 --json grading.json"))
def grading(
    learners: Annotated[
        int, typer.Option(min=1, help="How many submissions every grader gets.")
    ] = 50,
    json_file: Json = None,
    force: Force = False,
) -> None:
    """Grade a class here, by nbgrader and by otter; 50 submissions take over an hour."""
    from benchmarks.grading import measure_grading
    from benchmarks.otter import unavailable

    if reason := unavailable():
        error_console.print(reason, **PLAIN)
    measure = partial(measure_grading, num_learners=learners)
    show(measure, json_file, force=force, maker=MAKER)


@app.command(epilog=examples("python -m benchmarks hostile"))
def hostile(json_file: Json = None, force: Force = False) -> None:
    """Grade a small class of which half is out to do harm."""
    from benchmarks.grading import measure_hostile_class

    show(measure_hostile_class, json_file, force=force, maker=MAKER)


@app.command(
    epilog=examples("python -m benchmarks ablation --num-train 20000 --json ablation.json")
)
def ablation(
    dataset: Annotated[
        str, typer.Option(help="A data set's name, or the path to a folder or zip.")
    ] = "cifar10",
    num_train: Annotated[
        int | None, typer.Option(min=1, help="Training images; all by default.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=3, help="How often each step is trained.")] = 3,
    title: Annotated[
        str | None, typer.Option(help="What to call the data set; its name by default.")
    ] = None,
    json_file: Annotated[
        Path, typer.Option("--json", help="The file; it also keeps what is finished.")
    ] = Path("bench-ablation.json"),
) -> None:
    """Train every step from classic to quick. Stop it when you like: the same command goes on."""
    from benchmarks.ablation import format_summary, measure
    from course_utils.files import check_own

    check_own(json_file.parent, [], maker=MAKER)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary = measure(
            dataset, num_train=num_train, num_seeds=seeds, title=title, path=json_file
        )
    except KeyboardInterrupt:
        error_console.print("Stopped. The same command goes on with the trainings still missing.")
        raise typer.Exit(130) from None
    console.print(format_summary(summary))
    console.print(f"Results: {json_file}", **PLAIN)


@app.command(epilog=examples("python -m benchmarks attacks", 'python -m benchmarks attacks "…"'))
def attacks(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ATTACK]…", help="Names; all by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="For nbgrader, for each.")] = 300,
    json_file: Json = None,
    force: Force = False,
) -> None:
    """Hand the attacks of the tests in to nbgrader and to this grader, and compare."""
    from rich.progress import track

    from benchmarks.attacks import CONTROLS, compare, is_fair, make_attacks, make_table, summarize
    from course_utils.files import check_own, write_own
    from course_utils.grading.sandbox.provisioner import unavailable

    known = make_attacks()
    if unknown := [name for name in names or [] if name not in known]:
        raise typer.BadParameter(f"there is no attack {', '.join(map(repr, unknown))}")
    if reason := unavailable():
        raise typer.BadParameter(reason)
    if json_file:
        check_own(json_file.parent, [json_file.name], maker=MAKER, force=force)
    wanted = CONTROLS | {name: known[name] for name in names or known}
    compared = compare(wanted, seconds=seconds)
    rows = list(track(compared, total=len(wanted), console=error_console))
    console.print(make_table(rows))
    console.print(summarize([row for row in rows if row.name not in CONTROLS]), **PLAIN)
    if json_file:
        text = json.dumps([asdict(row) for row in rows], indent=2) + "\n"
        write_own(json_file.parent, {json_file.name: text}, maker=MAKER, force=force)
    if not is_fair(rows):
        error_console.print("The comparison isn't fair: see its first two lines.")
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
