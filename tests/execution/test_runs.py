"""Lessons run by real kernels: what works, what fails, and where."""

from datetime import datetime
from importlib.metadata import version

import nbformat
import pytest

from course_utils.execution.records import Record
from course_utils.execution.runs import run_lesson, summarise
from course_utils.execution.store import store_outputs

MEGABYTE = 10**6


def test_a_lesson_runs_with_its_parameters_and_its_records_are_kept(
    make_lesson, tmp_path, monkeypatch
):
    lesson = make_lesson(
        "01_first",
        "n = 3",
        "# Memory",
        "from course_utils import record\ntaken = bytearray(300_000_000)\nrecord('n', n)",
    )
    before = lesson.read_bytes()
    # Braces: papermill takes those in a path for parameters.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "out {n}"))
    (tmp_path / "out {n}").mkdir()
    seen = []
    run = run_lesson(lesson, {"n": 7}, on_cell=seen.append)
    assert (run.lesson, run.status, run.failure) == ("01_first", "ok", None)
    assert run.records == (Record("n", 7, None, None, "7"),)
    assert 300 * MEGABYTE < run.peak_memory < 600 * MEGABYTE
    assert [(cell.index, cell.num_cells, cell.heading) for cell in seen] == [
        (0, 4, "n = 3"),
        (1, 4, "n = 3"),
        (2, 4, "Memory"),
        (3, 4, "Memory"),
    ]
    assert list((tmp_path / "out {n}").iterdir()) == []
    nbformat.validate(nbformat.reads(run.executed, as_version=4))
    assert str(tmp_path) not in run.executed
    assert lesson.read_bytes() == before
    summary = summarise(run, lesson)
    assert (summary.parameters, summary.given, summary.settings) == ({"n": 7}, ("n",), "n 7")
    assert datetime.fromisoformat(summary.started) == run.started.replace(microsecond=0)
    assert datetime.fromisoformat(summary.finished) > run.started
    assert summary.version == version("pixels-and-people")
    assert summary.versions["keras"] == version("keras")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise ValueError('too few images\\nsecond line')", "ValueError: too few images"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import os; os._exit(0)", "its kernel died"),
        ("import time; time.sleep(60)", "CellTimeoutError"),
    ],
)
def test_a_failing_lesson_names_its_cell_and_error(make_lesson, source, error):
    lesson = make_lesson(
        "01_first",
        "n = 3",
        "# Part one",
        "from course_utils import record\nrecord('n', n)",
        "# Part two",
        source,
        "record('never', 1)",
    )
    run = run_lesson(lesson, {}, timeout=3)
    assert run.status == "failed"
    assert (run.failure.cell, run.failure.num_cells) == (5, 6)
    assert str(run.failure).startswith(f"in cell 5 of 6, “Part two”: {error}")
    assert "\n" not in str(run.failure)
    assert [record.name for record in run.records] == ["n"]


def test_a_lesson_without_its_kernel_fails_before_its_first_cell(make_lesson):
    run = run_lesson(make_lesson("01_first", "n = 3"), {}, kernel="nonesuch")
    assert str(run.failure).startswith("before its first cell: NoSuchKernel")
    assert (run.records, run.executed) == ((), None)


def test_a_lesson_that_is_no_notebook_fails_before_its_first_cell(tmp_path):
    lesson = tmp_path / "01_first.ipynb"
    lesson.write_text("{")
    run = run_lesson(lesson, {})
    assert str(run.failure).startswith("before its first cell: ")
    assert "is not a notebook" in str(run.failure)
    assert run.executed is None


def test_storing_outputs_changes_nothing_else_and_only_once(make_lesson):
    lesson = make_lesson("01_first", "n = 3", "# Title", "print(n)", "n + 1")
    notebook = nbformat.read(lesson, as_version=4)
    notebook.cells[2].metadata["tags"] = ["nbval-ignore-output"]
    nbformat.write(notebook, lesson)

    run = run_lesson(lesson, {})
    store_outputs(lesson, run.executed)
    stored = nbformat.read(lesson, as_version=4)
    nbformat.validate(stored)
    assert stored.cells[2].outputs[0].text == "3\n"
    assert stored.cells[3].outputs[0].data == {"text/plain": "4"}
    assert [cell.get("execution_count") for cell in stored.cells] == [1, None, 2, 3]
    assert stored.cells[2].metadata == {"tags": ["nbval-ignore-output"]}
    assert "papermill" not in lesson.read_text()
    assert [cell.id for cell in stored.cells] == [cell.id for cell in notebook.cells]

    first = lesson.read_bytes()
    store_outputs(lesson, run_lesson(lesson, {}).executed)
    assert lesson.read_bytes() == first
