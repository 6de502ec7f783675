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
CONTROLS = (0.05, 0.02)
ALL, FEWER = "all", "as at 50 %"  # pictures of A


def measure(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    palette_prevalences: Iterable[float] = PREVALENCES,
    controls: Iterable[float] = CONTROLS,
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
        controls: prevalences at which a second network is trained, on the same pictures of B and
            only those of A that are A at 50 %, too.

    Returns:
        One row per training and palette tested on: ``palette_prevalence``, ``kept`` (which pictures
        of A: ``"all"``, or ``"as at 50 %"`` in the control), ``seed``, ``num_a`` and ``num_b``
        (training pictures), ``palette`` and ``accuracy``.

    Raises:
        miniature.LabError: a prevalence isn't between 0 and 1, or leaves a palette out.
    """
    prevalences, controls = list(palette_prevalences), set(controls)
    for prevalence in [*prevalences, *controls]:
        if not 0 < prevalence < 1:
            raise miniature.LabError(
                f"palette_prevalence is {prevalence:g}; a share of the training pictures that "
                "leaves some for both palettes lies between 0 and 1, such as 0.05"
            )

    template = datasets.load("pixels10", num_train=1, num_test=1)

    def run(seed: int) -> list[dict[str, Any]]:
        scenes = palettes.twins(num_train, seed=seed, split="train")
        pictures = palettes.twins(num_test, seed=seed)
        usual = pixels10.palettes(num_train, seed=seed, palette_prevalence=0.5)
        rows = []
        for prevalence in dict.fromkeys([*prevalences, *sorted(controls, reverse=True)]):
            names = pixels10.palettes(num_train, seed=seed, palette_prevalence=prevalence)
            mixed = palettes.mix(scenes, names)
            trainings = {ALL: mixed}
            if prevalence in controls:
                trainings[FEWER] = mixed.take(np.flatnonzero((names == "B") | (usual == "A")))
            for kept, train in trainings.items():
                counts = _count(train, prevalence)
                data = replace(template, train=train)
                network = miniature.train(data, seed=seed, epochs=epochs)
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


def overall(runs: pd.DataFrame, *, share: float | None = None) -> pd.DataFrame:
    """Accuracy on test pictures mixed like the training pictures, or in another way.

    Args:
        runs: from :func:`measure`; the control plays no part.
        share: of palette B among the test pictures; by default that of the training pictures.

    Returns:
        One row per seed and one column per prevalence: the accuracies on A and B, each weighted by
        its palette's share.
    """
    accuracy = by_palette(runs)
    shares = accuracy["B"].columns.to_numpy() if share is None else share
    return pd.DataFrame(accuracy["A"] * (1 - shares) + accuracy["B"] * shares)


def by_test_pictures(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracies on three kinds of test pictures, one below the other, for a figure.

    Args:
        runs: from :func:`measure`; the control plays no part.

    Returns:
        One row per prevalence, seed and kind: ``palette_prevalence``, ``seed``, ``tested_on``
        (``"A"``, ``"B"`` or ``"mixed as in training"``) and ``accuracy``.
    """
    columns = ["palette_prevalence", "seed", "tested_on", "accuracy"]
    separate = runs[runs["kept"] == ALL].rename(columns={"palette": "tested_on"})[columns]
    mixed = overall(runs).reset_index().melt("seed", value_name="accuracy")
    mixed["tested_on"] = "mixed as in training"
    return pd.concat([separate, mixed[columns]], ignore_index=True)


def control(runs: pd.DataFrame, palette_prevalence: float, *, palette: str = "B") -> pd.DataFrame:
    """Accuracy on one palette where B is common, rare, and rare without what A has gained.

    Args:
        runs: from :func:`measure`, with prevalences of 50 % and the one asked for.
        palette_prevalence: one at which the control was trained.
        palette: tested on.

    Returns:
        One row per seed and one column per training, the control last.

    Raises:
        miniature.LabError: one of the three was not measured.
    """
    wide = runs[runs["palette"] == palette].pivot_table(
        "accuracy", index="seed", columns=["palette_prevalence", "kept"], sort=False
    )
    rare = f"B is {100 * palette_prevalence:g} %"
    asked = {
        "B is 50 %": (0.5, ALL),
        f"{rare}, all of A": (palette_prevalence, ALL),
        f"{rare}, A as at 50 %": (palette_prevalence, FEWER),
    }
    for name, key in asked.items():
        if key not in wide:
            raise miniature.LabError(
                f"nothing was trained where {name}; give measure() 0.5 and {palette_prevalence:g} "
                f"among its palette_prevalences, and {palette_prevalence:g} among its controls"
            )
    return pd.DataFrame({name: wide[key] for name, key in asked.items()})
