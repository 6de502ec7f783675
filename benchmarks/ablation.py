"""What each part of the quick network and recipe buys, as a file and as a table.

The file that :func:`measure` writes is what the lessons show, once it lies in the package as
``labs/ablation.json``.
"""

from pathlib import Path

import pandas as pd
from rich.table import Column, Table

from course_utils.evaluation import MIN_SEEDS, Estimate, percentage


def measure(
    dataset: str | Path,
    *,
    num_seeds: int,
    num_train: int | None = None,
    num_test: int | None = None,
    epochs: int | None = None,
    title: str | None = None,
    path: Path | None = None,
) -> pd.DataFrame:
    """Train every step with seeds 0, 1, …, on the same pictures.

    Args:
        dataset: as in :func:`course_utils.datasets.load`, like the next two.
        num_seeds: how often each step is trained, at least 3.
        num_train: pictures to train on, of which the recipes hold some back; all by default.
        num_test: pictures to test on; all by default.
        epochs: passes over the training pictures; the quick recipe's unless given.
        title: what the file calls the data set; its own name unless given.
        path: the file to write after each training, and to go on from.

    Returns:
        See :func:`course_utils.labs.ablation.summarise`.
    """
    from course_utils import datasets
    from course_utils.labs import ablation

    if num_seeds < MIN_SEEDS:
        raise ablation.AblationError(
            f"num_seeds is {num_seeds}; an interval over seeds takes at least {MIN_SEEDS}"
        )
    data = datasets.load(dataset, num_train=num_train, num_test=num_test)
    seeds = range(num_seeds)
    return ablation.summarise(
        ablation.run(data, seeds=seeds, epochs=epochs, path=path, title=title)
    )


def format_summary(summary: pd.DataFrame) -> Table:
    """The steps as a table for the terminal; changes are against the step before, in points."""
    numbers = ("accuracy", "change in points", "CPU time", "multiply-adds", "parameters")
    table = Table("step", *(Column(name, justify="right") for name in numbers))
    for row in summary.to_dict("records"):
        change = ""
        if pd.notna(row["change"]):
            value, low, high = (percentage(row[f"change{end}"]) for end in ("", "_low", "_high"))
            change = f"{value} ({low} to {high})"
        table.add_row(
            row["step"],
            str(Estimate(row["accuracy"], row["low"], row["high"])),
            change,
            f"{row['cpu_seconds']:,.1f} s",
            f"{row['multiply_adds'] / 1e6:,.1f} M",
            f"{row['parameters']:,}",
        )
    return table
