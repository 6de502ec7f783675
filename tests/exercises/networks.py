"""Networks as learners write them for the exercises: right in two ways, and wrong in many."""

from pathlib import Path

import keras
import nbformat
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image

from course_utils import models
from tests.exercises import clinic, remedies

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


def make_small(padding, *, side=5, last=3, scaling=True, end=layers.GlobalAveragePooling2D):
    def build_small(image_shape, num_classes):
        return keras.Sequential(
            [
                keras.Input(image_shape),
                *([layers.Rescaling(1 / 255)] if scaling else []),
                layers.Conv2D(16, side, padding=padding, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(32, side, padding=padding, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(64, last, padding=padding, activation="relu"),
                end(),
                layers.Dense(num_classes, activation="softmax"),
            ]
        )

    return build_small


def barely_small(image_shape, num_classes):
    """It fits, but a convolution makes the picture smaller."""
    paddings = iter(["same", "same", "valid"])
    values = image = keras.Input(image_shape)
    for layer in make_small("same")(image_shape, num_classes).layers:
        configuration = layer.get_config()
        if isinstance(layer, layers.Conv2D):
            configuration["padding"] = next(paddings)
        values = type(layer).from_config(configuration)(values)
    return keras.Model(image, values)


def strided_small(image_shape, num_classes):
    """It fits, but the convolutions halve the picture in the poolings' place."""
    layers_of_it = [
        layers.Conv2D.from_config(layer.get_config() | {"strides": 2 if number < 4 else 1})
        if isinstance(layer, layers.Conv2D)
        else layer
        for number, layer in enumerate(make_small("same")(image_shape, num_classes).layers)
        if not isinstance(layer, layers.MaxPooling2D)
    ]
    return keras.Sequential([keras.Input(image_shape), *layers_of_it])


def input_forgotten(image_shape, num_classes):
    return keras.Sequential(make_small("same")(image_shape, num_classes).layers)


def functional_small(image_shape, num_classes):
    """Right, written the other way."""
    values = image = keras.Input(image_shape)
    for layer in make_small("same")(image_shape, num_classes).layers:
        values = type(layer).from_config(layer.get_config())(values)
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
    "2.7": [make_small("same"), functional_small],
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
        barely_small,
        make_small("same", side=3),
        make_small("same", end=layers.Flatten),
        lambda image_shape, num_classes: make_small("same")((32, 32, 3), num_classes),
        strided_small,
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


# --- Lesson 3, as far as it is Keras: its own functions, with patients and treatments


def read_lesson():
    """All that lesson 3's cells define."""
    (path,) = Path(__file__).parents[2].glob("notebooks/03*.ipynb")
    namespace = {"np": np, "keras": keras, "layers": layers, "tf": tf}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and cell.source.startswith("def "):
            exec(cell.source, namespace)
    return namespace


LESSON_3 = read_lesson()


def fit_by_objects(model, images, labels, epochs):
    model.compile(
        keras.optimizers.RMSprop(),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    held_back = len(images) // 5
    return model.fit(
        images[:-held_back],
        labels[:-held_back],
        batch_size=128,
        epochs=epochs,
        validation_data=(images[-held_back:], labels[-held_back:]),
        verbose=0,
    )


def make_fit(*, optimizer="rmsprop", batch_size=128, extra_epochs=0, split=0.2, back=True):
    def fit_network(model, images, labels, epochs):
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        options = {"batch_size": batch_size, "validation_split": split, "verbose": 0}
        history = model.fit(images, labels, epochs=epochs + extra_epochs, **options)
        return history if back else None

    return fit_network


def make_callbacks(patience=3, **options):
    def callbacks(path):
        best = {"monitor": "val_loss"}
        return [
            keras.callbacks.ModelCheckpoint(path, save_best_only=True, **best),
            keras.callbacks.EarlyStopping(patience=patience, **(best | options)),
        ]

    return callbacks


def classify_with_pillow(model, picture, class_names):
    size = model.input_shape[2], model.input_shape[1]
    resized = np.stack([np.asarray(Image.fromarray(picture).resize(size))])
    probabilities = np.asarray(model(resized))
    return class_names[probabilities.argmax()], probabilities.max()


def step_by_optimizer(model, images, labels, learning_rate, *, reduce=tf.reduce_mean, sign=1):
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(labels, model(images, training=True))
        loss = reduce(losses)
    slopes = tape.gradient(loss, model.trainable_variables)
    optimizer = keras.optimizers.SGD(learning_rate)
    optimizer.apply([sign * slope for slope in slopes], model.trainable_variables)
    return float(loss)


def one_hot_labels(images, labels, epochs):
    model = LESSON_3["small_network"](images, labels)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model, model.fit(images, keras.utils.to_categorical(labels), epochs=epochs, verbose=0)


def small_pixels(images, labels, epochs):
    """Right: no scaling in the network, but before it."""
    layers_without = LESSON_3["small_network"](images, labels).layers[1:]
    model = keras.Sequential([keras.Input(images.shape[1:]), *layers_without])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, model.fit(images / 255, labels, epochs=epochs, verbose=0)


RIGHT |= {
    "3.2": [LESSON_3["fit_network"], fit_by_objects],
    "3.4": [LESSON_3["make_callbacks"], make_callbacks(restore_best_weights=True)],
    "3.5": [LESSON_3["classify"], classify_with_pillow],
    "3.6": [LESSON_3["train_step"], step_by_optimizer],
    "3.7": [LESSON_3["treat_a"], one_hot_labels],
    "3.8": [LESSON_3["treat_b"], LESSON_3["healthy"], *clinic.RIGHT["3.8"]],
    "3.9": [LESSON_3["treat_c"], small_pixels, *clinic.RIGHT["3.9"]],
    "3.10": [LESSON_3["treat_d"], *clinic.RIGHT["3.10"]],
    "3.11": [
        LESSON_3["treat_e"],
        lambda images, labels: [*np.split(images, [60])[:1], labels[:60], images[60:], labels[60:]],
    ],
    "3.12": [LESSON_3["treat_f"], LESSON_3["healthy"]],
}
MISTAKES |= {
    "3.2": [
        lambda model, images, labels, epochs: model.fit(images, labels, epochs=epochs),
        make_fit(optimizer="adam"),
        make_fit(batch_size=32),
        make_fit(extra_epochs=1),
        make_fit(split=0.0),
        make_fit(back=False),
    ],
    "3.4": [
        lambda path: keras.callbacks.EarlyStopping(),
        lambda path: make_callbacks(restore_best_weights=True)(path)[:1],
        make_callbacks(),
        make_callbacks(patience=5, restore_best_weights=True),
        make_callbacks(restore_best_weights=True, monitor="val_accuracy"),
        lambda path: make_callbacks(restore_best_weights=True)("other.keras"),
    ],
    "3.5": [
        lambda model, picture, names: names[0],
        lambda model, picture, names: LESSON_3["classify"](model, picture, names)[::-1],
        lambda model, picture, names: (names[0], 1.0),
        lambda model, picture, names: model.predict(picture, verbose=0),
        lambda model, picture, names: LESSON_3["classify"](model, 255 - picture, names),
        lambda model, picture, names: classify_with_pillow(model, picture // 255, names),
    ],
    "3.6": [
        lambda model, images, labels, learning_rate: 0.0,
        lambda *arguments: step_by_optimizer(*arguments, reduce=tf.reduce_sum),
        lambda *arguments: step_by_optimizer(*arguments, sign=-1),
        lambda *arguments: step_by_optimizer(*arguments, sign=0),
        lambda *arguments: [LESSON_3["train_step"](*arguments), None][1],
        lambda model, images, labels, rate: step_by_optimizer(
            model, images[:10], labels[:10], rate
        ),
    ],
    "3.7": [LESSON_3["patient_a"]],
    "3.8": [LESSON_3["patient_b"]],
    "3.9": [LESSON_3["patient_c"], lambda *arguments: small_pixels(*arguments)[:1]],
    "3.10": [LESSON_3["patient_d"]],
    "3.11": [
        LESSON_3["patient_e"],
        lambda images, labels: (images[:-100], labels, images[-100:], labels[-100:]),
        lambda images, labels: (images[100:], labels[100:], images[:100], labels[:100]),
        lambda images, labels: (images[:-50], labels[:-50], images[-50:], labels[-50:]),
        lambda images, labels: (images[:20], labels[:20], images[-100:], labels[-100:]),
        lambda images, labels: (images[:-100], images[-100:]),
    ],
    "3.12": [LESSON_3["patient_f"]],
}
for number, answer, _ in clinic.SAID:
    MISTAKES[number].append(answer)
SAID = {answer: said for _, answer, said in clinic.SAID}

# --- 4.6

RIGHT |= remedies.RIGHT
MISTAKES |= remedies.MISTAKES
