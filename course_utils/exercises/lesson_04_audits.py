"""Checks of lesson 4's audits, thresholds, and experiment of one's own."""

from typing import Any

import numpy as np
from numpy.random import Generator

from course_utils.exercises.expectations import Wrong, expect_close
from course_utils.exercises.probing import Case, Probe, read_numbers


def share_found(answer: Any) -> str:
    """An interval that contains zero has found no difference. On which sides of zero can it lie?

    An interval finds a difference when it begins above zero, ``lows > 0``, or ends below it,
    ``highs < 0``. Join the two with ``|`` and take the mean."""
    lows, highs = np.array([0.1, -0.2, -0.3, 0.2]), np.array([0.3, 0.1, -0.1, 0.4])
    expect_close(answer(lows[:2], highs[:2]), 0.5, "When one of two leaves zero out,")
    expect_close(answer(-highs[:2], -lows[:2]), 0.5, "When one of two lies below zero,")
    expect_close(answer(lows, highs), 0.75, "When two lie above zero and one below")
    expect_close(answer(lows[1:2], highs[1:2]), 0, "When zero lies within,")
    return "the share of audits whose interval leaves zero out"


def chance_gap(answer: Any) -> str:
    """Each row is an audit. Which of its groups fares best, which worst, and how far apart?

    The gap of each audit is ``errors.max(axis=1) - errors.min(axis=1)``; ``np.quantile`` of the
    gaps at 0.95 is exceeded by one audit in twenty."""
    errors = np.array([[0.1, 0.3, 0.2], [0.1, 0.1, 0.1], [0.5, 0.2, 0.4]])
    expect_close(answer(errors[:1]), 0.2, "For one audit with errors of 10, 30 and 20 %")
    value = float(np.quantile([0.2, 0.0, 0.3], 0.95))
    expect_close(answer(errors), value, "For three audits with gaps of 20, 0 and 30 points")
    return "one audit in twenty shows equal groups at least this far apart"


def four_rates(answer: Any) -> str:
    """Of whom is each share taken: of everybody, of the cats, of the dogs, of those let in?

    Pick the visitors by a mask before you take the mean: ``let_in.mean()``,
    ``let_in[cats].mean()``, ``let_in[~cats].mean()`` and ``cats[let_in].mean()``, in this order."""
    cats = np.array([True, True, True, True, False, False])
    let_in = np.array([True, True, True, False, True, False])
    names = ("selection rate", "true positive rate", "false positive rate", "precision")
    found = answer(cats, let_in)
    try:
        size = len(found)
    except TypeError:
        raise Wrong(f"Four numbers are expected, not {found!r}.") from None
    if size != 4:
        raise Wrong(f"Four numbers are expected, and you return {size}.")
    for name, own, right in zip(names, found, (4 / 6, 3 / 4, 1 / 2, 3 / 4), strict=True):
        expect_close(
            own, right, f"For four cats and two dogs, of which 3 and 1 come in, the {name}"
        )
    cats = np.array([True, False, False, False, True])
    let_in = np.array([True, True, True, False, False])
    expect_close(answer(cats, let_in), [3 / 5, 1 / 2, 2 / 3, 1 / 3], "For two cats and three dogs")
    return "the four rates by which a decision is usually judged"


def pairs(answer: Any) -> str:
    """Which seeds were run under both conditions? A seed without its partner has no difference.

    Go through ``sorted(seed for condition, seed in results if condition == first)``, keep the seeds
    with ``(second, seed) in results``, and collect ``results[first, seed] - results[second, seed]``
    of each."""
    results = {("B", 3): 0.5, ("A", 4): 0.75, ("A", 3): 0.875, ("B", 4): 1.0, ("C", 3): 0.0}
    expect_close(answer(results, "A", "B"), [0.375, -0.25], "For seeds 3 and 4, A minus B")
    expect_close(answer(results, "B", "A"), [-0.375, 0.25], "For seeds 3 and 4, B minus A")
    unpaired = {("A", 1): 0.5, ("A", 2): 0.75, ("B", 2): 0.25, ("B", 9): 0.5}
    expect_close(answer(unpaired, "A", "B"), [0.5], "When only seed 2 was run under both,")
    return "the difference of each seed that was run under both conditions"


CHECKS = {"4.10": share_found, "4.11": chance_gap, "4.12": four_rates, "4.14": pairs}


# What they are tried out with when they are graded


def _share_found(generator: Generator) -> list[Case]:
    def draw(above: int, below: int, within: int) -> tuple[Any, ...]:
        """Intervals, so many of which lie above zero, below it, and around it."""
        near, far = (generator.uniform(0.01, 0.2, above + below + within) for _ in range(2))
        lows = np.where(np.arange(len(near)) < above + below, near, -near)
        highs = np.where(lows > 0, near + far, far)
        turned = (np.arange(len(near)) >= above) & (lows > 0)
        lows, highs = np.where(turned, -highs, lows), np.where(turned, -lows, highs)
        mixed = generator.permutation(len(lows))
        return lows[mixed], highs[mixed]

    def some(low: int, high: int) -> int:
        return int(generator.integers(low, high))

    return [
        Case("all kinds", draw(some(10, 20), some(10, 20), some(10, 20))),
        Case("most contain zero", draw(some(1, 4), some(4, 8), some(40, 60))),
        Case("most lie above zero", draw(some(40, 60), some(2, 8), some(9, 12))),
        Case("most lie below zero", draw(some(2, 8), some(40, 60), some(5, 9))),
        Case("many audits", draw(some(300, 500), some(100, 200), some(200, 300))),
    ]


def _chance_gap(generator: Generator) -> list[Case]:
    def draw(num_audits: int, num_groups: int, rate: float, count: int = 100) -> tuple[Any, ...]:
        return (generator.binomial(count, rate, (num_audits, num_groups)) / count,)

    def rate() -> float:
        return float(generator.uniform(0.1, 0.4))

    return [
        Case("two groups", draw(200, 2, rate())),
        Case("many groups", draw(300, 20, rate())),
        Case("few audits", draw(7, 5, rate())),
        Case("small groups", draw(100, 4, rate(), count=20)),
        Case("as many groups as audits", draw(12, 12, rate(), count=500)),
    ]


def _four_rates(generator: Generator) -> list[Case]:
    def draw(num: int, base_rate: float, hit_rate: float, false_alarms: float) -> tuple[Any, ...]:
        cats = np.arange(num) < round(num * base_rate)
        places = generator.random(num)
        let_in = np.zeros(num, bool)
        for group, share in ((cats, hit_rate), (~cats, false_alarms)):
            ranked = np.flatnonzero(group)[np.argsort(places[group])]
            let_in[ranked[: round(share * len(ranked))]] = True
        mixed = generator.permutation(num)
        return cats[mixed], let_in[mixed]

    def share(low: float, high: float) -> float:
        return float(generator.uniform(low, high))

    return [
        Case("cats are common", draw(201, 0.7, share(0.75, 0.9), share(0.1, 0.3))),
        Case("cats are rare", draw(307, 0.1, share(0.6, 0.8), share(0.2, 0.3))),
        Case("a strict threshold", draw(150, 0.4, share(0.2, 0.4), share(0.03, 0.1))),
        Case("a lenient threshold", draw(150, 0.4, share(0.92, 0.97), share(0.5, 0.7))),
        Case("worse than chance", draw(99, 0.5, share(0.1, 0.3), share(0.5, 0.8))),
    ]


def _pairs(generator: Generator) -> list[Case]:
    def draw(num_seeds: int, share: float, num_conditions: int = 2) -> tuple[Any, ...]:
        """Results of most conditions and seeds, in any order."""
        names = generator.choice(["max", "blur", "stride", "average"], num_conditions, False)
        chosen = generator.choice(1000, num_seeds, False)
        runs = [(str(name), int(seed)) for name in names for seed in chosen]
        kept = [run for run in runs if generator.random() < share or run[1] == chosen[0]]
        mixed = [kept[place] for place in generator.permutation(len(kept))]
        results = {run: round(float(generator.uniform(0.4, 0.9)), 4) for run in mixed}
        return results, str(names[0]), str(names[1])

    return [
        Case("all seeds are paired", draw(8, 1.0)),
        Case("some seeds lack a partner", draw(12, 0.7)),
        Case("three conditions", draw(6, 0.8, 3)),
        Case("four conditions, many seeds", draw(30, 0.6, 4)),
        Case("few seeds", draw(3, 0.9)),
    ]


PROBES = {
    "4.10": Probe(_share_found, 1e-6, read_numbers),
    "4.11": Probe(_chance_gap, 1e-6, read_numbers),
    "4.12": Probe(_four_rates, 1e-6, read_numbers),
    "4.14": Probe(_pairs, 1e-6, read_numbers),
}
