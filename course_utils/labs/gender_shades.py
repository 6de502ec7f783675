"""The published table of Gender Shades, with the intervals that it was printed without.

Buolamwini & Gebru 2018, "Gender Shades: Intersectional Accuracy Disparities in Commercial Gender
Classification", PMLR 81:77–91. The groups are the study's own: binary perceived gender and skin
type of the pictures of its Pilot Parliaments Benchmark. What was tested is the classification of
gender, not the recognition of persons.
"""

import pandas as pd

from course_utils.evaluation import Estimate, newcombe, wilson

# Pictures in each group: the published shares of the 1,270 pictures, as whole numbers.
COUNTS = {"darker female": 271, "darker male": 318, "lighter female": 296, "lighter male": 385}

# Error rates in per cent. For Face++ and lighter-skinned women 9.8 agrees with the published
# overall error of 10.0; the 6.0 that is sometimes printed does not.
ERRORS = {
    "Microsoft": (20.8, 6.0, 1.7, 0.0),
    "Face++": (34.5, 0.7, 9.8, 0.8),
    "IBM": (34.7, 12.0, 7.1, 0.3),
}

# Overall error rates in per cent, as published.
OVERALL_ERRORS = {"Microsoft": 6.3, "Face++": 10.0, "IBM": 12.1}


def error_table() -> pd.DataFrame:
    """Each company's error rate in each group, with Wilson's 95 % interval.

    The number of errors is the published percentage of the group's count, rounded, and some
    percentages fit no whole number, so the intervals are approximate.

    Returns:
        One row per company and group: ``company``, ``group``, ``count``, ``errors``, and
        ``value``, ``low`` and ``high`` as shares from 0 to 1.
    """
    rows = []
    for company, percentages in ERRORS.items():
        for (group, count), percentage in zip(COUNTS.items(), percentages, strict=True):
            errors = _num_errors(percentage, count)
            interval = wilson(errors, count)
            rows.append(
                {
                    "company": company,
                    "group": group,
                    "count": count,
                    "errors": errors,
                    "value": percentage / 100,
                    "low": min(interval.low, percentage / 100),
                    "high": interval.high,
                }
            )
    return pd.DataFrame(rows)


def difference(company: str, *, first: str, second: str) -> Estimate:
    """How much more often a company errs in one group than in another.

    Args:
        company: a key of :data:`ERRORS`.
        first: the group whose error rate is the minuend, a key of :data:`COUNTS`.
        second: the group whose error rate is subtracted.

    Returns:
        The difference of the two shares with Newcombe's 95 % interval.
    """
    if company not in ERRORS or not {first, second} <= set(COUNTS):
        raise ValueError(
            f"no such company or group: {company!r}, {first!r}, {second!r}; the companies are "
            f"{', '.join(ERRORS)} and the groups {', '.join(COUNTS)}"
        )
    errors = dict(zip(COUNTS, ERRORS[company], strict=True))
    return newcombe(
        _num_errors(errors[first], COUNTS[first]),
        COUNTS[first],
        _num_errors(errors[second], COUNTS[second]),
        COUNTS[second],
    )


def _num_errors(percentage: float, count: int) -> int:
    return round(percentage / 100 * count)
