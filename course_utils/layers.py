"""Layers, an optimizer and a schedule that Keras does not have; each says what it buys.

They are the only hand-made parts of the ``fast`` networks. What whitening and Muon buy was measured
by ``course bench ablation``; lesson 3 shows the table.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_utils import backend

with backend.quiet_startup():
    import keras
    import tensorflow as tf

PATCHES = 32_000  # how many patches the whitening is computed from, at most
SMALLEST_VARIANCE = 5e-4  # of pixels from 0 to 1: directions that vary less are not blown up


@keras.saving.register_keras_serializable("course_utils")
class PatchWhitening(keras.layers.Conv2D):
    """A first convolution that needs no training: it whitens the patches that it looks at.

    Neighbouring pixels are nearly equal, so a patch of pixels says the same thing many times. The
    filters are the directions in which the training pictures' patches differ most, each scaled to
    variance 1, and each once with either sign, so that a ReLU behind them loses nothing. It buys
    a well-conditioned start: the layers behind it learn from the first step on.

    The filters are zero until the layer has seen pictures: those that :meth:`adapt` is given, or
    else the first batch of a training. After that they stay as they are.

    Args:
        filters: an even number, at most twice the numbers in a patch.
        kernel_size: side of a patch in pixels.
        strides: distance between neighbouring patches in pixels.

    Source: Jordan 2024, arXiv:2404.00498, section 3.2, after an idea of tysam-code.
    """

    def __init__(self, filters: int, kernel_size: int, *, strides: int, **options: Any) -> None:
        options |= {"padding": "same", "kernel_initializer": "zeros", "trainable": False}
        super().__init__(filters, kernel_size, strides=strides, **options)
        self.supports_jit = False  # nor does NumPy, which computes the filters

    @property
    def adapted(self) -> bool:
        """Whether the filters have been computed."""
        return bool(keras.ops.any(self.kernel != 0))

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Whiten, and compute the filters first where a training begins without any."""
        if training:
            is_adapted = tf.reduce_any(tf.not_equal(self.kernel.value, 0))
            tf.cond(is_adapted, lambda: is_adapted, lambda: self._adapt_in_graph(inputs))
        return super().call(inputs)

    def _adapt_in_graph(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel, bias = tf.numpy_function(
            self._compute_filters, [tf.cast(inputs, "float32")], ["float64", "float64"]
        )
        self.kernel.assign(tf.ensure_shape(kernel, self.kernel.shape))
        self.bias.assign(tf.ensure_shape(bias, self.bias.shape))
        return tf.constant(True)

    def adapt(self, images: NDArray[np.floating[Any]]) -> None:
        """Compute the filters from pictures.

        Args:
            images: (n, height, width, channels), as they arrive at this layer.
        """
        kernel, bias = self._compute_filters(images)
        self.kernel.assign(kernel)
        self.bias.assign(bias)

    def _compute_filters(
        self, images: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The kernel (side, side, channels, filters) and the bias (filters,)."""
        side = self.kernel_size[0]
        windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))
        # (n, rows, columns, channels, side, side), of which every side-th row and column is taken
        patches = np.moveaxis(windows[:, ::side, ::side], 3, -1)
        patches = patches.reshape(-1, side * side * images.shape[-1])[:PATCHES].astype(np.float64)
        mean = patches.mean(axis=0)
        variances, directions = np.linalg.eigh(np.cov(patches, rowvar=False))
        # eigh sorts upwards and leaves the sign open
        num_directions = self.filters // 2
        directions = directions[:, ::-1][:, :num_directions]
        directions *= np.sign(directions[np.abs(directions).argmax(axis=0), range(num_directions)])
        scales = np.sqrt(variances[::-1][:num_directions] + SMALLEST_VARIANCE)
        half = directions / scales
        kernel = np.concatenate([half, -half], axis=1)
        return kernel.reshape(side, side, -1, self.filters), -mean @ kernel


@keras.saving.register_keras_serializable("course_utils")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation without a scale, computed by TensorFlow's fused kernel.

    Keras computes mean, variance and the normalised values one after the other, each with a pass
    over the feature maps. It buys those passes, 8 % of a training's CPU time when a prototype was
    measured with either; the result is the same but for rounding.

    The layer normalises the last axis of (n, height, width, channels).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"scale": False}))

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalise by the batch's own statistics in training, by their running means in use."""
        ones = tf.ones_like(self.beta.value)
        if not (training and self.trainable):
            return tf.compat.v1.nn.fused_batch_norm(
                inputs,
                ones,
                self.beta.value,
                mean=self.moving_mean.value,
                variance=self.moving_variance.value,
                epsilon=self.epsilon,
                is_training=False,
            )[0]
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, ones, self.beta.value, epsilon=self.epsilon, is_training=True
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable("course_utils")
class ConvolutionalMuon(keras.optimizers.Muon):
    """Keras's Muon for the kernels of convolutions, which Keras leaves to Adam.

    Muon replaces the gradient's momentum by the nearest matrix with orthonormal rows, so that a
    step moves all directions of a kernel equally far. A kernel of shape (height, width, channels,
    filters) counts as the matrix with one column for each filter. It buys accuracy: more is
    learned from the same number of pictures. Everything else is left to Adam, with its learning
    rate multiplied by ``adam_lr_ratio``.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/.
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        *,
        momentum: float = 0.6,
        ns_steps: int = 3,
        adam_lr_ratio: float = 0.1,
        adam_beta_2: float = 0.98,
        weight_decay: float | None = None,
        rms_rate: float | None = None,
        name: str = "muon",
        **options: Any,
    ) -> None:
        options.pop("adam_weight_decay", None)  # the same as weight_decay
        super().__init__(
            learning_rate,
            momentum=momentum,
            ns_steps=ns_steps,
            adam_lr_ratio=adam_lr_ratio,
            adam_beta_2=adam_beta_2,
            weight_decay=weight_decay,
            adam_weight_decay=weight_decay,
            rms_rate=rms_rate,
            name=name,
            **options,
        )

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) != 4

    def zeropower_via_newtonschulz5(self, x: tf.Tensor, steps: int) -> tf.Tensor:
        """Orthonormalise a kernel of shape (height, width, channels, filters)."""
        matrix = keras.ops.reshape(x, (-1, x.shape[-1]))
        return keras.ops.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)


@keras.saving.register_keras_serializable("course_utils")
class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises from 0 in a straight line, falls to 0 in another, and stays there.

    Args:
        highest: the learning rate at the peak.
        num_steps: how many steps the training has.
        warm_up: the share of them in which the learning rate rises.
    """

    def __init__(self, highest: float, num_steps: int, warm_up: float) -> None:
        self.highest = highest
        self.num_steps = num_steps
        self.warm_up = warm_up

    def __call__(self, step: Any) -> Any:
        """The learning rate in the middle of a step, counted from 0."""
        done = (keras.ops.cast(step, "float32") + 0.5) / self.num_steps
        falling = keras.ops.maximum(1 - done, 0) / (1 - self.warm_up)
        rising = done / self.warm_up if self.warm_up else falling
        return self.highest * keras.ops.minimum(rising, falling)

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the same schedule again."""
        return {"highest": self.highest, "num_steps": self.num_steps, "warm_up": self.warm_up}
