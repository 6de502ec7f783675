"""Checks of lesson 3's clinic: networks that don't learn, or only seem to, are to be repaired.

A repaired one is trained on a few pictures that are easy to tell apart, so that it takes a second.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from course_utils.exercises.expectations import Wrong
from course_utils.exercises.publishing import Publisher

_NUM_CLASSES = 3
_NUM_TRAIN = 160
_NUM_FRESH = 30
_SIDE = 8  # pixels
_EPOCHS = 8
_NUM_HELD_BACK = 100


@dataclass(frozen=True)
class _Ward:
    """Pictures for a patient to train on, and others to try it on."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    fresh_images: NDArray[np.uint8]
    fresh_labels: NDArray[np.int64]


def treat_labels(answer: Any) -> str:
    """Look at the shape of the labels and at that of the outputs. Which form of labels does this
    loss want?

    Labels that are whole numbers go with ``"sparse_categorical_crossentropy"``;
    ``"categorical_crossentropy"`` wants them one-hot, as ``keras.utils.to_categorical(labels)``
    makes them."""
    _expect_recovery(answer, "It learns, but not from these labels")
    return "loss and labels have the same form"


def treat_softmax(answer: Any) -> str:
    """Does the loss get probabilities, or scores? Which of the two does it expect?

    Either let the last layer take a softmax, or tell the loss that there is none:
    ``keras.losses.SparseCategoricalCrossentropy(from_logits=True)``."""
    model, _ = _train(answer, _draw_ward(np.random.default_rng(0)))
    match _count_softmax(model):
        case 0:
            raise Wrong("Softmax is never taken: the loss takes scores for probabilities.")
        case 2:
            raise Wrong("Now softmax is in the network, and the loss is told that it isn't.")
    _expect_recovery(answer, "Softmax is taken once, but it learns next to nothing.")
    return "softmax is taken once"


def _count_softmax(model: Any) -> int:
    """How often softmax is taken, by the last layer and by the loss."""
    last = model.layers[-1]
    in_layer = type(last).__name__ == "Softmax" or last.get_config().get("activation") == "softmax"
    return int(in_layer) + int(getattr(model.loss, "from_logits", False))


def treat_pixels(answer: Any) -> str:
    """Print the smallest and the largest number that reach the first convolution.

    The network scales its pixels itself, in ``Rescaling``, so give it the pictures as they are."""
    with _watch_fit() as seen:
        model, _ = _expect_recovery(answer, "It still learns next to nothing.")
    largest = _scale(seen[-1], model).max()
    if not 0.1 < largest <= 1:
        raise Wrong(f"The largest number that reaches the first convolution is {largest:.4f}.")
    return "pixels arrive at the first convolution as numbers from 0 to 1"


def treat_order(answer: Any) -> str:
    """Which picture is first, and which label is? Follow both to ``fit``.

    Whatever puts the pictures in another order has to do the same with the labels:
    ``images[order]`` and ``labels[order]``."""
    _expect_recovery(answer, "It guesses: do pictures and labels belong together?")
    return "each picture has its own label again"


def treat_steps(answer: Any) -> str:
    """What does the loss do from epoch to epoch? Section 3.2 had a learning rate like that.

    A learning rate of 0.1 or 0.01 suits ``keras.optimizers.SGD`` here; that of ``"adam"`` is
    0.001 by default."""
    _expect_recovery(answer, "It still doesn't learn: are the steps short enough?")
    return "steps that are short enough to go downhill"


def treat_split(answer: Any) -> str:
    """How many pictures are in both parts? What does the accuracy on such pictures say?

    ``images[:-100]`` leaves out the last hundred, and ``images[-100:]`` takes them; the same for
    the labels."""
    ward = _draw_ward(np.random.default_rng(0))
    parts = answer(ward.images, ward.labels)
    if not isinstance(parts, tuple | list) or len(parts) != 4:
        raise Wrong("Four arrays are expected: pictures and labels to train on, and to validate.")
    train_images, train_labels, images, labels = map(np.asarray, parts)
    if (len(train_images), len(images)) != (len(train_labels), len(labels)):
        raise Wrong("There are not as many labels as pictures.")
    if len(images) != _NUM_HELD_BACK:
        raise Wrong(f"{_NUM_HELD_BACK} pictures are to be held back, and yours are {len(images)}.")
    known = {image.tobytes() for image in train_images}
    if shared := sum(image.tobytes() in known for image in images):
        raise Wrong(f"{shared} of the {len(images)} validation pictures are trained on as well.")
    if len(train_images) + len(images) < len(ward.images):
        raise Wrong("Pictures have been lost: all but the hundred are for training.")
    expected = (ward.images[-_NUM_HELD_BACK:], ward.labels[-_NUM_HELD_BACK:])
    if not (np.array_equal(images, expected[0]) and np.array_equal(labels, expected[1])):
        raise Wrong("The last hundred pictures are to be held back, with their labels.")
    return "no picture is in both parts"


# --- What is looked at


def _draw_ward(generator: Generator) -> _Ward:
    """Draw pictures that are mostly red, green or blue, under labels in any order."""
    num = _NUM_TRAIN + _NUM_FRESH
    channels = generator.integers(0, _NUM_CLASSES, num)
    images = generator.integers(0, 120, (num, _SIDE, _SIDE, 3))
    images[np.arange(num), :, :, channels] += 120
    labels = generator.permutation(_NUM_CLASSES)[channels]
    pictures = images.astype(np.uint8)
    return _Ward(
        pictures[:_NUM_TRAIN], labels[:_NUM_TRAIN], pictures[_NUM_TRAIN:], labels[_NUM_TRAIN:]
    )


def _expect_recovery(answer: Any, complaint: str) -> tuple[Any, Any]:
    """Train by a learner's function, and expect nearly every fresh picture to be right.

    Returns:
        The model and its history.

    Raises:
        Wrong: something else came back, or it doesn't learn.
    """
    ward = _draw_ward(np.random.default_rng(0))
    model, history = _train(answer, ward)
    final = history.history["loss"][-1]
    if not np.isfinite(final):
        raise Wrong(f"The loss is {final}: the training has diverged.")
    right = float(np.mean(_predict(model, ward.fresh_images) == ward.fresh_labels))
    if right < 0.9:
        raise Wrong(f"{complaint} After {_EPOCHS} epochs {right:.0%} of fresh pictures are right.")
    return model, history


def _train(answer: Any, ward: _Ward) -> tuple[Any, Any]:
    import keras

    keras.utils.set_random_seed(0)
    found = answer(ward.images, ward.labels, _EPOCHS)
    if not isinstance(found, tuple | list) or len(found) != 2 or not hasattr(found[1], "history"):
        raise Wrong("The network is expected back, and what its fit returns.")
    return found[0], found[1]


@contextmanager
def _watch_fit() -> Iterator[list[Any]]:
    """Collect the pictures that networks are given to train on."""
    import keras

    seen: list[Any] = []
    fit = keras.Model.fit

    def watched(self: Any, x: Any = None, *arguments: Any, **options: Any) -> Any:
        seen.append(x)
        return fit(self, x, *arguments, **options)

    keras.Model.fit = watched
    try:
        yield seen
    finally:
        keras.Model.fit = fit


def _scale(images: Any, model: Any) -> NDArray[np.float64]:
    """The numbers that reach the first layer with weights."""
    values = np.asarray(images, dtype=float)
    for layer in model.layers:
        if type(layer).__name__ == "Rescaling":
            values = values * layer.scale + layer.offset
    return values


def _predict(model: Any, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    predictions: NDArray[np.int64] = np.asarray(model(images, training=False)).argmax(axis=1)
    return predictions


# --- What is published when they are graded


def _publish_recovery(
    publisher: Publisher,
    answer: Any,
    *,
    look: Callable[[Any, Any], list[float]] = lambda model, images: [],
    tolerance: float = 1e-6,
) -> None:
    """The classes of fresh pictures, and what else is looked at.

    Args:
        publisher: collects the answers.
        answer: the learner's function.
        look: finds more to compare, in the trained network and the images that it was given.
        tolerance: of what ``look`` finds.
    """
    ward = _draw_ward(publisher.random)

    def ask() -> list[float]:
        with _watch_fit() as seen:
            model, _ = _train(answer, ward)
        return [*_predict(model, ward.fresh_images).tolist(), *look(model, seen[-1])]

    publisher.call(ask, name="classes of fresh pictures, after training", tolerance=tolerance)


def _require_one_softmax(model: Any, _: Any) -> list[float]:
    if _count_softmax(model) != 1:
        raise ValueError("softmax is taken twice, or never")
    return []


def _find_mean(model: Any, images: Any) -> list[float]:
    return [float(_scale(images, model).mean())]


def _publish_split(publisher: Publisher, answer: Any) -> None:
    ward = _draw_ward(publisher.random)

    def ask() -> list[Any]:
        train_images, train_labels, images, labels = answer(ward.images, ward.labels)
        means = (
            np.asarray(one, dtype=float).mean(axis=(1, 2, 3)) for one in (train_images, images)
        )
        return [*means, np.asarray(train_labels), np.asarray(labels)]

    publisher.call(ask, name="the two parts")


CHECKS = {
    "3.7": treat_labels,
    "3.8": treat_softmax,
    "3.9": treat_pixels,
    "3.10": treat_order,
    "3.11": treat_split,
    "3.12": treat_steps,
}
GRADED: dict[str, Callable[[Publisher, Any], None]] = {
    **dict.fromkeys(CHECKS, _publish_recovery),
    "3.8": partial(_publish_recovery, look=_require_one_softmax),
    "3.9": partial(_publish_recovery, look=_find_mean, tolerance=1e-3),
    "3.11": _publish_split,
}
