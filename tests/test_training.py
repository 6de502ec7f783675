"""Training: recipes, reproducibility, checkpoints and errors."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from course_utils import models, training
from course_utils.checkpoints import Checkpoint
from course_utils.datasets.base import Datasheet, ImageDataset, ImageSplit
from course_utils.training import Recipe

NUM_IMAGES = 160  # of which classic trains on 128, one batch


def make_data(num_images: int = NUM_IMAGES, side: int = 12) -> ImageDataset:
    """Three classes of flat pictures: dark, middle, light."""
    generator = np.random.default_rng(0)
    labels = np.arange(num_images) % 3
    noise = generator.integers(0, 60, (num_images, side, side, 3))
    images = (labels[:, None, None, None] * 90 + noise).astype(np.uint8)
    split = ImageSplit(images, labels.astype(np.int64), pd.DataFrame(index=range(num_images)))
    sheet = Datasheet("test", "", "", "", (), ())
    return ImageDataset("test", split, split, ("dark", "middle", "light"), sheet, "none")


def build(seed: int = 0):
    return models.build("classic", image_shape=(12, 12, 3), num_classes=3, width=0.1, seed=seed)


def same_weights(one, other) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_classic_recipe_is_the_original_notebooks():
    recipe = training.RECIPES["classic"]
    assert (recipe.optimizer, recipe.learning_rate) == ("rmsprop", 0.001)
    assert (recipe.batch_size, recipe.epochs, recipe.validation_split) == (128, 20, 0.2)


def test_it_learns_and_reports_every_epoch():
    model = models.build("classic", image_shape=(12, 12, 3), num_classes=3, width=0.5)
    history = training.fit(model, make_data(), recipe=training.Recipe(batch_size=8), epochs=8)
    assert list(history.epochs.epoch) == list(range(1, 9))
    assert set(history.epochs.columns) == {
        "epoch", "accuracy", "loss", "val_accuracy", "val_loss", "seconds",
    }  # fmt: skip
    assert history.final.val_accuracy > 0.8
    assert history.recipe.epochs == 8


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    first, second, third = build(), build(), build()
    for model, seed in ((first, 3), (second, 3), (third, 4)):
        training.fit(model, make_data(), epochs=2, seed=seed)
    assert same_weights(first, second)
    assert not same_weights(first, third)


def test_training_an_initialised_network_again_repeats_the_first_training():
    fresh, used = build(seed=1), build(seed=2)
    training.fit(used, make_data(), epochs=2)
    models.initialise(used, seed=1)
    step = used.train_function
    for model in (fresh, used):
        training.fit(model, make_data(), epochs=2, seed=3)
    assert same_weights(fresh, used)
    assert used.train_function is step, "the traced training step was thrown away"


def test_the_held_back_images_are_never_trained_on():
    """An image that is only held back has no influence on the weights."""
    data = make_data()
    held_back = np.random.default_rng(0).permutation(NUM_IMAGES)[-32:]
    images = data.train.images.copy()
    images[held_back] = 255 - images[held_back]
    changed = replace(data, train=replace(data.train, images=images))
    one, other = build(), build()
    before = training.fit(one, data, epochs=1)
    after = training.fit(other, changed, epochs=1)
    assert same_weights(one, other)
    assert before.final.val_loss != after.final.val_loss


def test_order_of_a_memory_map_is_read_batch_by_batch(tmp_path):
    data = make_data()
    np.save(tmp_path / "images.npy", data.train.images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    one, other = build(), build()
    training.fit(one, data, epochs=1)
    training.fit(other, replace(data, train=replace(data.train, images=mapped)), epochs=1)
    assert same_weights(one, other)


def test_a_stopped_run_goes_on_with_the_same_result(tmp_path):
    undisturbed, first, resumed = build(), build(), build()
    training.fit(undisturbed, make_data(), epochs=4)
    training.fit(first, make_data(), epochs=2, checkpoint=tmp_path)
    history = training.fit(resumed, make_data(), epochs=4, checkpoint=tmp_path)
    assert list(history.epochs.epoch) == [1, 2, 3, 4]
    assert same_weights(undisturbed, resumed)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch-0004.npz",
        "state.json",
    ]


FAST = replace(training.RECIPES["quick"], batch_size=32, cut_out=3)


def build_fast(seed: int = 0):
    return models.build("quick", image_shape=(12, 12, 3), num_classes=3, width=0.25, seed=seed)


def test_the_fast_recipe_is_the_same_twice_and_after_a_break(tmp_path):
    """Augmentation, the schedule, Muon's momentum and the running means all go on."""
    undisturbed, again, first, resumed = (build_fast() for _ in range(4))
    for model in (undisturbed, again):
        training.fit(model, make_data(), recipe=FAST, epochs=3)
    assert same_weights(undisturbed, again)

    class KilledError(Exception):
        pass

    save = Checkpoint.save

    def save_and_stop(self, rows):
        save(self, rows)
        if rows:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_stop)
        with pytest.raises(KilledError):
            training.fit(first, make_data(), recipe=FAST, epochs=3, checkpoint=tmp_path)
    history = training.fit(resumed, make_data(), recipe=FAST, epochs=3, checkpoint=tmp_path)
    assert list(history.epochs.epoch) == [1, 2, 3]
    assert same_weights(undisturbed, resumed)


def test_a_schedule_cannot_go_on_towards_another_end(tmp_path):
    """The learning rate depends on the number of epochs, so another number is another run."""
    training.fit(build_fast(), make_data(), recipe=FAST, epochs=1, checkpoint=tmp_path)
    with pytest.raises(training.CheckpointError, match="its epochs is 1, this run's is 2"):
        training.fit(build_fast(), make_data(), recipe=FAST, epochs=2, checkpoint=tmp_path)


def test_a_fast_network_learns():
    history = training.fit(build_fast(), make_data(640), recipe=FAST, epochs=4)
    assert history.final.val_accuracy > 0.8


def test_validation_after_the_last_epoch_only():
    history = training.fit(build_fast(), make_data(), recipe=FAST, epochs=3)
    assert history.epochs.val_accuracy.isna().tolist() == [True, True, False]


def test_whitening_looks_at_training_images_only_and_only_once():
    data = make_data()
    held_back = np.random.default_rng(0).permutation(NUM_IMAGES)[-32:]
    images = data.train.images.copy()
    images[held_back] = 255 - images[held_back]
    changed = replace(data, train=replace(data.train, images=images))
    one, other = build_fast(), build_fast()
    training.fit(one, data, recipe=FAST, epochs=1)
    training.fit(other, changed, recipe=FAST, epochs=1)
    assert same_weights(one, other)
    filters = one.get_layer("whitening").get_weights()
    training.fit(one, relabelled(0), recipe=FAST, epochs=1, seed=1)
    for before, after in zip(filters, one.get_layer("whitening").get_weights(), strict=True):
        assert np.array_equal(before, after)


def test_an_initialised_fast_network_repeats_its_training():
    fresh, used = build_fast(seed=1), build_fast(seed=2)
    training.fit(used, make_data(), recipe=FAST, epochs=1, seed=5)
    models.initialise(used, seed=1)
    for model in (fresh, used):
        training.fit(model, make_data(), recipe=FAST, epochs=1, seed=3)
    assert same_weights(fresh, used)


def test_the_learning_rate_rises_and_falls_in_straight_lines():
    schedule = training.WarmUpAndDecay(0.5, num_steps=100, warm_up=0.2)
    rates = np.array([float(schedule(step)) for step in range(100)])
    assert np.allclose(np.diff(rates[:20]), 0.5 / 20, atol=1e-6)
    assert np.allclose(np.diff(rates[20:]), -0.5 / 80, atol=1e-6)
    assert rates[0] == pytest.approx(0.5 / 40)  # the middle of the first of 20 steps
    assert rates[-1] == pytest.approx(0.5 / 160)
    assert [float(schedule(step)) for step in (100, 101, 1000)] == [0, 0, 0]
    again = training.WarmUpAndDecay.from_config(schedule.get_config())
    assert float(again(50)) == rates[50]
    without = training.WarmUpAndDecay(0.5, num_steps=10, warm_up=0.0)
    assert float(without(0)) == pytest.approx(0.475)


def test_a_schedule_that_has_ended_changes_nothing_more(tmp_path):
    model, data = build_fast(), make_data()
    training.fit(model, data, recipe=FAST, epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    one_hot = np.eye(3)[data.train.labels]
    for trained in (model, loaded):
        before = [weight.numpy() for weight in trained.trainable_variables]
        trained.fit(data.train.images, one_hot, epochs=2, batch_size=32, verbose=0)
        after = [weight.numpy() for weight in trained.trainable_variables]
        # All but equal: the length of the filters is set anew after each step.
        assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(before, after, strict=True))


def settings_of(model):
    return model.loss.label_smoothing, type(model.optimizer).__name__


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_the_recipes_loss_counts_whatever_the_model_was_compiled_with(loss):
    smooth = training.Recipe(label_smoothing=0.4)
    fresh, used, learners = build(), build(), build()
    expected = training.fit(fresh, make_data(), recipe=smooth, epochs=2).epochs.loss
    training.fit(used, make_data(), epochs=1)
    models.initialise(used, seed=0)
    learners.compile("rmsprop", loss)
    for model in (used, learners):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = training.fit(model, make_data(), recipe=smooth, epochs=2).epochs
        assert found.loss.tolist() == expected.tolist()
        assert settings_of(model) == settings_of(fresh) == (0.4, "RMSprop")
        assert "accuracy" in found
        told = [str(one.message) for one in said if "was compiled with" in str(one.message)]
        assert (f"the loss {loss!r}" in "".join(told)) == (model is learners)


@pytest.mark.parametrize("first", [True, False])
def test_layers_can_be_frozen_and_unfrozen_between_trainings(first):
    model = build()
    layer = model.get_layer("conv_2")
    for trainable in (first, not first, first):
        layer.trainable = trainable
        before = layer.kernel.numpy()
        training.fit(model, make_data(), epochs=1)
        assert np.array_equal(before, layer.kernel.numpy()) != trainable


@contextmanager
def stopped_after(epoch, batch):
    """Let Ctrl-C come after a step, both counted from 0."""

    def interrupt(self, now, logs=None):
        if (self._epoch, now) == (epoch, batch):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training._DivergenceGuard, "on_train_batch_end", interrupt)
        yield


@pytest.mark.parametrize("moment", [(0, 0), (0, 2), (1, 1), None])
def test_a_stopped_cell_runs_again_with_the_same_model(tmp_path, moment):
    """With a checkpoint the result is that of a training without the stop."""
    undisturbed, stopped = build(), build()
    training.fit(undisturbed, make_data(640), epochs=3)
    with stopped_after(*moment) if moment else nullcontext():
        training.fit(stopped, make_data(640), epochs=3, checkpoint=tmp_path)
    for _ in range(2):
        history = training.fit(stopped, make_data(640), epochs=3, checkpoint=tmp_path)
        assert len(history.epochs) == 3
        assert same_weights(undisturbed, stopped)


def test_after_a_refusal_the_model_is_as_it_was(tmp_path):
    training.fit(build(), make_data(), epochs=1, checkpoint=tmp_path / "other")
    fresh, refused = build(seed=1), build(seed=1)
    with pytest.raises(training.CheckpointError):
        training.fit(refused, make_data(), epochs=1, seed=1, checkpoint=tmp_path / "other")
    assert not refused.compiled
    for model in (fresh, refused):
        training.fit(model, make_data(), epochs=1, seed=1)
    assert same_weights(fresh, refused)


def test_a_model_that_was_stopped_can_be_trained():
    model = build_fast()
    with stopped_after(0, 0):
        training.fit(model, make_data(), recipe=FAST, epochs=1)
    assert len(training.fit(model, make_data(), recipe=FAST, epochs=1).epochs) == 1


@pytest.mark.parametrize("how", ["Keras's fit", "Sequential", "functional", "training=True"])
def test_a_fast_network_learns_however_it_is_trained(how):
    data, quick = make_data(640), build_fast()
    image = keras.Input((12, 12, 3), dtype="uint8")
    flip = keras.layers.RandomFlip("horizontal", dtype="uint8")
    if how == "Keras's fit":
        quick.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        quick.fit(data.train.images, data.train.labels, epochs=8, batch_size=16, verbose=0)
        accuracy = quick.evaluate(data.test.images, data.test.labels, verbose=0)[1]
    else:
        model = {
            "Sequential": lambda: keras.Sequential([image, flip, quick]),
            "functional": lambda: keras.Model(image, quick(image)),
            "training=True": lambda: keras.Model(image, quick(image, training=True)),
        }[how]()
        accuracy = training.fit(model, data, recipe=FAST, epochs=4).final.val_accuracy
    assert quick.get_layer("whitening").adapted
    assert accuracy > 0.8


def test_the_network_learns_the_names_of_its_classes():
    model = build()
    training.fit(model, make_data(), epochs=1)
    assert tuple(model.class_names) == ("dark", "middle", "light")


def test_batches_that_are_not_full_are_left_out_where_the_recipe_says_so():
    split = make_data().train
    for whole, expected in ((True, 4), (False, 5)):
        recipe = replace(FAST, whole_batches=whole)
        indices = np.arange(150)
        batches = training.Batches(split, indices, recipe, num_classes=3, augment=True)
        assert len(batches) == expected
    # never in validation
    assert len(training.Batches(split, indices, FAST, num_classes=3)) == 5


@pytest.mark.parametrize("recipe", [training.Recipe(learning_rate=1e20), FAST])
def test_a_training_that_diverges_ends_with_the_remedy(tmp_path, recipe, capfd):
    model = build() if recipe.name == "classic" else build_fast()
    if recipe.name != "classic":
        recipe = replace(recipe, optimizer="sgd", learning_rate=1e38)
    calm = replace(recipe, learning_rate=1e-6)
    training.fit(build(), make_data(), recipe=replace(calm, warm_up=None), epochs=1)
    with pytest.raises(training.TrainingError) as error:
        training.fit(model, make_data(640), recipe=recipe, epochs=5, checkpoint=tmp_path)
    message = str(error.value)
    assert "training has diverged: the loss is" in message
    assert f"learning_rate={recipe.learning_rate:g}" in message
    assert f"try a tenth of it, {recipe.learning_rate / 10:g}" in message
    assert error.value.__cause__ is None, "a traceback from inside TensorFlow"


def test_a_checkpoint_from_before_the_divergence_is_kept(tmp_path):
    """The loss overflows in the second epoch; the state after the first stays on disk."""
    recipe = training.Recipe(optimizer="sgd", learning_rate=1e-3, batch_size=16)
    training.fit(build(), make_data(), recipe=recipe, epochs=1, checkpoint=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model = build()
    batches = training.Batches.__getitem__

    def poisoned(self, index):
        images, labels = batches(self, index)
        return images, labels * (np.nan if self._epoch == 1 else 1)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(training.TrainingError, match="nan"):
        patch.setattr(training.Batches, "__getitem__", poisoned)
        training.fit(model, make_data(), recipe=recipe, epochs=2, checkpoint=tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_finished_run_is_not_run_again(tmp_path):
    first, second = build(), build()
    before = training.fit(first, make_data(), epochs=2, checkpoint=tmp_path)
    after = training.fit(second, make_data(), epochs=2, checkpoint=tmp_path)
    pd.testing.assert_frame_equal(before.epochs, after.epochs)
    assert same_weights(first, second)


KILLED = """
import sys
sys.path.insert(0, {folder!r})
from test_training import build, make_data
from course_utils import training
model = build()
training.fit(model, make_data(4000), epochs=60, checkpoint={checkpoint!r})
"""


def test_kill_9_in_the_middle_of_training(tmp_path):
    checkpoint = tmp_path / "checkpoint"
    script = KILLED.format(folder=str(Path(__file__).parent), checkpoint=str(checkpoint))
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    state = checkpoint / "state.json"
    deadline = time.monotonic() + 120
    while not state.exists() or len(json.loads(state.read_text())["rows"]) < 3:
        assert time.monotonic() < deadline, "no epoch was saved"
        assert process.poll() is None, "training ended before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(json.loads(state.read_text())["rows"])
    undisturbed, resumed = build(), build()
    data = make_data(4000)
    training.fit(undisturbed, data, epochs=finished + 2)
    history = training.fit(resumed, data, epochs=finished + 2, checkpoint=checkpoint)
    assert len(history.epochs) == finished + 2
    assert same_weights(undisturbed, resumed)


def test_another_runs_checkpoint_is_refused(tmp_path):
    training.fit(build(), make_data(), epochs=1, checkpoint=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        training.CheckpointError, match=r"another run: its seed is 0, this run's is 1"
    ):
        training.fit(build(), make_data(), epochs=2, seed=1, checkpoint=tmp_path)
    with pytest.raises(training.CheckpointError, match="began with other weights"):
        training.fit(build(seed=5), make_data(), epochs=2, checkpoint=tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"identity": 3}', "null", pytest.param("[" * 10**5, id="deep")]
)
def test_a_broken_checkpoint_is_named(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(training.CheckpointError, match=r"state\.json"):
        training.fit(build(), make_data(), epochs=1, checkpoint=tmp_path)


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "text", "gone", "fewer", "other shape", "pickle"]
)
def test_a_broken_file_of_arrays_is_named(tmp_path, damage):
    training.fit(build(), make_data(), epochs=1, checkpoint=tmp_path)
    path = tmp_path / "epoch-0001.npz"
    content = path.read_bytes()
    with np.load(path) as archive:
        arrays = list(archive.values())
    path.unlink()
    if damage in ("cut", "empty", "text"):
        path.write_bytes({"cut": content[:-100], "empty": b"", "text": b"# notes"}[damage])
    elif damage == "fewer":
        np.savez(path, *arrays[:-1])
    elif damage == "other shape":
        np.savez(path, *arrays[1:], arrays[0])
    elif damage == "pickle":
        np.savez(path, np.array([print, None]), *arrays[1:])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(training.CheckpointError, match=r"epoch-0001\.npz can't be read"):
        training.fit(build(), make_data(), epochs=2, checkpoint=tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def relabelled(label: int) -> ImageDataset:
    data = make_data()
    labels = data.train.labels.copy()
    labels[7] = label
    train = replace(data.train, labels=labels)
    return replace(data, train=train, class_names=(*data.class_names, "white")[: max(3, label + 1)])


def one_class() -> ImageDataset:
    data = make_data()
    return replace(data, train=replace(data.train, labels=np.full(NUM_IMAGES, 2)))


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (make_data(), {"epochs": 0}, "epochs is 0"),
        (
            make_data(),
            {"recipe": "slow"},
            "unknown recipe 'slow'; the known ones are classic, fast, quick, good, best",
        ),
        (make_data(), {"recipe": training.Recipe(batch_size=0)}, "batch_size is 0"),
        (make_data(), {"recipe": training.Recipe(validation_split=1.5)}, "validation_split is 1.5"),
        (make_data(side=16), {}, "16 × 16 × 3 but the network takes 12 × 12 × 3"),
        (relabelled(3), {}, "labels run from 0 to 3 but the network has 3 outputs"),
        (make_data(1), {}, "1 training images can't be split"),
        (one_class(), {}, "all 160 training images belong to one class, 'light'"),
        (make_data(), {"recipe": training.Recipe(learning_rate=0)}, "learning_rate is 0"),
        (make_data(), {"recipe": training.Recipe(learning_rate=math.nan)}, "learning_rate is nan"),
        (make_data(), {"recipe": training.Recipe(warm_up=1.0)}, r"warm_up is 1\.0"),
        (make_data(), {"recipe": training.Recipe(label_smoothing=1)}, "label_smoothing is 1"),
        (make_data(), {"recipe": training.Recipe(shift=12)}, "shift is 12 pixels but the images"),
        (make_data(), {"recipe": training.Recipe(cut_out=-1)}, "cut_out is -1 pixels but the"),
    ],
)
def test_bad_input_is_refused_before_anything_happens(data, options, message):
    model = build()
    before = model.get_weights()
    with pytest.raises(training.TrainingError, match=message):
        training.fit(model, data, **options)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_without_a_validation_split_every_image_is_trained_on():
    recipe = training.Recipe(validation_split=0.0)
    history = training.fit(build(), make_data(), recipe=recipe, epochs=1)
    assert set(history.epochs.columns) == {"epoch", "accuracy", "loss", "seconds"}


def test_fewer_pictures_than_a_step_takes_are_one_step():
    for recipe in ("classic", "quick"):
        with pytest.warns(UserWarning, match="and only 24 are trained on: each step takes them"):
            history = training.fit(build_fast(), make_data(30), recipe=recipe, epochs=1)
        assert np.isfinite(history.final.loss)
        assert history.recipe.batch_size == 24


SMALL_STEPS = training.Recipe(batch_size=16)


def make_learners_network(kind, activation="softmax"):
    layers, GlorotUniform = keras.layers, keras.initializers.GlorotUniform  # noqa: N806
    chain = [
        layers.Rescaling(1 / 255),
        layers.Conv2D(8, 3, activation="relu", kernel_initializer=GlorotUniform(0)),
        layers.Flatten(),
        layers.Dense(3, activation=activation, kernel_initializer=GlorotUniform(0)),
    ]
    if kind == "Sequential without Input":
        return keras.Sequential(chain)
    image = keras.Input((12, 12, 3))
    if kind == "functional":
        values = image
        for layer in chain:
            values = layer(values)
        return keras.Model(image, values)

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.chain = chain

        def call(self, inputs):
            for layer in self.chain:
                inputs = layer(inputs)
            return inputs

    return Network()


@pytest.mark.parametrize("kind", ["Sequential without Input", "functional", "subclassed"])
def test_any_classifier_learns_the_same_from_probabilities_and_from_logits(kind):
    losses = {}
    for activation in ("softmax", None):
        model, data = make_learners_network(kind, activation), make_data()
        losses[activation] = training.fit(model, data, recipe=SMALL_STEPS, epochs=6).epochs.loss
        assert model.loss.from_logits == (activation is None)
    np.testing.assert_allclose(losses["softmax"], losses[None], rtol=1e-3)
    assert losses[None].iloc[-1] < 0.8 < np.log(3)


def test_classifiers_that_cannot_learn_these_pictures_are_refused():
    model = make_learners_network("functional", "sigmoid")
    with pytest.raises(training.TrainingError, match="ends with sigmoid"):
        training.fit(model, make_data())


def test_the_weight_of_a_class_and_of_a_picture_count():
    """Pictures that weigh nothing might as well not be there."""
    data = make_data()
    plain = training.fit(build(), data, epochs=2).epochs
    in_vain = {
        "names": {"class_weight": {"dark": 2.0, "middle": 2.0, "light": 2.0}},
        "labels": {"class_weight": {0: 2.0, 1: 2.0, 2: 2.0}},
        "pictures": {"sample_weight": np.full(NUM_IMAGES, 2.0)},
    }
    for options in in_vain.values():
        doubled = training.fit(build(), data, epochs=1, **options).epochs
        assert doubled.loss[0] == pytest.approx(2 * plain.loss[0], rel=0.02)
    model = build()
    small = {"recipe": SMALL_STEPS, "epochs": 4}
    training.fit(model, data, **small, class_weight={data.class_names[2]: 0})
    predicted = model.predict(data.train.images, verbose=0).argmax(axis=1)
    assert 2 not in predicted
    by_picture = build()
    weights = (data.train.labels != 2).astype(float)
    training.fit(by_picture, data, **small, sample_weight=weights)
    assert same_weights(model, by_picture)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": {"blue": 1}}, "class_weight names the class 'blue'; the classes are"),
        ({"class_weight": {3: 1}}, "class_weight names the class 3"),
        ({"class_weight": {0: -1}}, "weights are numbers from 0 on"),
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, "at least one is more than 0"),
        ({"class_weight": {0: math.nan}}, "weights are numbers from 0 on"),
        ({"sample_weight": np.ones(5)}, r"sample_weight has the shape \(5,\)"),
    ],
)
def test_weights_that_say_nothing_are_refused(options, message):
    with pytest.raises(training.TrainingError, match=message):
        training.fit(build(), make_data(), **options)


def test_other_weights_are_another_run(tmp_path):
    training.fit(build(), make_data(), epochs=1, checkpoint=tmp_path)
    with pytest.raises(training.CheckpointError, match="its classes or pictures had other weights"):
        training.fit(build(), make_data(), epochs=1, checkpoint=tmp_path, class_weight={0: 2.0})


def test_callbacks_of_ones_own_are_called(tmp_path):
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(stop.model, "stop_training", epoch == 1)
    )
    kept = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True)
    history = training.fit(build(), make_data(), epochs=5, callbacks=[stop, kept])
    assert list(history.epochs.epoch) == [1, 2]
    assert (tmp_path / "best.keras").exists()


def test_a_single_callback_needs_no_list():
    seen = keras.callbacks.History()
    training.fit(build(), make_data(), epochs=2, callbacks=seen)
    assert seen.epoch == [0, 1]


def test_the_history_is_read_like_keras():
    history = training.fit(build(), make_data(), epochs=2)
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.history["val_loss"] == history.epochs.val_loss.tolist()


def test_a_learners_own_optimizer_is_not_replaced_in_silence():
    model, mine = build(), keras.optimizers.SGD(0.01)
    model.compile(mine, "sparse_categorical_crossentropy", metrics=["accuracy"])
    said = "'sparse_categorical_crossentropy' and the optimizer SGD; .* RMSprop.* one-hot labels"
    with pytest.warns(UserWarning, match=said):
        training.fit(model, make_data(), epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training.fit(model, make_data(), recipe=replace(SMALL_STEPS, optimizer="adam"), epochs=1)


def test_a_stopped_trainings_optimizer_is_not_taken_for_the_learners():
    model = build()
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        training.fit(model, make_data(), callbacks=stop)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the network was compiled")
        training.fit(model, make_data(), recipe=replace(SMALL_STEPS, optimizer="adam"), epochs=1)


def unscaled_network(*first):
    chain = [*first, keras.layers.Conv2D(4, 3, name="mine"), keras.layers.Flatten()]
    return [*chain, keras.layers.Dense(3, activation="softmax")]


def functional(chain):
    image = values = keras.Input((12, 12, 3))
    for layer in chain:
        values = layer(values)
    return keras.Model(image, values)


@pytest.mark.parametrize("make", [keras.Sequential, functional])
@pytest.mark.parametrize("first", [[], [keras.layers.RandomFlip], [keras.layers.MaxPooling2D]])
def test_pictures_that_nothing_scales_are_told(make, first):
    model = make(unscaled_network(*(one() for one in first)))
    with pytest.warns(
        UserWarning, match=r"weights, mine, gets numbers up to 2.*Rescaling\(1 / 255\)"
    ):
        training.fit(model, make_data(), recipe=SMALL_STEPS, epochs=1)


def nested(*first):
    return keras.Sequential([keras.Sequential(list(first)), *unscaled_network()])


@pytest.mark.parametrize(
    "model",
    [
        lambda: keras.Sequential(unscaled_network(keras.layers.Rescaling(1 / 255))),
        lambda: functional(unscaled_network(keras.layers.Rescaling(1 / 127.5, offset=-1))),
        lambda: keras.Sequential(unscaled_network(keras.layers.BatchNormalization())),
        lambda: nested(keras.layers.RandomFlip(), keras.layers.Rescaling(1 / 255)),
        build,
        build_fast,
    ],
)
def test_pictures_that_are_scaled_are_no_matter(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="__array__|The structure of")
        training.fit(model(), make_data(), recipe=SMALL_STEPS, epochs=1)


def test_what_is_no_data_set_is_said():
    arrays = make_data().train
    with pytest.raises(training.TrainingError, match=r"datasets.load returns it, not a ImageSplit"):
        training.fit(build(), arrays)


def test_float_images_are_refused():
    data = make_data()
    scaled = replace(data, train=replace(data.train, images=data.train.images / 255))
    with pytest.raises(training.TrainingError, match="pass uint8"):
        training.fit(build(), scaled, epochs=1)


WRONG_SETTINGS = {
    "recipe": ({"recipe": None}, "recipe is the name of one .*classic.* or a Recipe, not None"),
    "optimizer": ({"recipe": Recipe(optimizer="nope")}, "no optimizer 'nope'.* muon, sgd"),
    "optimizer object": ({"recipe": Recipe(optimizer=keras.optimizers.SGD())}, "no optimizer .*"),
    "rate": ({"recipe": Recipe(learning_rate="fast")}, "learning_rate is a number, not 'fast'"),
    "batch": ({"recipe": Recipe(batch_size=16.5)}, "batch_size is a whole number.*, not 16.5"),
    "shift": ({"recipe": Recipe(shift=1.5)}, "shift is a whole number.*, not 1.5"),
    "mirror": ({"recipe": Recipe(mirror="no")}, "mirror is True or False, not 'no'"),
    "epochs": ({"epochs": 2.5}, "epochs is a whole number.*, not 2.5"),
    "epochs text": ({"epochs": "3"}, "epochs is a whole number.*, not '3'"),
    "epochs True": ({"epochs": True}, "epochs is a whole number.*, not True"),
    "seed": ({"seed": -1}, "seed is a whole number from 0, not -1"),
    "no seed": ({"seed": None}, "seed is a whole number from 0, not None"),
    "seed fraction": ({"seed": 1.5}, "seed is a whole number from 0, not 1.5"),
    "checkpoint": ({"checkpoint": True}, "checkpoint is the path of a folder, not True"),
    "class_weight list": ({"class_weight": [1, 2, 3]}, r"dictionary.*dict\(enumerate\("),
    "class_weight array": ({"class_weight": np.ones(3)}, r"dictionary.*dict\(enumerate\("),
    "balanced": ({"class_weight": "balanced"}, "dictionary.*not 'balanced'"),
    "no number": ({"class_weight": {0: None}}, "weight of the class 0 is None; it is a number"),
    "text": ({"class_weight": {"dark": "2"}}, "weight of the class 'dark' is '2'; it is a number"),
    "texts": ({"sample_weight": ["x"] * NUM_IMAGES}, "sample_weight holds .*; it needs numbers"),
    "callback class": (
        {"callbacks": [keras.callbacks.EarlyStopping]},
        r"callbacks are .*EarlyStopping.*; it is a class: write EarlyStopping\(…\)",
    ),
    "callback text": ({"callbacks": ["early"]}, "callbacks are .*'early'"),
    "callback function": ({"callbacks": print}, "callbacks are .*print"),
    "rate of a schedule": (
        {"recipe": "quick", "callbacks": [keras.callbacks.ReduceLROnPlateau()]},
        "ReduceLROnPlateau sets the learning rate, and the recipe 'quick' .*warm_up=None",
    ),
    "schedule of a schedule": (
        {"recipe": "quick", "callbacks": keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)},
        "LearningRateScheduler sets the learning rate, and the recipe 'quick' .*warm_up=None",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "message"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS.keys())
def test_a_wrong_setting_is_named_and_nothing_is_changed(options, message):
    model = build()
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(training.TrainingError, match=message):
        training.fit(model, make_data(), **({"epochs": 1} | options))
    assert not model.compiled
    assert all(map(np.array_equal, before, model.get_weights()))


def test_tensorboard_that_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(training.TrainingError, match="pip install tensorboard"):
        training.fit(build(), make_data(), callbacks=keras.callbacks.TensorBoard(tmp_path))


def test_numbers_of_numpy_make_the_same_run(tmp_path):
    recipe = Recipe(
        learning_rate=np.float32(0.5), batch_size=np.int64(64), validation_split=np.float32(0.25)
    )
    recipe = replace(recipe, mirror=np.bool_(True))
    history = training.fit(
        build(), make_data(), recipe=recipe, epochs=np.int64(1), seed=np.int64(1),
        checkpoint=tmp_path / "numpy",
    )  # fmt: skip
    plain = Recipe(learning_rate=0.5, batch_size=64, validation_split=0.25, mirror=True)
    again = training.fit(
        build(), make_data(), recipe=plain, epochs=1, seed=1, checkpoint=tmp_path / "numpy"
    )
    pd.testing.assert_frame_equal(history.epochs, again.epochs)
    training.held_back(make_data(), seed=np.int64(1))


def test_no_callbacks_may_be_said_as_keras_takes_it():
    assert len(training.fit(build(), make_data(), epochs=1, callbacks=None).epochs) == 1


def test_a_checkpoint_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    training.fit(build(), make_data(), epochs=1, checkpoint="~/run")
    assert (tmp_path / "run/state.json").exists()
