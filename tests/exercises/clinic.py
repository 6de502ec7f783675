"""Treatments of lesson 3's patients as learners write them, and what the check says of each."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SPARSE = "sparse_categorical_crossentropy"


def small_network(images, num_classes=3, activation="softmax", scaling=1 / 255):
    """The lesson's, but for these two."""
    network = keras.Sequential([keras.Input(images.shape[1:])])
    if scaling:
        network.add(layers.Rescaling(scaling))
    for filters in (16, 32):
        network.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        network.add(layers.MaxPooling2D(2))
    network.add(layers.Flatten())
    network.add(layers.Dense(num_classes, activation=activation))
    return network


def train(network, images, labels, epochs, loss=SPARSE, optimizer="adam"):
    network.compile(optimizer, loss, metrics=["accuracy"])
    return network, network.fit(images, labels, epochs=epochs, verbose=0)


def with_loss(loss, change_labels=lambda labels: labels):
    return lambda images, labels, epochs: train(
        small_network(images), images, change_labels(labels), epochs, loss
    )


def with_end(activation, loss=SPARSE, more=()):
    """A network that ends otherwise, and its loss."""

    def treat(images, labels, epochs):
        network = small_network(images, activation=activation)
        for layer in more:
            network.add(type(layer).from_config(layer.get_config()))
        return train(network, images, labels, epochs, loss)

    return treat


def from_logits(labels, outputs):
    return keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)


def softmax_afterwards(images, labels, epochs):
    network, history = train(small_network(images, activation=None), images, labels, epochs)
    return keras.Sequential([network, layers.Softmax()]), history


def with_pixels(change, scaling=1 / 255):
    return lambda images, labels, epochs: train(
        small_network(images, scaling=scaling), change(images), labels, epochs
    )


def from_batches(images, labels, epochs):
    network = small_network(images)
    network.compile("adam", SPARSE)
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(160, seed=0).batch(32)
    return network, network.fit(batches, epochs=epochs, verbose=0)


def in_a_network(images, labels, epochs):
    """Right: the lesson's network is a layer of another one."""
    network = keras.Sequential([keras.Input(images.shape[1:]), small_network(images)])
    return train(network, images, labels, epochs)


def with_order(arrange):
    """What ``arrange`` makes of pictures and labels."""
    return lambda images, labels, epochs: train(
        small_network(images), *arrange(images, labels), epochs
    )


def shuffle_in_place(images, labels, seeds=(0, 0)):
    for values, seed in zip((images, labels), seeds, strict=True):
        np.random.default_rng(seed).shuffle(values)
    return images, labels


def permute(num, seed=0):
    return np.random.default_rng(seed).permutation(num)


def with_optimizer(make):
    return lambda images, labels, epochs: train(
        small_network(images), images, labels, epochs, optimizer=make()
    )


def for_one_epoch(images, labels, epochs):
    return train(small_network(images), images, labels, 1)


RIGHT = {
    "3.8": [with_end(None, from_logits), with_end(None, more=[layers.Activation("softmax")])],
    "3.9": [in_a_network, from_batches],
    "3.10": [from_batches, with_order(shuffle_in_place)],
}
SAID = [
    ("3.7", with_loss("categorical_crossentropy", lambda labels: np.eye(10)[labels]), "same shape"),
    ("3.7", with_loss(SPARSE, keras.utils.to_categorical), "rank"),
    ("3.7", with_loss("mse"), "Dimensions must be equal, but are 32 and 3"),
    (
        "3.7",
        with_loss("binary_crossentropy", keras.utils.to_categorical),
        "with another loss, binary_crossentropy. Keep the cross-entropy of classes",
    ),
    (
        "3.7",
        with_loss(keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        "Now softmax is in the network, and the loss is told that it isn't",
    ),
    (
        "3.7",
        lambda *arguments: with_loss(SPARSE)(*arguments)[::-1],
        "what came back is: History, Sequential.",
    ),
    ("3.7", for_one_epoch, "should tell of 8 epochs, and yours tells of 1."),
    ("3.8", with_end("sigmoid"), "The network ends with sigmoid"),
    (
        "3.8",
        with_end("relu", keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        "The network ends with relu",
    ),
    ("3.8", with_end("softmax", more=[layers.Softmax()]), "takes softmax twice"),
    ("3.8", with_end("softmax", from_logits), "the loss is told that it isn't"),
    ("3.8", with_end(None, keras.losses.SparseCategoricalCrossentropy()), "Softmax is never taken"),
    ("3.8", softmax_afterwards, "is not the one that fit has just trained"),
    (
        "3.9",
        with_pixels(lambda images: images, scaling=None),
        "the first convolution lie between 0 and 239; those of pixels divided once",
    ),
    ("3.9", with_pixels(lambda images: images // 255, scaling=None), "lie between 0 and 0;"),
    ("3.9", with_pixels(lambda images: images.astype("float32") / 255), "0 and 0.003676;"),
    ("3.9", with_pixels(lambda images: images * 255), "but they are not the pixels"),
    (
        "3.9",
        with_pixels(lambda images: images / 127.5 - 1, scaling=None),
        "lie between -1 and 0.8745;",
    ),
    ("3.10", with_order(lambda images, labels: (images, labels)), "keep the shuffling"),
    (
        "3.10",
        with_order(lambda images, labels: shuffle_in_place(images, labels, seeds=(0, 1))),
        "of the 160 pictures come with a label that isn't theirs",
    ),
    (
        "3.10",
        with_order(lambda images, labels: (images, labels[permute(160)])),
        "of the 160 pictures come with a label that isn't theirs",
    ),
    (
        "3.10",
        with_order(lambda images, labels: (images[permute(10)], labels[permute(10)])),
        "Only 10 of the 160 pictures are trained on",
    ),
    (
        "3.10",
        with_order(lambda images, labels: (images[permute(160)], permute(160))),
        "raised InvalidArgumentError: Received a label value of ",
    ),
    ("3.12", with_optimizer(lambda: keras.optimizers.SGD(3.0)), "the steps are still too long"),
    ("3.12", with_optimizer(lambda: keras.optimizers.Adam(30.0)), "the steps are still too long"),
    ("3.12", with_optimizer(lambda: keras.optimizers.SGD(1e-6)), "are the steps too short now?"),
    ("3.12", with_optimizer(lambda: keras.optimizers.SGD(-0.1)), "the training has diverged"),
    (
        "3.12",
        with_optimizer(lambda: "SGD(0.1)"),
        "Could not interpret optimizer identifier: SGD(0.1)",
    ),
]
