"""The way from classic to quick: one change at a time, and nothing that was measured is lost."""

import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from course_utils import datasets, models, training
from course_utils.evaluation import over_seeds, paired_difference
from course_utils.labs import ablation

PUBLISHED = Path(ablation.__file__).with_name("ablation.json")
SOME = ["small network", "Muon"]


@pytest.fixture(scope="module")
def data():
    return datasets.load("pixels10", num_train=200, num_test=60)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The table of a small ablation, and its file's content."""
    path = tmp_path_factory.mktemp("ablation") / "result.json"
    table = ablation.run(data, seeds=[3, 1], epochs=1, only=SOME, path=path, title="toys")
    return table, path.read_text(encoding="utf-8")


def layers(model):
    return [(type(layer).__name__, layer.get_config()) for layer in model.layers]


def test_the_first_step_is_classic_but_for_the_epochs(data):
    first = ablation.steps()[0]
    classic, quick = training.RECIPES["classic"], training.RECIPES["quick"]
    assert asdict(first.recipe) == asdict(classic) | {"epochs": quick.epochs}
    assert layers(first.build(data, seed=4)) == layers(models.build("classic", seed=4))


def test_the_last_step_is_quick(data):
    last = ablation.steps()[-1]
    assert last.recipe == training.RECIPES["quick"]
    assert layers(last.build(data, seed=4)) == layers(models.build("quick", seed=4))


def test_each_step_changes_one_thing():
    """When a recipe or network is changed so that this fails, give the change a step of its own."""
    changed = []
    steps = ablation.steps()
    for before, step in pairwise(steps):
        old, new = asdict(before.recipe), asdict(step.recipe)
        settings = {name for name in new if new[name] != old[name]} - {"name"}
        same_network = (before.network, before.options) == (step.network, step.options)
        changed.append((step.name, settings if same_network else {"the network", *settings}))
    assert changed == [
        ("validation once", {"whole_batches", "validate_last"}),
        ("schedule", {"learning_rate", "warm_up"}),
        ("augmentation", {"mirror", "shift"}),
        ("small network", {"the network"}),
        ("normalisation", {"the network"}),
        ("whitening", {"the network"}),
        ("bfloat16", {"the network"}),
        ("label smoothing", {"label_smoothing"}),
        ("Muon", {"optimizer", "learning_rate"}),
    ]


def test_the_networks_get_one_part_after_the_other(data):
    small, normalised, whitened = (
        next(step for step in ablation.steps() if step.name == name).build(data)
        for name in ("small network", "normalisation", "whitening")
    )
    kinds = [
        {type(layer).__name__ for layer in model.layers} for model in (small, normalised, whitened)
    ]
    assert kinds[1] - kinds[0] == {"FusedBatchNormalization"}
    assert kinds[2] - kinds[1] == {"PatchWhitening"}
    assert "Dropout" not in kinds[0]


def test_sentences_say_what_is_new():
    for step in ablation.steps():
        assert step.change.endswith(".") and ". " not in step.change, step.name
    changes = {step.name: step.change for step in ablation.steps()}
    quick = training.RECIPES["quick"]
    assert f"first {100 * quick.warm_up:.0f} %" in changes["schedule"]
    assert f"{quick.shift} pixels" in changes["augmentation"]


def test_one_row_for_each_seed_and_step(finished):
    table, _ = finished
    assert list(zip(table.seed, table.step, strict=True)) == [
        (1, "small network"), (1, "Muon"), (3, "small network"), (3, "Muon"),
    ]  # fmt: skip
    assert table.accuracy.between(0, 1).all()
    assert (table[["seconds", "cpu_seconds", "parameters", "multiply_adds"]] > 0).all(axis=None)
    quick = models.build("quick")
    assert table.parameters.iloc[1] == quick.count_params()
    assert table.multiply_adds.iloc[1] == models.layer_table(quick).multiply_adds.sum()


def test_the_file_says_what_was_measured(finished, data, tmp_path):
    table, text = finished
    path = tmp_path / "result.json"
    path.write_text(text, encoding="utf-8")
    result = ablation.read(path)
    pd.testing.assert_frame_equal(result.table, table)
    assert list(result.changes) == SOME
    assert "2 seeds" in result.source
    assert "1 epoch on 200 training pictures of toys, tested on 60 others" in result.source
    assert result.date in result.source and result.machine in result.source
    assert json.loads(text)["seeds"] == [3, 1]


def test_what_is_in_the_file_is_not_trained_again(finished, data, tmp_path):
    """Kept rows keep their seconds; a row that was lost comes out with the same accuracy."""
    table, text = finished
    content = json.loads(text)
    path = tmp_path / "result.json"
    del content["trainings"][-1]
    path.write_text(json.dumps(content), encoding="utf-8")
    again = ablation.run(data, seeds=[1, 3], epochs=1, only=SOME, path=path, title="toys")
    pd.testing.assert_series_equal(again.accuracy, table.accuracy)
    trained = json.loads(path.read_text(encoding="utf-8"))["trainings"]
    assert trained[:3] == content["trainings"]
    assert len(trained) == 4
    before = path.stat().st_mtime_ns
    ablation.run(data, seeds=[1], epochs=1, only=SOME, path=path, title="toys")
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 2}, "its epochs is 1, not 2"),
        ({"title": "other toys"}, "its dataset is 'toys', not 'other toys'"),
        ({"only": ["Muon"]}, "its steps have other networks or recipes"),
    ],
)
def test_a_file_of_another_ablation_is_left_alone(finished, data, tmp_path, options, message):
    path = tmp_path / "result.json"
    path.write_text(finished[1], encoding="utf-8")
    asked = {"epochs": 1, "only": SOME, "title": "toys"} | options
    with pytest.raises(ablation.AblationError, match=message):
        ablation.run(data, seeds=[1], path=path, **asked)
    assert path.read_text(encoding="utf-8") == finished[1]


def test_a_file_of_other_pictures_of_the_same_name_is_left_alone(finished, data, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(finished[1], encoding="utf-8")
    images = data.train.images.copy()
    images[0] = 255 - images[0]
    other = replace(data, train=replace(data.train, images=images))
    with pytest.raises(ablation.AblationError, match="its pictures are others"):
        ablation.run(other, seeds=[1], epochs=1, only=SOME, path=path, title="toys")
    assert path.read_text(encoding="utf-8") == finished[1]


@pytest.mark.parametrize("text", ["", "[1]", "3", '{"date": "today"}'])
def test_a_file_of_something_else_is_named(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ablation.AblationError, match=r"result\.json can't be read as an ablation"):
        ablation.read(path)


def test_bad_choices_are_named(data):
    with pytest.raises(ablation.AblationError, match="no step 'dropout'; the steps are classic"):
        ablation.run(data, seeds=[1], only=["dropout"])
    with pytest.raises(ablation.AblationError, match="seeds is empty"):
        ablation.run(data, seeds=[])


def trainings(accuracies):
    rows = []
    for step, values in accuracies.items():
        for seed, accuracy in enumerate(values):
            rows.append((step, seed, accuracy, 10.0, 20.0 + seed, len(step), 7 * len(step)))
    columns = ["step", "seed", "accuracy", "seconds", "cpu_seconds", "parameters", "multiply_adds"]
    return pd.DataFrame(rows, columns=columns).sort_values("seed", kind="stable")


def test_a_summary_has_means_intervals_and_changes():
    first, second = [0.5, 0.6, 0.58], [0.7, 0.72, 0.74]
    summary = ablation.summarise(trainings({"z": first, "abc": second}))
    assert list(summary.step) == ["z", "abc"]
    estimate, change = over_seeds(second), paired_difference(second, first)
    row = summary.iloc[1]
    assert (row.accuracy, row.low, row.high) == pytest.approx(
        (estimate.value, estimate.low, estimate.high)
    )
    assert (row.change, row.change_low, row.change_high) == pytest.approx(
        (change.value, change.low, change.high)
    )
    assert summary.change.isna().tolist() == [True, False]
    assert row.cpu_seconds == 21
    assert (row.parameters, row.multiply_adds) == (3, 21)


def test_equal_results_show_no_change():
    same = [0.5, 0.6, 0.55]
    summary = ablation.summarise(trainings({"a": same, "b": same}))
    change, low, high = summary.loc[1, ["change", "change_low", "change_high"]]
    assert change == 0
    assert low < 0 < high


def test_a_step_that_lacks_a_seed_is_named():
    table = trainings({"a": [0.5, 0.6], "b": [0.5, 0.6]}).iloc[:-1]
    with pytest.raises(ablation.AblationError, match="'b' has not been trained with seed 1"):
        ablation.summarise(table)


@pytest.mark.skipif(PUBLISHED.exists(), reason="there is a measured ablation")
def test_without_a_measured_ablation_it_is_said_how_to_make_one():
    with pytest.raises(ablation.AblationError, match="course bench ablation"):
        ablation.published()


@pytest.mark.skipif(not PUBLISHED.exists(), reason="none has been measured yet")
def test_the_published_ablation_is_one_of_the_present_steps():
    result = ablation.published()
    described = json.loads(PUBLISHED.read_text(encoding="utf-8"))["steps"]
    present = ablation.steps(epochs=result.epochs)
    assert result.changes == {step.name: step.change for step in present}
    assert [one["recipe"] for one in described] == [asdict(step.recipe) for step in present]
    assert len(ablation.summarise(result.table)) == len(present)
    assert result.table.seed.nunique() >= 3
