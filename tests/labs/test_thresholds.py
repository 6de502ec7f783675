"""Thresholds: the four rates, what is made equal, and what then can't be."""

import numpy as np
import pandas as pd
import pytest

from course_utils.labs import thresholds
from course_utils.labs.miniature import LabError

SMALL = {"seeds": [0, 1], "epochs": 1, "num_train": 64, "num_visitors": 100}
CATS = np.array([True, True, True, True, False, False, False, False, False, False])


def test_the_four_rates():
    let_in = np.array([True, True, True, False, True, False, False, False, False, False])
    found = thresholds.rates(CATS, let_in)
    assert list(found) == list(thresholds.RATES)
    assert list(found.values()) == pytest.approx([4 / 10, 3 / 4, 1 / 6, 3 / 4])
    assert np.isnan(thresholds.rates(CATS, np.zeros(10, bool))["cats among those let in"])


def test_a_calibrated_score_is_calibrated_for_another_base_rate():
    # Of those with the score 0.8, 80 of 100 are cats. Let dogs be three times as common.
    adjusted = thresholds.adjust(np.array([0.8, 0.5, 0.0, 1.0]), base_rate=0.25)
    np.testing.assert_allclose(adjusted, [80 / (80 + 3 * 20), 0.25, 0, 1])
    scores = np.array([0.1, 0.7])
    np.testing.assert_allclose(thresholds.adjust(scores, base_rate=0.5), scores)


def test_three_numbers_leave_no_choice_about_the_fourth():
    generator = np.random.default_rng(3)
    cats, let_in = generator.random((2, 400)) < [[0.3], [0.5]]
    found = thresholds.rates(cats, let_in)
    implied = thresholds.implied_false_positive_rate(
        base_rate=cats.mean(),
        precision=found["cats among those let in"],
        hit_rate=found["cats let in"],
    )
    assert implied == pytest.approx(found["dogs let in"])


def test_each_policy_makes_equal_what_it_says():
    runs = thresholds.measure(**SMALL)
    assert len(runs) == 2 * 3 * 2 * 4
    wide = runs.pivot_table("value", ["policy", "rate", "seed"], "palette")
    apart = (wide["A"] - wide["B"]).abs()
    assert (apart["equal shares let in", "let in"] <= 0.01).all()
    assert (apart["equal false alarms", "dogs let in"] <= 0.03).all()  # of 40 and 70 dogs
    table = thresholds.differences(runs)
    assert len(table) == 2 * (4 + 3 + 3)
    one = table.query("policy == 'one threshold' and rate == 'let in' and seed == 1")
    pair = wide.loc["one threshold", "let in", 1]
    assert one.difference.item() == pytest.approx(pair.A - pair.B)


def test_the_base_rates_are_those_asked_for():
    cats = {
        palette: thresholds._draw_visitors(4000, palette, rate, seed=0)
        for palette, rate in thresholds.BASE_RATES.items()
    }
    for palette, visitors in cats.items():
        assert set(visitors.attributes.palette) == {palette}
        share = np.mean(visitors.labels == thresholds._CAT)
        assert share == pytest.approx(thresholds.BASE_RATES[palette], abs=0.03)
        assert set(visitors.labels) == {thresholds._CAT, thresholds._DOG}


def test_the_result_depends_on_the_base_rates():
    equal = thresholds.measure(**SMALL, base_rates={"A": 0.5, "B": 0.5})
    assert not equal.equals(thresholds.measure(**SMALL))
    pd.testing.assert_frame_equal(
        equal, thresholds.measure(**SMALL, base_rates={"A": 0.5, "B": 0.5})
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"base_rates": {"A": 0.5}}, "base_rates names A;"),
        ({"base_rates": {"A": 0.5, "B": 0.0}}, r"base_rates\['B'\] is 0.0"),
        ({"base_rates": {"A": 1.0, "B": 0.5}}, r"base_rates\['A'\] is 1.0"),
        ({"num_visitors": 60}, "fewer than 20"),
    ],
)
def test_visitors_of_one_kind_only_are_refused(changed, message):
    with pytest.raises(LabError, match=message):
        thresholds.measure(**(SMALL | changed))
