"""What the race does in processes of its own: ``python -m course_utils.bench.worker '<JSON>'``.

The task is a JSON object with the name of a function of :data:`TASKS` and its arguments; the answer
is the last line of standard output, again JSON. Each process starts afresh, so that no contestant
finds memory, threads or traced functions that another one left behind.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import course_utils
from course_utils import backend, datasets, hardware
from course_utils.bench import original
from course_utils.datasets.base import ImageDataset

MATRIX_SIDE = 2048
MATMUL_SECONDS = 2.0


@dataclass(frozen=True)
class Pictures:
    """What is trained and tested on: a data set's name or path, and how much of it; None is all."""

    dataset: str
    num_train: int | None = None
    num_test: int | None = None

    def load(self) -> ImageDataset:
        """The same pictures each time, whatever a training's seed is."""
        return datasets.load(self.dataset, num_train=self.num_train, num_test=self.num_test, seed=0)


def export(pictures: Pictures, *, seed: int, path: str) -> dict[str, Any]:
    """Write a data set as the original notebook reads it.

    Args:
        pictures: what to write.
        seed: of the training. It fixes the order, so that the pictures that Keras holds back, the
            last ones, are those that :func:`course_utils.training.fit` holds back.
        path: the .npz file.
    """
    data = pictures.load()
    order = np.random.default_rng(seed).permutation(len(data.train))
    np.savez(
        path,
        x_train=data.train.images[order],
        y_train=data.train.labels[order, np.newaxis],
        x_test=data.test.images,
        y_test=data.test.labels[:, np.newaxis],
    )
    return {}


def train(
    pictures: Pictures,
    *,
    contestant: str,
    seed: int,
    epochs: int | None = None,
    validation_split: float | None = None,
) -> dict[str, Any]:
    """Train a network by its recipe, and take the time as :func:`original.measure` does.

    Args:
        pictures: what to train and test on.
        contestant: name of the network and the recipe.
        seed: fixes the initial weights, the pictures held back, and their order.
        epochs: the recipe's unless given.
        validation_split: the recipe's unless given.
    """
    from course_utils import models, training

    data = pictures.load()
    recipe = training.RECIPES[contestant]
    if validation_split is not None:
        recipe = replace(recipe, validation_split=validation_split)
    start, cpu_start = time.perf_counter(), time.process_time()
    model = models.build(
        contestant,
        seed=seed,
        num_classes=len(data.class_names),
        image_shape=data.train.images.shape[1:],
    )
    history = training.fit(model, data, recipe=recipe, epochs=epochs, seed=seed, progress=False)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    answers = model.predict(data.test.images, batch_size=recipe.batch_size, verbose=0)
    rows = history.epochs.reindex(columns=["epoch", "val_accuracy", "seconds"])
    ends = rows["seconds"].cumsum() + (seconds - rows["seconds"].sum())
    num_validation = round(recipe.validation_split * len(data.train))
    per_epoch = len(data.train) - num_validation
    if recipe.whole_batches:
        per_epoch -= per_epoch % recipe.batch_size
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "num_correct": int((answers.argmax(axis=1) == data.test.labels).sum()),
        "num_test": len(data.test),
        "num_trained": per_epoch * len(rows),
        "num_validated": num_validation * int(rows["val_accuracy"].notna().sum()),
        "epochs": [
            {
                "epoch": int(epoch),
                "end": float(end),
                "val_accuracy": float(accuracy) if pd.notna(accuracy) else None,
            }
            for epoch, end, accuracy in zip(rows["epoch"], ends, rows["val_accuracy"], strict=True)
        ],
    }


def matmul(pictures: Pictures) -> dict[str, Any]:
    """Multiply matrices for a while: what this computer can do at its best.

    Args:
        pictures: not needed.

    Returns:
        ``rates``: the FLOP per second of the fastest product, for each kind of numbers that a
        contestant computes with: ``float32``, and ``bfloat16`` where the fast networks take it.
    """
    with backend.quiet_startup():
        import tensorflow as tf

    rates = {}
    for dtype in sorted({hardware.compute_dtype(), "float32"}):
        matrix = tf.cast(tf.random.normal((MATRIX_SIDE, MATRIX_SIDE)), dtype)
        best = float("inf")
        end = time.perf_counter() + MATMUL_SECONDS
        while time.perf_counter() < end:
            start = time.perf_counter()
            tf.matmul(matrix, matrix)[0, 0].numpy()  # reading a value waits for a GPU
            best = min(best, time.perf_counter() - start)
        rates[dtype] = 2 * MATRIX_SIDE**3 / best
    return {"rates": rates}


def describe(pictures: Pictures) -> dict[str, Any]:
    """Say what will be raced, on what, and what a picture costs.

    Returns:
        ``identity``: everything on which results depend; results of another identity must not be
        put beside them. ``costs``: for each contestant, the FLOPs of a picture in training and in
        validation, the epochs and held-back share of its recipe, and the ``compute_dtype`` of its
        convolutions.
    """
    from course_utils import models, training

    data = pictures.load()
    shape, num_classes = data.train.images.shape[1:], len(data.class_names)
    identity = {
        "version": course_utils.__version__,
        **{name: version(name) for name in ("keras", "numpy")},
        "tensorflow": _tensorflow_version(),
        "dataset": data.name,
        "num_train": len(data.train),
        "num_test": len(data.test),
        "pictures": [data.train.fingerprint(), data.test.fingerprint()],
        "settings": {name: os.environ.get(name, "") for name in sorted(backend.SETTINGS)},
        "original": hashlib.sha256(Path(original.__file__).read_bytes()).hexdigest(),
    }
    baseline = original.build(shape, num_classes)
    costs = {
        "original": _costs(baseline, original.EPOCHS, original.VALIDATION_SPLIT, every_epoch=True)
    }
    for name in ("classic", "quick", "good", "best"):
        recipe = training.RECIPES[name]
        model = models.build(name, num_classes=num_classes, image_shape=shape)
        identity[name] = {
            **asdict(recipe),
            "network": hashlib.sha256(model.to_json().encode()).hexdigest(),
        }
        costs[name] = _costs(
            model,
            recipe.epochs,
            recipe.validation_split,
            every_epoch=not recipe.validate_last,
        )
    return {"identity": identity, "costs": costs}


def _tensorflow_version() -> str:
    import tensorflow as tf

    return str(tf.__version__)


def _costs(model: Any, epochs: int, split: float, *, every_epoch: bool) -> dict[str, Any]:
    from keras.layers import Conv2D

    from course_utils import models

    return {
        "compute_dtype": [one for one in model.layers if isinstance(one, Conv2D)][-1].compute_dtype,
        "training_flops": models.training_flops(model),
        "validation_flops": 2 * int(models.layer_table(model)["multiply_adds"].sum()),
        "epochs": epochs,
        # pictures that are only looked at, for each one that is trained on in one epoch
        "validations": split / (1 - split) * (epochs if every_epoch else 1),
    }


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "describe": describe,
    "export": export,
    "matmul": matmul,
    "train": train,
}


def main() -> None:
    """Do one task; an error that is written for the user becomes the answer."""
    original.end_with_parent()
    task = json.loads(sys.argv[1])
    name, pictures = task.pop("task"), Pictures(**task.pop("pictures"))
    try:
        answer = TASKS[name](pictures, **task)
    except Exception as error:
        if not type(error).__module__.startswith("course_utils."):
            raise
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
