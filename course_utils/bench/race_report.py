"""The race of the recipes as a table, for the terminal and for a page, and as a figure."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import pandas as pd

from course_utils.bench.measurement import Measurement
from course_utils.bench.race import SAMPLE_PICTURES, WHOLE_PICTURES, Race, Result
from course_utils.evaluation import MIN_SEEDS, Estimate, over_seeds, percentage, wilson
from course_utils.files import write_own

if TYPE_CHECKING:
    from course_utils.plots import Plot

MAKER = "course bench training --full"
_BASELINES = ("original", "classic")


def accuracy(results: Sequence[Result]) -> Estimate:
    """The mean test accuracy of a contestant's trainings.

    Its interval covers the luck of training where there are three seeds or more; for fewer, only
    the luck of drawing the test pictures.
    """
    if len(results) >= MIN_SEEDS:
        return over_seeds([one.accuracy for one in results])
    return wilson(round(mean(one.num_correct for one in results)), results[0].num_test)


def table(race: Race) -> pd.DataFrame:
    """Put the contestants side by side.

    Returns:
        One row for each quantity, indexed by its name, and one column for each contestant; the
        values are text.
    """
    times = {name: _mean(race.seconds, race.of(name)) for name in race.contestants}
    columns = {}
    for name in race.contestants:
        results = race.of(name)
        flops = _mean(race.flops, results)
        rows = {
            **(_not_measured() if race.extrapolated else _measured(race, name)),
            "time": f"{times[name]:,.0f} s",
            **{
                f"{baseline}'s time ÷ this": f"{times[baseline] / times[name]:.1f}"
                for baseline in _BASELINES
                if baseline in times
            },
            "images per second": f"{_images_per_second(race, name):,.0f}",
            "TFLOP": f"{flops / 1e12:.3g}",
            "computed in": race.compute_dtype(name),
            "of that matmul rate": _share(flops / times[name], race, race.compute_dtype(name)),
            "of the float32 rate": _share(flops / times[name], race, "float32"),
        }
        if not race.extrapolated:
            rows["CPU time"] = f"{_mean(lambda one: one.cpu_seconds, results):,.0f} s"
            rows["peak memory"] = f"{max(one.peak_memory for one in results) / 1e9:.2f} GB"
        columns[name] = rows
    return pd.DataFrame(columns)


def _share(rate: float, race: Race, dtype: str) -> str:
    return f"{percentage(rate / race.matmul_rate(dtype))} %"


def _measured(race: Race, name: str) -> dict[str, str]:
    estimate = accuracy(race.of(name))
    if race.target is None or name in _BASELINES:
        reached = "–"
    else:
        reached = "yes" if estimate.value >= race.target else "no"
    return {
        "trainings": str(len(race.of(name))),
        "test accuracy": str(estimate),
        "reaches the target": reached,
    }


def _not_measured() -> dict[str, str]:
    return {"test accuracy": "not measured"}


def _mean(quantity: Callable[[Result], float], results: Sequence[Result]) -> float:
    return mean(quantity(one) for one in results)


def _images_per_second(race: Race, name: str) -> float:
    if not race.extrapolated:
        return _mean(lambda one: one.num_trained / one.seconds, race.of(name))
    (sample,) = race.of(name)
    before, end = (one["end"] for one in sample.epochs[-2:])
    return float(sample.num_trained / len(sample.epochs) / (end - before))


def notes(race: Race) -> list[str]:
    """Say on what, with what and how the numbers of the table were measured."""
    facts = race.identity
    lines = [
        f"{facts['dataset']}, {facts['num_train']:,} training and {facts['num_test']:,} test "
        f"images; {facts['machine']}; Keras {facts['keras']}, TensorFlow {facts['tensorflow']}; "
        f"{_dates(race)}.",
        f"A matrix product ran at {_rates(race)} (median of {len(race.matmul_rates)}, measured "
        "between the trainings).",
    ]
    if race.extrapolated:
        return [
            *lines,
            f"Extrapolated: each trained on {SAMPLE_PICTURES:,} images for 2 epochs; times are "
            f"those of the whole recipe on {WHOLE_PICTURES:,} images at the second epoch's speed. "
            "Accuracy is not measured in the short mode; --full trains to the end.",
        ]
    if race.target is not None:
        lines.append(
            f"The target, {percentage(race.target)} %, is the mean test accuracy of original and "
            "classic."
        )
    return [
        *lines,
        "Times, ratios and rates are of means over the trainings; a time runs from the untrained "
        "network to the trained one. Intervals are 95 %: over seeds, or over test images where a "
        "contestant ran once or twice. Peak memory is the largest of the whole process.",
    ]


def _rates(race: Race) -> str:
    return " and ".join(
        f"{race.matmul_rate(dtype) / 1e9:.0f} GFLOP/s in {dtype}"
        for dtype in sorted(race.matmul_rates[0], reverse=True)
    )


def _dates(race: Race) -> str:
    first, last = (one.date[:10] for one in (race.results[0], race.results[-1]))
    return first if first == last else f"{first} to {last}"


def measurements(race: Race) -> list[Measurement]:
    """Give the speeds of a race as measurements, and the times of a short one."""
    found = []
    for name in race.contestants:
        speed = _images_per_second(race, name)
        found.append(Measurement(f"training {name}: speed", speed, "images/s"))
        seconds = _mean(race.seconds, race.of(name))
        what = "time, extrapolated" if race.extrapolated else "time"
        found.append(Measurement(f"training {name}: {what}", seconds, "s"))
    return found


def markdown(race: Race) -> str:
    """Write the table and its notes as Markdown."""
    cells = table(race)
    lines = [
        f"| | {' | '.join(cells.columns)} |",
        f"|---|{'---:|' * len(cells.columns)}",
        *(f"| {name} | {' | '.join(row)} |" for name, row in cells.iterrows()),
    ]
    return "\n".join([*lines, "", *(f"{line}\n" for line in notes(race))])


def plot(race: Race) -> "Plot":
    """Draw accuracy against time; one marker for each training."""
    from course_utils import plots

    rows = [(name, one.seconds, one.accuracy) for name in race.contestants for one in race.of(name)]
    return plots.training_race(
        pd.DataFrame(rows, columns=["contestant", "seconds", "accuracy"]), target=race.target
    )


def companions(path: Path) -> tuple[Path, Path]:
    """Name the page and the picture that lie beside a race's file."""
    return path.with_suffix(".md"), path.with_suffix(".png")


def write(race: Race, path: Path, *, force: bool = False) -> tuple[Path, Path]:
    """Write the table and the figure beside a race's file, as ``.md`` and ``.png``.

    Raises:
        FilesError: something else is in the way.
    """
    page, picture = companions(path)
    contents: dict[str, str | bytes] = {
        page.name: markdown(race),
        picture.name: plot(race).render("png"),
    }
    write_own(path.parent, contents, maker=MAKER, force=force)
    return page, picture
