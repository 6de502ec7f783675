"""How many pictures does an audit need, and how large a gap does chance alone show?

Nothing is trained here: audits of imaginary systems are drawn at random, thousands of them, whose
true error rates are known. So it can be counted how often an audit finds what is there.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_effectsize

from course_utils.evaluation import wilson
from course_utils.labs.miniature import LabError

NUM_AUDITS = 4000


def detection(
    counts: Iterable[int],
    *,
    error_rate: float = 0.1,
    gap: float = 0.05,
    num_audits: int = NUM_AUDITS,
    seed: int = 0,
) -> pd.DataFrame:
    """Count how often an audit finds a gap between two groups.

    An audit tests the same number of pictures from either group, and finds a gap when Newcombe's
    95 % interval of the difference leaves zero out.

    Args:
        counts: pictures in each group, one kind of audit for each number.
        error_rate: of the better-served group.
        gap: how much higher the other group's is; 0 asks for false alarms.
        num_audits: of each kind.
        seed: fixes the errors that are drawn.

    Returns:
        One row per kind: ``count``, ``value``, ``low`` and ``high`` (the share of audits that find
        a gap, with Wilson's interval, which covers the number of audits drawn), and ``formula``
        (what :func:`power` says).

    Raises:
        LabError: a rate that is none, or no pictures.
    """
    _check_rates(error_rate, gap)
    generator = np.random.default_rng(seed)
    rows = []
    for count in counts:
        _check_number("count", count)
        worse, better = (
            generator.binomial(count, rate, _checked(num_audits))
            for rate in (error_rate + gap, error_rate)
        )
        low, high = confint_proportions_2indep(
            worse, count, better, count, method="newcomb", compare="diff"
        )
        found = wilson(int(((low > 0) | (high < 0)).sum()), num_audits)
        rows.append(
            {
                "count": count,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "formula": power(count, error_rate=error_rate, gap=gap),
            }
        )
    return pd.DataFrame(rows)


def power(count: int, *, error_rate: float = 0.1, gap: float = 0.05) -> float:
    """Compute by formula how likely an audit of two groups of this size is to find a gap.

    Source: Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, chapter 6 (normal
    approximation of the difference of arcsines), as in statsmodels.
    """
    if not gap:
        return 0.05  # false alarms: what a 95 % interval allows itself
    effect = proportion_effectsize(error_rate + gap, error_rate)
    return float(NormalIndPower().power(effect, nobs1=count, alpha=0.05))


def needed(
    *,
    error_rate: float = 0.1,
    gap: float = 0.05,
    power: float = 0.8,
) -> int:
    """Compute how many pictures of each group find a gap with the given probability.

    Args:
        error_rate: of the better-served group.
        gap: how much higher the other group's is, above 0.
        power: the probability, between 0.05 and 1.

    Raises:
        LabError: a rate that is none, no gap, or a power out of bounds.
    """
    _check_rates(error_rate, gap)
    if not gap:
        raise LabError("gap is 0; no number of pictures finds a gap that isn't there")
    if not 0.05 < power < 1:
        raise LabError(f"power is {power}; it lies between 0.05 and 1")
    effect = proportion_effectsize(error_rate + gap, error_rate)
    count = NormalIndPower().solve_power(effect, power=power, alpha=0.05)
    return int(np.ceil(count))


def chance_gaps(
    nums_groups: Iterable[int],
    *,
    count: int = 100,
    error_rate: float = 0.1,
    num_audits: int = NUM_AUDITS,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw audits of a system that serves all groups equally well, and take best minus worst.

    Args:
        nums_groups: how many groups are compared, from 2, one kind of audit for each number.
        count: pictures in each group.
        error_rate: of every group.
        num_audits: of each kind.
        seed: fixes the errors that are drawn.

    Returns:
        One row per kind: ``num_groups``, ``value`` (the median gap of the audits), ``low`` and
        ``high`` (between which 95 % of the gaps lie).

    Raises:
        LabError: a rate that is none, no pictures, or fewer than two groups.
    """
    _check_rates(error_rate, 0.0)
    _check_number("count", count)
    generator = np.random.default_rng(seed)
    rows = []
    for num_groups in nums_groups:
        if num_groups < 2:
            raise LabError(f"num_groups is {num_groups}; a gap lies between at least two groups")
        shape = (_checked(num_audits), num_groups)
        errors: NDArray[np.float64] = generator.binomial(count, error_rate, shape) / count
        low, value, high = np.quantile(np.ptp(errors, axis=1), [0.025, 0.5, 0.975])
        rows.append({"num_groups": num_groups, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def _check_rates(error_rate: float, gap: float) -> None:
    if not 0 < error_rate < 1:
        raise LabError(f"error_rate is {error_rate}; it is a share between 0 and 1")
    if not 0 <= gap < 1 - error_rate:
        raise LabError(
            f"gap is {gap} and error_rate {error_rate}; the gap is at least 0, and together they "
            "stay below 1"
        )


def _check_number(name: str, number: int) -> None:
    if number < 1:
        raise LabError(f"{name} is {number}; an audit tests at least one picture of each group")


def _checked(num_audits: int) -> int:
    if num_audits < 1:
        raise LabError(f"num_audits is {num_audits}; draw at least one")
    return num_audits
