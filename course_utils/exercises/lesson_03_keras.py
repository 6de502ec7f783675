"""Checks of lesson 3's exercises in Keras: training, stopping, using, and a step by hand."""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from course_utils.exercises.expectations import Wrong, expect_close, expect_equal
from course_utils.exercises.publishing import Publisher

Pictures = tuple[NDArray[np.uint8], NDArray[np.int64]]

_EPOCHS = 2
_MEASURED = ["accuracy", "loss", "val_accuracy", "val_loss"]
_TRAINING = {
    "optimizer": "RMSprop",
    "learning rate": 0.001,
    "loss": "sparse_categorical_crossentropy",
    "number of epochs": _EPOCHS,
    "number of batches in an epoch": 2,
    "list of what was measured": _MEASURED,
}
_CALLBACKS = {
    "kinds of callbacks": ["EarlyStopping", "ModelCheckpoint"],
    "monitor of EarlyStopping": "val_loss",
    "patience of EarlyStopping": 3,
    "restore_best_weights of EarlyStopping": True,
    "monitor of ModelCheckpoint": "val_loss",
    "save_best_only of ModelCheckpoint": True,
    "path of ModelCheckpoint": "best.keras",
}


def fit_network(answer: Any) -> str:
    """Two calls are needed: one says how to train, the other trains. Which arguments of each does
    the text name?

    ``model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy",
    metrics=["accuracy"])``, then ``return model.fit(images, labels, batch_size=128, epochs=epochs,
    validation_split=0.2, verbose=0)``."""
    _expect_facts(_find_training_facts(answer, np.random.default_rng(0)), _TRAINING)
    return "compiled and trained; what comes back knows each epoch's loss and accuracy"


def make_callbacks(answer: Any) -> str:
    """Both callbacks watch the same number. What does each of them do with the best weights?

    ``keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)`` and
    ``keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True)``, in a
    list."""
    _expect_facts(_find_callback_facts(answer), _CALLBACKS)
    return "one stops and goes back to the best epoch, the other saves it"


def classify(answer: Any) -> str:
    """A network takes a batch of pictures of one size. How do you get there from a single picture
    of any size, and back from its probabilities to a name?

    ``keras.ops.image.resize(picture, model.input_shape[1:3])`` gives it the right size, and
    ``[np.newaxis]`` or ``np.stack([…])`` makes a batch of it. ``model.predict(…, verbose=0)[0]``
    has a probability for each class, and ``argmax`` the place of the largest."""
    for size, channel in (((16, 16), 0), ((24, 40), 2), ((9, 9), 1)):
        height, width = size
        situation = f"For a picture of {height} × {width} pixels"
        with _free_of_graphs():
            found = answer(_make_colour_model(), _paint(size, channel), _COLOURS)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Wrong(f"{situation} a name and a probability are expected, not {found!r}.")
        expect_equal(found[0], _COLOURS[channel], situation)
        expect_close(found[1], _SURE, situation, tolerance=0.02)
    return "a picture of any size gets the name of the likeliest class"


def train_step(answer: Any) -> str:
    """Which calculation does the tape have to watch? And what do you do with each weight when you
    have its slope?

    Inside ``with tf.GradientTape() as tape:`` compute ``model(images, training=True)`` and the mean
    of ``keras.losses.sparse_categorical_crossentropy(labels, …)``. After that,
    ``tape.gradient(loss, model.trainable_variables)`` gives a slope for each variable:
    ``variable.assign_sub(learning_rate * slope)``. Return the loss."""
    for learning_rate in (0.5, 2.0):
        model, images, labels = _draw_linear_problem(np.random.default_rng(1))
        loss, kernel, bias = _step_by_hand(model, images, labels, learning_rate)
        situation = f"With a learning rate of {learning_rate:g}"
        expect_close(
            answer(model, images, labels, learning_rate), loss, f"{situation}, the loss:", 1e-4
        )
        for weights, expected in zip(model.get_weights(), (kernel, bias), strict=True):
            if not np.allclose(weights, expected, atol=1e-4):
                raise Wrong(
                    f"{situation}, the loss is right, but a weight is {weights.flat[0]:.4f} after "
                    f"the step, and should be {expected.flat[0]:.4f}."
                )
    return "one step downhill for every weight, as `fit` takes it"


# --- What is looked at


def _find_training_facts(answer: Any, generator: Generator) -> dict[str, Any]:
    model, history = _train_small(answer, generator)
    return {
        "optimizer": type(model.optimizer).__name__,
        "learning rate": round(float(model.optimizer.learning_rate), 6),
        "loss": _name_loss(model.loss),
        "number of epochs": len(history.epoch),
        "number of batches in an epoch": history.params.get("steps"),
        "list of what was measured": sorted(history.history),
    }


def _train_small(answer: Any, generator: Generator) -> tuple[Any, Any]:
    from course_utils import models

    seed = int(generator.integers(2**31))
    model = models.build("classic", image_shape=(8, 8, 3), num_classes=3, width=0.05, seed=seed)
    images = generator.integers(0, 256, (320, 8, 8, 3)).astype(np.uint8)
    history = answer(model, images, generator.integers(0, 3, 320), _EPOCHS)
    if not hasattr(history, "history"):
        raise Wrong(f"What model.fit returns is expected back, not {history!r}.")
    return model, history


def _name_loss(loss: Any) -> str:
    """A loss's name, be it given as text, function or object."""
    return loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))


def _find_callback_facts(answer: Any) -> dict[str, Any]:
    callbacks = answer("best.keras")
    if not isinstance(callbacks, list | tuple):
        raise Wrong(f"A list of two callbacks is expected, not {callbacks!r}.")
    by_kind = {type(callback).__name__: callback for callback in callbacks}
    facts: dict[str, Any] = {"kinds of callbacks": sorted(by_kind)}
    for name in list(_CALLBACKS)[1:]:
        attribute, _, kind = name.partition(" of ")
        attribute = {"path": "filepath"}.get(attribute, attribute)
        facts[name] = getattr(by_kind.get(kind), attribute, None)
    return facts


def _expect_facts(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for fact, value in expected.items():
        if found[fact] != value:
            raise Wrong(f"The {fact} should be {value!r}, but yours is {found[fact]!r}.")


_COLOURS = ("red", "green", "blue")
_SURE = float(np.exp(4) / (np.exp(4) + 2))  # what the model says of a picture of one pure colour


def _make_colour_model(order: tuple[int, ...] = (0, 1, 2)) -> Any:
    """A network whose classes are pure colours."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Rescaling(1 / 255),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.set_weights([4 * np.eye(3)[list(order)], np.zeros(3)])
    return model


def _paint(size: tuple[int, int], channel: int) -> NDArray[np.uint8]:
    picture = np.zeros((*size, 3), dtype=np.uint8)
    picture[..., channel] = 255
    return picture


@contextmanager
def _free_of_graphs() -> Iterator[None]:
    """Let ``predict`` run without tracing a graph for each new network, which takes a second."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings(action="ignore"):  # that tf.data does not
            yield
    finally:
        tf.config.run_functions_eagerly(before)


def _draw_linear_problem(
    generator: Generator,
) -> tuple[Any, NDArray[np.float32], NDArray[np.int64]]:
    """A network of one dense layer, whose slopes are known, pictures and labels."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(3, activation="softmax")]
    )
    model.set_weights([generator.normal(0, 0.2, (48, 3)), generator.normal(0, 0.2, 3)])
    images = generator.random((20, 4, 4, 3), dtype=np.float32)
    return model, images, generator.integers(0, 3, 20)


def _step_by_hand(
    model: Any, images: NDArray[Any], labels: NDArray[Any], learning_rate: float
) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """The loss before a step of gradient descent, and the weights after it."""
    kernel, bias = model.get_weights()
    values = images.reshape(len(images), -1)
    powers = np.exp(values @ kernel + bias)
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    loss = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    slopes = (probabilities - np.eye(3)[labels]) / len(labels)
    return (
        float(loss),
        kernel - learning_rate * values.T @ slopes,
        bias - learning_rate * slopes.sum(axis=0),
    )


# --- What is published when they are graded


def _publish_training(publisher: Publisher, answer: Any) -> None:
    """What a training with drawn weights and pictures measures in each epoch."""
    seed = int(publisher.random.integers(2**31))

    def ask() -> list[Any]:
        import keras

        keras.utils.set_random_seed(seed)
        history = _train_small(answer, np.random.default_rng(seed))[1].history
        return [history[name] for name in _MEASURED]

    publisher.call(ask, name="loss and accuracy of each epoch", tolerance=1e-3)


def _publish_callbacks(publisher: Publisher, answer: Any) -> None:
    """When they stop a training, and what is left of it, if the validation loss is as drawn."""
    for number in range(1, 4):
        losses = publisher.random.uniform(1, 2, 12)
        losses[: 2 * number] = np.sort(losses[: 2 * number])[::-1]
        publisher.call(
            lambda losses=losses: _act_out(answer, losses),
            name=f"training {number}: its end, and the weights kept",
        )


def _act_out(answer: Any, losses: NDArray[np.float64]) -> list[float]:
    """Call callbacks as a training does whose only weight is the number of the epoch.

    Returns:
        The last epoch, the weight at the end, and the weight in the file.
    """
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "best.keras"))
        callbacks = keras.callbacks.CallbackList(list(answer(path)), model=model)
        callbacks.on_train_begin()
        for epoch, loss in enumerate(losses):
            model.set_weights([np.full((1, 1), epoch)])
            # The other numbers get better and worse at other times.
            logs = {"val_loss": loss, "loss": -epoch, "val_accuracy": -epoch, "accuracy": epoch}
            callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        callbacks.on_train_end()
        saved = keras.models.load_model(path)
    return [epoch, *(float(one.get_weights()[0].item()) for one in (model, saved))]


def _publish_classes(publisher: Publisher, answer: Any) -> None:
    for _ in range(5):
        height, width = (int(side) for side in publisher.random.integers(8, 60, 2))
        order = tuple(int(place) for place in publisher.random.permutation(3))
        picture = _paint((height, width), int(publisher.random.integers(3)))

        def ask() -> Any:
            return answer(_make_colour_model(order), picture, _COLOURS)  # noqa: B023

        with _free_of_graphs():
            name = f"a picture of {height} × {width} pixels"
            publisher.call(ask, name=name, tolerance=0.02)


def _publish_steps(publisher: Publisher, answer: Any) -> None:
    for rate in publisher.random.uniform(0.1, 3, 3):
        model, images, labels = _draw_linear_problem(publisher.random)

        def step() -> list[Any]:
            return [answer(model, images, labels, float(rate)), *model.get_weights()]  # noqa: B023

        publisher.call(step, name=f"learning rate {rate:.2f}", tolerance=1e-4)


CHECKS = {
    "3.2": fit_network,
    "3.4": make_callbacks,
    "3.5": classify,
    "3.6": train_step,
}
GRADED = {
    "3.2": _publish_training,
    "3.4": _publish_callbacks,
    "3.5": _publish_classes,
    "3.6": _publish_steps,
}
