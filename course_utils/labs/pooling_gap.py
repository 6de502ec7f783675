"""Does the kind of pooling change how unequally a network serves two groups of pictures?

The gap has a sign: accuracy in the first group minus accuracy in the second. Unlike "best minus
worst" it is as often below zero as above when nothing but chance is at work.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pandas as pd

from course_utils import models
from course_utils.datasets.base import ImageDataset, ImageSplit
from course_utils.labs import miniature, palettes, pictures

MARGIN = 0.03  # of accuracy: a difference between two gaps that would be worth mentioning


def measure(
    dataset: str,
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    image_size: int | None = None,
    poolings: Iterable[models.Pooling] = models.POOLINGS,
    **knobs: Any,
) -> pd.DataFrame:
    """Train a miniature network with each kind of pooling and test it on each of two groups.

    The groups of pixels10 are its palettes, and the same test scenes are drawn in both. Those of
    photographs, which nobody can draw twice, are their test pictures' own.

    Args:
        dataset: what to train and test on, as in :func:`course_utils.datasets.load`.
        seeds: one training of each kind for each; a seed draws the pictures, the weights and the
            order, the same for all kinds of pooling, so that they can be compared in pairs.
        epochs: passes over the training pictures.
        num_train: training pictures.
        num_test: test pictures; of pixels10 as many in each palette.
        image_size: of pictures from a folder.
        poolings: the kinds of pooling, as in :func:`course_utils.models.build`.
        **knobs: of pixels10's training pictures, such as ``palette_prevalence=0.05``.

    Returns:
        One row per pooling, seed and group: ``pooling``, ``seed``, ``group`` and ``accuracy``.

    Raises:
        miniature.LabError: the test pictures don't have two groups.
    """
    seeds = list(seeds)

    loaded = pictures.load(
        dataset,
        seeds=seeds,
        num_train=num_train,
        num_test=num_test,
        image_size=image_size,
        **knobs,
    )
    difficulty = {name: value for name, value in knobs.items() if name == "difficulty"}

    def make_groups(seed: int) -> dict[str, ImageSplit]:
        if dataset == "pixels10":
            return palettes.twins(num_test, seed=seed, **difficulty)
        return _split(loaded[seed])

    groups = dict(
        zip(seeds, miniature.in_parallel(make_groups, seeds, label="groups"), strict=True)
    )

    def run(setting: tuple[int, models.Pooling]) -> list[dict[str, Any]]:
        seed, pooling = setting
        network = miniature.train(loaded[seed], seed=seed, epochs=epochs, pooling=pooling)
        return [
            {"pooling": pooling, "seed": seed, "group": group, "accuracy": accuracy}
            for group, accuracy in palettes.accuracies(network, groups[seed]).items()
        ]

    return miniature.table(run, product(seeds, poolings), label="seed × pooling")


def _split(data: ImageDataset) -> dict[str, ImageSplit]:
    """The test pictures by group."""
    groups = data.test.attributes[data.group].astype(str)
    names = sorted(groups.unique())
    if len(names) != 2:
        raise miniature.LabError(
            f"a gap lies between two groups, and the test pictures of {data.name} have "
            f"{len(names)} by {data.group}: {', '.join(names)}; raise num_test, or take pictures "
            "that have two"
        )
    return {name: data.test.take((groups == name).to_numpy().nonzero()[0]) for name in names}


def gaps(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in the first group minus accuracy in the second, in alphabetical order.

    Args:
        runs: from :func:`measure`.

    Returns:
        One row per seed and one column per pooling.
    """
    first, second = sorted(runs["group"].unique())
    accuracy = runs.pivot_table("accuracy", index="seed", columns=["group", "pooling"], sort=False)
    return pd.DataFrame(accuracy[first] - accuracy[second])


def differences(runs: pd.DataFrame, *, reference: models.Pooling = "max") -> pd.DataFrame:
    """The gap with one kind of pooling minus the gap with each other kind, seed by seed.

    Args:
        runs: from :func:`measure`.
        reference: the kind to compare with the others.

    Returns:
        One row per other pooling and seed: ``comparison`` (such as ``"max minus blur"``), ``seed``
        and ``difference``, between −2 and 2.

    Raises:
        miniature.LabError: the reference was not measured.
    """
    wide = gaps(runs)
    if reference not in wide:
        raise miniature.LabError(
            f"no network with {reference} pooling was measured; there are {', '.join(wide.columns)}"
        )
    others = wide.drop(columns=reference)
    table = -others.sub(wide[reference], axis="index")
    table.columns = [f"{reference} minus {other}" for other in others]
    return table.reset_index().melt("seed", var_name="comparison", value_name="difference")[
        ["comparison", "seed", "difference"]
    ]
