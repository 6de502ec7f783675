"""A quick miniature of the classic network, for experiments that train many of them."""

import gc
from typing import TYPE_CHECKING

from course_utils import models, training
from course_utils.datasets.base import ImageDataset

if TYPE_CHECKING:
    import keras

WIDTH = 0.25  # a quarter of the filters and units, and about a twelfth of the work

# Smaller batches and a larger learning rate than classic's: more steps from few pictures.
RECIPE = training.Recipe("miniature", learning_rate=0.002, batch_size=32, epochs=5)


def train(
    data: ImageDataset, *, seed: int, pooling: models.Pooling = "max", epochs: int | None = None
) -> "keras.Model":
    """Train a miniature of the classic network.

    Args:
        data: what to train on.
        seed: fixes the weights, and the order of the pictures.
        pooling: as in :func:`course_utils.models.build`.
        epochs: passes over the training pictures; the recipe's number unless given.

    Returns:
        The trained model.
    """
    gc.collect()  # a Keras model is part of cycles: without this, dozens would stay in memory
    model = models.build(
        "classic",
        pooling=pooling,
        seed=seed,
        width=WIDTH,
        num_classes=len(data.class_names),
        image_shape=data.train.images.shape[1:],
    )
    training.fit(model, data, recipe=RECIPE, epochs=epochs, seed=seed, progress=False)
    return model
