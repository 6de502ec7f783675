"""Which kinds of fairness can a threshold give to two groups at once?

A cat flap with a camera lets cats in and keeps dogs out. In front of some doors most visitors are
cats, in front of others few are; here the visitors with palette A and those with palette B. Any
one of four rates can be made equal for both. When the base rates differ, the others then are not
(Kleinberg, Mullainathan and Raghavan 2016, arXiv:1609.05807; Chouldechova 2017,
doi:10.1089/big.2016.0047).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils import datasets
from course_utils.datasets import pixels10
from course_utils.labs import miniature
from course_utils.labs.miniature import LabError

BASE_RATES = {"A": 0.6, "B": 0.3}  # share of cats among the visitors
RATES = ("let in", "cats let in", "dogs let in", "cats among those let in")

_EQUALISED = {"equal shares let in": RATES[0], "equal false alarms": RATES[2]}

_CAT, _DOG = (pixels10.CLASS_NAMES.index(name) for name in ("cat", "dog"))

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def measure(
    *,
    seeds: Iterable[int],
    epochs: int,
    num_train: int,
    num_visitors: int = 1000,
    base_rates: Mapping[str, float] = BASE_RATES,
) -> pd.DataFrame:
    """Train on pixels10 and let visitors of both palettes in, by three policies.

    The policies are *one threshold*: whoever is more likely a cat than not comes in, the score
    having been adjusted to the group's base rate; *equal shares let in*: the threshold of each
    group lets in as large a share of it as one threshold does of both together; and *equal false
    alarms*: the same for the share of dogs.

    Args:
        seeds: one training for each.
        epochs: passes over the training pictures.
        num_train: training pictures, of all ten classes and both palettes.
        num_visitors: of each palette.
        base_rates: share of cats among each palette's visitors, between 0 and 1.

    Returns:
        One row per seed, policy, palette and rate: ``seed``, ``policy``, ``palette``, ``rate`` (one
        of :data:`RATES`) and ``value``.

    Raises:
        LabError: a base rate that is none, or too few visitors for every rate to exist.
    """
    _check(base_rates, num_visitors)

    def run(seed: int) -> list[dict[str, Any]]:
        data = datasets.load("pixels10", num_train=num_train, num_test=1, seed=seed)
        network = miniature.train(data, seed=seed, epochs=epochs)
        scores, cats = {}, {}
        for palette, base_rate in base_rates.items():
            visitors = _draw_visitors(num_visitors, palette, base_rate, seed=seed)
            answers = network.predict(visitors.images).astype(float)
            score = answers[:, _CAT] / (answers[:, _CAT] + answers[:, _DOG])
            scores[palette] = adjust(score, base_rate=base_rate)
            cats[palette] = visitors.labels == _CAT
        return [
            {"seed": seed, "policy": policy, "palette": palette, "rate": rate, "value": value}
            for policy, thresholds in _policies(scores, cats).items()
            for palette, threshold in thresholds.items()
            for rate, value in rates(cats[palette], scores[palette] >= threshold).items()
        ]

    return miniature.table(run, seeds, label="seed")


def differences(runs: pd.DataFrame) -> pd.DataFrame:
    """Subtract palette B's rates from palette A's.

    Args:
        runs: from :func:`measure`.

    Returns:
        One row per seed, policy and rate: ``seed``, ``policy``, ``rate`` and ``difference``. Rates
        that a policy makes equal are left out: their difference is zero because it was made so.
    """
    wide = runs.pivot_table("value", ["policy", "rate", "seed"], "palette", sort=False)
    table = (wide["A"] - wide["B"]).rename("difference").reset_index()
    return table[table["rate"] != table["policy"].map(_EQUALISED)].reset_index(drop=True)


def rates(cats: Bools, let_in: Bools) -> dict[str, float]:
    """Compute the four rates by which a decision is usually judged.

    Args:
        cats: (n,) whether each visitor is a cat; some are and some aren't.
        let_in: (n,) whether it is let in.

    Returns:
        By the names in :data:`RATES`: the share of all that is let in (*selection rate*), of the
        cats (*true positive rate*), of the dogs (*false positive rate*), and the share of cats
        among those let in (*precision*; NaN when nobody is).
    """
    precision = float(cats[let_in].mean()) if let_in.any() else np.nan
    values = (let_in.mean(), let_in[cats].mean(), let_in[~cats].mean(), precision)
    return dict(zip(RATES, map(float, values), strict=True))


def adjust(scores: Floats, *, base_rate: float) -> Floats:
    """Turn a score made where cats and dogs are equally common into one for another base rate.

    By Bayes' rule the odds are multiplied by those of the base rate. A score that was calibrated
    before is calibrated for the group then.

    Args:
        scores: (n,) between 0 and 1.
        base_rate: share of cats, between 0 and 1.
    """
    weighted = scores * base_rate
    return weighted / (weighted + (1 - scores) * (1 - base_rate))


def implied_false_positive_rate(*, base_rate: float, precision: float, hit_rate: float) -> float:
    """Compute the false positive rate that the three other numbers leave no choice about.

    So where two groups agree in precision and in the share of positives found, and differ in the
    base rate, their false positive rates differ, unless no decision is wrong.

    Source: Chouldechova 2017, doi:10.1089/big.2016.0047, equation 2.6.
    """
    return base_rate / (1 - base_rate) * (1 - precision) / precision * hit_rate


def _policies(
    scores: Mapping[str, Floats], cats: Mapping[str, Bools]
) -> dict[str, dict[str, float]]:
    """The threshold of each palette, under each policy."""

    def equal(chosen: Callable[[str], Floats]) -> dict[str, float]:
        """Thresholds above which lies the same share of the chosen scores of each palette."""
        share = np.mean(np.concatenate([chosen(palette) for palette in scores]) >= 0.5)
        return {palette: float(np.quantile(chosen(palette), 1 - share)) for palette in scores}

    return {
        "one threshold": dict.fromkeys(scores, 0.5),
        "equal shares let in": equal(lambda palette: scores[palette]),
        "equal false alarms": equal(lambda palette: scores[palette][~cats[palette]]),
    }


def _draw_visitors(num: int, palette: str, base_rate: float, *, seed: int) -> Any:
    prevalence = dict.fromkeys(pixels10.CLASS_NAMES, 0.0)
    prevalence |= {"cat": base_rate, "dog": 1 - base_rate}
    return pixels10.draw(
        num,
        seed=seed,
        split="test",
        class_prevalence=prevalence,
        palette_prevalence=float(palette == "B"),
    )


def _check(base_rates: Mapping[str, float], num_visitors: int) -> None:
    if set(base_rates) != set(BASE_RATES):
        raise LabError(f"base_rates names {', '.join(base_rates)}; it has one share for A and B")
    for palette, rate in base_rates.items():
        if not 0 < rate < 1:
            raise LabError(
                f"base_rates[{palette!r}] is {rate}; it is a share between 0 and 1: both cats and "
                "dogs come to every door"
            )
        if num_visitors * min(rate, 1 - rate) < 20:
            raise LabError(
                f"of {num_visitors} visitors with palette {palette} fewer than 20 are cats, or "
                "dogs: raise num_visitors"
            )
