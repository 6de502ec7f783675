"""The published table: its arithmetic, and the traps that a student can find in it."""

import numpy as np
import pytest

from course_utils.labs import gender_shades


def overall(errors) -> float:
    return float(np.average(errors, weights=list(gender_shades.COUNTS.values())))


def test_counts_add_up_to_the_benchmark():
    assert sum(gender_shades.COUNTS.values()) == 1270


@pytest.mark.parametrize("company", gender_shades.ERRORS)
def test_groups_agree_with_the_overall_error(company):
    """Within what rounding to a tenth of a point allows."""
    recomputed = overall(gender_shades.ERRORS[company])
    assert recomputed == pytest.approx(gender_shades.OVERALL_ERRORS[company], abs=0.1)


def test_the_press_figure_does_not():
    errors = list(gender_shades.ERRORS["Face++"])
    errors[2] = 6.0
    assert round(overall(errors), 1) == 9.2
    assert gender_shades.OVERALL_ERRORS["Face++"] == 10.0


def test_ibm_difference():
    difference = gender_shades.difference("IBM", first="darker female", second="lighter male")
    assert difference.value == pytest.approx(0.344, abs=0.001)
    assert difference.low == pytest.approx(0.289, abs=0.001)
    assert difference.high == pytest.approx(0.403, abs=0.001)


def test_table_is_tidy_and_inside_its_intervals():
    table = gender_shades.error_table()
    assert len(table) == 12
    assert ((table.low <= table.value) & (table.value <= table.high)).all()


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="the companies are Microsoft, Face"):
        gender_shades.difference("Amazon", first="darker female", second="lighter male")
