"""The gap between two groups, by kind of pooling."""

from dataclasses import replace

import pandas as pd
import pytest

from course_utils import datasets
from course_utils.labs import miniature, palettes, pooling_gap

TINY = {"epochs": 1, "num_train": 60, "num_test": 40}


def test_each_network_is_tested_on_the_same_scenes_in_both_palettes():
    table = pooling_gap.measure("pixels10", seeds=[0, 1], poolings=["max", "blur"], **TINY)
    assert list(table.pooling) == ["max", "max", "blur", "blur"] * 2
    assert list(table.seed) == [0] * 4 + [1] * 4
    assert list(table.group) == ["A", "B"] * 4
    data = datasets.load("pixels10", num_train=60, num_test=40, seed=1)
    network = miniature.train(data, seed=1, epochs=1, pooling="blur")
    expected = palettes.accuracies(network, palettes.twins(40, seed=1))
    assert table.set_index("group").accuracy[-2:].to_dict() == expected


def test_a_knob_changes_the_training_pictures():
    usual, rare = (
        pooling_gap.measure(
            "pixels10", seeds=[0], poolings=["max"], **(TINY | {"num_train": 300}), **knobs
        )
        for knobs in ({}, {"palette_prevalence": 0.02})
    )
    assert (usual.accuracy != rare.accuracy).any()


def as_photographs(*, num_groups, draw=datasets.load):
    """Pictures that can't be drawn in another palette, and are not called pixels10."""

    def load(dataset, *, image_size, **settings):
        data = draw("pixels10", **settings)
        shades = [["dark", "light", "grey"][number % num_groups] for number in range(40)]
        attributes = pd.DataFrame({"brightness": shades})
        test = replace(data.test, attributes=attributes)
        return replace(data, name=dataset, test=test, group="brightness")

    return load


def test_photographs_are_grouped_as_they_are(monkeypatch):
    monkeypatch.setattr(datasets, "load", as_photographs(num_groups=2))
    table = pooling_gap.measure("photographs", seeds=[0], poolings=["max"], **TINY)
    assert list(table.group) == ["dark", "light"]


@pytest.mark.parametrize(("number", "names"), [(1, "1 by brightness: dark"), (3, "grey")])
def test_a_gap_needs_two_groups(monkeypatch, number, names):
    monkeypatch.setattr(datasets, "load", as_photographs(num_groups=number))
    with pytest.raises(miniature.LabError, match=f"test pictures of photographs have .*{names}"):
        pooling_gap.measure("photographs", seeds=[0], **TINY)


RUNS = pd.DataFrame(
    [
        ("max", 7, "B", 0.5), ("max", 7, "A", 0.75), ("blur", 7, "A", 0.5),
        ("blur", 7, "B", 0.625), ("max", 8, "A", 0.25), ("max", 8, "B", 1.0),
        ("blur", 8, "A", 0.5), ("blur", 8, "B", 0.5),
    ],
    columns=["pooling", "seed", "group", "accuracy"],
)  # fmt: skip


def test_gaps_have_a_sign():
    gaps = pooling_gap.gaps(RUNS)
    assert gaps.loc[7].to_dict() == {"max": 0.25, "blur": -0.125}
    assert gaps.loc[8].to_dict() == {"max": -0.75, "blur": 0.0}


def test_differences_between_gaps_are_those_of_each_seed():
    assert pooling_gap.differences(RUNS).to_numpy().tolist() == [
        ["max minus blur", 7, 0.375],
        ["max minus blur", 8, -0.75],
    ]
    other = pooling_gap.differences(RUNS, reference="blur")
    assert other.difference.to_list() == [-0.375, 0.75]
    assert list(other.columns) == ["comparison", "seed", "difference"]
    with pytest.raises(miniature.LabError, match=r"no network with stride pooling .* max, blur"):
        pooling_gap.differences(RUNS, reference="stride")
