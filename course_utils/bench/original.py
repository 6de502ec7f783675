"""The baseline of the race: the code of the original notebook, as students write it.

The pictures are held in memory as floats, the network is stacked from separate layers, and
TensorFlow runs with its own settings. So this file is run as a script in a process of its own that
never imports ``course_utils``, which would set TensorFlow up; the pictures come from a file::

    python -P original.py pictures.npz --seed 0

Source: the student notebook that the course grew out of, after Keras's example ``cifar10_cnn``.
"""

import argparse
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

BATCH_SIZE = 128
EPOCHS = 20
VALIDATION_SPLIT = 0.2


def load(path: Path) -> tuple[Any, Any, Any, Any]:
    """Read pictures and labels as ``cifar10.load_data()`` returns them, and make floats of them.

    Args:
        path: an .npz file with ``x_train``, ``x_test`` (uint8) and ``y_train``, ``y_test`` (n, 1).

    Returns:
        x_train and x_test, float32 from 0 to 1; y_train and y_test, one-hot. In the order x_train,
        y_train, x_test, y_test.
    """
    import keras
    import numpy as np

    with np.load(path) as arrays:
        x_train, y_train = arrays["x_train"], arrays["y_train"]
        x_test, y_test = arrays["x_test"], arrays["y_test"]
    num_classes = int(y_train.max()) + 1
    x_train = x_train.astype("float32") / 255
    x_test = x_test.astype("float32") / 255
    y_train = keras.utils.to_categorical(y_train, num_classes)
    y_test = keras.utils.to_categorical(y_test, num_classes)
    return x_train, y_train, x_test, y_test


def build(image_shape: tuple[int, ...], num_classes: int) -> Any:
    """Stack the network and compile it."""
    import keras
    from keras.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D

    model = keras.Sequential()
    model.add(keras.Input(image_shape))
    model.add(Conv2D(32, (3, 3), padding="same"))
    model.add(Activation("relu"))
    model.add(Conv2D(32, (3, 3), padding="same"))
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.25))

    model.add(Conv2D(64, (3, 3), padding="same"))
    model.add(Activation("relu"))
    model.add(Conv2D(64, (3, 3)))
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.25))

    model.add(Flatten())
    model.add(Dense(512))
    model.add(Activation("relu"))
    model.add(Dropout(0.5))
    model.add(Dense(num_classes))
    model.add(Activation("softmax"))
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.RMSprop(),
        metrics=["accuracy"],
    )
    return model


def measure(
    path: Path,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    validation_split: float = VALIDATION_SPLIT,
) -> dict[str, Any]:
    """Train the network and take the time, from the untrained network to the trained one.

    Args:
        path: the pictures, as :func:`load` reads them.
        seed: fixes the initial weights, the dropout and the order of the pictures.
        epochs: passes over the training pictures.
        validation_split: share of the training pictures that is held back, from the end.

    Returns:
        What :class:`course_utils.bench.race.Result` is made of.
    """
    import keras

    keras.utils.set_random_seed(seed)
    x_train, y_train, x_test, y_test = load(path)
    ends: list[dict[str, Any]] = []
    start, cpu_start = time.perf_counter(), time.process_time()
    clock = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(
            {
                "epoch": epoch + 1,
                "end": time.perf_counter() - start,
                "val_accuracy": (logs or {}).get("val_accuracy"),
            }
        )
    )
    model = build(x_train.shape[1:], y_train.shape[1])
    model.fit(
        x_train,
        y_train,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        validation_split=validation_split,
        verbose=0,
        callbacks=[clock],
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    accuracy = model.evaluate(x_test, y_test, batch_size=BATCH_SIZE, verbose=0)[1]
    num_trained = int(len(x_train) * (1 - validation_split))
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "num_correct": round(accuracy * len(x_test)),
        "num_test": len(x_test),
        "num_trained": num_trained * epochs,
        "num_validated": (len(x_train) - num_trained) * epochs,
        "epochs": ends,
    }


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, even by ``kill -9``.

    The parent holds the other end of standard input, which the system closes then.
    """

    def wait() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Measure as the command line says, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--validation-split", type=float, default=VALIDATION_SPLIT)
    end_with_parent()
    result = measure(**vars(parser.parse_args()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
