"""Plain papermill runs each lesson from any folder, with any of its parameters."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from papermill import inspect_notebook
from PIL import Image

from course_utils.execution.records import collect

ROOT = Path(__file__).parents[2]
LESSONS = sorted(ROOT.glob("notebooks/*.ipynb"))
QUICK = {"num_train": 400, "num_test": 200, "epochs": 1, "num_seeds": 3}

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def papermill(lesson, output, parameters):
    pairs = [word for pair in parameters.items() for word in ("-p", *map(str, pair))]
    return subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", lesson, output, *pairs],
        cwd=output.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@each_lesson
def test_papermill_sees_every_parameter(lesson):
    """It overlooks a line with a second ``=``, in a comment say."""
    cells = nbformat.read(lesson, as_version=4).cells
    (cell,) = (one for one in cells if "parameters" in one.metadata.get("tags", []))
    assigned = {node.targets[0].id for node in ast.parse(cell.source).body}
    assert set(inspect_notebook(lesson)) == assigned


@each_lesson
def test_a_lesson_runs_quickly_from_another_folder(lesson, tmp_path):
    parameters = {name: value for name, value in QUICK.items() if name in inspect_notebook(lesson)}
    done = papermill(lesson, tmp_path / "out.ipynb", parameters | {"seed": 7})
    assert done.returncode == 0, done.stderr[-2000:]
    assert collect(tmp_path / "out.ipynb").keys() == collect(lesson).keys() != set()
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]


@each_lesson
def test_a_data_set_that_nobody_knows_fails_and_the_known_are_listed(lesson, tmp_path):
    done = papermill(lesson, tmp_path / "out.ipynb", QUICK | {"dataset": "nonsense"})
    assert done.returncode != 0
    assert "there is no data set 'nonsense'" in done.stderr
    assert "pixels10 and cifar10" in done.stderr


def make_photographs(folder):
    """Forty pictures of three classes, in many sizes and formats, and no split."""
    random = np.random.default_rng(0)
    for class_name, number in (("cat", 17), ("dog", 6), ("ship", 17)):
        (folder / class_name).mkdir(parents=True)
        for i in range(number):
            pixels = random.integers(0, 256, (*random.integers(20, 200, 2), 3), dtype=np.uint8)
            ending = ("jpg", "png", "webp", "gif", "bmp")[i % 5]
            Image.fromarray(pixels).save(folder / class_name / f"photo {i}.{ending}")


@pytest.mark.parametrize("lesson", LESSONS[:2], ids=lambda path: path.stem)
def test_a_lesson_runs_with_pictures_of_ones_own(lesson, tmp_path):
    make_photographs(tmp_path / "mine")
    parameters = {"dataset": "mine", "image_size": 48, "num_train": 400, "num_test": 200}
    done = papermill(lesson, tmp_path / "out.ipynb", parameters)
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = json.dumps(nbformat.read(tmp_path / "out.ipynb", as_version=4), ensure_ascii=False)
    assert "num_train is 400, and mine has 33 train images: all of them are used" in outputs
    assert "48×48 pixels, 3 classes" in outputs or lesson != LESSONS[0]
