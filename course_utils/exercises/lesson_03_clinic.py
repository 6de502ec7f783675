"""Checks of lesson 3's clinic: networks that don't learn, or only seem to, are to be repaired.

A repaired one is trained on a few pictures that are easy to tell apart, so that it takes a second.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice, takewhile
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
_CLOSE = 1e-3
_FAR_TOO_MUCH = 1.5  # times what guessing costs, of a loss
_CROSS_ENTROPIES = {"categoricalcrossentropy", "sparsecategoricalcrossentropy"}


@dataclass(frozen=True)
class _Ward:
    """Pictures for a patient to train on, and others to try it on."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    fresh_images: NDArray[np.uint8]
    fresh_labels: NDArray[np.int64]


@dataclass(frozen=True)
class _Treated:
    """What came of a treatment.

    Attributes:
        model: the network.
        losses: of each epoch.
        images: what ``fit`` was given to train on.
        labels: the same.
    """

    model: Any
    losses: list[float]
    images: NDArray[Any]
    labels: NDArray[Any]


def treat_labels(answer: Any) -> str:
    """Look at the shape of the labels and at that of the outputs. Which form of labels does this
    loss want?

    Labels that are whole numbers go with ``"sparse_categorical_crossentropy"``;
    ``"categorical_crossentropy"`` wants them one-hot, as ``keras.utils.to_categorical(labels)``
    makes them."""
    ward = _draw_ward(np.random.default_rng(0))
    treated = _train(answer, ward)
    _expect_cross_entropy(treated, ward)
    _expect_recovery(treated, ward, "It learns, but not from these labels.")
    return "loss and labels have the same form"


def treat_softmax(answer: Any) -> str:
    """Does the loss get probabilities, or scores? Which of the two does it expect?

    Either let the last layer take a softmax, or tell the loss that there is none:
    ``keras.losses.SparseCategoricalCrossentropy(from_logits=True)``."""
    ward = _draw_ward(np.random.default_rng(0))
    treated = _train(answer, ward)
    _expect_one_softmax(treated, ward)
    _expect_recovery(treated, ward, "Softmax is taken once, but it learns next to nothing.")
    return "softmax is taken once"


def treat_pixels(answer: Any) -> str:
    """Follow a pixel of 255 from the pictures to the first convolution. What is done to it on its
    way?

    The network scales its pixels itself, in ``Rescaling``, so give it the pictures as they are."""
    ward = _draw_ward(np.random.default_rng(0))
    treated = _train(answer, ward)
    values = _scale(treated)
    low, high = values.min(), values.max()
    if low < 0 or not 0.1 < high <= 1:
        raise Wrong(
            f"The numbers that reach the first convolution lie between {low:.4g} and {high:.4g}; "
            "those of pixels divided once by 255 lie between 0 and 1."
        )
    mean, expected = values.mean(), ward.images.mean() / 255
    if abs(mean - expected) > _CLOSE:
        raise Wrong(
            "The numbers that reach the first convolution lie between 0 and 1, but they are not "
            f"the pixels divided by 255: their mean is {mean:.4f} instead of {expected:.4f}."
        )
    _expect_recovery(treated, ward, "The pixels are right, but it still learns next to nothing.")
    return "pixels arrive at the first convolution as numbers from 0 to 1"


def treat_order(answer: Any) -> str:
    """Which picture is first, and which label is? Follow both to ``fit``.

    Whatever puts the pictures in another order has to do the same with the labels:
    ``images[order]`` and ``labels[order]``."""
    ward = _draw_ward(np.random.default_rng(0))
    treated = _train(answer, ward)
    _expect_shuffled(treated, ward)
    _expect_recovery(treated, ward, "It guesses: do pictures and labels belong together?")
    return "each picture has its own label again"


def treat_steps(answer: Any) -> str:
    """What does the loss do from epoch to epoch? Section 3.2 had a learning rate like that.

    A learning rate of 0.1 or 0.01 suits ``keras.optimizers.SGD`` here; that of ``"adam"`` is
    0.001 by default."""
    ward = _draw_ward(np.random.default_rng(0))
    treated = _train(answer, ward)
    first, highest, last = treated.losses[0], max(treated.losses), treated.losses[-1]
    complaint = f"The loss only went from {first:.3g} to {last:.3g}: are the steps too short now?"
    if highest > _FAR_TOO_MUCH * np.log(_NUM_CLASSES):
        complaint = (
            f"The loss was as high as {highest:.3g}, and guessing costs {np.log(_NUM_CLASSES):.3g}:"
            " the steps are still too long."
        )
    _expect_recovery(treated, ward, complaint)
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


def _train(answer: Any, ward: _Ward) -> _Treated:
    """Train by a learner's function, on copies of the pictures.

    Raises:
        Wrong: something else came back than a network and the history of its training.
    """
    import keras

    keras.utils.set_random_seed(0)
    with _watch_fit() as seen:
        found = answer(ward.images.copy(), ward.labels.copy(), _EPOCHS)
    if found is None:
        raise Wrong("Your function returns None: is the return missing?")
    pair = found if isinstance(found, tuple | list) else [found]
    if not (
        len(pair) == 2
        and isinstance(pair[0], keras.Model)
        and isinstance(getattr(pair[1], "history", None), dict)
    ):
        kinds = ", ".join(type(one).__name__ for one in pair)
        raise Wrong(
            "The network is expected back, and after it what its fit returns; what came back is: "
            f"{kinds}."
        )
    model, history = pair
    if not seen or history.model is not model:
        raise Wrong("The network that comes back is not the one that fit has just trained.")
    losses = history.history.get("loss", [])
    if len(losses) != _EPOCHS:
        raise Wrong(
            f"With epochs = {_EPOCHS} the history should tell of {_EPOCHS} epochs, and yours tells "
            f"of {len(losses)}."
        )
    return _Treated(model, losses, *_to_arrays(*seen[-1]))


@contextmanager
def _watch_fit() -> Iterator[list[tuple[Any, Any]]]:
    """Collect the pictures and labels that networks are given to train on."""
    import keras

    seen: list[tuple[Any, Any]] = []
    fit = keras.Model.fit

    def watched(self: Any, x: Any = None, y: Any = None, *arguments: Any, **options: Any) -> Any:
        seen.append((x, y))
        return fit(self, x, y, *arguments, **options)

    keras.Model.fit = watched
    try:
        yield seen
    finally:
        keras.Model.fit = fit


def _to_arrays(images: Any, labels: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """What ``fit`` was given; of batches, such as those of ``tf.data``, as many as an epoch has."""
    if labels is None:
        batches = list(islice(images, _NUM_TRAIN))
        images, labels = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))
    labels = np.asarray(labels)
    if labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else labels.argmax(axis=1)
    return np.asarray(images), labels


def _expect_recovery(treated: _Treated, ward: _Ward, complaint: str) -> None:
    """Expect nearly every fresh picture to be right.

    Raises:
        Wrong: it doesn't learn; the message begins with the complaint.
    """
    if not np.isfinite(treated.losses[-1]):
        raise Wrong(f"The loss is {treated.losses[-1]}: the training has diverged.")
    right = float(np.mean(_predict(treated.model, ward.fresh_images) == ward.fresh_labels))
    if right < 0.9:
        raise Wrong(
            f"{complaint} After {_EPOCHS} epochs {100 * right:.0f} % of fresh pictures are right."
        )


def _expect_cross_entropy(treated: _Treated, ward: _Ward) -> None:
    """Expect the loss to be one of the cross-entropy's two forms, as far as it is Keras's own."""
    loss = _find_loss(treated.model)
    name = getattr(loss, "__name__", type(loss).__name__)
    is_known = name.replace("_", "").casefold() in _CROSS_ENTROPIES
    if loss.__module__.startswith("keras") and not is_known:
        raise Wrong(
            f"It trains, but with another loss, {name}. Keep the cross-entropy of classes, in the "
            "form that goes with the labels."
        )
    _expect_one_softmax(treated, ward)


def _expect_one_softmax(treated: _Treated, _: _Ward) -> None:
    model = treated.model
    layers = list(_flatten(model))
    last = _name_activation(layers[-1])
    if last not in ("linear", "softmax"):
        raise Wrong(
            f"The network ends with {last}; its scores should go into softmax as they are, in the "
            "last layer or in the loss."
        )
    in_network = sum(_name_activation(layer) == "softmax" for layer in layers)
    outputs = np.asarray(model(treated.images[:8], training=False))
    if not in_network and (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=_CLOSE):
        in_network = 1  # by an operation that is no layer
    match in_network, _takes_softmax(_find_loss(model)):
        case 0, False:
            raise Wrong("Softmax is never taken: the loss takes scores for probabilities.")
        case 1, True:
            raise Wrong("Now softmax is in the network, and the loss is told that it isn't.")
        case number, _ if number > 1:
            raise Wrong("The network takes softmax twice: of its own probabilities, too.")


def _flatten(model: Any) -> Iterator[Any]:
    """The layers of a network, and of the networks in it."""
    for layer in model.layers:
        yield from _flatten(layer) if hasattr(layer, "layers") else [layer]


def _name_activation(layer: Any) -> str:
    """``softmax``, ``relu`` and so on, of any layer; ``linear`` where there is no activation."""
    if type(layer).__name__ in ("Softmax", "ReLU"):
        return type(layer).__name__.casefold()
    name = str(getattr(getattr(layer, "activation", None), "__name__", "linear"))
    return "softmax" if name.startswith("softmax") else name  # TensorFlow's is softmax_v2


def _find_loss(model: Any) -> Any:
    """What a network's loss is computed by."""
    import keras

    loss = model.loss
    return keras.losses.get(loss[0] if isinstance(loss, list) and len(loss) == 1 else loss)


def _takes_softmax(loss: Any) -> bool:
    """Whether only differences between a picture's numbers matter to a loss."""
    numbers = np.array([[0.2, 0.3, 0.5]], dtype=np.float32)
    for labels in (np.array([0]), np.eye(3, dtype=np.float32)[:1]):
        with suppress(Exception):  # of a loss that wants its labels in the other form
            one, other = (float(np.mean(loss(labels, numbers + more))) for more in (0, 0.5))
            return abs(one - other) < _CLOSE
    return False


def _scale(treated: _Treated) -> NDArray[np.float64]:
    """The numbers that reach the first layer with weights."""
    values: Any = treated.images.astype(np.float32)
    for layer in takewhile(lambda layer: not layer.weights, _flatten(treated.model)):
        if type(layer).__name__ != "InputLayer":
            values = layer(values)
    return np.asarray(values, dtype=float)


def _expect_shuffled(treated: _Treated, ward: _Ward) -> None:
    """Expect all pictures with their labels, in another order, as far as they can be told."""
    own = dict(zip(_to_keys(ward.images), ward.labels, strict=True))
    keys = _to_keys(treated.images)
    if not set(keys) <= own.keys():
        return
    if len(set(keys)) < len(own):
        raise Wrong(f"Only {len(set(keys))} of the {len(own)} pictures are trained on.")
    wrong = sum(own[key] != label for key, label in zip(keys, treated.labels, strict=True))
    if wrong:
        raise Wrong(f"{wrong} of the {len(keys)} pictures come with a label that isn't theirs.")
    if keys == list(own):
        raise Wrong("The pictures are in their old order: keep the shuffling.")


def _to_keys(images: NDArray[Any]) -> list[bytes]:
    return [image.tobytes() for image in images.astype(np.uint8)]


def _predict(model: Any, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    predictions: NDArray[np.int64] = np.asarray(model(images, training=False)).argmax(axis=1)
    return predictions


# --- What is published when they are graded


def _publish_recovery(
    publisher: Publisher,
    answer: Any,
    *,
    examine: Callable[[_Treated, _Ward], None] = lambda treated, ward: None,
    measure: Callable[[_Treated], list[float]] = lambda treated: [],
    tolerance: float = 1e-6,
) -> None:
    """The classes of fresh pictures, and what else is looked at.

    Args:
        publisher: collects the answers.
        answer: the learner's function.
        examine: raises an error where there is still a fault.
        measure: finds more numbers to compare.
        tolerance: of what ``measure`` finds.
    """
    ward = _draw_ward(publisher.random)

    def ask() -> list[float]:
        treated = _train(answer, ward)
        examine(treated, ward)
        return [*_predict(treated.model, ward.fresh_images).tolist(), *measure(treated)]

    publisher.call(ask, name="classes of fresh pictures, after training", tolerance=tolerance)


def _find_mean(treated: _Treated) -> list[float]:
    return [float(_scale(treated).mean())]


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
    "3.7": partial(_publish_recovery, examine=_expect_cross_entropy),
    "3.8": partial(_publish_recovery, examine=_expect_one_softmax),
    "3.9": partial(_publish_recovery, measure=_find_mean, tolerance=_CLOSE),
    "3.10": partial(_publish_recovery, examine=_expect_shuffled),
    "3.11": _publish_split,
}
