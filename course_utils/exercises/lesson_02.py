"""Checks of lesson 2: networks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from course_utils.exercises.expectations import Wrong, expect_close, expect_model, list_layers
from course_utils.exercises.probing import Case, Probe, read_numbers
from course_utils.exercises.publishing import Publisher
from course_utils.exercises.readings import describe_layer

Facts = dict[str, Any]


def convolve(answer: Any) -> str:
    """Begin with a single place: what is multiplied, what is added up? Then visit every place at
    which the kernel fits.

    At row r and column c the result is the sum of ``plane[r:r+3, c:c+3] * kernel``. The result
    has two rows and two columns fewer than the plane, because the window has to fit inside."""
    plane = np.arange(20.0).reshape(4, 5)
    identity = np.zeros((3, 3))
    identity[1, 1] = 1
    expect_close(
        answer(plane, identity), plane[1:-1, 1:-1], "With a kernel that is 1 in its middle,"
    )
    expect_close(answer(plane, np.ones((3, 3)) / 9), plane[1:-1, 1:-1], "With the average of nine,")
    edge = np.array([[-1.0, 0, 1]] * 3)
    expect_close(answer(plane, edge), np.full((2, 3), 6), "With the edge kernel on a ramp,")
    corner = np.zeros((3, 3))
    corner[0, 2] = 1
    expect_close(
        answer(plane, corner), plane[:-2, 2:], "With a kernel that is 1 in its upper right corner,"
    )
    return "the window slides over every place where it fits"


def num_parameters(answer: Any) -> str:
    """Count for one filter first. How many weights does it have, and what else is learned?

    One filter looks at a square of ``side × side`` pixels in every input channel, and has one
    bias on top."""
    for arguments, expected in (((3, 3, 32), 896), ((3, 32, 64), 18_496), ((1, 5, 2), 12)):
        side, channels, filters = arguments
        expect_close(
            answer(*arguments),
            expected,
            f"For {filters} filters of {side}×{side} on {channels} channels",
        )
    return "each filter has side × side × channels weights and one bias"


def max_pool(answer: Any) -> str:
    """Which four values become one? Draw a plane of 4 × 4 and mark its squares.

    ``plane.reshape(height // 2, 2, width // 2, 2)`` puts each 2×2 square on axes 1 and 3; take
    the maximum over both. Two loops are just as right."""
    plane = np.array([[1.0, 2, 5, 6], [3, 4, 8, 7], [0, 0, -1, -2], [0, 9, -3, -4]])
    expect_close(answer(plane), [[4, 8], [9, -1]], "For a 4×4 plane")
    expect_close(answer(plane[:2]), [[4, 8]], "For a 2×4 plane")
    return "one maximum for each 2×2 square"


def softmax(answer: Any) -> str:
    """There are two steps: make every number positive, then make them add up to 1. And what is the
    exponential of a very large number?

    ``np.exp(scores)``, divided by its sum. For large scores ``np.exp`` overflows; subtracting
    the largest score first changes nothing in the result and prevents that."""
    expect_close(answer(np.array([0.0, 0, 0, 0])), [0.25] * 4, "For four equal scores")
    expect_close(
        answer(np.log([1.0, 2, 5])), [0.125, 0.25, 0.625], "For the logarithms of 1, 2 and 5"
    )
    with np.errstate(all="ignore"):
        large = np.asarray(answer(np.array([1000.0, 1000, 0])), dtype=float)
    if not np.isfinite(large).all():
        raise Wrong("It is right for small scores, but a score of 1000 overflows.")
    expect_close(large, [0.5, 0.5, 0], "For the scores 1000, 1000 and 0")
    return "positive numbers that add up to 1, even for huge scores"


def cross_entropy(answer: Any) -> str:
    """Only one of the probabilities counts. Which one is it? And which logarithm does the text use?

    Minus the natural logarithm of the probability that was given to the true class:
    ``-np.log(probabilities[label])``."""
    expect_close(answer(np.array([0.5, 0.5]), 1), np.log(2), "For a probability of one half")
    expect_close(answer(np.array([0.1, 0.2, 0.7]), 2), -np.log(0.7), "For a probability of 0.7")
    expect_close(answer(np.array([0.0, 1.0]), 1), 0, "For a certain and right prediction")
    return "0 when the true class gets probability 1, and more the less it gets"


def build_classic(answer: Any) -> str:
    """Write down the four layers of the first block, and change what the table says about the
    second: the number of filters, and the padding of one convolution.

    ``layers.Conv2D(64, 3, padding="same", activation="relu")``, then the same without ``padding``,
    since ``"valid"`` is Keras's default; ``layers.MaxPooling2D(2)``; ``layers.Dropout(0.25)``."""
    from course_utils import models

    for image_shape, num_classes in (((32, 32, 3), 10), ((24, 20, 1), 4)):
        situation = f"For pictures of {_size(image_shape)} and {num_classes} classes,"
        found = answer(image_shape, num_classes)
        network = models.build("classic", image_shape=image_shape, num_classes=num_classes)
        expected = [describe_layer(layer) for layer in list_layers(network, situation)]
        expect_model(found, expected, situation, name="classic")
        if _was_built_by_course(found):
            raise Wrong("This is the course's own: write its second block layer by layer.")
    return "13 layers, and each has the shape and the parameters of `classic`'s"


def _was_built_by_course(model: Any) -> bool:
    return any(layer.name == "conv_4" for layer in model.layers)


def _size(image_shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, image_shape))


def build_small(answer: Any) -> str:
    """Follow the height through the convolutions and poolings: each takes something away. Which of
    them can keep the size instead?

    ``padding="same"`` in each of the three convolutions puts a border of zeros around the picture,
    so that only the poolings make it smaller."""
    for side in (32, 16, 8):
        image_shape, num_classes = (side, side, 3), 2 + side // 8
        situation = f"For pictures of {_size(image_shape)},"
        try:
            found = answer(image_shape, num_classes)
        except ValueError as error:
            first = str(error).partition("\n")[0]
            raise Wrong(f"{situation} Keras can't stack the layers: {first}") from None
        expect_model(found, _describe_small(side, num_classes), situation, name="the network")
    return "the same layers and weights, for pictures of 8 to 32 pixels"


def _describe_small(side: int, num_classes: int) -> list[Facts]:
    layers: list[Facts] = [_scaling(side, side, 3)]
    channels = 3
    for filters, kernel in ((16, 5), (32, 5), (64, 3)):
        layers.append(_convolution(side, side, filters, kernel, channels))
        channels = filters
        if filters < 64:
            side //= 2
            layers.append(_shaped("MaxPooling2D", side, side, filters))
    return [
        *layers,
        _shaped("GlobalAveragePooling2D", channels),
        _softmax_layer(channels, num_classes),
    ]


def build_two_views(answer: Any) -> str:
    """Call each layer on what it takes, and keep what comes out in a variable. Which layer takes a
    list of two?

    ``fine`` and ``coarse`` are two ``layers.Conv2D``, both called on ``scaled``;
    ``layers.Concatenate()([fine, coarse])`` joins them, and the last two layers are called one
    after the other. ``keras.Model(image, probabilities)`` makes the network."""
    for (height, width, channels), num_classes in (((32, 32, 3), 10), ((16, 12, 1), 3)):
        image_shape = (height, width, channels)
        situation = f"For pictures of {_size(image_shape)} and {num_classes} classes,"
        expected = [
            _scaling(*image_shape),
            *(_convolution(height, width, 16, kernel, channels) for kernel in (3, 5)),
            _shaped("Concatenate", height, width, 32),
            _shaped("GlobalAveragePooling2D", 32),
            _softmax_layer(32, num_classes),
        ]
        expect_model(answer(image_shape, num_classes), expected, situation, name="the example")
    return "two convolutions look at the same picture, and their maps are joined"


def _shaped(kind: str, *shape: int) -> Facts:
    return {"kind": kind, "output shape": [-1, *shape], "parameters": 0}


def _scaling(*shape: int) -> Facts:
    return _shaped("Rescaling", *shape) | {"scale": 1 / 255, "offset": 0.0}


def _convolution(height: int, width: int, filters: int, kernel: int, channels: int) -> Facts:
    parameters = filters * (kernel**2 * channels + 1)
    facts = {"parameters": parameters, "activation": "relu"}
    return _shaped("Conv2D", height, width, filters) | facts


def _softmax_layer(inputs: int, num_classes: int) -> Facts:
    facts = {"parameters": (inputs + 1) * num_classes, "activation": "softmax"}
    return _shaped("Dense", num_classes) | facts


def receptive_field(answer: Any) -> str:
    """How far apart are neighbouring values after each layer, measured in pixels of the input?

    Begin with 1 pixel and a step of 1 pixel. Every layer adds ``kernel - 1`` steps; after that
    its stride makes the steps of all later layers longer."""
    expect_close(answer([(3, 1)]), 3, "For one 3×3 convolution")
    expect_close(answer([(3, 1), (3, 1)]), 5, "For two 3×3 convolutions")
    expect_close(answer([(3, 1), (3, 1), (2, 2)]), 6, "When a 2×2 pooling with stride 2 follows,")
    expect_close(
        answer([(2, 2), (3, 1), (2, 2), (3, 1)]), 16, "When poolings and convolutions take turns,"
    )
    classic = [(3, 1), (3, 1), (2, 2), (3, 1), (3, 1), (2, 2)]
    expect_close(answer(classic), 16, "For `classic`")
    quick = [(4, 2), (3, 1), (2, 2), (3, 1), (3, 1), (2, 2), (3, 1)]
    expect_close(answer(quick), 46, "For `quick`")
    return "16 pixels for `classic`, 46 for `quick`: more than the picture has"


CHECKS = {
    "2.1": convolve,
    "2.2": num_parameters,
    "2.3": max_pool,
    "2.4": softmax,
    "2.5": cross_entropy,
    "2.6": build_classic,
    "2.7": build_small,
    "2.8": build_two_views,
    "2.9": receptive_field,
}


# What they are tried out with when they are graded


def _convolve(generator: Generator) -> list[Case]:
    def draw(height: int, width: int) -> np.ndarray:
        return generator.normal(0, 3, (height, width))

    middle, corner = np.zeros((2, 3, 3))
    middle[1, 1] = generator.uniform(0.5, 2)
    corner[0, 2] = generator.uniform(0.5, 2)
    average = np.full((3, 3), 1 / 9)
    edge = np.array([[-1.0, 0, 1]] * 3)
    return [
        Case("a weight in the middle", (draw(5, 6), middle)),
        Case("a weight in a corner", (draw(6, 5), corner)),
        Case("the average of nine", (draw(5, 5), average)),
        Case("upright edges", (draw(6, 7), edge)),
        Case("level edges", (draw(6, 7), edge.T.copy())),
        Case("any kernel", (draw(7, 5), generator.normal(0, 1, (3, 3)))),
        Case("a plane no larger than the kernel", (draw(3, 3), generator.normal(0, 1, (3, 3)))),
        Case("a wide plane", (draw(4, 15), generator.normal(0, 1, (3, 3)))),
    ]


def _num_parameters(generator: Generator) -> list[Case]:
    channels, filters = (int(number) for number in generator.integers(9, 200, 2))
    return [
        Case("a first layer", (3, 3, filters)),
        Case("a later layer", (3, channels, filters + 1)),
        Case("large kernels", (7, channels + 2, filters)),
        Case("kernels of one pixel", (1, channels, filters + 3)),
        Case("a single channel", (5, 1, filters)),
        Case("a single filter", (3, channels, 1)),
    ]


def _max_pool(generator: Generator) -> list[Case]:
    def draw(height: int, width: int) -> np.ndarray:
        return generator.normal(0, 5, (height, width))

    last_is_largest = generator.uniform(0, 1, (6, 6))
    last_is_largest[1::2, 1::2] += 1
    return [
        Case("a square plane", (draw(6, 6),)),
        Case("a wide plane", (draw(4, 10),)),
        Case("a high plane", (draw(8, 2),)),
        Case("numbers below zero", (-1 - np.abs(draw(4, 6)),)),
        Case("the largest at the lower right", (last_is_largest,)),
        Case("whole numbers", (generator.permutation(48).reshape(6, 8),)),
        Case("a single square", (draw(2, 2),)),
    ]


def _softmax(generator: Generator) -> list[Case]:
    def draw(num: int, *, mean: float = 0, spread: float = 1) -> tuple[Any, ...]:
        return (mean + spread * generator.uniform(-2, 2, num),)

    return [
        Case("three scores", draw(3)),
        Case("ten scores", draw(10)),
        Case("scores below zero", draw(5, mean=-5)),
        Case("scores far apart", draw(6, spread=5)),
        Case("hundred scores", draw(100)),
        Case("scores around 2000", draw(4, mean=2000)),
        Case("scores around -2000", draw(4, mean=-2000)),
    ]


def _cross_entropy(generator: Generator) -> list[Case]:
    def draw(num: int, label: int, low: float, high: float) -> tuple[Any, ...]:
        """Probabilities of which the label gets one between low and high."""
        share = generator.uniform(low, high)
        others = generator.uniform(0.2, 1, num - 1)
        probabilities = np.insert(others / others.sum() * (1 - share), label, share)
        return probabilities, label

    between = int(generator.integers(1, 9))
    return [
        Case("two classes", draw(2, int(generator.integers(2)), 0.2, 0.8)),
        Case("ten classes", draw(10, between, 0.2, 0.4)),
        Case("the first class", draw(5, 0, 0.1, 0.3)),
        Case("the last class", draw(5, 4, 0.1, 0.3)),
        Case("sure and right", draw(10, between, 0.8, 0.95)),
        Case("sure and wrong", draw(3, 1, 0.005, 0.02)),
    ]


def _receptive_field(generator: Generator) -> list[Case]:
    def draw(*strides: int) -> tuple[Any, ...]:
        kernels = generator.choice([2, 3, 5], len(strides))
        return ([(int(kernel), stride) for kernel, stride in zip(kernels, strides, strict=True)],)

    return [
        Case("convolutions alone", draw(1, 1, 1)),
        Case("a pooling between convolutions", draw(1, 2, 1)),
        Case("a pooling at the end", draw(1, 1, 2)),
        Case("poolings and convolutions take turns", draw(2, 1, 2, 1)),
        Case("strides of three", draw(3, 1, 3, 1)),
        Case("many layers", draw(1, 1, 2, 1, 1, 2, 1, 1, 2, 1)),
    ]


PROBES = {
    "2.1": Probe(_convolve, 1e-6, read_numbers),
    "2.2": Probe(_num_parameters, 1e-6, read_numbers),
    "2.3": Probe(_max_pool, 1e-6, read_numbers),
    "2.4": Probe(_softmax, 1e-6, read_numbers),
    "2.5": Probe(_cross_entropy, 1e-4, read_numbers),  # some add 1e-7 against the log of 0
    "2.9": Probe(_receptive_field, 1e-6, read_numbers),
}


def _publish_classic(publisher: Publisher, answer: Any) -> None:
    image_shape, num_classes = _draw_problem(publisher.random)
    publisher.model(lambda: answer(image_shape, num_classes))
    found = _try(lambda: _was_built_by_course(answer((32, 32, 3), 10)))
    publisher.value(found, name="taken from the course")


def _publish_small(publisher: Publisher, answer: Any) -> None:
    for side in (8, int(publisher.random.integers(9, 20))):
        num_classes = int(publisher.random.integers(2, 30))
        publisher.model(lambda: answer((side, side, 3), num_classes))  # noqa: B023 - called at once


def _publish_two_views(publisher: Publisher, answer: Any) -> None:
    image_shape, num_classes = _draw_problem(publisher.random)
    publisher.model(lambda: answer(image_shape, num_classes))


def _draw_problem(generator: Generator) -> tuple[tuple[int, int, int], int]:
    """Draw the shape of pictures and a number of classes."""
    height, width = (int(side) for side in generator.integers(12, 25, 2))
    return (height, width, 3), int(generator.integers(2, 30))


def _try(ask: Callable[[], Any]) -> Any:
    """What a learner's code gives; None where it fails."""
    try:
        return ask()
    except (Exception, SystemExit):
        return None


GRADED: dict[str, Callable[[Publisher, Any], None]] = {
    "2.6": _publish_classic,
    "2.7": _publish_small,
    "2.8": _publish_two_views,
}
