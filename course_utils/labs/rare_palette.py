"""What becomes of a group when it is rare among the training pictures?

The pictures are pixels10's and the groups its two palettes: schemes of colours that differ in
nothing else. The tables show that a mechanism can occur, not that it does in photographs of people.

Where B is rare, two things differ from where it is common: there are fewer pictures of B, and more
of A. A control keeps the few pictures of B and takes away what A has gained. If A crowds B out, B
is served better without them.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from course_utils import datasets
from course_utils.datasets import pixels10
from course_utils.datasets.base import ImageSplit
from course_utils.labs import miniature, palettes

PREVALENCES = (0.5, 0.2, 0.1, 0.05, 0.02)
ALL, FEWER = "all", "as at 50 %"  # pictures of A


def measure(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    palette_prevalences: Iterable[float] = PREVALENCES,
    control: bool = True,
) -> pd.DataFrame:
    """Train on pixels10 with palette B at each prevalence, test on the same scenes in A and in B.

    With one seed the pictures of B at a low prevalence are among those at every higher one, and all
    that isn't B is the same scene in A.

    Args:
        seeds: one training for each prevalence and seed; a seed fixes pictures, weights and order.
        epochs: passes over the training pictures.
        num_train: training pictures, whatever the prevalence.
        num_test: test scenes, each of them in both palettes.
        palette_prevalences: shares of palette B among the training pictures.
        control: train at each prevalence below 50 % a second time, on the same pictures of B and
            only those of A that are A at 50 %, too.

    Returns:
        One row per training and palette tested on: ``palette_prevalence``, ``kept`` (which pictures
        of A: ``"all"``, or ``"as at 50 %"`` in the control), ``seed``, ``num_a`` and ``num_b``
        (training pictures), ``palette`` and ``accuracy``.

    Raises:
        miniature.LabError: a prevalence isn't between 0 and 1, or leaves a palette without pictures.
    """
    prevalences = list(palette_prevalences)
    for prevalence in prevalences:
        if not 0 < prevalence < 1:
            raise miniature.LabError(
                f"palette_prevalence is {prevalence:g}; a share of the training pictures that "
                "leaves some for both palettes lies between 0 and 1, such as 0.05"
            )

    def run(seed: int) -> list[dict[str, Any]]:
        balanced = datasets.load("pixels10", num_train=num_train, num_test=num_test, seed=seed)
        pictures = palettes.twins(num_test, seed=seed)
        rows = []
        for prevalence in prevalences:
            mixed = pixels10.draw(num_train, seed=seed, palette_prevalence=prevalence)
            trainings = {ALL: mixed}
            if control and prevalence < 0.5:
                trainings[FEWER] = without_gain(mixed, balanced.train)
            for kept, train in trainings.items():
                counts = _count(train, prevalence)
                network = miniature.train(replace(balanced, train=train), seed=seed, epochs=epochs)
                rows += [
                    {
                        "palette_prevalence": prevalence,
                        "kept": kept,
                        "seed": seed,
                        **counts,
                        "palette": palette,
                        "accuracy": accuracy,
                    }
                    for palette, accuracy in palettes.accuracies(network, pictures).items()
                ]
        return rows

    return miniature.table(run, seeds, label="seed")


def without_gain(mixed: ImageSplit, balanced: ImageSplit) -> ImageSplit:
    """Leave out the pictures that are in A only because B is rare.

    Args:
        mixed: training pictures with a rare palette B.
        balanced: the same scenes with both palettes equally common.
    """
    rare = mixed.attributes["palette"] == "B"
    usual = balanced.attributes["palette"] == "A"
    return mixed.take(np.flatnonzero(rare | usual))


def _count(train: ImageSplit, prevalence: float) -> dict[str, int]:
    counts = {
        f"num_{palette.lower()}": int((train.attributes["palette"] == palette).sum())
        for palette in palettes.PALETTES
    }
    if not all(counts.values()):
        absent = "A" if counts["num_b"] else "B"
        raise miniature.LabError(
            f"no picture of {len(train)} is in palette {absent} when the prevalence of B is "
            f"{prevalence:g}; raise num_train, or take a prevalence nearer to 0.5"
        )
    return counts


def gaps(runs: pd.DataFrame, *, kept: str = ALL) -> pd.DataFrame:
    """Accuracy on palette A minus accuracy on palette B.

    Args:
        runs: from :func:`measure`.
        kept: ``"all"``, or ``"as at 50 %"`` for the control.

    Returns:
        One row per seed and one column per prevalence of palette B.
    """
    accuracy = by_palette(runs, kept=kept)
    return pd.DataFrame(accuracy["A"] - accuracy["B"])


def by_palette(runs: pd.DataFrame, *, kept: str = ALL) -> pd.DataFrame:
    """Accuracies side by side: one row per seed, and columns of palettes and prevalences."""
    return runs[runs["kept"] == kept].pivot_table(
        "accuracy", index="seed", columns=["palette", "palette_prevalence"], sort=False
    )


def overall(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on test pictures mixed like the training pictures.

    Args:
        runs: from :func:`measure`; the control plays no part.

    Returns:
        One row per seed and one column per prevalence: the accuracies on A and B, each weighted by
        its palette's share.
    """
    accuracy = by_palette(runs)
    shares = accuracy["B"].columns.to_numpy()
    return pd.DataFrame(accuracy["A"] * (1 - shares) + accuracy["B"] * shares)
