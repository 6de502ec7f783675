"""Plain papermill runs each lesson from any folder, with any of its parameters."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from papermill import inspect_notebook

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
