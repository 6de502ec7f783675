"""The hand-made layers and optimizer do what they say, and what Keras does where Keras has them."""

import keras
import numpy as np
import pytest

from course_utils.layers import ConvolutionalMuon, FusedBatchNormalization, PatchWhitening


def smooth_pictures(num: int = 400, side: int = 16) -> np.ndarray:
    """Pictures from −0.5 to 0.5 whose neighbouring pixels are alike."""
    generator = np.random.default_rng(0)
    noise = generator.random((num, side + 4, side + 4, 3))
    rows = np.lib.stride_tricks.sliding_window_view(noise, (5, 5), axis=(1, 2))
    return (rows.mean(axis=(-2, -1)) - 0.5).astype(np.float32)


def whitened(num_filters: int) -> np.ndarray:
    images = smooth_pictures()
    layer = PatchWhitening(num_filters, 2, strides=2)
    layer.build(images.shape)
    assert not layer.adapted
    layer.adapt(images)
    assert layer.adapted
    return np.asarray(layer(images)).reshape(-1, num_filters)


def test_whitened_patches_are_uncorrelated_with_about_equal_variance():
    covariance = np.cov(whitened(12)[:, :6], rowvar=False)
    variances = np.diag(covariance)
    assert np.abs(covariance - np.diag(variances)).max() < 0.02
    assert variances.min() > 0.5  # below 1, since tiny variances are not blown up
    assert variances.max() < 1.02


def test_each_direction_comes_with_either_sign_and_mean_zero():
    values = whitened(12)
    np.testing.assert_allclose(values[:, :6], -values[:, 6:], atol=1e-5)
    assert np.abs(values.mean(axis=0)).max() < 0.05


def test_flat_pictures_do_not_blow_up():
    layer = PatchWhitening(24, 4, strides=2)
    images = np.full((10, 16, 16, 3), 0.25, np.float32)
    layer.build(images.shape)
    layer.adapt(images)
    assert np.isfinite(layer(images)).all()


def test_whitening_is_not_trained():
    layer = PatchWhitening(12, 2, strides=2)
    layer.build((None, 16, 16, 3))
    assert layer.trainable_variables == []


@pytest.mark.parametrize("training", [True, False])
def test_fused_normalisation_equals_keras(training):
    images = smooth_pictures(50) * 3 + 1
    options = {"momentum": 0.6, "epsilon": 1e-5, "scale": False}
    ours, keras_own = FusedBatchNormalization(**options), keras.layers.BatchNormalization(**options)
    for _ in range(3):  # the running means move in training
        ours(images, training=True)
        keras_own(images, training=True)
    one, other = ours(images, training=training), keras_own(images, training=training)
    np.testing.assert_allclose(one, other, atol=2e-4)
    for first, second in zip(ours.weights, keras_own.weights, strict=True):
        # TensorFlow's kernel estimates the variance with n − 1 in place of n.
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-5)


def test_muon_moves_all_directions_of_a_kernel_about_equally():
    variable = keras.Variable(np.zeros((3, 3, 8, 16), np.float32))
    generator = np.random.default_rng(0)
    # a gradient that is much larger in one direction than in all others
    steep = np.outer(generator.normal(size=72), generator.normal(size=16)) * 30
    gradient = (steep + generator.normal(size=(72, 16))).reshape(variable.shape)
    optimizer = ConvolutionalMuon(learning_rate=1.0, ns_steps=5)
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")])
    lengths = np.linalg.svd(np.asarray(variable).reshape(72, 16), compute_uv=False)
    assert lengths.max() < 1.3
    assert np.median(lengths) > 0.5
    assert np.sum(np.asarray(variable) * gradient) < 0, "it went uphill"


def test_muon_leaves_everything_else_to_adam():
    variables = [keras.Variable(np.ones(shape, np.float32)) for shape in ((4,), (4, 3))]
    optimizer = ConvolutionalMuon(learning_rate=0.1, adam_lr_ratio=0.1)
    optimizer.build(variables)
    optimizer.apply([keras.ops.ones(variable.shape) * 7 for variable in variables])
    for variable in variables:  # Adam's first step is as long as the learning rate
        np.testing.assert_allclose(variable, 1 - 0.01, rtol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [PatchWhitening(12, 2, strides=2), FusedBatchNormalization(momentum=0.6, epsilon=1e-5)],
)
def test_layers_can_be_made_again_from_their_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_the_optimizer_can_be_made_again_from_its_configuration():
    optimizer = ConvolutionalMuon(0.05, momentum=0.7)
    assert (
        ConvolutionalMuon.from_config(optimizer.get_config()).get_config() == optimizer.get_config()
    )
