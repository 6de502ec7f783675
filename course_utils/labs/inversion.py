"""What picture does a network like best, and whose picture is it?

The attacker has the network, and no picture. From grey, the pixels climb the slope of a class's
probability. Where a class is one creature, drawn in many views, what comes out is compared with the
mean of views that the network never saw.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils.datasets.base import ImageDataset
from course_utils.labs import miniature
from course_utils.labs.miniature import LabError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

EPOCHS = 5  # of the miniatures
NUM_STEPS = 20
STEP_SIZE = 3.0  # levels of 0–255: the root of the mean square of a step
BLUR = 1.0  # pixels

Floats = NDArray[np.float32]
Plan = Literal["one layer", "miniature"]
PLANS: tuple[Plan, ...] = get_args(Plan)

_GREY = 128.0
# The standard deviation of what is added to the grey, in levels: at plain grey it may be that no
# neuron is active, and there is no slope at all.
_FAINT = 5.0
_ONE_LAYER_EPOCHS = 20
_ONE_LAYER_RATE = 0.001
_REACH = 3  # pixels from the middle of the blur to its end


def climb(
    model: "keras.Model",
    *,
    num_steps: int = NUM_STEPS,
    step_size: float = STEP_SIZE,
    blur: float = BLUR,
) -> NDArray[np.uint8]:
    """Climb from grey with faint noise to the picture that a network likes best, for each class.

    Each step goes up the slope of the logarithm of the class's probability, as far as the pixels
    are concerned, blurred a little so that neighbouring pixels move together.

    Args:
        model: a chain of layers from uint8 pictures to probabilities.
        num_steps: from 1.
        step_size: how far a step moves the pixels: the root of their mean square, in levels.
        blur: the standard deviation of the blur, in pixels; 0 for none.

    Returns:
        (num_classes, height, width, 3).

    Source: Fredrikson et al. 2015, doi:10.1145/2810103.2813677, who descend a loss and denoise.
    """
    if num_steps < 1 or step_size <= 0 or blur < 0:
        raise LabError(
            f"num_steps is {num_steps}, step_size {step_size} and blur {blur}; there is at least "
            "one step, its size is above 0, and the blur is from 0"
        )
    find_slope = _slope(model, blur)
    num_classes = model.output_shape[-1]
    noise = np.random.default_rng(0).normal(0, _FAINT, model.input_shape[1:]).astype(np.float32)
    images = np.repeat((_GREY + noise)[np.newaxis], num_classes, axis=0)
    for _ in range(num_steps):
        slope = find_slope(images).numpy()
        images = step(images, slope, step_size)
    outcome: NDArray[np.uint8] = np.rint(images).astype(np.uint8)
    return outcome


def step(images: Floats, slope: Floats, step_size: float) -> Floats:
    """Take a step up.

    Args:
        images: (n, height, width, 3), from 0 to 255.
        slope: of the same shape.
        step_size: the root of the mean square of each picture's step, in levels.
    """
    length = np.sqrt(np.mean(slope**2, axis=(1, 2, 3), keepdims=True))
    moved: Floats = np.clip(images + step_size * slope / np.maximum(length, 1e-12), 0, 255)
    return moved


def _slope(model: "keras.Model", blur: float) -> "Callable[[Floats], tf.Tensor]":
    """A function that gives the blurred slope of each picture's own class, the n-th for the n-th.

    The model's input takes whole numbers, which have no slope; its layers take any.
    """
    import tensorflow as tf

    layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    distance = np.arange(-_REACH, _REACH + 1)
    weights = np.exp(-(distance**2) / (2 * max(blur, 1e-3) ** 2))
    square = np.outer(weights, weights) / weights.sum() ** 2
    kernel = tf.constant(np.repeat(square[:, :, None, None], 3, axis=2), tf.float32)
    margin = [[0, 0], [_REACH, _REACH], [_REACH, _REACH], [0, 0]]

    def find(images: "tf.Tensor") -> "tf.Tensor":
        with tf.GradientTape() as tape:
            tape.watch(images)
            values = images
            for layer in layers:
                values = layer(values, training=False)
            total = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(values) + 1e-7))
        slope = tape.gradient(total, images)
        padded = tf.pad(slope, margin, "REFLECT")
        return tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")

    traced = tf.function(find)
    return lambda images: traced(tf.constant(images))


def mean_pictures(data: ImageDataset) -> Floats:
    """The mean of the test pictures of each class: (num_classes, height, width, 3).

    Raises:
        LabError: a class has no test pictures.
    """
    labels = data.test.labels
    counts = np.bincount(labels, minlength=len(data.class_names))
    if not counts.all():
        missing = data.class_names[int(counts.argmin())]
        raise LabError(f"there is no test picture of {missing}; raise num_test")
    return np.stack(
        [data.test.images[labels == label].mean(axis=0) for label in range(len(counts))]
    ).astype(np.float32)


def correlations(pictures: NDArray[Any], means: Floats) -> Floats:
    """How alike each picture is to each class's mean picture.

    What all mean pictures have in common is taken away from both before.

    Args:
        pictures: (n, height, width, 3).
        means: (num_classes, height, width, 3).

    Returns:
        (n, num_classes), from −1 to 1; 0 for a picture without any variation.
    """
    common = means.mean(axis=0)
    one, other = (
        (values - common).reshape(len(values), -1).astype(np.float64)
        for values in (pictures, means)
    )
    one, other = (values - values.mean(axis=1, keepdims=True) for values in (one, other))
    lengths = np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))
    found: Floats = (one @ other.T / np.maximum(lengths, 1e-9)).astype(np.float32)
    return found


def train_one_layer(data: ImageDataset, *, seed: int) -> "keras.Model":
    """Train the smallest network: every pixel has one weight for each class.

    Args:
        data: what to train on.
        seed: fixes the order of the pictures.
    """
    import keras
    import tensorflow as tf

    model = keras.Sequential(
        [
            keras.Input(data.train.images.shape[1:], dtype="uint8"),
            keras.layers.Rescaling(1 / 255, offset=-0.5),
            keras.layers.Flatten(),
            keras.layers.Dense(
                len(data.class_names), activation="softmax", kernel_initializer="zeros"
            ),
        ]
    )
    optimizer = keras.optimizers.Adam(_ONE_LAYER_RATE)
    optimizer.build(model.trainable_variables)
    size, generator = miniature.SMALLEST_NUM_TRAIN, np.random.default_rng(seed)
    num_batches = len(data.train) // size
    if not num_batches:
        raise LabError(
            f"there are {len(data.train)} training pictures and one batch has {size}; raise "
            "num_train or num_views"
        )
    orders = [generator.permutation(len(data.train)) for _ in range(_ONE_LAYER_EPOCHS)]
    batches = np.concatenate(
        [order[: num_batches * size].reshape(num_batches, size) for order in orders]
    )
    images, labels = tf.constant(np.asarray(data.train.images)), tf.constant(data.train.labels)

    def train(batches: "tf.Tensor") -> None:
        for number in tf.range(tf.shape(batches)[0]):
            with tf.GradientTape() as tape:
                answers = model(tf.gather(images, batches[number]))
                truth = tf.gather(labels, batches[number])
                losses = keras.losses.sparse_categorical_crossentropy(truth, answers)
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)

    tf.function(train)(tf.constant(batches))
    return model


def measure(
    drawn: Callable[[int], ImageDataset],
    *,
    seeds: Iterable[int],
    plans: Iterable[Plan] = PLANS,
    epochs: int = EPOCHS,
    num_steps: int = NUM_STEPS,
) -> pd.DataFrame:
    """Climb to the favourite pictures of a network of each plan, and see whose they are.

    Args:
        drawn: gives the data set for a seed, such as :func:`course_utils.labs.creatures.load`.
            The test pictures are what the outcome is compared with, and what a judge, another
            miniature, learns from; the networks that are climbed never see them.
        seeds: a data set, a network of each plan and a judge for each.
        plans: "one layer" has a weight for each pixel and class, as the networks that Fredrikson
            and colleagues inverted; "miniature" has convolutions.
        epochs: passes of the miniatures over their pictures.
        num_steps: of the climb.

    Returns:
        One row per seed and plan: ``seed``, ``plan``, ``accuracy`` (on the test pictures), ``own``
        (correlation of the outcome with the mean picture of its own class, mean over classes),
        ``others`` (with those of the other classes), ``margin`` (their difference), ``matched``
        (share of classes whose own mean picture is the most alike) and ``judged`` (share to which
        the judge gives the right name).
    """
    wanted = list(plans)
    unknown = [one for one in wanted if one not in PLANS]
    if unknown:
        raise LabError(f"unknown plan {unknown[0]!r}; there are {', '.join(PLANS)}")

    def run(seed: int) -> list[dict[str, Any]]:
        data = drawn(seed)
        swapped = replace(data, train=data.test, test=data.train)
        judge = miniature.train(swapped, seed=seed, epochs=epochs)
        rows = []
        for plan in wanted:
            model, answers = _train(plan, data, seed=seed, epochs=epochs)
            pictures = climb(model, num_steps=num_steps)
            rows.append(
                {
                    "seed": seed,
                    "plan": plan,
                    "accuracy": float(np.mean(answers.argmax(axis=1) == data.test.labels)),
                    **compare(pictures, mean_pictures(data)),
                    "judged": float(
                        np.mean(judge.predict(pictures).argmax(axis=1) == np.arange(len(pictures)))
                    ),
                }
            )
        return rows

    return miniature.table(run, seeds, label="seed")


def _train(
    plan: Plan, data: ImageDataset, *, seed: int, epochs: int
) -> "tuple[keras.Model, NDArray[np.float32]]":
    """A network of a plan, and what it answers to the test pictures."""
    if plan == "one layer":
        model = train_one_layer(data, seed=seed)
        return model, np.asarray(model(np.asarray(data.test.images)))
    network = miniature.train(data, seed=seed, epochs=epochs)
    return network.to_keras(), network.predict(data.test.images)


def compare(pictures: NDArray[Any], means: Floats) -> dict[str, float]:
    """Compare a picture for each class with the classes' mean pictures.

    Returns:
        ``own``, ``others``, ``margin`` and ``matched``, as in :func:`measure`.
    """
    table = correlations(pictures, means)
    own = np.diag(table)
    others = (table.sum(axis=1) - own) / (len(table) - 1)
    return {
        "own": float(own.mean()),
        "others": float(others.mean()),
        "margin": float((own - others).mean()),
        "matched": float(np.mean(table.argmax(axis=1) == np.arange(len(table)))),
    }
