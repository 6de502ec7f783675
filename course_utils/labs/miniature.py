"""A miniature of the quick network, for experiments that train many of them."""

from dataclasses import replace
from typing import TYPE_CHECKING

from course_utils import models, training
from course_utils.datasets.base import ImageDataset

if TYPE_CHECKING:
    import keras

WIDTH = 0.5  # half of the filters

# Smaller batches than quick's: more steps from few pictures. Nothing is held back, since nothing is
# decided by validation.
RECIPE = replace(training.RECIPES["quick"], name="miniature", batch_size=32, validation_split=0.0)


def build(data: ImageDataset, *, pooling: models.Pooling = "max") -> "keras.Model":
    """Build a miniature for the pictures and classes of a data set.

    Args:
        data: what it will be trained on.
        pooling: as in :func:`course_utils.models.build`.
    """
    return models.build(
        "quick",
        pooling=pooling,
        width=WIDTH,
        compute_dtype="float32",  # the same on every processor
        num_classes=len(data.class_names),
        image_shape=data.train.images.shape[1:],
    )


def train(model: "keras.Model", data: ImageDataset, *, seed: int, epochs: int) -> None:
    """Train a miniature from the start, in place.

    One miniature can be trained again and again, each time from new weights: that is quicker than
    to build another, for which TensorFlow would have to trace the training step anew.

    Args:
        model: from :func:`build`; what it has learned before is forgotten.
        data: what to train on.
        seed: fixes the initial weights, dropout, and the order of the pictures.
        epochs: passes over the training pictures.
    """
    models.initialise(model, seed=seed)
    training.fit(model, data, recipe=RECIPE, epochs=epochs, seed=seed, progress=False)
