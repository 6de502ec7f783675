"""The experiment with a rare palette, small."""

import pytest

from course_utils.labs import rare_palette


def test_one_row_for_each_prevalence_and_seed():
    table = rare_palette.measure(seeds=[0, 1], epochs=1, num_train=60, num_test=40)
    assert list(table.palette_prevalence) == [0.5, 0.5, 0.05, 0.05]
    assert table.gap.to_list() == pytest.approx((table.accuracy_A - table.accuracy_B).to_list())
