"""The experiment with a rare palette, small."""

import numpy as np
import pandas as pd
import pytest

from course_utils import datasets
from course_utils.labs import miniature, rare_palette

TINY = {"epochs": 1, "num_test": 40}


def test_one_row_for_each_training_and_palette():
    table = rare_palette.measure(
        seeds=[0, 1], num_train=200, palette_prevalences=[0.5, 0.1], controls=[0.1], **TINY
    )
    assert list(table.seed) == [0] * 6 + [1] * 6
    assert list(table.palette) == ["A", "B"] * 6
    assert list(table.palette_prevalence) == [0.5, 0.5, 0.1, 0.1, 0.1, 0.1] * 2
    assert list(table.kept) == [*["all"] * 4, "as at 50 %", "as at 50 %"] * 2
    assert table.accuracy.between(0, 1).all()
    common, rare, control = (table.iloc[number] for number in (0, 2, 4))
    assert common.num_a + common.num_b == rare.num_a + rare.num_b == 200
    assert (control.num_a, control.num_b) == (common.num_a, rare.num_b)


def test_the_prevalence_changes_the_pictures_and_so_the_accuracy():
    table = rare_palette.measure(
        seeds=[0], num_train=200, palette_prevalences=[0.5, 0.05], controls=[], **TINY
    )
    common, rare = table.accuracy.to_numpy().reshape(2, 2)
    assert (common != rare).any()


def test_the_networks_are_those_of_the_knob_and_the_control_loses_only_what_a_gained(monkeypatch):
    trained = []

    def train(data, *, seed, epochs):
        trained.append(data.train)
        return keep(data, seed=seed, epochs=epochs)

    keep = miniature.train
    monkeypatch.setattr(miniature, "train", train)
    rare_palette.measure(
        seeds=[3], num_train=100, palette_prevalences=[0.5, 0.1], controls=[0.1], **TINY
    )
    balanced, mixed, control = trained
    for split, share in ((balanced, 0.5), (mixed, 0.1)):
        knob = datasets.load("pixels10", num_train=100, seed=3, palette_prevalence=share)
        assert split.fingerprint() == knob.train.fingerprint()
    rare = np.flatnonzero(mixed.attributes["palette"] == "B")
    usual = np.flatnonzero(balanced.attributes["palette"] == "A")
    assert 0 < len(rare) < 30 < len(usual)
    expected = np.sort(np.concatenate([rare, usual]))
    np.testing.assert_array_equal(control.images, mixed.images[expected])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 5])
@pytest.mark.parametrize("argument", ["palette_prevalences", "controls"])
def test_a_prevalence_that_leaves_a_palette_out_is_refused(argument, share):
    with pytest.raises(miniature.LabError, match=f"palette_prevalence is {share:g}; a share"):
        rare_palette.measure(seeds=[0], num_train=40, **{argument: [share]}, **TINY)


@pytest.mark.parametrize(("share", "palette"), [(0.001, "B"), (0.999, "A")])
def test_a_palette_without_pictures_is_named(share, palette):
    with pytest.raises(miniature.LabError, match=rf"no picture of 40 is in palette {palette}"):
        rare_palette.measure(
            seeds=[0], num_train=40, palette_prevalences=[share], controls=[], **TINY
        )


RUNS = pd.DataFrame(
    [
        (0.5, "all", 7, "A", 0.75), (0.5, "all", 7, "B", 0.5),
        (0.25, "all", 7, "A", 0.875), (0.25, "all", 7, "B", 0.125),
        (0.25, "as at 50 %", 7, "A", 0.5), (0.25, "as at 50 %", 7, "B", 0.25),
        (0.5, "all", 8, "A", 0.5), (0.5, "all", 8, "B", 0.75),
        (0.25, "all", 8, "A", 1.0), (0.25, "all", 8, "B", 0.5),
        (0.25, "as at 50 %", 8, "A", 0.5), (0.25, "as at 50 %", 8, "B", 0.75),
    ],
    columns=["palette_prevalence", "kept", "seed", "palette", "accuracy"],
)  # fmt: skip


def test_gaps_are_a_minus_b_for_each_seed_and_prevalence():
    gaps = rare_palette.gaps(RUNS)
    assert gaps.loc[7].to_dict() == {0.5: 0.25, 0.25: 0.75}
    assert gaps.loc[8].to_dict() == {0.5: -0.25, 0.25: 0.5}
    control = rare_palette.gaps(RUNS, kept=rare_palette.FEWER)
    assert control.loc[7].to_dict() == {0.25: 0.25}
    assert control.loc[8].to_dict() == {0.25: -0.25}


def test_the_overall_accuracy_weighs_the_palettes_by_their_shares():
    overall = rare_palette.overall(RUNS)
    assert overall.loc[7].to_dict() == {0.5: 0.625, 0.25: 0.6875}  # 0.75 · 0.875 + 0.25 · 0.125
    assert overall.loc[8].to_dict() == {0.5: 0.625, 0.25: 0.875}
    equal = rare_palette.overall(RUNS, share=0.5)
    assert equal.loc[7].to_dict() == {0.5: 0.625, 0.25: 0.5}


def test_accuracies_stand_side_by_side():
    accuracy = rare_palette.by_palette(RUNS)
    assert accuracy["B"].loc[8].to_dict() == {0.5: 0.75, 0.25: 0.5}


def test_palettes_and_their_mixture_stand_below_each_other():
    table = rare_palette.by_test_pictures(RUNS)
    assert len(table) == 12
    wide = table.pivot_table("accuracy", index="seed", columns=["tested_on", "palette_prevalence"])
    assert wide["A"].loc[7].to_dict() == {0.5: 0.75, 0.25: 0.875}  # the control plays no part
    assert wide["mixed as in training"].loc[8].to_dict() == {0.5: 0.625, 0.25: 0.875}


def test_the_control_stands_beside_what_it_controls():
    on_b = rare_palette.control(RUNS, 0.25)
    assert list(on_b) == ["B is 50 %", "B is 25 %, all of A", "B is 25 %, A as at 50 %"]
    assert on_b.to_numpy().tolist() == [[0.5, 0.125, 0.25], [0.75, 0.5, 0.75]]
    on_a = rare_palette.control(RUNS, 0.25, palette="A")
    assert on_a.to_numpy().tolist() == [[0.75, 0.875, 0.5], [0.5, 1.0, 0.5]]
    with pytest.raises(miniature.LabError, match="where B is 10 %, all of A; give measure"):
        rare_palette.control(RUNS, 0.1)
