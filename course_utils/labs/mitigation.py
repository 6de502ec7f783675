"""What helps a rare group, and what does it cost the others?

The pictures are pixels10's, with palette B rare in training. Each way of training is compared with
plain training on the same pictures from the same weights, and tested on the same scenes in both
palettes. Whether it is worth it is decided by a condition that is written down beforehand.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils import datasets
from course_utils.datasets.base import ImageDataset
from course_utils.evaluation import DIFFERENCE, over_seeds
from course_utils.labs import learners, miniature, palettes

PLAIN = "plain"
REWEIGHTING, RESAMPLING, GROUP_DRO = "reweighting", "resampling", "group DRO"
TRAINING_TWICE = "training twice"  # needs no group labels
METHODS = (REWEIGHTING, RESAMPLING, GROUP_DRO, TRAINING_TWICE)
STEP_SIZE = 0.01  # the default of the authors' own code

Groups = NDArray[np.str_]
Reweight = Callable[[Groups], NDArray[np.floating[Any]]]
Resample = Callable[[Groups, int], NDArray[np.integer[Any]]]
RaiseWeights = Callable[
    [NDArray[np.floating[Any]], NDArray[np.floating[Any]], float], NDArray[np.floating[Any]]
]


def group_weights(groups: Groups) -> NDArray[np.float64]:
    """Weigh the pictures so that each group counts equally, and the mean weight is 1.

    Args:
        groups: (n,) the name of each picture's group.

    Returns:
        (n,)
    """
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = len(groups) / (len(counts) * counts[inverse])
    return weights


def resample(groups: Groups, seed: int) -> NDArray[np.int64]:
    """Draw as many pictures as there are, the same number from each group.

    Args:
        groups: (n,) the name of each picture's group.
        seed: of the draw.

    Returns:
        (n,) indices of pictures, drawn with replacement; a few less where n can't be divided by the
        number of groups.
    """
    generator = np.random.default_rng(seed)
    names = np.unique(groups)
    share = len(groups) // len(names)
    return np.concatenate(
        [generator.choice(np.flatnonzero(groups == name), share) for name in names]
    )


def raise_weights(
    weights: NDArray[np.floating[Any]], losses: NDArray[np.floating[Any]], step_size: float
) -> NDArray[np.float64]:
    """Raise the weights of the groups whose loss is high, and keep their sum at 1.

    Args:
        weights: (num_groups,) before the step.
        losses: (num_groups,) mean losses.
        step_size: how quickly the weights follow the losses.

    Returns:
        (num_groups,) each weight times exp(step_size × loss), divided by their sum.

    Source: Sagawa et al. 2020, arXiv:1911.08731.
    """
    raised = weights * np.exp(step_size * losses)
    normalised: NDArray[np.float64] = raised / raised.sum()
    return normalised


def measure(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    palette_prevalence: float = 0.05,
    methods: Collection[str] = METHODS,
    reweight: Reweight = group_weights,
    resample: Resample = resample,
    raise_weights: RaiseWeights = raise_weights,
    step_size: float = STEP_SIZE,
) -> pd.DataFrame:
    """Train in several ways on pictures of which few are in palette B.

    *Reweighting* lets each palette count equally in the loss. *Resampling* draws both equally
    often. *Group DRO* does so, too, and lets the palette with the higher loss count more from step
    to step. *Training twice* needs no palettes: it reweights the pictures that a first network gets
    wrong and those that it gets right, so that both count equally.

    Args:
        seeds: one training for each method and seed; a seed fixes pictures, weights and order.
        epochs: passes over the training pictures.
        num_train: training pictures.
        num_test: test scenes, each of them in both palettes.
        palette_prevalence: share of palette B among the training pictures.
        methods: which to compare with plain training.
        reweight: as :func:`group_weights`; a learner's own, or where it isn't written yet, the
            course's. So are the next two.
        resample: as :func:`resample`.
        raise_weights: as :func:`raise_weights`.
        step_size: of group DRO.

    Returns:
        One row per method, seed and palette: ``method`` (``"plain"`` first), ``seed``, ``palette``
        and ``accuracy``.

    Raises:
        miniature.LabError: a prevalence that isn't between 0 and 1 or leaves a palette without
            pictures, an unknown method, or a function whose result can't be trained with.
    """
    if unknown := [method for method in methods if method not in METHODS]:
        raise miniature.LabError(
            f"there is no method {unknown[0]!r}; there are {', '.join(METHODS)}"
        )
    ways = _Ways.of(reweight, resample, raise_weights, step_size)

    def run(seed: int) -> list[dict[str, Any]]:
        data = load(seed, num_train=num_train, palette_prevalence=palette_prevalence)
        pictures = palettes.twins(num_test, seed=seed)
        return [
            {"method": method, "seed": seed, "palette": palette, "accuracy": accuracy}
            for method in (PLAIN, *methods)
            for palette, accuracy in palettes.accuracies(
                ways.train(method, data, seed=seed, epochs=epochs), pictures
            ).items()
        ]

    return miniature.table(run, seeds, label="seed")


@dataclass(frozen=True)
class _Update:
    """A group DRO step of one size; equal to another one of the same function and size."""

    function: RaiseWeights
    step_size: float

    def __call__(
        self, weights: NDArray[np.float64], losses: NDArray[np.float64]
    ) -> NDArray[np.floating[Any]]:
        return self.function(weights, losses, self.step_size)


@dataclass(frozen=True)
class _Ways:
    """The functions by which the methods differ."""

    reweight: Reweight
    resample: Resample
    update: _Update

    @classmethod
    def of(
        cls, reweight: Reweight, resample_: Resample, raise_: RaiseWeights, step_size: float
    ) -> "_Ways":
        """Take the learner's functions where they are written."""
        groups, pair = np.array(["A", "B"]), np.array([0.5, 0.5])
        return cls(
            learners.choose(reweight, group_weights, groups, exercise="4.5"),
            learners.choose(resample_, resample, groups, 0, exercise="4.6"),
            _Update(
                learners.choose(raise_, raise_weights, pair, pair, step_size, exercise="4.7"),
                step_size,
            ),
        )

    def train(
        self, method: str, data: ImageDataset, *, seed: int, epochs: int
    ) -> miniature.Network:
        groups = data.train.attributes["palette"].to_numpy(str)
        if method == REWEIGHTING:
            weights = self.reweight(groups)
            return miniature.train(data, seed=seed, epochs=epochs, sample_weight=weights)
        if method in (RESAMPLING, GROUP_DRO):
            drawn = self._draw(groups, seed)
            balanced = replace(data, train=data.train.take(drawn))
            objective = miniature.GroupObjective((groups[drawn] == "B").astype(int), self.update)
            return miniature.train(
                balanced,
                seed=seed,
                epochs=epochs,
                objective=objective if method == GROUP_DRO else None,
            )
        plain = miniature.train(data, seed=seed, epochs=epochs)
        if method == PLAIN:
            return plain
        wrong = plain.predict(data.train.images).argmax(axis=1) != data.train.labels
        weights = self.reweight(np.where(wrong, "wrong", "right"))
        return miniature.train(data, seed=seed, epochs=epochs, sample_weight=weights)

    def _draw(self, groups: Groups, seed: int) -> NDArray[np.int64]:
        drawn = np.asarray(self.resample(groups, seed))
        if (
            drawn.ndim != 1
            or not np.issubdtype(drawn.dtype, np.integer)
            or not ((drawn >= 0) & (drawn < len(groups))).all()
            or set(groups[drawn]) != set(groups)
        ):
            raise miniature.LabError(
                f"resample returned {drawn.dtype} of shape {drawn.shape}; it returns the indices "
                f"of pictures, whole numbers from 0 to {len(groups) - 1}, some of each group"
            )
        return drawn.astype(np.int64)


def load(seed: int, *, num_train: int, palette_prevalence: float) -> ImageDataset:
    """Draw training pictures of which few are in palette B, and a test picture.

    Raises:
        miniature.LabError: the prevalence isn't between 0 and 1, or a palette has no picture.
    """
    if not 0 < palette_prevalence < 1:
        raise miniature.LabError(
            f"palette_prevalence is {palette_prevalence:g}; a share of the training pictures that "
            "leaves some for both palettes lies between 0 and 1, such as 0.05"
        )
    data = datasets.load(
        "pixels10",
        num_train=num_train,
        num_test=1,  # the test pictures are drawn apart
        seed=seed,
        palette_prevalence=palette_prevalence,
    )
    absent = set(palettes.PALETTES) - set(data.train.attributes["palette"])
    if absent:
        raise miniature.LabError(
            f"no picture of {num_train} is in palette {absent.pop()} when the prevalence of B is "
            f"{palette_prevalence:g}; raise num_train, or take a prevalence nearer to 0.5"
        )
    return data


def changes(runs: pd.DataFrame) -> pd.DataFrame:
    """What each method changes against plain training with the same seed.

    Args:
        runs: from :func:`measure`.

    Returns:
        One row per method, palette and seed: ``method``, ``palette``, ``seed`` and ``change`` of
        the accuracy.
    """
    wide = runs.pivot_table("accuracy", index=["palette", "seed"], columns="method", sort=False)
    difference = wide.drop(columns=PLAIN).sub(wide[PLAIN], axis=0)
    return difference.melt(ignore_index=False, value_name="change").reset_index()


@dataclass(frozen=True)
class Condition:
    """What a method has to do to be worth it, written down before it is tried.

    Attributes:
        least_gain: the interval of what palette B gains lies wholly above it.
        highest_price: the interval of what palette A loses lies wholly below it.
    """

    least_gain: float = 0.0
    highest_price: float = 0.05

    def __post_init__(self) -> None:
        for name in ("least_gain", "highest_price"):
            if not -1 < getattr(self, name) < 1:
                raise miniature.LabError(
                    f"{name} is {getattr(self, name)}; it is a difference of accuracies, such as "
                    "0.05 for five points"
                )


def judge(changed: pd.DataFrame, condition: Condition) -> pd.DataFrame:
    """Compare what was measured with the condition.

    Args:
        changed: from :func:`changes`.
        condition: what was registered.

    Returns:
        One row per method and palette: ``method``, ``palette``, ``value``, ``low`` and ``high`` (of
        the change, over seeds), and ``held``: whether this palette's part of the condition holds.
    """
    rows = []
    for (method, palette), part in changed.groupby(["method", "palette"], sort=False):
        estimate = over_seeds(part["change"], bounds=DIFFERENCE)
        held = (
            estimate.low > condition.least_gain
            if palette == "B"
            else estimate.low > -condition.highest_price
        )
        numbers = {name: asdict(estimate)[name] for name in ("value", "low", "high")}
        rows.append({"method": method, "palette": palette, **numbers, "held": held})
    return pd.DataFrame(rows)


def errors(
    *, seeds: Iterable[int], epochs: int, num_train: int, palette_prevalence: float = 0.05
) -> pd.DataFrame:
    """Measure how common palette B is among the pictures that training twice gives more weight.

    Args:
        seeds: as in :func:`measure`, whose plain networks are asked; and so on.
        epochs: likewise.
        num_train: likewise.
        palette_prevalence: likewise.

    Returns:
        One row per seed: ``seed``, ``errors`` (share of the training pictures that the plain
        network gets wrong), ``b_among_errors`` and ``b_among_all`` (shares of palette B).
    """

    def run(seed: int) -> list[dict[str, Any]]:
        data = load(seed, num_train=num_train, palette_prevalence=palette_prevalence)
        network = miniature.train(data, seed=seed, epochs=epochs)
        wrong = network.predict(data.train.images).argmax(axis=1) != data.train.labels
        rare = (data.train.attributes["palette"] == "B").to_numpy()
        return [
            {
                "seed": seed,
                "errors": float(wrong.mean()),
                "b_among_errors": float(rare[wrong].mean()) if wrong.any() else 0.0,
                "b_among_all": float(rare.mean()),
            }
        ]

    return miniature.table(run, seeds, label="seed")
