"""What makes a training the same, and a folder that holds a whole state whenever it is killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from course_utils import models, training
from course_utils.checkpoints import CheckpointError, identify
from course_utils.datasets.base import Datasheet, ImageDataset, ImageSplit

# How often a training is killed; COURSE_KILLS=20 for more.
KILLS = int(os.environ.get("COURSE_KILLS", "2"))


def make_data(seed: int = 0) -> ImageDataset:
    images = np.random.default_rng(seed).integers(0, 256, (80, 12, 12, 3)).astype(np.uint8)
    split = ImageSplit(images, np.arange(80) % 3, pd.DataFrame(index=range(80)))
    sheet = Datasheet("test", "", "", "", (), ())
    return ImageDataset("test", split, split, ("a", "b", "c"), sheet, "none")


def build(name: str = "quick", **options):
    sizes = {"image_shape": (12, 12, 3), "num_classes": 3, "width": 0.25}
    return models.build(name, **(sizes | options))


RECIPE = replace(training.RECIPES["quick"], batch_size=16, epochs=2)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": build(pooling="stride", compute_dtype="float32")},
            "its network has other layers",
        ),
        ({"model": build(compute_dtype="bfloat16")}, r"its compute_dtypes is \['float32'\]"),
        ({"model": build(seed=1, compute_dtype="float32")}, "its network began with other weights"),
        ({"data": make_data(1)}, "it was trained on other pictures"),
        ({"data": replace(make_data(), class_names=("a", "c", "b"))}, "its class_names is"),
        ({"recipe": replace(RECIPE, shift=1)}, "its shift is 2, this run's is 1"),
        ({"recipe": replace(RECIPE, label_smoothing=0.2)}, "its label_smoothing is 0.1"),
        ({"recipe": replace(RECIPE, epochs=1)}, "its epochs is 2, this run's is 1"),
        ({"recipe": replace(RECIPE, epochs=3)}, "its epochs is 2, this run's is 3"),
        ({"seed": 1}, "its seed is 0, this run's is 1"),
    ],
)
def test_another_training_is_refused_and_nothing_changes(tmp_path, changes, message):
    options = {"data": make_data(), "recipe": RECIPE, "seed": 0, "checkpoint": tmp_path}
    training.fit(build(compute_dtype="float32"), **options)
    before = files(tmp_path)
    model = changes.get("model") or build(compute_dtype="float32")
    weights = model.get_weights()
    with pytest.raises(CheckpointError, match=f"another run: {message}"):
        training.fit(
            model, **(options | {name: changes[name] for name in changes if name != "model"})
        )
    assert files(tmp_path) == before
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


def test_another_version_is_refused(tmp_path):
    training.fit(build(), make_data(), recipe=RECIPE, checkpoint=tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    state["identity"]["versions"]["course"] = "0.0.1"
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match="made with other versions of the course"):
        training.fit(build(), make_data(), recipe=RECIPE, checkpoint=tmp_path)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_constant_learning_rate_may_go_on_but_not_back(tmp_path, epochs):
    plain = replace(training.RECIPES["classic"], batch_size=16)
    training.fit(build("classic"), make_data(), recipe=plain, epochs=2, checkpoint=tmp_path)
    if epochs < 2:
        with pytest.raises(
            CheckpointError, match="it has finished 2 epochs, and this run asks for 1"
        ):
            training.fit(
                build("classic"), make_data(), recipe=plain, epochs=epochs, checkpoint=tmp_path
            )
        return
    history = training.fit(
        build("classic"), make_data(), recipe=plain, epochs=epochs, checkpoint=tmp_path
    )
    assert len(history.epochs) == epochs


def test_names_that_keras_counts_on_make_no_difference():
    def network(units=4):
        keras.utils.set_random_seed(1)
        image = keras.Input((12, 12, 3))
        flat = keras.layers.Flatten()(image)
        branches = [keras.layers.Dense(units)(flat), keras.layers.Dense(5)(flat)]
        joined = keras.layers.Dropout(0.5, seed=3)(keras.layers.Concatenate()(branches))
        return keras.Model(image, keras.layers.Dense(3, activation="softmax")(joined))

    first, again, other = network(), network(), network(6)
    assert [layer.name for layer in first.layers] != [layer.name for layer in again.layers]
    found = [identify(one, make_data(), asdict(RECIPE), 0) for one in (first, again, other)]
    assert found[0] == found[1]
    assert found[0]["network"] != found[2]["network"]


def test_a_trained_model_in_another_folder_is_another_beginning(tmp_path):
    """Whoever trains on, and keeps that in a folder of its own, can't be continued from scratch."""
    model = build()
    training.fit(model, make_data(), recipe=RECIPE, checkpoint=tmp_path / "first")
    training.fit(model, make_data(), recipe=RECIPE, seed=1, checkpoint=tmp_path / "second")
    with pytest.raises(CheckpointError, match="began with other weights"):
        training.fit(build(), make_data(), recipe=RECIPE, seed=1, checkpoint=tmp_path / "second")


def test_a_folder_that_was_emptied_holds_what_was_trained_after_that(tmp_path):
    """The second training of a model begins with the weights of the first, and says so."""
    model = build()
    training.fit(model, make_data(), recipe=RECIPE, checkpoint=tmp_path / "here")
    shutil.rmtree(tmp_path / "here")
    training.fit(model, make_data(), recipe=RECIPE, checkpoint=tmp_path / "here")
    with pytest.raises(CheckpointError, match="began with other weights"):
        training.fit(build(), make_data(), recipe=RECIPE, checkpoint=tmp_path / "here")


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path):
    plain = replace(training.RECIPES["classic"], batch_size=16)
    training.fit(build("classic"), make_data(), recipe=plain, epochs=1, checkpoint=tmp_path)
    before = files(tmp_path)
    (tmp_path / "state.json").unlink()
    (tmp_path / "state.json").mkdir()
    with pytest.raises(CheckpointError, match=r"state\.json can't be read"):
        training.fit(build("classic"), make_data(), recipe=plain, epochs=2, checkpoint=tmp_path)
    (tmp_path / "state.json").rmdir()
    (tmp_path / "state.json").write_bytes(before["state.json"])
    with pytest.raises(CheckpointError, match="can't be written"):
        training.fit(
            build("classic"), make_data(), recipe=plain, checkpoint=tmp_path / "state.json" / "x"
        )
    assert files(tmp_path) == before


def test_a_full_disk_leaves_the_state_before_whole(small_disk):
    plain = replace(training.RECIPES["classic"], batch_size=16)
    checkpoint = small_disk / "checkpoint"
    undisturbed, resumed = build("classic", width=0.1), build("classic", width=0.1)
    training.fit(undisturbed, make_data(), recipe=plain, epochs=4)
    training.fit(
        build("classic", width=0.1), make_data(), recipe=plain, epochs=1, checkpoint=checkpoint
    )
    size = (checkpoint / "epoch-0001.npz").stat().st_size
    left = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    before = files(checkpoint)
    for room in (0, size // 2, size):  # after which there's no room for state.json
        (small_disk / "others").write_bytes(b"x" * (left - room))
        with pytest.raises(CheckpointError, match="no space left on the disk"):
            training.fit(
                build("classic", width=0.1),
                make_data(),
                recipe=plain,
                epochs=4,
                checkpoint=checkpoint,
            )
        assert before.items() <= files(checkpoint).items()
        (small_disk / "others").unlink()
    training.fit(resumed, make_data(), recipe=plain, epochs=4, checkpoint=checkpoint)
    pairs = zip(undisturbed.get_weights(), resumed.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


TRAINING = """
import sys
sys.path.insert(0, {folder!r})
from test_checkpoints import RECIPE, build, make_data
from course_utils import training
print("ready", flush=True)
training.fit(build(), make_data(), recipe=RECIPE, epochs=15, checkpoint={checkpoint!r})
"""


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_training_that_is_killed_at_any_moment_leaves_a_whole_state(tmp_path, stop):
    folder = tmp_path / "checkpoint"
    script = TRAINING.format(folder=str(Path(__file__).parent), checkpoint=str(folder))
    finished = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0, 4))
        process.send_signal(stop)
        process.communicate(timeout=60)
        if not (folder / "state.json").exists():
            assert not finished
            continue
        state = json.loads((folder / "state.json").read_text())
        assert len(state["rows"]) >= finished
        finished = len(state["rows"])
        with np.load(folder / state["variables"], allow_pickle=False) as arrays:
            assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
    undisturbed, resumed = build(), build()
    training.fit(undisturbed, make_data(), recipe=RECIPE, epochs=15)
    history = training.fit(resumed, make_data(), recipe=RECIPE, epochs=15, checkpoint=folder)
    assert history.epochs.epoch.tolist() == list(range(1, 16))
    pairs = zip(undisturbed.get_weights(), resumed.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
