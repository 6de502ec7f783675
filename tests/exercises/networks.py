"""Networks as learners write them for the exercises: right in two ways, and wrong in many."""

import keras
from keras import layers

from course_utils import models

# --- 2.6


def make_classic(second_block, **dense):
    """An answer to exercise 2.6 with this second block."""

    def build_classic(image_shape, num_classes):
        first = [
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
        ]
        last = [
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(num_classes, activation="softmax", **dense),
        ]
        scaling = [keras.Input(image_shape), layers.Rescaling(1 / 255)]
        return keras.Sequential([*scaling, *first, *second_block(), *last])

    return build_classic


def second_block(filters=64, padding=("same", "valid"), rate=0.25, **options):
    first, second = padding
    return [
        layers.Conv2D(filters, 3, padding=first, activation="relu", **options),
        layers.Conv2D(filters, 3, padding=second, activation="relu", **options),
        layers.MaxPooling2D(2),
        layers.Dropout(rate),
    ]


def functional_classic(image_shape, num_classes):
    """Right, written the other way."""
    values = image = keras.Input(image_shape)
    for layer in make_classic(second_block)(image_shape, num_classes).layers:
        values = type(layer).from_config(layer.get_config())(values)
    return keras.Model(image, values)


def separate_activations():
    convolutions = [layers.Conv2D(64, 3, padding="same"), layers.ReLU()]
    return [*convolutions, *second_block()[1:]]


def fixed_classic(image_shape, num_classes):
    return make_classic(second_block)((32, 32, 3), 10)


def courses_classic(image_shape, num_classes):
    return models.build("classic", image_shape=image_shape, num_classes=num_classes)


# --- 2.7


def make_small(padding, *, last=3, scaling=True):
    def build_small(image_shape, num_classes):
        return keras.Sequential(
            [
                keras.Input(image_shape),
                *([layers.Rescaling(1 / 255)] if scaling else []),
                layers.Conv2D(16, 5, padding=padding, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(32, 5, padding=padding, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(64, last, padding=padding, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(num_classes, activation="softmax"),
            ]
        )

    return build_small


def barely_small(image_shape, num_classes):
    """Right: the middle convolution is made to fit, the others keep what they can."""
    paddings = iter(["valid", "same", "same"])
    values = image = keras.Input(image_shape)
    for layer in make_small("same")(image_shape, num_classes).layers:
        configuration = layer.get_config()
        if isinstance(layer, layers.Conv2D):
            configuration["padding"] = next(paddings)
        values = type(layer).from_config(configuration)(values)
    return keras.Model(image, values)


# --- 2.8


def make_two_views(*, sides=(3, 5), join=layers.Concatenate, chain=False, swap=False):
    def build_two_views(image_shape, num_classes):
        image = keras.Input(image_shape)
        scaled = layers.Rescaling(1 / 255)(image)
        fine = layers.Conv2D(16, sides[0], padding="same", activation="relu")(scaled)
        coarse = layers.Conv2D(16, sides[1], padding="same", activation="relu")(
            fine if chain else scaled
        )
        both = join()([coarse, fine] if swap else [fine, coarse])
        values = layers.GlobalAveragePooling2D()(both)
        return keras.Model(image, layers.Dense(num_classes, activation="softmax")(values))

    return build_two_views


def coarse_first(image_shape, num_classes):
    """Right: written in another order than it is joined."""
    image = keras.Input(image_shape)
    scaled = layers.Rescaling(1 / 255)(image)
    coarse = layers.Conv2D(16, 5, padding="same", activation="relu")(scaled)
    fine = layers.Conv2D(16, 3, padding="same", activation="relu")(scaled)
    both = layers.Concatenate()([fine, coarse])
    values = layers.GlobalAveragePooling2D()(both)
    return keras.Model(image, layers.Dense(num_classes, activation="softmax")(values))


RIGHT = {
    "2.6": [make_classic(second_block), functional_classic],
    "2.7": [make_small("same"), barely_small],
    "2.8": [make_two_views(), coarse_first],
}
MISTAKES = {
    "2.6": [
        make_classic(list),
        make_classic(lambda: second_block(padding=("same", "same"))),
        make_classic(lambda: second_block(padding=("valid", "valid"))),
        make_classic(lambda: second_block(filters=32)),
        make_classic(lambda: second_block(rate=0.5)),
        make_classic(lambda: second_block(strides=2)),
        make_classic(separate_activations),
        fixed_classic,
        courses_classic,
    ],
    "2.7": [
        make_small("valid"),
        make_small("same", last=1),
        make_small("same", scaling=False),
        lambda image_shape, num_classes: make_small("same")(image_shape, 10),
    ],
    "2.8": [
        make_two_views(sides=(5, 3)),
        make_two_views(sides=(3, 3)),
        make_two_views(join=layers.Add),
        make_two_views(chain=True),
        make_two_views(swap=True),
        lambda image_shape, num_classes: make_two_views()(image_shape, 10),
    ],
}
