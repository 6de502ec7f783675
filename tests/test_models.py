"""The networks: sizes, variants, reproducibility and the table of layers."""

import keras
import numpy as np
import pytest

from course_utils import models


def test_classic_is_the_original_network():
    model = models.build("classic")
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == [
        "Rescaling", "Conv2D", "Conv2D", "MaxPooling2D", "Dropout",
        "Conv2D", "Conv2D", "MaxPooling2D", "Dropout",
        "Flatten", "Dense", "Dropout", "Dense",
    ]  # fmt: skip
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [32, 32, 64, 64]
    assert [layer.padding for layer in convolutions] == ["same", "same", "same", "valid"]
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [
        0.25, 0.25, 0.5,
    ]  # fmt: skip
    assert model.count_params() == 1_676_842


@pytest.mark.parametrize("name", ["quick", "good", "best"])
def test_fast_networks_never_convolve_at_full_resolution(name):
    model = models.build(name)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert max(layer.output.shape[1] for layer in convolutions) == 16
    assert not convolutions[0].trainable
    assert all(layer.trainable for layer in convolutions[1:])
    assert model.count_params() < 1_676_842
    assert int(models.layer_table(model).receptive_field.max()) >= 28


def test_fast_is_quick():
    one, other = (models.build(name) for name in ("fast", "quick"))
    assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("side", [8, 15, 32, 50])
@pytest.mark.parametrize("num_classes", [2, 100])
def test_fast_networks_take_other_sizes_and_numbers_of_classes(side, num_classes):
    model = models.build("quick", image_shape=(side, side + 3, 3), num_classes=num_classes)
    images = np.random.default_rng(0).integers(0, 256, (4, side, side + 3, 3), dtype=np.uint8)
    probabilities = np.asarray(model(images))
    assert probabilities.shape == (4, num_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_compute_dtype_changes_rounding_and_nothing_else():
    one, other = (models.build("quick", compute_dtype=kind) for kind in models.COMPUTE_DTYPES)
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    for model in (one, other):
        model.get_layer("whitening").adapt(images / np.float32(255) - np.float32(0.5))
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        assert first.dtype == second.dtype == np.float32
        np.testing.assert_array_equal(first, second)
    exact, rounded = np.asarray(one(images)), np.asarray(other(images))
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(exact, rounded, atol=0.02)
    np.testing.assert_allclose(rounded.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        (
            "quick",
            "float16",
            "unknown compute_dtype 'float16'; choose float32 or bfloat16, or None",
        ),
        ("classic", "bfloat16", "'classic' computes in float32"),
    ],
)
def test_another_compute_dtype_is_refused(name, dtype, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, compute_dtype=dtype)


@pytest.mark.parametrize("name", ["classic", "quick"])
@pytest.mark.parametrize("pooling", models.POOLINGS)
def test_every_pooling_takes_uint8_and_returns_probabilities(name, pooling):
    model = models.build(name, pooling=pooling, width=0.25)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    probabilities = np.asarray(model(images))
    assert probabilities.shape == (4, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["classic", "quick"])
@pytest.mark.parametrize("pooling", models.POOLINGS)
def test_pooling_changes_no_weight(name, pooling):
    reference, variant = (models.build(name, pooling=kind) for kind in ("max", pooling))
    for one, other in zip(reference.get_weights(), variant.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_flattening_head_weighs_each_position_and_changes_no_other_weight():
    average, flatten = (models.build("quick", head=head, seed=1) for head in models.HEADS)
    weights = average.get_weights(), flatten.get_weights()
    for one, other in zip(weights[0][:-1], weights[1][:-1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert weights[0][-1].shape == (96, 10)
    assert weights[1][-1].shape == (4 * 4 * 96, 10)
    assert [layer.name for layer in flatten.layers[-2:]] == ["flatten", "dense"]


def test_blur_pooling_is_the_binomial_filter():
    """Inside the picture: maximum of 2×2, then the (1, 2, 1) filter, then every second position."""
    model = models.build("classic", pooling="blur", width=0.1)
    start = next(i for i, layer in enumerate(model.layers) if layer.name == "pool_1_max")
    values = np.random.default_rng(0).random((1, 16, 16, 1)).astype("float32")
    result = values
    for layer in model.layers[start : start + 3]:
        result = type(layer).from_config(layer.get_config())(result)
    plane = values[0, :, :, 0]
    maximum = np.max([plane[:-1, :-1], plane[1:, :-1], plane[:-1, 1:], plane[1:, 1:]], axis=0)
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = np.sum(maximum[4:7, 6:9] * weights)
    np.testing.assert_allclose(np.asarray(result)[0, 2, 3, 0], expected, rtol=1e-5)


def test_halving_a_picture_keeps_its_range():
    image = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    halves = {pooling: models.halve(image, pooling) for pooling in models.POOLINGS}
    assert {half.shape for half in halves.values()} == {(4, 3, 3)}
    np.testing.assert_array_equal(halves["max"][0, 0], image[:2, :2].max(axis=(0, 1)))
    np.testing.assert_allclose(halves["average"][0, 0], image[:2, :2].mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_array_equal(halves["stride"][1, 2], image[2, 4])
    assert (halves["blur"] <= halves["max"].max()).all()


def test_the_seed_fixes_weights_and_dropout():
    first, second, other = (models.build("classic", width=0.1, seed=seed) for seed in (1, 1, 2))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    one, two, three = (np.asarray(model(images, training=True)) for model in (first, second, other))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


@pytest.mark.parametrize("name", ["classic", "quick"])
@pytest.mark.parametrize("pooling", models.POOLINGS)
def test_initialising_gives_what_building_gives(name, pooling):
    model = models.build(name, pooling=pooling, width=0.1, seed=1)
    expected = models.build(name, pooling=pooling, width=0.1, seed=2)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model(np.zeros((1, 32, 32, 3), np.uint8), training=True)  # moves dropout's random state
    models.initialise(model, seed=2)
    for one, other in zip(model.variables, expected.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_scaling_is_the_models_first_layer():
    model = models.build("classic", width=0.1)
    scaled = np.asarray(model.layers[0](np.full((1, 2, 2, 3), 255, np.uint8)))
    np.testing.assert_allclose(scaled, 1)


def test_layer_table_of_classic():
    table = models.layer_table(models.build("classic")).set_index("layer")
    assert table.parameters.sum() == 1_676_842
    assert table.loc["conv_1", "multiply_adds"] == 32 * 32 * 3 * 3 * 3 * 32
    assert table.loc["conv_4", "output_shape"] == "14 × 14 × 64"
    assert list(table.receptive_field[["conv_1", "conv_2", "pool_1", "conv_4", "pool_2"]]) == [
        3, 5, 6, 14, 16,
    ]  # fmt: skip
    assert table.loc["dense_2", "receptive_field"] == 32


def test_layer_table_of_quick():
    """Its last convolution would see 46 pixels; an average over all positions sees everything."""
    columns = ["whitening", "conv_1", "pool_1", "conv_2", "conv_3", "pool_2", "conv_4", "average"]
    for side, expected in (
        (32, [4, 8, 10, 18, 26, 30, 32, 32]),
        (64, [4, 8, 10, 18, 26, 30, 46, 64]),
    ):
        model = models.build("quick", image_shape=(side, side, 3))
        table = models.layer_table(model).set_index("layer")
        assert list(table.receptive_field[columns]) == expected
        assert table.multiply_adds["whitening"] == (side // 2) ** 2 * 4 * 4 * 3 * 24


def test_training_flops_are_those_counted_by_hand():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(4, 3, padding="same", trainable=False),
            keras.layers.Conv2D(5, 3, strides=2, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    frozen, first, dense = 6 * 6 * 3 * 3 * 3 * 4, 3 * 3 * 3 * 3 * 4 * 5, 3 * 3 * 5 * 2
    assert models.training_flops(model) == 2 * (frozen + 2 * first + 3 * dense)


def test_training_flops_of_classic():
    conv_1 = 32 * 32 * 27 * 32
    others = 32 * 32 * 288 * 32 + 16 * 16 * 288 * 64 + 14 * 14 * 576 * 64 + 3136 * 512 + 5120
    assert models.training_flops(models.build("classic")) == 2 * (2 * conv_1 + 3 * others)


@pytest.mark.parametrize("layer", ["conv_2", "pool_1", "conv_4", "pool_2"])
@pytest.mark.parametrize("pooling", models.POOLINGS)
def test_receptive_field_is_what_a_value_can_see(layer, pooling):
    """Count the input pixels that change a value in the middle of a layer's output."""
    model = models.build("classic", pooling=pooling, width=0.25)
    table = models.layer_table(model).set_index("layer")
    if layer not in table.index:
        pytest.skip(f"{pooling} has no {layer}")
    reach = keras.Model(model.inputs, model.get_layer(layer).output)
    reach.set_weights([np.abs(weight) for weight in reach.get_weights()])  # nothing cancels
    images = np.full((65, 32, 32, 3), 100, np.uint8)
    for position in range(32):
        images[1 + position, position] = 255
        images[33 + position, :, position] = 255
    outputs = np.asarray(reach(images))
    middle = outputs.shape[1] // 2
    values = outputs[:, middle, middle].sum(axis=-1)
    seen = np.abs(values[1:33] - values[0]) > 1e-6
    assert seen.sum() == table.loc[layer, "receptive_field"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alexnet", {}, "unknown network 'alexnet'; the known ones are classic"),
        ("classic", {"pooling": "median"}, "unknown pooling 'median'; choose one of max, average"),
        ("quick", {"head": "dense"}, "unknown head 'dense'; choose one of average, flatten"),
        ("classic", {"head": "flatten"}, "'classic' always flattens its maps"),
        ("classic", {"num_classes": 1}, "num_classes is 1"),
        ("classic", {"image_shape": (7, 32, 3)}, "7×32 pixels are too small"),
        ("classic", {"width": 0}, "width is 0"),
        ("quick", {"without": ["dropout"]}, "unknown part 'dropout'; without is a collection"),
        ("quick", {"without": "whitening"}, r"such as \['whitening'\]"),
        ("classic", {"without": ["whitening"]}, "'classic' has no whitening to leave out"),
    ],
)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, **options)


def test_other_shapes_and_numbers_of_classes():
    model = models.build("classic", image_shape=(8, 12, 3), num_classes=3)
    assert model.output_shape == (None, 3)


def test_a_fast_network_without_whitening_trains_its_first_layer():
    model = models.build("quick", without=["whitening"], seed=1)
    whole = models.build("quick", seed=1)
    first, whitening = model.get_layer("conv_0"), whole.get_layer("whitening")
    assert first.trainable and not whitening.trainable
    assert first.kernel.shape == whitening.kernel.shape
    assert np.abs(first.kernel).max() > 0  # drawn, where the whitening waits for pictures
    assert [layer.name for layer in model.layers[2:]] == [layer.name for layer in whole.layers[2:]]
    assert model.count_params() == whole.count_params()


def test_a_fast_network_without_normalisation_has_biases_and_free_kernels():
    model = models.build("quick", without=["normalisation"])
    whole = models.build("quick")
    names = [layer.name for layer in whole.layers if not layer.name.startswith("norm_")]
    assert [layer.name for layer in model.layers] == names
    for name in names:
        if name.startswith("conv_"):
            free, bound = model.get_layer(name), whole.get_layer(name)
            assert free.use_bias and not bound.use_bias
            assert free.kernel_constraint is None and bound.kernel_constraint is not None


def test_initialising_gives_what_building_gives_when_parts_are_left_out():
    model = models.build("quick", without=models.PARTS, seed=1)
    expected = models.build("quick", without=models.PARTS, seed=2)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    models.initialise(model, seed=2)
    for one, other in zip(model.variables, expected.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
