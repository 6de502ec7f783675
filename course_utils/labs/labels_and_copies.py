"""What wrong labels and copied pictures do to the number that one reports.

Wrong labels in *training* change the network. Wrong labels in *testing* change only what is said of
it, and so do copies of training pictures among the test pictures. The pictures are pixels10's; the
groups are its two palettes, equally common.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils import datasets
from course_utils.datasets.base import ImageDataset, ImageSplit
from course_utils.labs import miniature, palettes

NOISES = (0.0, 0.2, 0.4)
SHORT, LONG = "short", "long"

# It sees each picture as it is, so that it can learn it by heart.
_BY_HEART = replace(miniature.RECIPE, name="by heart", mirror=False, shift=0, label_smoothing=0.0)


def flip_labels(
    labels: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    *,
    share: float,
    num_classes: int,
    seed: int,
) -> NDArray[np.int64]:
    """Replace a share of some labels, each by any of the other classes.

    With the same seed the labels that a low share replaces are among those of a higher one.

    Args:
        labels: (n,) true classes.
        chosen: (n,) whose labels may be replaced.
        share: of these, from 0 to 1.
        num_classes: how many classes there are.
        seed: of the choice.

    Raises:
        miniature.LabError: the share isn't between 0 and 1.
    """
    _check_share("the share of wrong labels", share)
    generator = np.random.default_rng([seed, 1])
    order = generator.permutation(np.flatnonzero(chosen))
    wrong = order[: round(share * len(order))]
    others = generator.integers(1, num_classes, len(labels))
    flipped = labels.copy()
    flipped[wrong] = (labels[wrong] + others[wrong]) % num_classes
    return flipped


def measure_noise(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    noises: Iterable[float] = NOISES,
) -> pd.DataFrame:
    """Train with wrong labels in palette B only, and test on true labels.

    Args:
        seeds: one training for each share and seed; a seed fixes pictures, weights and order.
        epochs: passes over the training pictures.
        num_train: training pictures, about half of them in palette B.
        num_test: test scenes, each of them in both palettes.
        noises: shares of palette B's training labels that are wrong.

    Returns:
        One row per share, seed and palette: ``noise``, ``seed``, ``palette`` and ``accuracy``.

    Raises:
        miniature.LabError: a share isn't between 0 and 1.
    """
    noises = list(noises)
    for noise in noises:
        _check_share("the share of wrong labels", noise)

    def run(seed: int) -> list[dict[str, Any]]:
        data = datasets.load("pixels10", num_train=num_train, num_test=1, seed=seed)
        pictures = palettes.twins(num_test, seed=seed)
        rows = []
        for noise in noises:
            rare = (data.train.attributes["palette"] == "B").to_numpy()
            labels = flip_labels(
                data.train.labels, rare, share=noise, num_classes=len(data.class_names), seed=seed
            )
            noisy = replace(data, train=replace(data.train, labels=labels))
            network = miniature.train(noisy, seed=seed, epochs=epochs)
            rows += [
                {"noise": noise, "seed": seed, "palette": palette, "accuracy": accuracy}
                for palette, accuracy in palettes.accuracies(network, pictures).items()
            ]
        return rows

    return miniature.table(run, seeds, label="seed")


def corrected_accuracy(reported: float, noise: float, num_classes: int) -> float:
    """Find the accuracy that a report with wrong test labels hides.

    A right answer is counted as wrong where the label is wrong. A wrong answer is counted as right
    where the wrong label happens to agree with it, one time in ``num_classes - 1``.

    Args:
        reported: share of the answers that agree with the labels.
        noise: share of the test labels that are wrong, each of the other classes equally often,
            whatever the picture is.
        num_classes: how many classes there are.

    Raises:
        miniature.LabError: so many labels are wrong that the report doesn't depend on the accuracy.
    """
    most = (num_classes - 1) / num_classes
    if not 0 <= noise < most - 1e-9:
        raise miniature.LabError(
            f"{noise:g} of the test labels are wrong; the accuracy can be found where they are "
            f"less than {most:g} of all"
        )
    by_chance = noise / (num_classes - 1)
    return (reported - by_chance) / (1 - noise - by_chance)


def report_noise(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_test: int,
    noise: float = 0.2,
) -> pd.DataFrame:
    """Test one network on palette B's true labels, and on labels of which some are wrong.

    Args:
        seeds: as in :func:`measure_noise`, whose network without wrong labels it is; and so on.
        epochs: likewise.
        num_train: likewise.
        num_test: likewise.
        noise: share of the test labels that are wrong.

    Returns:
        One row per seed: ``seed``, ``true`` accuracy on palette B, the ``reported`` one, and the
        ``corrected`` one.

    Raises:
        miniature.LabError: the share isn't between 0 and 1.
    """
    _check_share("the share of wrong labels", noise)

    def run(seed: int) -> list[dict[str, Any]]:
        data = datasets.load("pixels10", num_train=num_train, num_test=1, seed=seed)
        test = palettes.twins(num_test, seed=seed)["B"]
        answers = (
            miniature.train(data, seed=seed, epochs=epochs).predict(test.images).argmax(axis=1)
        )
        everybody = np.ones(len(test), bool)
        num_classes = len(data.class_names)
        labels = flip_labels(
            test.labels, everybody, share=noise, num_classes=num_classes, seed=seed
        )
        reported = float((answers == labels).mean())
        return [
            {
                "seed": seed,
                "true": float((answers == test.labels).mean()),
                "reported": reported,
                "corrected": corrected_accuracy(reported, noise, num_classes),
            }
        ]

    return miniature.table(run, seeds, label="seed")


def measure_copies(
    data: ImageDataset,
    *,
    seeds: Iterable[int],
    share: float = 0.2,
    num_train: int = 400,
    epochs: int = 3,
    many_epochs: int = 10,
) -> pd.DataFrame:
    """Put copies of training pictures among the test pictures.

    The network of the long training sees each picture as it is, without mirroring or moving, so
    that it can learn it by heart.

    Args:
        data: where the pictures are from; it may be photographs.
        seeds: two trainings for each; a seed chooses which training pictures are trained on, and
            fixes weights and order.
        share: of the test pictures that are copies.
        num_train: training pictures; few, so that they can be learned by heart in a short time.
        epochs: of the short training.
        many_epochs: of the long one.

    Returns:
        One row per training and seed: ``training`` (``"short"`` or ``"long"``), ``seed``,
        ``honest`` accuracy (on the test pictures), ``reported`` (after ``share`` of them gave place
        to copies), ``on_training`` (accuracy on the training pictures) and ``excess`` (reported
        minus honest).

    Raises:
        miniature.LabError: a share that isn't between 0 and 1, or too few training pictures.
    """
    _check_share("the share of copies", share)
    if num_train > len(data.train):
        raise miniature.LabError(
            f"num_train is {num_train}, and there are {len(data.train)} training pictures to "
            "choose from; load more, or lower it"
        )
    ways = {SHORT: (epochs, miniature.RECIPE), LONG: (many_epochs, _BY_HEART)}

    def run(seed: int) -> list[dict[str, Any]]:
        generator = np.random.default_rng([seed, 2])
        chosen = np.sort(generator.permutation(len(data.train))[:num_train])
        few = replace(data, train=data.train.take(chosen))
        mixed = with_copies(data.test, few.train, share=share, generator=generator)
        rows = []
        for name, (num_epochs, recipe) in ways.items():
            network = miniature.train(few, seed=seed, epochs=num_epochs, recipe=recipe)
            honest, reported, on_training = (
                _accuracy(network, split) for split in (data.test, mixed, few.train)
            )
            rows.append(
                {
                    "training": name,
                    "seed": seed,
                    "honest": honest,
                    "reported": reported,
                    "on_training": on_training,
                    "excess": reported - honest,
                }
            )
        return rows

    return miniature.table(run, seeds, label="seed")


def with_copies(
    test: ImageSplit, train: ImageSplit, *, share: float, generator: np.random.Generator
) -> ImageSplit:
    """Put training pictures in the place of some test pictures.

    Args:
        test: the test pictures.
        train: where the copies come from.
        share: of the test pictures that give place.
        generator: chooses them, and the copies.
    """
    number = round(share * len(test))
    places = generator.permutation(len(test))[:number]
    sources = generator.integers(0, len(train), number)
    images, labels = np.array(test.images), test.labels.copy()
    images[places], labels[places] = train.images[sources], train.labels[sources]
    return replace(test, images=images, labels=labels)


def _accuracy(network: miniature.Network, split: ImageSplit) -> float:
    return float((network.predict(split.images).argmax(axis=1) == split.labels).mean())


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise miniature.LabError(f"{name} is {share}; it lies between 0 and 1, such as 0.2")
