"""Audits drawn at random: how often they find a gap, and what chance alone shows."""

import pytest

from course_utils.labs import audits
from course_utils.labs.miniature import LabError


def test_a_simulation_finds_gaps_as_often_as_the_formula_says():
    table = audits.detection([100, 681, 2000], error_rate=0.1, gap=0.05)
    assert list(table["count"]) == [100, 681, 2000]
    assert table["value"].is_monotonic_increasing
    assert (abs(table["value"] - table["formula"]) < 0.03).all()
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()


def test_where_there_is_no_gap_one_audit_in_twenty_finds_one():
    table = audits.detection([500], gap=0.0)
    assert table["low"].item() < 0.065
    assert 0.03 < table["value"].item() < 0.075
    assert table["formula"].item() == 0.05


@pytest.mark.parametrize(("gap", "share"), [(0.05, 0.8), (0.1, 0.8), (0.05, 0.95)])
def test_the_number_needed_has_the_power_asked_for_and_one_fewer_has_not(gap, share):
    count = audits.needed(gap=gap, power=share)
    assert audits.power(count, gap=gap) >= share > audits.power(count - 1, gap=gap)


def test_smaller_gaps_need_more_pictures():
    # 16 p (1 - p) / gap² is the usual rule of thumb, with p half-way between the two rates.
    assert audits.needed(gap=0.05) == pytest.approx(16 * 0.125 * 0.875 / 0.05**2, rel=0.05)
    assert audits.needed(gap=0.025) > 3 * audits.needed(gap=0.05)


def test_more_groups_show_a_larger_gap_by_chance_and_more_pictures_a_smaller_one():
    table = audits.chance_gaps([2, 5, 20], count=100)
    assert table["value"].is_monotonic_increasing
    assert (table["low"] <= table["value"]).all()
    larger = audits.chance_gaps([20], count=400)["value"].item()
    assert larger == pytest.approx(table["value"].iloc[-1] / 2, rel=0.15)  # as one over the root


def test_the_same_seed_draws_the_same_audits():
    first, again, other = (audits.chance_gaps([5], num_audits=50, seed=s) for s in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: audits.detection([0]), "count is 0"),
        (lambda: audits.detection([10], error_rate=1.0), "error_rate is 1.0"),
        (lambda: audits.detection([10], error_rate=0.0), "error_rate is 0.0"),
        (lambda: audits.detection([10], gap=0.95), "gap is 0.95"),
        (lambda: audits.detection([10], gap=-0.1), "gap is -0.1"),
        (lambda: audits.detection([10], num_audits=0), "num_audits is 0"),
        (lambda: audits.needed(gap=0.0), "gap is 0"),
        (lambda: audits.needed(power=1.0), "power is 1.0"),
        (lambda: audits.chance_gaps([1]), "num_groups is 1"),
        (lambda: audits.chance_gaps([2], count=0), "count is 0"),
    ],
)
def test_what_can_not_be_drawn_is_refused(call, message):
    with pytest.raises(LabError, match=message):
        call()
