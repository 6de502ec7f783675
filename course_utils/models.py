"""The course's networks, built from Keras layers, and a table that explains them.

``build("classic")`` is the network of the student notebook that the course grew out of. Everything
better is measured against it. ``build("quick")``, ``"good"`` and ``"best"`` are the ``fast``
networks, one plan in three sizes; ``build("fast")`` is the smallest of them.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils import backend, hardware
from course_utils.layers import FusedBatchNormalization, PatchWhitening

with backend.quiet_startup():
    import keras
    from keras import layers

Pooling = Literal["max", "average", "stride", "blur"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

Head = Literal["average", "flatten"]
HEADS: tuple[Head, ...] = get_args(Head)

PARTS = ("whitening", "normalisation")  # of the fast networks, to leave out in an ablation


@dataclass(frozen=True)
class _Size:
    """What the fast networks differ in."""

    patches: int  # filters of the whitening
    # Filters of the convolutions, stage by stage. The whitened patches are the first stage's;
    # each stage after it halves height and width.
    stages: Sequence[Sequence[int]]
    activation: str = "relu"


_SIZES = {
    "quick": _Size(24, [[], [48, 48], [96, 96]]),
    "good": _Size(48, [[48], [96, 96], [192, 192]], "silu"),
    "best": _Size(48, [[64, 64], [128, 128], [256, 256]], "silu"),
}
_SIZES["fast"] = _SIZES["quick"]
NETWORKS = ("classic", *_SIZES)

COMPUTE_DTYPES = ("float32", "bfloat16")

SMALLEST_SIDE = 8  # pixels; below this nothing is left after two poolings and the valid convolution


def build(
    name: str,
    *,
    pooling: Pooling = "max",
    head: Head = "average",
    seed: int = 0,
    num_classes: int = 10,
    image_shape: tuple[int, int, int] = (32, 32, 3),
    width: float = 1.0,
    without: Collection[str] = (),
    compute_dtype: str | None = None,
) -> keras.Model:
    """Build an untrained network that takes uint8 images and returns class probabilities.

    Args:
        name: ``"classic"``, or one of the ``fast`` networks: ``"quick"``, ``"good"``, ``"best"``;
            ``"fast"`` is another word for ``"quick"``. Each has a recipe of the same name.
        pooling: how the two halvings of height and width are done. ``"max"`` and ``"average"`` pool
            2×2 squares; ``"stride"`` lets the convolution before them skip every other position;
            ``"blur"`` takes the maximum at every position and blurs before it skips (Zhang 2019,
            PMLR 97:7324–7334, with the 3×3 binomial filter). All four have the same weights.
        head: what a ``fast`` network does with its last maps before the dense layer: ``"average"``
            keeps the mean of each, so that where something was seen no longer counts;
            ``"flatten"`` gives each position weights of its own, as in the ``classic`` network.
        seed: fixes the initial weights and the dropout masks. The first layer of the ``fast``
            networks is computed from the training pictures by :func:`course_utils.training.fit`.
        num_classes: how many probabilities come out.
        image_shape: (height, width, channels) of one image.
        width: multiplies the number of filters and units; 0.25 gives a quick miniature for
            experiments that train many networks.
        without: parts of a ``fast`` network to leave out, for ablations. Without ``"whitening"``
            the first convolution is trained like the others; without ``"normalisation"`` the
            others have biases, and kernels of any length.
        compute_dtype: ``"float32"``, or ``"bfloat16"`` for the convolutions of a ``fast`` network:
            numbers of half the size, with which some processors compute about 1.5 times as fast.
            Weights stay float32. None takes what suits the processor: see
            :func:`course_utils.hardware.compute_dtype`.

    Returns:
        A model from uint8 (n, height, width, channels), 0 to 255, to float32 (n, num_classes).

    Raises:
        ValueError: for an unknown name, pooling or part, or shapes that the network can't take.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; the known ones are {', '.join(NETWORKS)}")
    if pooling not in POOLINGS:
        raise ValueError(f"unknown pooling {pooling!r}; choose one of {', '.join(POOLINGS)}")
    if head not in HEADS:
        raise ValueError(f"unknown head {head!r}; choose one of {', '.join(HEADS)}")
    if num_classes < 2:
        raise ValueError(f"num_classes is {num_classes}; a classifier needs at least 2")
    if min(image_shape[:2]) < SMALLEST_SIDE:
        raise ValueError(
            f"images of {image_shape[0]}×{image_shape[1]} pixels are too small for {name!r}; "
            f"load them with image_size={SMALLEST_SIDE} or more (the course uses 32)"
        )
    if not 0 < width <= 4:
        raise ValueError(f"width is {width}; it multiplies the filters and lies in (0, 4]")
    _check_parts(name, without)
    if compute_dtype not in (None, *COMPUTE_DTYPES):
        raise ValueError(
            f"unknown compute_dtype {compute_dtype!r}; "
            f"choose {' or '.join(COMPUTE_DTYPES)}, or None"
        )
    if name == "classic":
        if compute_dtype == "bfloat16":
            raise ValueError("'classic' computes in float32; the fast networks take bfloat16")
        if head != "average":
            raise ValueError("'classic' always flattens its maps; the fast networks have a head")
        stack = _classic(pooling, _seeds(seed), num_classes, width)
    else:
        stack = _fast(
            pooling,
            head,
            _seeds(seed),
            num_classes,
            width,
            size=_SIZES[name],
            without=without,
            compute_dtype=compute_dtype or hardware.compute_dtype(),
        )
    image = keras.Input(image_shape, dtype="uint8", name="image")
    return keras.Sequential([image, *stack], name=name)


def _check_parts(name: str, without: Collection[str]) -> None:
    for part in without:
        if part not in PARTS:
            raise ValueError(
                f"unknown part {part!r}; without is a collection of some of {', '.join(PARTS)}, "
                f"such as [{PARTS[0]!r}]"
            )
    if without and name == "classic":
        raise ValueError(
            f"'classic' has no {' and no '.join(without)} to leave out; the fast networks have"
        )


def initialise(model: keras.Model, *, seed: int) -> None:
    """Give a network from :func:`build` the weights that it would have been built with.

    Args:
        model: changed in place: its weights and the state of its dropout layers.
        seed: fixes both, as in :func:`build`.
    """
    seeds = _seeds(seed)
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.seed_generator.state.assign(keras.random.SeedGenerator(next(seeds)).state)
        elif isinstance(layer, PatchWhitening):
            layer.kernel.assign(keras.ops.zeros_like(layer.kernel))
            layer.bias.assign(keras.ops.zeros_like(layer.bias))
        elif isinstance(layer, layers.Conv2D | layers.Dense):
            initializer = type(layer.kernel_initializer)(seed=next(seeds))
            layer.kernel.assign(initializer(layer.kernel.shape))
            if layer.bias is not None:
                layer.bias.assign(keras.ops.zeros_like(layer.bias))
        elif isinstance(layer, layers.BatchNormalization):
            layer.beta.assign(keras.ops.zeros_like(layer.beta))
            layer.moving_mean.assign(keras.ops.zeros_like(layer.moving_mean))
            layer.moving_variance.assign(keras.ops.ones_like(layer.moving_variance))


def _seeds(seed: int) -> Iterator[int]:
    """An endless stream of seeds, one for each random layer, fixed by ``seed``."""
    generator = np.random.default_rng(seed)
    while True:
        yield int(generator.integers(2**31))


def _classic(
    pooling: Pooling, seeds: Iterator[int], num_classes: int, width: float
) -> list[keras.Layer]:
    def convolution(filters: int, padding: str, name: str, strides: int = 1) -> keras.Layer:
        return layers.Conv2D(
            max(1, round(filters * width)),
            3,
            strides=strides,
            padding=padding,
            activation="relu",
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            name=name,
        )

    def dense(units: int, activation: str, name: str) -> keras.Layer:
        return layers.Dense(
            units,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            name=name,
        )

    strides = 2 if pooling == "stride" else 1
    return [
        layers.Rescaling(1 / 255, name="scaling"),
        convolution(32, "same", "conv_1"),
        convolution(32, "same", "conv_2", strides),
        *_pool(pooling, "pool_1"),
        layers.Dropout(0.25, seed=next(seeds), name="dropout_1"),
        convolution(64, "same", "conv_3"),
        convolution(64, "valid", "conv_4", strides),
        *_pool(pooling, "pool_2"),
        layers.Dropout(0.25, seed=next(seeds), name="dropout_2"),
        layers.Flatten(name="flatten"),
        dense(max(1, round(512 * width)), "relu", "dense_1"),
        layers.Dropout(0.5, seed=next(seeds), name="dropout_3"),
        dense(num_classes, "softmax", "dense_2"),
    ]


def _pool(pooling: Pooling, name: str, dtype: str = "float32") -> list[keras.Layer]:
    """The layers that halve height and width; none where the convolution has done it."""
    maximum = partial(layers.MaxPooling2D, 2, dtype=dtype)
    average = partial(layers.AveragePooling2D, 2, dtype=dtype)
    match pooling:
        case "max":
            return [maximum(name=name)]
        case "average":
            return [average(name=name)]
        case "stride":
            return []
        case "blur":
            # Two 2×2 averages in a row are the 3×3 binomial filter (1, 2, 1)ᵀ(1, 2, 1) / 16.
            return [
                maximum(strides=1, padding="same", name=f"{name}_max"),
                average(strides=1, padding="same", name=f"{name}_blur"),
                average(name=name),
            ]


def halve(image: NDArray[np.uint8], pooling: Pooling) -> NDArray[np.float32]:
    """One picture as a kind of pooling would halve it, to look at.

    Args:
        image: (height, width, channels).
        pooling: as in :func:`build`; ``"stride"`` keeps every other pixel.

    Returns:
        (height // 2, width // 2, channels), with values in the image's own range.
    """
    values = image[np.newaxis].astype("float32")
    if pooling == "stride":
        values = values[:, ::2, ::2]
    for layer in _pool(pooling, "pool"):
        values = layer(values)
    return np.asarray(keras.ops.convert_to_numpy(values)[0])


def _fast(
    pooling: Pooling,
    head: Head,
    seeds: Iterator[int],
    num_classes: int,
    width: float,
    *,
    size: _Size,
    without: Collection[str],
    compute_dtype: str,
) -> list[keras.Layer]:
    """One plan in several sizes.

    The whitened patches halve the picture before the first trained layer, so that no convolution
    ever works at full resolution. Each stage after the first halves it again, before it normalises.
    """
    normalised = "normalisation" not in without
    # Weights and their gradients stay float32; pixels, whitening and probabilities do, too.
    dtype = "mixed_bfloat16" if compute_dtype == "bfloat16" else "float32"

    def convolution(filters: int, name: str, strides: int = 1) -> keras.Layer:
        return layers.Conv2D(
            max(1, round(filters * width)),
            3,
            strides=strides,
            padding="same",
            use_bias=not normalised,  # normalisation subtracts a bias and adds its own
            kernel_initializer=keras.initializers.HeNormal(next(seeds)),
            kernel_constraint=keras.constraints.UnitNorm(axis=(0, 1, 2)) if normalised else None,
            dtype=dtype,
            name=name,
        )

    normalisation = partial(FusedBatchNormalization, momentum=0.6, epsilon=1e-5, dtype=dtype)
    stack = [
        layers.Rescaling(1 / 255, offset=-0.5, name="scaling"),
        _patches(seeds, size.patches, trained="whitening" in without),
        layers.ReLU(dtype=dtype, name="relu_0"),
    ]
    number = 0
    for stage, filters_of_stage in enumerate(size.stages):
        for position, filters in enumerate(filters_of_stage):
            number += 1
            halves = stage > 0 and position == 0
            strides = 2 if halves and pooling == "stride" else 1
            stack += [
                convolution(filters, f"conv_{number}", strides),
                *(_pool(pooling, f"pool_{stage}", dtype) if halves else []),
                *([normalisation(name=f"norm_{number}")] if normalised else []),
                layers.Activation(size.activation, dtype=dtype, name=f"{size.activation}_{number}"),
            ]
    return [
        *stack,
        layers.GlobalAveragePooling2D(name="average")
        if head == "average"
        else layers.Flatten(name="flatten"),
        layers.Dense(
            num_classes,
            activation="softmax",
            use_bias=False,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            name="dense",
        ),
    ]


def _patches(seeds: Iterator[int], filters: int, *, trained: bool) -> keras.Layer:
    """The first layer of a fast network, which looks at patches of pixels."""
    whitening = PatchWhitening(filters, 4, strides=2, name="whitening")
    if not trained:
        return whitening
    return layers.Conv2D(
        whitening.filters,
        whitening.kernel_size,
        strides=whitening.strides,
        padding=whitening.padding,
        kernel_initializer=keras.initializers.HeNormal(next(seeds)),
        name="conv_0",
    )


def layer_table(model: keras.Model) -> pd.DataFrame:
    """What each layer of a network does to the shape, and what it costs.

    Args:
        model: a network made by :func:`build`, or any chain of Keras layers.

    Returns:
        One row per layer: ``layer``, ``kind``, ``output_shape`` (height × width × channels),
        ``parameters``, ``multiply_adds`` (for one image, of convolutions and dense layers),
        ``receptive_field`` (side in input pixels of the square that one output value can see).
    """
    side = np.array(model.input_shape[1:3]).max()
    field, jump = 1, 1
    rows = []
    for layer in model.layers:
        kernel, stride = _extent(layer)
        field += (kernel - 1) * jump
        jump *= stride
        if isinstance(layer, layers.Flatten | layers.GlobalAveragePooling2D):
            field = side
        rows.append(
            {
                "layer": layer.name,
                "kind": type(layer).__name__,
                "output_shape": " × ".join(str(length) for length in layer.output.shape[1:]),
                "parameters": layer.count_params(),
                "multiply_adds": _multiply_adds(layer),
                "receptive_field": min(field, side),
            }
        )
    return pd.DataFrame(rows)


def training_flops(model: keras.Model) -> int:
    """Floating-point operations that training on one image takes.

    Counted are convolutions and dense layers, a multiplication and an addition as two operations:
    once forward, once more for the gradient of a trainable layer's weights, and once more for the
    gradient of its inputs where a layer before it has weights to train.

    Args:
        model: a network made by :func:`build`, or any chain of Keras layers.
    """
    passes, trainable_before = 0, False
    for layer in model.layers:
        trainable = bool(layer.trainable_weights)
        passes += _multiply_adds(layer) * (1 + trainable + trainable_before)
        trainable_before = trainable_before or trainable
    return 2 * passes


def _extent(layer: keras.Layer) -> tuple[int, int]:
    """Side and stride, in the layer's own input positions, of the window a layer looks through."""
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None) or (1, 1)
    strides = getattr(layer, "strides", None) or (1, 1)
    return window[0], strides[0]


def _multiply_adds(layer: keras.Layer) -> int:
    if isinstance(layer, layers.Conv2D):
        return int(math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape))
    if isinstance(layer, layers.Dense):
        return int(math.prod(layer.kernel.shape))
    return 0
