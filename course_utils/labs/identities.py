"""Could a classifier tell people apart? What a recogniser of drawn creatures gets wrong, and where.

A network learns to classify some creatures. What its last layer but one says of a picture is an
*embedding*, and two pictures whose embeddings point the same way are taken for one creature: of
creatures, too, that the network was never trained on. A comparison of two pictures of one creature
is *mated*, one of two creatures *non-mated*; the rates are those of ISO/IEC 19795-1.

Groups are drawn (see :mod:`course_utils.labs.drawn.creatures`) and stand for no group of people.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils.datasets.base import ImageSplit
from course_utils.labs import miniature
from course_utils.labs.drawn import creatures
from course_utils.labs.miniature import LabError

EPOCHS = 6  # an epoch shows each creature only num_views times
NUM_KNOWN = 60  # creatures that the network learns to classify
NUM_VIEWS = 20  # pictures of each
NUM_SETTING = 40  # other creatures, on which the threshold is set
NUM_TESTED = 80  # and others again, on which rates are measured
NUM_TEST_VIEWS = 5
FALSE_MATCH_RATE = 0.01  # that the threshold is set for
GALLERY_SIZES = (1, 2, 5, 10, 20, 40)

_FIRST_SETTING, _FIRST_TESTED = 10_000, 20_000  # numbers of creatures that nothing was trained on
_BATCH = 250  # pictures embedded at once


def known_identities(plain_share: float, *, num_known: int = NUM_KNOWN) -> list[int]:
    """Choose creatures to train on: ``plain_share`` of them plain, the others varied.

    Raises:
        LabError: the share is outside (0, 1), or leaves a group out.
    """
    if not 0 < plain_share < 1:
        raise LabError(
            f"plain_share is {plain_share}; it is the share of plain creatures among those trained "
            "on and lies between 0 and 1"
        )
    num_plain = round(plain_share * num_known)
    if not 0 < num_plain < num_known:
        raise LabError(
            f"plain_share {plain_share} of {num_known} creatures leaves a group out; take more "
            "creatures or another share"
        )
    return [2 * one for one in range(num_plain)] + [
        2 * one + 1 for one in range(num_known - num_plain)
    ]


def embed(network: miniature.Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed pictures (n, height, width, 3): (n, units), each row of length 1.

    The embedding is what reaches the last layer, whose only job is to name the known classes.
    """
    import keras

    model = network.to_keras()
    body = keras.Model(model.inputs[0], model.layers[-2].output)
    parts = [
        np.asarray(body(np.ascontiguousarray(images[start : start + _BATCH]), training=False))
        for start in range(0, len(images), _BATCH)
    ]
    return unit(np.concatenate(parts))


def unit(embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Bring each row to length 1, so that the product of two is the cosine of their angle."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(lengths, 1e-12), np.float32)


def compare(embeddings: NDArray[np.floating[Any]], attributes: pd.DataFrame) -> pd.DataFrame:
    """Compare each picture with each other one.

    Args:
        embeddings: (n, units), each row of length 1.
        attributes: n rows with ``identity`` and ``group``.

    Returns:
        One row for each pair: ``score`` (their cosine), ``mated`` (whether they show one creature)
        and ``group`` (of both, or "mixed" where they differ).
    """
    first, second = np.triu_indices(len(embeddings), 1)
    identity, group = (attributes[name].to_numpy() for name in ("identity", "group"))
    return pd.DataFrame(
        {
            "score": (embeddings @ embeddings.T)[first, second],
            "mated": identity[first] == identity[second],
            "group": np.where(group[first] == group[second], group[first], "mixed"),
        }
    )


def find_threshold(comparisons: pd.DataFrame, false_match_rate: float) -> float:
    """The score from which on ``false_match_rate`` of the non-mated comparisons match.

    Raises:
        LabError: the rate is outside (0, 1), or so low that it is decided by fewer than ten
            comparisons.
    """
    scores = np.sort(comparisons.score[~comparisons.mated])[::-1]
    if not 0 < false_match_rate < 1:
        raise LabError(f"false_match_rate is {false_match_rate}; it lies between 0 and 1")
    number = round(false_match_rate * len(scores))
    if number < 10:
        raise LabError(
            f"a false match rate of {false_match_rate} would be set by {number} of "
            f"{len(scores):,} non-mated comparisons; ten are the least: raise the rate, or take "
            "more creatures"
        )
    return float(scores[number - 1])


def match_rates(comparisons: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Count what a threshold gets wrong, for each group and for all comparisons.

    Args:
        comparisons: from :func:`compare`.
        threshold: two pictures match when their score is at least this.

    Returns:
        One row for each group of :data:`creatures.GROUPS` and one for "all", where mixed pairs
        count as well: ``group``, ``false_match_rate`` (share of the non-mated comparisons that
        match), ``false_non_match_rate`` (share of the mated ones that don't), ``non_mated`` and
        ``mated`` (how many there were).

    Raises:
        LabError: a group has no mated or no non-mated comparison.
    """
    rows = []
    for group in (*creatures.GROUPS, "all"):
        part = comparisons if group == "all" else comparisons[comparisons.group == group]
        match = part.score.to_numpy() >= threshold
        mated = part.mated.to_numpy(bool)
        if mated.all() or not mated.any():
            raise LabError(
                f"group {group!r} needs two pictures of one creature and pictures of two creatures"
            )
        rows.append(
            {
                "group": group,
                "false_match_rate": float(match[~mated].mean()),
                "false_non_match_rate": float((~match[mated]).mean()),
                "non_mated": int((~mated).sum()),
                "mated": int(mated.sum()),
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A trained network with its threshold, and the creatures on which it is to be tested."""

    network: miniature.Network
    threshold: float
    tested: ImageSplit
    embeddings: NDArray[np.float32]  # of the tested pictures

    def comparisons(self) -> pd.DataFrame:
        """All pairs of tested pictures, as :func:`compare` gives them."""
        return compare(self.embeddings, self.tested.attributes)


def build(
    *,
    seed: int,
    plain_share: float = 0.5,
    plain_spread: float = creatures.PLAIN_SPREAD,
    epochs: int = EPOCHS,
    num_known: int = NUM_KNOWN,
    num_views: int = NUM_VIEWS,
    false_match_rate: float = FALSE_MATCH_RATE,
) -> Recogniser:
    """Train on known creatures and set the threshold on others, half of them plain.

    Args:
        seed: fixes creatures, pictures, weights and order.
        plain_share: of the known creatures.
        plain_spread: as in :func:`creatures.draw`: 1 makes both groups equally varied.
        epochs: passes over the training pictures.
        num_known: creatures to train on.
        num_views: training pictures of each.
        false_match_rate: what the threshold is set for.
    """
    known = creatures.load(
        known_identities(plain_share, num_known=num_known),
        num_views,
        num_test_views=1,
        seed=seed,
        plain_spread=plain_spread,
    )
    network = miniature.train(known, seed=seed, epochs=epochs)
    setting, tested = (
        creatures.draw(
            range(start, start + number),
            NUM_TEST_VIEWS,
            seed=seed,
            split="test",
            plain_spread=plain_spread,
        )
        for start, number in ((_FIRST_SETTING, NUM_SETTING), (_FIRST_TESTED, NUM_TESTED))
    )
    both = embed(network, np.concatenate([setting.images, tested.images]))
    threshold = find_threshold(compare(both[: len(setting)], setting.attributes), false_match_rate)
    return Recogniser(network, threshold, tested, both[len(setting) :])


def measure(
    *,
    seeds: Iterable[int],
    plain_shares: Iterable[float] = (0.5, 0.1),
    plain_spread: float = creatures.PLAIN_SPREAD,
    epochs: int = EPOCHS,
    **settings: Any,
) -> pd.DataFrame:
    """Measure the recogniser's errors by group, for each share of plain creatures trained on.

    Args:
        seeds: one training for each share and seed.
        plain_shares: of the creatures trained on; those tested on are half plain in any case.
        plain_spread: how much plain creatures differ, as a share of how much the varied ones do.
        epochs: passes over the training pictures.
        settings: further ones of :func:`build`.

    Returns:
        The rows of :func:`match_rates` for each share and seed, with ``plain_share``, ``seed`` and
        ``threshold``.
    """

    def run(setting: tuple[float, int]) -> list[dict[str, Any]]:
        share, seed = setting
        recogniser = build(
            seed=seed, plain_share=share, plain_spread=plain_spread, epochs=epochs, **settings
        )
        rates = match_rates(recogniser.comparisons(), recogniser.threshold)
        return [
            {"plain_share": share, "seed": seed, "threshold": recogniser.threshold} | dict(row)
            for _, row in rates.iterrows()
        ]

    return miniature.table(run, product(plain_shares, seeds), label="plain share × seed")


def differences(runs: pd.DataFrame, column: str = "false_match_rate") -> pd.DataFrame:
    """The plain creatures' rate minus the varied ones'.

    Args:
        runs: from :func:`measure`.
        column: which rate.

    Returns:
        One row per ``plain_share`` and ``seed``, and the ``difference``.
    """
    wide = runs.pivot_table(column, index=["plain_share", "seed"], columns="group", sort=False)
    return (wide["plain"] - wide["varied"]).rename("difference").reset_index()


def search(
    recogniser: Recogniser,
    *,
    seed: int,
    gallery_sizes: Sequence[int] = GALLERY_SIZES,
    num_galleries: int = 20,
) -> pd.DataFrame:
    """Search for creatures that aren't there: how many searches return somebody all the same?

    A gallery holds one picture of each enrolled creature. Searches are made with all pictures of
    creatures that aren't enrolled in the largest gallery.

    Args:
        recogniser: from :func:`build`.
        seed: fixes who is enrolled.
        gallery_sizes: how many are enrolled, in rising order; a larger gallery holds the smaller.
        num_galleries: how many times creatures are chosen to be enrolled; the rates are means.

    Returns:
        One row for each size: ``seed``, ``gallery_size``, ``measured`` (the false positive
        identification rate, the share of non-mated searches that return at least one creature) and
        ``if independent`` (what it would be if each comparison erred by itself, at the false match
        rate of these pictures).

    Raises:
        LabError: a gallery is empty, or leaves nobody to search with.
    """
    identities = recogniser.tested.attributes.identity.to_numpy()
    creatures_tested = np.unique(identities)
    largest = max(gallery_sizes, default=0)
    if min(gallery_sizes, default=0) < 1 or largest >= len(creatures_tested):
        raise LabError(
            f"gallery_sizes are {list(gallery_sizes)}; they lie between 1 and "
            f"{len(creatures_tested) - 1}, so that somebody is left to search with"
        )
    generator = np.random.default_rng(seed)
    returned = np.zeros(len(gallery_sizes))
    rate = 0.0
    for _ in range(num_galleries):
        chosen = generator.permutation(creatures_tested)[:largest]
        enrolled = [generator.choice(np.flatnonzero(identities == one)) for one in chosen]
        probes = recogniser.embeddings[~np.isin(identities, chosen)]
        match = probes @ recogniser.embeddings[enrolled].T >= recogniser.threshold
        returned += [match[:, :size].any(axis=1).mean() for size in gallery_sizes]
        rate += match.mean() / num_galleries
    return pd.DataFrame(
        {
            "seed": seed,
            "gallery_size": list(gallery_sizes),
            "measured": returned / num_galleries,
            "if independent": [1 - (1 - rate) ** size for size in gallery_sizes],
        }
    )


def measure_search(
    *, seeds: Iterable[int], gallery_sizes: Sequence[int] = GALLERY_SIZES, **settings: Any
) -> pd.DataFrame:
    """Search with a recogniser of each seed: the rows of :func:`search`; settings as :func:`build`.

    Networks that :func:`measure` has trained with the same settings aren't trained again.
    """

    def run(seed: int) -> list[dict[str, Any]]:
        recogniser = build(seed=seed, **settings)
        found = search(recogniser, seed=seed, gallery_sizes=gallery_sizes)
        return [dict(row) for _, row in found.iterrows()]

    return miniature.table(run, seeds, label="seed")


def gate(
    *, base_rate: float, hit_rate: float, false_alarm_rate: float, num_passing: int = 1_000_000
) -> pd.DataFrame:
    """What a gate's alarms amount to, in numbers of passers-by.

    Args:
        base_rate: share of the passers-by who are sought.
        hit_rate: share of those sought for whom the alarm goes off.
        false_alarm_rate: the same for those who aren't sought.
        num_passing: how many pass.

    Returns:
        One row: ``passing``, ``sought``, ``found``, ``false_alarms`` (all numbers expected) and
        ``right`` (the share of the alarms that are right).

    Raises:
        LabError: a rate is outside [0, 1], or there is no alarm.
    """
    for name, rate in (
        ("base_rate", base_rate),
        ("hit_rate", hit_rate),
        ("false_alarm_rate", false_alarm_rate),
    ):
        if not 0 <= rate <= 1:
            raise LabError(f"{name} is {rate}; it is a share, from 0 to 1")
    sought = base_rate * num_passing
    found, false_alarms = sought * hit_rate, (num_passing - sought) * false_alarm_rate
    if found + false_alarms == 0:
        raise LabError("with these rates no alarm ever goes off, so no share of them is right")
    return pd.DataFrame(
        [
            {
                "passing": num_passing,
                "sought": sought,
                "found": found,
                "false_alarms": false_alarms,
                "right": found / (found + false_alarms),
            }
        ]
    )
