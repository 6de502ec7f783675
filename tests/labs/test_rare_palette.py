"""The experiment with a rare palette, small."""

import pandas as pd

from course_utils.labs import rare_palette


def test_one_row_for_each_prevalence_seed_and_palette():
    table = rare_palette.measure(seeds=[0, 1], epochs=1, num_train=60, num_test=40)
    assert list(table.palette_prevalence) == [0.5] * 4 + [0.05] * 4
    assert list(table.seed) == [0, 0, 1, 1] * 2
    assert list(table.palette) == ["A", "B"] * 4
    assert table.accuracy.between(0, 1).all()


def test_the_prevalence_changes_the_pictures_and_so_the_accuracy():
    table = rare_palette.measure(
        seeds=[0], epochs=1, num_train=200, num_test=200, palette_prevalences=[0.5, 0.5, 0.05]
    )
    first, same, rare = table.accuracy.to_numpy().reshape(3, 2)
    assert (first == same).all()
    assert (first != rare).any()


def test_gaps_are_a_minus_b_for_each_seed_and_prevalence():
    runs = pd.DataFrame(
        [
            (0.5, 7, "A", 0.75), (0.5, 7, "B", 0.5), (0.05, 7, "A", 0.875), (0.05, 7, "B", 0.125),
            (0.5, 8, "A", 0.5), (0.5, 8, "B", 0.75), (0.05, 8, "A", 1.0), (0.05, 8, "B", 0.5),
        ],
        columns=["palette_prevalence", "seed", "palette", "accuracy"],
    )  # fmt: skip
    gaps = rare_palette.gaps(runs)
    assert gaps.loc[7].to_dict() == {0.05: 0.75, 0.5: 0.25}
    assert gaps.loc[8].to_dict() == {0.05: 0.5, 0.5: -0.25}
