"""The folder of a run: whole whenever a run ends, and nobody else's."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from course_utils.execution.lessons import RunError
from course_utils.execution.results import read_results
from course_utils.execution.run_folder import add, is_run, latest_run, open_run, read_summaries
from course_utils.execution.runs import run_lesson
from course_utils.files import FilesError, read_ledger

COURSE = [sys.executable, "-m", "course_utils"]
RECORD = "from course_utils import record\nrecord('n', n)"
# How often a run is killed; COURSE_KILLS=20 for more.
KILLS = int(os.environ.get("COURSE_KILLS", "2"))


def test_runs_that_start_in_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_run(None, []) as first, open_run(None, []) as second:
        (first / "kept").touch()
        (second / "kept").touch()
    assert first != second
    assert second.name in (f"{first.name}-2", second.name[:19])


def test_the_latest_run_is_the_one_that_finished_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no finished run"):
        latest_run()
    for name in ("2031-01-01_00-00-00", "b", "unfinished"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    for name in ("2031-01-01_00-00-00", "b"):
        (tmp_path / "runs" / name / "results.csv").touch()
        time.sleep(0.01)
    assert latest_run().name == "b"


def test_nothing_is_left_of_a_new_folder_that_got_no_lesson(tmp_path):
    with open_run(tmp_path / "deep" / "out", []):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_a_runs_only_if_a_run_made_it(make_lesson, tmp_path):
    lesson = make_lesson("01_first", "n = 3", RECORD)
    folder = tmp_path / "out"
    with open_run(folder, [lesson]):
        add(run_lesson(lesson, {}), lesson, folder)
    assert is_run(folder)
    assert {entry["maker"] for entry in read_ledger(folder).values()} == {"course run"}
    with open_run(folder, [lesson]):
        pass
    (folder / "02_second.ipynb").write_text("a learner's")
    second = open_run(folder, [tmp_path / "02_second.ipynb"])
    with pytest.raises(FilesError, match=r"02_second\.ipynb is in the way"), second:
        raise AssertionError
    assert (folder / "02_second.ipynb").read_text() == "a learner's"


@pytest.mark.parametrize("content", ["", "{", "[3]", '[{"lesson": "01"}]', "\ud800"])
def test_a_broken_summary_is_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(RunError, match=r"run\.json can't be read"):
        read_summaries(tmp_path)


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_at_any_moment_leaves_whole_results(
    own_course, make_lesson, tmp_path, stop
):
    """Two lessons, run again and again with another ``n``, each time stopped somewhere."""
    lessons = [make_lesson(name, "n = 0", RECORD) for name in ("01_first", "02_second")]
    folder = tmp_path / "out"
    with open_run(folder, lessons):
        for lesson in lessons:
            add(run_lesson(lesson, {}), lesson, folder)
    for number in range(1, KILLS + 1):
        process = subprocess.Popen(
            [*COURSE, "run", "-p", "n", str(number), "--output", "out"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(random.uniform(0.5, 6))
        process.send_signal(stop)
        process.wait(timeout=60)
        summaries = {one.lesson: one.parameters["n"] for one in read_summaries(folder)}
        assert set(summaries) == {"01_first", "02_second"}
        results = {one.lesson: one.record.value for one in read_results(folder)}
        assert results == summaries
        assert all(0 <= n <= number for n in summaries.values())
        for name, n in summaries.items():
            notebook = json.loads((folder / f"{name}.ipynb").read_text())
            assert notebook["metadata"]["papermill"]["parameters"] == ({"n": n} if n else {})
            assert f"n: {n}" in (folder / f"{name}.html").read_text()
            assert f"n {n}" in (folder / "index.html").read_text() or not n
