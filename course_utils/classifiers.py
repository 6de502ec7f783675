"""What a Keras network answers to a picture, whoever wrote it: probabilities or logits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_utils import backend

with backend.quiet_startup():
    import keras

_TOLERANCE = 1e-3  # by which the probabilities of a picture may miss 1
_COARSE_TOLERANCE = 1 / 64  # the same for numbers of 16 bits, of which bfloat16 keeps two digits
_MAX_REASON = 200  # letters of an error of Keras that are shown
_NUM_SCALED = 500  # pictures on which other scalings are tried, at most
_LARGE = 160  # more than a picture less its mean, as VGG16 takes it, ever holds
_SURE = 3  # standard errors by which the loss is lower
# Activations after which numbers are no probabilities, whatever they are.
_OF_SCORES = {
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "softplus"),
    *("softsign", "tanh"),
}


class ClassifierError(ValueError):
    """A network is no classifier of such pictures; the message says why and what to do."""


@dataclass(frozen=True)
class Answers:
    """What a network answers to each picture."""

    num_classes: int
    are_logits: bool  # numbers of any size, of which softmax makes probabilities


def inspect(model: keras.Model, images: NDArray[Any]) -> Answers:
    """Find out what a network answers.

    A network that isn't built yet, such as a ``Sequential`` without ``Input``, is built by that.

    Args:
        model: takes a batch of pictures and answers one number for each class.
        images: (n, height, width, 3), at least one; as the network gets them.

    Raises:
        ClassifierError: it has several inputs or outputs, can't take these pictures, answers
            something other than (n, number of classes), or with sigmoid.
    """
    _check_one_input(model)
    activation = _last_activation(model)
    if activation == "sigmoid":
        raise ClassifierError(
            "the network ends with sigmoid, which judges each class for itself; end it with "
            f"softmax: Dense({_num_units(model)}, activation='softmax')"
        )
    outputs = _call(model, images[:2])
    are_logits = activation in _OF_SCORES or (activation is None and bool(_misses(outputs).any()))
    return Answers(outputs.shape[1], are_logits)


def is_known_for_logits(model: keras.Model) -> bool:
    """Whether its last layer, or else its loss, says that a network answers logits."""
    activation = _last_activation(model)
    if activation is None:
        return bool(getattr(getattr(model, "loss", None), "from_logits", False))
    return activation in _OF_SCORES


def probabilities(
    outputs: NDArray[np.floating[Any]], *, are_logits: bool = False
) -> NDArray[np.floating[Any]]:
    """Make probabilities of what a network answers, by softmax where it answers logits.

    Args:
        outputs: (n, num_classes), of one network.
        are_logits: whether they are known to be. This matters for numbers between 0 and 1 whose
            sums aren't 1; others tell themselves.

    Returns:
        (n, num_classes), each row with the sum 1. Of numbers with 16 bits, as networks in mixed
        precision answer, numbers with 32.
    """
    if outputs.ndim != 2:
        return outputs
    is_coarse, are_shares = outputs.dtype.itemsize < 4, not _misses(outputs).any()
    outputs = outputs.astype(np.float32) if is_coarse else outputs
    if are_shares:
        return outputs / outputs.sum(axis=1, keepdims=True) if is_coarse else outputs
    are_unclear = ((outputs >= 0) & (outputs <= 1)).all() and np.ptp(outputs) > _TOLERANCE
    if are_unclear and not are_logits:
        return outputs  # neither; whoever checks them says so
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shares: NDArray[np.floating[Any]] = powers / powers.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class Unscaled:
    """What a layer with weights gets to see of pictures that nothing has scaled."""

    layer: str
    largest: float


def unscaled(model: keras.Model, images: NDArray[np.uint8]) -> Unscaled | None:
    """Find out whether a network lets its first weights see numbers as large as pixels.

    Args:
        model: as it was inspected with ``images``.
        images: (n, height, width, 3), whole numbers from 0 to 255.

    Returns:
        None where they are scaled or normalised before, where the first weights aren't trained, as
        in transfer learning, and where the layers aren't known.
    """
    layers = _chain(model)
    first = next((layer for layer in layers if layer.weights), None)
    if first is None or isinstance(first, keras.Model) or not hasattr(first, "kernel"):
        return None
    if not first.trainable:
        return None
    values: Any = keras.ops.cast(images[:8], "float32")
    if isinstance(model, keras.Sequential):
        for layer in layers[: layers.index(first)]:
            values = layer(values)
    else:
        values = keras.Model(model.inputs, first.input)(values)
    largest = float(keras.ops.max(keras.ops.abs(values)))
    return Unscaled(first.name, largest) if largest > _LARGE else None


def _chain(model: keras.Model) -> list[keras.Layer]:
    """The layers of a network in their order, those of a chain within a chain, too."""
    if isinstance(model, keras.Sequential):
        return [
            part
            for layer in model.layers
            for part in (_chain(layer) if isinstance(layer, keras.Sequential) else [layer])
        ]
    return list(model.layers) if getattr(model, "inputs", None) else []


@dataclass(frozen=True)
class Scaling:
    """A way of scaling pictures by which a network tells more of them apart."""

    by_hand: str  # as it is written
    layer: str  # the layer that does the same
    num_images: int  # how many were tried
    num_right: int  # how many of them are classified correctly as they are
    num_right_scaled: int  # and how many when they are scaled


def missing_scaling(
    model: keras.Model,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    outputs: NDArray[np.floating[Any]],
) -> Scaling | None:
    """Find out whether a network was trained on pictures that were scaled before it got them.

    The usual scalings are tried on some of the pictures. One of them is meant if the network gets
    more of them right than as they are, surely more than by naming the most frequent class, and
    gives the true classes surely more probability.

    Args:
        model: takes a batch of pictures and answers probabilities or logits.
        images: (n, height, width, 3), whole numbers from 0 to 255.
        labels: (n,) the true classes.
        outputs: (n, num_classes) what the network answers to ``images``.

    Returns:
        The scaling that helps most, or None if none does.
    """
    inputs = getattr(model, "inputs", None)
    if inputs and "int" in str(inputs[0].dtype):
        return None
    chosen = np.unique(np.linspace(0, len(labels) - 1, _NUM_SCALED).astype(int))
    true, pictures = labels[chosen], images[chosen].astype(np.float32)
    mean, std = pictures.mean(), max(pictures.std(), 1.0)
    ways = {
        ("images / 255", "Rescaling(1 / 255)"): pictures / 255,
        ("images / 127.5 - 1", "Rescaling(1 / 127.5, offset=-1)"): pictures / 127.5 - 1,
        ("(images - mean) / std", "Rescaling(1 / std, offset=-mean / std)"): (pictures - mean)
        / std,
    }
    frequent = np.bincount(true).max() / len(true)
    are_logits = is_known_for_logits(model)
    as_it_is = _right_and_losses(outputs[chosen], true, are_logits=are_logits)
    found = []
    for (by_hand, layer), scaled in ways.items():
        answers = model.predict(scaled, verbose=0)
        right, losses = _right_and_losses(answers, true, are_logits=are_logits)
        gains = as_it_is[1] - losses
        error = gains.std() / np.sqrt(len(true))
        spread = np.sqrt(frequent * (1 - frequent) / len(true))
        if (
            right.sum() > as_it_is[0].sum()
            and right.mean() > frequent + _SURE * spread
            and gains.mean() > _SURE * error
        ):
            counts = len(true), int(as_it_is[0].sum()), int(right.sum())
            found.append((losses.mean(), Scaling(by_hand, layer, *counts)))
    return min(found, key=lambda one: one[0])[1] if found else None


def _right_and_losses(
    outputs: NDArray[np.floating[Any]], labels: NDArray[np.int64], *, are_logits: bool
) -> tuple[NDArray[np.bool_], NDArray[np.floating[Any]]]:
    """(n,) which pictures are classified correctly, and the cross-entropy of each."""
    shares = probabilities(outputs, are_logits=are_logits)
    of_true_class = np.maximum(shares[np.arange(len(labels)), labels], _TOLERANCE**2)
    return shares.argmax(axis=1) == labels, -np.log(of_true_class)


def _misses(outputs: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """(n,) which rows are no probabilities."""
    tolerance = _COARSE_TOLERANCE if outputs.dtype.itemsize < 4 else _TOLERANCE
    totals = outputs.astype(np.float64).sum(axis=1)
    wrong: NDArray[np.bool_] = (np.abs(totals - 1) > tolerance) | (outputs < 0).any(axis=1)
    return wrong


def _check_one_input(model: keras.Model) -> None:
    for name, things in (("input", _inputs(model)), ("output", getattr(model, "outputs", None))):
        number = len(things or [0])
        if number != 1:
            raise ClassifierError(
                f"the network has {number} {name}s; a classifier of pictures has one, the "
                f"{'pictures' if name == 'input' else 'numbers for the classes'}"
            )


def _inputs(model: keras.Model) -> Any:
    return getattr(model, "inputs", None)


def _last_activation(model: Any) -> str | None:
    """``"softmax"``, ``"linear"``, ``"relu"`` and so on; None where the layers don't tell."""
    if isinstance(model, keras.Sequential):
        return _last_activation(model.layers[-1]) if model.layers else None
    if isinstance(model, keras.Model):
        outputs = getattr(model, "outputs", None)
        return _last_activation(outputs[0]._keras_history.operation) if outputs else None
    if isinstance(model, keras.layers.Softmax | keras.layers.ReLU):
        return type(model).__name__.lower()
    activation = getattr(model, "activation", None)
    name = getattr(activation, "__name__", None)
    return name if name in _OF_SCORES | {"softmax", "sigmoid"} else None


def _num_units(model: keras.Model) -> int | str:
    units = getattr(model, "output_shape", (None,))[-1]
    return "number of classes" if units in (None, 1) else units


def _call(model: keras.Model, images: NDArray[Any]) -> NDArray[np.floating[Any]]:
    takes = getattr(model, "input_shape", None) if getattr(model, "built", False) else None
    if isinstance(takes, tuple) and not _fits(images.shape[1:], takes[1:]):
        raise ClassifierError(
            f"the images are {_shape(images.shape[1:])} but the network takes "
            f"{_shape(takes[1:])}; build it with image_shape={images.shape[1:]} or load the data "
            "with another image_size"
        )
    try:
        outputs = model(images, training=False)
    except Exception as error:
        reason = " ".join(str(error).split())[:_MAX_REASON]
        raise ClassifierError(
            f"the network can't take pictures of {_shape(images.shape[1:])}: {reason}"
        ) from error
    shape = tuple(getattr(outputs, "shape", ()))
    if len(shape) != 2 or shape[1] < 2:
        raise ClassifierError(
            f"the network answers {shape or type(outputs).__name__} to {len(images)} pictures, "
            "not one number for each class; end it with Flatten or GlobalAveragePooling2D and "
            "Dense(number of classes, activation='softmax')"
        )
    answers: NDArray[np.floating[Any]] = keras.ops.convert_to_numpy(outputs)
    if not np.isfinite(answers).all():
        raise ClassifierError(
            "the network answers numbers that are not finite, as after a training that has "
            "diverged; build it anew"
        )
    return answers


def _fits(shape: tuple[int, ...], takes: tuple[int | None, ...]) -> bool:
    return len(shape) == len(takes) and all(
        wanted in (None, length) for length, wanted in zip(shape, takes, strict=True)
    )


def _shape(lengths: tuple[int | None, ...]) -> str:
    return " × ".join("any" if length is None else str(length) for length in lengths)
