"""The baseline is the original notebook: its network, its floats, its settings."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from course_utils import models
from course_utils.bench import original


@pytest.fixture
def pictures(tmp_path):
    """40 training and 10 test pictures of two classes, the second one brighter."""
    random = np.random.default_rng(0)
    path = tmp_path / "pictures.npz"
    arrays = {}
    for split, number in (("train", 40), ("test", 10)):
        labels = np.arange(number)[:, np.newaxis] % 2
        noise = random.integers(0, 128, (number, 8, 8, 3))
        arrays[f"x_{split}"] = (noise + 127 * labels[..., np.newaxis, np.newaxis]).astype(np.uint8)
        arrays[f"y_{split}"] = labels
    np.savez(path, **arrays)
    return path


def test_the_network_is_classic_in_separate_layers():
    model = original.build((32, 32, 3), 10)
    classic = models.build("classic")
    shapes = [weight.shape for weight in model.weights]
    assert shapes == [weight.shape for weight in classic.weights]
    assert sum(isinstance(layer, keras.layers.Activation) for layer in model.layers) == 6
    assert type(model.optimizer) is keras.optimizers.RMSprop
    assert models.training_flops(model) == models.training_flops(classic)
    for layer, weight in zip(model.weights, classic.weights, strict=True):
        layer.assign(weight)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    floats = images.astype("float32") / 255
    np.testing.assert_allclose(
        model.predict(floats, verbose=0), classic.predict(images, verbose=0), atol=1e-5
    )


def test_pictures_become_floats_and_labels_become_one_hot(pictures):
    x_train, y_train, x_test, y_test = original.load(pictures)
    assert x_train.dtype == x_test.dtype == np.float32
    assert 0 <= x_train.min() < x_train.max() <= 1
    assert y_train.shape == (40, 2)
    assert y_test.sum() == 10


def test_the_script_measures_without_the_course(pictures):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['original', {str(pictures)!r}, '--epochs', '2']\n"
        f"runpy.run_path({original.__file__!r}, run_name='__main__')\n"
        "print(any(name.split('.')[0] == 'course_utils' for name in sys.modules))"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        answer, imported = process.stdout.read().splitlines()[-2:]
    assert imported == "False"
    result = json.loads(answer)
    assert result["num_trained"] == 2 * 32
    assert result["num_validated"] == 2 * 8
    assert result["num_test"] == 10
    assert 0 <= result["num_correct"] <= 10
    first, second = result["epochs"]
    assert 0 < first["end"] < second["end"] <= result["seconds"]
    assert 0 <= first["val_accuracy"] <= 1
    assert result["cpu_seconds"] > 0
