"""Reweighting, resampling, group DRO and training twice, against a condition written beforehand."""

import numpy as np
import pandas as pd
import pytest

from course_utils.labs import miniature, mitigation

SMALL = {"seeds": [0, 1], "epochs": 1, "num_train": 64, "palette_prevalence": 0.3}


def test_weights_let_every_group_count_equally():
    groups = np.array(["A", "A", "B", "A"])
    np.testing.assert_allclose(mitigation.group_weights(groups), [2 / 3, 2 / 3, 2, 2 / 3])
    np.testing.assert_allclose(mitigation.group_weights(groups[:2]), [1, 1])


def test_resampling_draws_as_many_of_each_group():
    groups = np.array(["A"] * 17 + ["B"] * 3)
    drawn = mitigation.resample(groups, 4)
    assert np.unique(groups[drawn], return_counts=True)[1].tolist() == [10, 10]
    np.testing.assert_array_equal(drawn, mitigation.resample(groups, 4))
    assert not np.array_equal(drawn, mitigation.resample(groups, 5))


def test_the_weight_of_the_group_with_the_higher_loss_rises():
    raised = mitigation.raise_weights(np.array([0.5, 0.5]), np.array([0.0, np.log(9)]), 0.5)
    np.testing.assert_allclose(raised, [0.25, 0.75])


def test_one_row_for_each_method_seed_and_palette():
    runs = mitigation.measure(**SMALL, num_test=30, methods=["group DRO", "training twice"])
    methods = ["plain", "group DRO", "training twice"]
    assert list(runs.method) == [name for name in methods for _ in "AB"] * 2
    assert list(runs.palette) == ["A", "B"] * 6
    assert list(runs.seed) == [0] * 6 + [1] * 6
    assert runs.accuracy.between(0, 1).all()


def ways(reweight=mitigation.group_weights, resample=mitigation.resample, update=None):
    return mitigation._Ways.of(
        reweight, resample, update or mitigation.raise_weights, step_size=0.01
    )


def test_each_method_trains_on_what_its_function_says(monkeypatch):
    data = mitigation.load(0, num_train=64, palette_prevalence=0.3)
    groups = data.train.attributes["palette"].to_numpy(str)
    seen = []
    train = miniature.train

    def watch(data, **settings):
        seen.append((data, settings))
        return train(data, **settings)

    monkeypatch.setattr(miniature, "train", watch)
    for method in mitigation.METHODS:
        ways().train(method, data, seed=3, epochs=1)
    (_, weighted), (drawn, plain), (again, dro), (_, first), (twice, second) = seen
    np.testing.assert_allclose(
        [weighted["sample_weight"][groups == name].sum() for name in "AB"], [32, 32]
    )
    assert (drawn.train.attributes["palette"] == "B").sum() == 32
    assert "sample_weight" not in plain and plain["objective"] is None
    assert again.train.fingerprint() == drawn.train.fingerprint()
    objective = dro["objective"]
    assert objective.groups.tolist() == (again.train.attributes["palette"] == "B").tolist()
    np.testing.assert_allclose(
        objective.update(np.array([0.5, 0.5]), np.array([0, 100 * np.log(3)])), [0.25, 0.75]
    )
    assert twice is data and "sample_weight" not in first
    right = train(data, seed=3, epochs=1).predict(data.train.images).argmax(axis=1)
    wrong = right != data.train.labels
    assert second["sample_weight"][wrong].sum() == pytest.approx(32)
    assert second["sample_weight"][~wrong].sum() == pytest.approx(32)


def test_stubs_give_way_and_the_learners_functions_are_used(capsys):
    def not_done(*arguments):
        raise NotImplementedError

    settings = SMALL | {"num_test": 30, "seeds": [0]}
    usual = mitigation.measure(**settings)
    stubs = mitigation.measure(
        **settings, reweight=not_done, resample=not_done, raise_weights=not_done
    )
    pd.testing.assert_frame_equal(usual, stubs)
    out = capsys.readouterr().out
    assert [f"Exercise {number} isn't done yet" in out for number in ("4.5", "4.6", "4.7")] == [
        True
    ] * 3
    own = mitigation.measure(
        **settings,
        reweight=lambda groups: np.ones(len(groups)),
        resample=lambda groups, seed: np.arange(len(groups)),
        raise_weights=lambda weights, losses, step_size: np.array([1.0, 0.0]),
    ).pivot_table("accuracy", index="method", columns="palette")
    for method in ("reweighting", "resampling", "training twice"):
        assert (own.loc[method] == own.loc["plain"]).all()
    assert (own.loc["group DRO"] != own.loc["plain"]).any()


RUNS = pd.DataFrame(
    [
        (method, seed, palette, 0.5 + change)
        for seed, noise in enumerate([-0.01, 0.0, 0.01, 0.0])
        for method, palette, change in [
            ("plain", "A", 0.3), ("plain", "B", 0.0), ("dear", "A", 0.22 + noise),
            ("dear", "B", 0.2 + noise), ("cheap", "A", 0.29 + noise), ("cheap", "B", 0.1 + noise),
            ("idle", "A", 0.3 + noise), ("idle", "B", noise),
        ]
    ],
    columns=["method", "seed", "palette", "accuracy"],
)  # fmt: skip


def test_changes_are_those_against_plain_training_with_the_same_seed():
    changed = mitigation.changes(RUNS)
    assert set(changed.method) == {"dear", "cheap", "idle"}
    dear = changed[(changed.method == "dear") & (changed.palette == "A")]
    np.testing.assert_allclose(dear.change, [-0.09, -0.08, -0.07, -0.08])


def test_the_condition_is_judged_by_the_ends_of_the_intervals():
    judged = mitigation.judge(mitigation.changes(RUNS), mitigation.Condition())
    held = judged.set_index(["method", "palette"])["held"]
    assert held.to_dict() == {
        ("dear", "A"): False, ("dear", "B"): True, ("cheap", "A"): True, ("cheap", "B"): True,
        ("idle", "A"): True, ("idle", "B"): False,
    }  # fmt: skip
    strict = mitigation.judge(mitigation.changes(RUNS), mitigation.Condition(0.095, 0.015))
    held = strict.set_index(["method", "palette"])["held"]
    assert not held["cheap", "B"] and not held["cheap", "A"] and held["dear", "B"]
    row = judged[(judged.method == "cheap") & (judged.palette == "B")].iloc[0]
    assert row.low < row.value == pytest.approx(0.1)


def test_too_few_seeds_for_a_verdict_are_refused():
    few = mitigation.changes(RUNS[RUNS.seed < 2])
    with pytest.raises(ValueError, match="at least 3 seeds"):
        mitigation.judge(few, mitigation.Condition())


def test_errors_are_those_of_the_plain_network_on_its_training_pictures():
    table = mitigation.errors(seeds=[0], epochs=1, num_train=64, palette_prevalence=0.3)
    data = mitigation.load(0, num_train=64, palette_prevalence=0.3)
    answers = miniature.train(data, seed=0, epochs=1).predict(data.train.images).argmax(axis=1)
    rare = (data.train.attributes["palette"] == "B").to_numpy()
    wrong = answers != data.train.labels
    assert table.loc[0].to_dict() == {
        "seed": 0, "errors": wrong.mean(), "b_among_errors": rare[wrong].mean(),
        "b_among_all": rare.mean(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"palette_prevalence": 0.0}, "palette_prevalence is 0; a share"),
        ({"palette_prevalence": 1.0}, "palette_prevalence is 1; a share"),
        ({"palette_prevalence": 0.001}, "no picture of 64 is in palette B"),
        ({"methods": ["prayer"]}, "no method 'prayer'; there are reweighting"),
        ({"reweight": lambda groups: np.ones(3)}, r"sample_weight has shape \(3,\)"),
        ({"resample": lambda groups, seed: np.arange(64) + 1}, "from 0 to 63"),
        ({"resample": lambda groups, seed: groups}, "it returns the indices of pictures"),
        ({"resample": lambda groups, seed: np.flatnonzero(groups == "A")}, "some of each group"),
        ({"raise_weights": lambda weights, losses, step: -weights}, "they are 2 numbers from 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(settings, message):
    with pytest.raises(miniature.LabError, match=message):
        mitigation.measure(**(SMALL | {"num_test": 10} | settings))


@pytest.mark.parametrize("name", ["least_gain", "highest_price"])
@pytest.mark.parametrize("value", [5, -5])
def test_a_condition_in_per_cent_is_refused(name, value):
    with pytest.raises(miniature.LabError, match=f"{name} is {value}; it is a difference"):
        mitigation.Condition(**{name: value})
