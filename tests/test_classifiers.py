import numpy as np
import pytest

from course_utils import classifiers, models
from course_utils.classifiers import Answers, ClassifierError

keras = models.keras
layers = keras.layers
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)


def stack(*end):
    return [layers.Rescaling(1 / 255), layers.Conv2D(4, 3), layers.Flatten(), *end]


def functional(*end):
    image = values = keras.Input((16, 16, 3))
    for layer in stack(*end):
        values = layer(values)
    return keras.Model(image, values)


class Subclassed(keras.Model):
    """As its own documentation shows it."""

    def __init__(self, *end):
        super().__init__()
        self.parts = stack(*end)

    def call(self, inputs, training=None):
        for part in self.parts:
            inputs = part(inputs)
        return inputs


KINDS = {
    "Sequential": lambda *end: keras.Sequential([keras.Input((16, 16, 3)), *stack(*end)]),
    "Sequential without Input": lambda *end: keras.Sequential(stack(*end)),
    "functional": functional,
    "subclassed": Subclassed,
    "nested": lambda *end: keras.Sequential([functional(*end)]),
}
ENDS = {
    "softmax": (lambda: [layers.Dense(7, activation="softmax")], False),
    "logits": (lambda: [layers.Dense(7)], True),
    "softmax layer": (lambda: [layers.Dense(7), layers.Softmax()], False),
    "activation layer": (lambda: [layers.Dense(7), layers.Activation("softmax")], False),
    "dropout at the end": (lambda: [layers.Dense(7), layers.Dropout(0.5)], True),
    "relu": (lambda: [layers.Dense(7, activation="relu")], True),
    "relu layer": (lambda: [layers.Dense(7), layers.ReLU()], True),
    "zeros": (lambda: [layers.Dense(7, kernel_initializer="zeros")], True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("end", "are_logits"), ENDS.values(), ids=ENDS.keys())
def test_any_keras_classifier_is_understood(kind, end, are_logits):
    assert classifiers.inspect(KINDS[kind](*end()), IMAGES) == Answers(7, are_logits)


def two_inputs():
    one, other = keras.Input((16, 16, 3)), keras.Input((4,))
    both = layers.Concatenate()([layers.Flatten()(one), other])
    return keras.Model([one, other], layers.Dense(3, activation="softmax")(both))


def two_outputs():
    image = keras.Input((16, 16, 3))
    flat = layers.Flatten()(image)
    return keras.Model(image, [layers.Dense(3)(flat), layers.Dense(2)(flat)])


def broken():
    model = KINDS["Sequential"](layers.Dense(3))
    model.layers[1].kernel.assign(np.full(model.layers[1].kernel.shape, np.nan))
    return model


FAULTS = {
    "two inputs": (two_inputs, "the network has 2 inputs; a classifier of pictures has one"),
    "two outputs": (two_outputs, "the network has 2 outputs"),
    "sigmoid": (
        lambda: KINDS["Sequential"](layers.Dense(7, activation="sigmoid")),
        r"ends with sigmoid, .*: Dense\(7, activation='softmax'\)",
    ),
    "sigmoid, one unit": (
        lambda: KINDS["functional"](layers.Dense(1, activation="sigmoid")),
        r"ends with sigmoid, .*: Dense\(number of classes, activation='softmax'\)",
    ),
    "one number": (lambda: KINDS["Sequential"](layers.Dense(1)), r"answers \(2, 1\) to 2 pictures"),
    "no end": (
        lambda: keras.Sequential([layers.Conv2D(4, 3)]),
        r"answers \(2, 14, 14, 4\) to 2 pictures, not one number for each class; end it with Flat",
    ),
    "another size": (
        lambda: models.build("classic"),
        r"the images are 16 × 16 × 3 but the network takes 32 × 32 × 3; build it with image_shape",
    ),
    "too small": (
        lambda: keras.Sequential([layers.Conv2D(4, 20), layers.Flatten(), layers.Dense(2)]),
        r"the network can't take pictures of 16 × 16 × 3: .+",
    ),
    "not finite": (broken, "answers numbers that are not finite"),
    "no layers": (lambda: keras.Sequential([]), r"the network (can't take|answers)"),
}


@pytest.mark.parametrize(("make", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_what_is_no_classifier_of_these_pictures_is_said(make, message):
    with pytest.raises(ClassifierError, match=message):
        classifiers.inspect(make(), IMAGES)


def test_any_height_and_width_will_do_where_the_network_says_so():
    image = keras.Input((None, None, 3))
    flat = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    model = keras.Model(image, layers.Dense(3)(flat))
    assert classifiers.inspect(model, IMAGES) == Answers(3, True)


def test_logits_become_probabilities_and_probabilities_stay():
    logits = np.array([[0.0, np.log(3)], [1000.0, 1000.0]])
    np.testing.assert_allclose(classifiers.probabilities(logits), [[0.25, 0.75], [0.5, 0.5]])
    shares = np.array([[0.25, 0.75], [1.0, 0.0]])
    np.testing.assert_array_equal(classifiers.probabilities(shares), shares)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("end", "are_logits"), ENDS.values(), ids=ENDS.keys())
def test_the_last_layer_or_the_loss_says_whether_answers_are_logits(kind, end, are_logits):
    model = KINDS[kind](*end())
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=are_logits))
    model.predict(IMAGES, verbose=0)
    assert classifiers.is_known_for_logits(model) == are_logits


@pytest.mark.parametrize("scores", [[[0.0, 0.9]], [[0.25, 0.5]], [[0.0, 0.0]]])
def test_logits_between_0_and_1_become_probabilities_where_they_are_known(scores):
    powers = np.exp(scores)
    shares = classifiers.probabilities(np.array(scores), are_logits=True)
    np.testing.assert_allclose(shares, powers / powers.sum())


def test_what_is_neither_stays_for_whoever_checks_it():
    judged_alone = np.array([[0.9, 0.8], [0.1, 0.2]])
    np.testing.assert_array_equal(classifiers.probabilities(judged_alone), judged_alone)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("are_logits", [False, True], ids=["softmax", "logits"])
def test_numbers_of_16_bits_are_told_apart_and_become_probabilities(dtype, are_logits):
    policy = keras.mixed_precision.DTypePolicy(f"mixed_{dtype}")
    end = [layers.Dense(50, dtype=policy)]
    if not are_logits:
        end.append(layers.Softmax(dtype=policy))
    model = Subclassed(*end)
    pictures = np.random.default_rng(0).integers(0, 256, (200, 16, 16, 3), dtype=np.uint8)
    assert classifiers.inspect(model, pictures) == Answers(50, are_logits)
    found = classifiers.probabilities(model.predict(pictures, verbose=0))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert found.min() >= 0
