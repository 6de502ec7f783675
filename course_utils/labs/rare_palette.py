"""What becomes of a group when it is rare among the training pictures?

The pictures are pixels10's and the groups its two palettes: schemes of colours that differ in
nothing else. The tables show that a mechanism can occur, not that it does in photographs of people.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pandas as pd

from course_utils import datasets
from course_utils.labs import miniature


def measure(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    palette_prevalences: Iterable[float] = (0.5, 0.05),
) -> pd.DataFrame:
    """Train on pixels10 with palette B at each prevalence, test with both palettes equally common.

    Args:
        seeds: one training for each prevalence and seed; a seed fixes pictures, weights and order.
        epochs: passes over the training pictures.
        num_train: training pictures, whatever the prevalence.
        num_test: test pictures, about half of each palette.
        palette_prevalences: shares of palette B among the training pictures.

    Returns:
        One row per prevalence, seed and palette tested on: ``palette_prevalence``, ``seed``,
        ``palette`` and ``accuracy``.
    """

    def run(setting: tuple[float, int]) -> list[dict[str, Any]]:
        prevalence, seed = setting
        data = datasets.load(
            "pixels10",
            num_train=num_train,
            num_test=num_test,
            seed=seed,
            palette_prevalence=prevalence,
        )
        network = miniature.train(data, seed=seed, epochs=epochs)
        by_palette = network.evaluate(data, group="palette").by_group
        assert by_palette is not None  # evaluate() was given a group
        return [
            {
                "palette_prevalence": prevalence,
                "seed": seed,
                "palette": palette,
                "accuracy": accuracy,
            }
            for palette, accuracy in by_palette.accuracy.items()
        ]

    settings = product(palette_prevalences, seeds)
    return miniature.table(run, settings, label="prevalence × seed")


def gaps(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on palette A minus accuracy on palette B.

    Args:
        runs: from :func:`measure`.

    Returns:
        One row per seed and one column per prevalence of palette B.
    """
    accuracy = runs.pivot_table(
        "accuracy", index="seed", columns=["palette", "palette_prevalence"], sort=False
    )
    return pd.DataFrame(accuracy["A"] - accuracy["B"])
