"""The `course` command, as it is typed."""

import errno
import json
import os
import pty
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import psutil
import pytest
import requests
from typer.testing import CliRunner

import course_utils
from course_utils.bench.measurement import Measurement
from course_utils.cli import app
from course_utils.execution.results import read_results
from course_utils.exercises import CHECKS
from course_utils.exercises.solved import begin, remember
from course_utils.files import LEDGER

COURSE = [sys.executable, "-m", "course_utils"]
COMMANDS = ["check", "lab", "download", "run", "notebooks", "results", "claims", "bench"]
COMMANDS += [
    "release",
    "init-grading",
    "new-assignment",
    "collect",
    "grade",
    "feedback",
    "report",
    "export",
]
RECORDS = "from course_utils import record\nrecord('n', n, interval=(0, 9))"


@pytest.fixture
def course(tmp_path, monkeypatch, own_course):
    """Run the command in a folder of its own, with the lessons in it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})

    return run


def all_files(folder):
    """The files in a folder, but the ledger and what ``own_course`` puts there."""
    others = (LEDGER, "pyproject.toml")
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in others)
    return {str(path.relative_to(folder)) for path in files}


def wait_until(condition, *, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(course, command):
    result = course(command, "--help")
    assert result.exit_code == 0
    assert re.search(rf"Examples\s+course {command}\b", result.output)


def test_starting_the_command_imports_nothing_heavy():
    code = (
        "import sys, course_utils.cli\n"
        "print(sorted({'tensorflow', 'keras', 'pandas', 'numpy', 'matplotlib', 'IPython',"
        " 'papermill', 'nbformat', 'nbconvert', 'nbgrader', 'dask', 'psutil'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_lessons_run_and_their_results_are_printed_again(course, make_lesson, tmp_path):
    make_lesson("01_first", "n = 3", RECORDS)
    make_lesson("02_second", "n = 4\nk = 1", "# Part two", "1 / (k - 1)", RECORDS)
    make_lesson("03_third", "k = 1", "print(k)")
    ran = course("run", "-p", "n", "5", "--output", "out")
    assert ran.exit_code == 1
    assert re.search(r"01_first +│ n +│ 5 \(0–9\)", ran.output)
    assert "02_second failed in cell 4 of 5, “Part two”: ZeroDivisionError" in ran.output
    assert all_files(tmp_path / "out") == {
        "index.html",
        "results.csv",
        "run.json",
        *(f"{name}.{kind}" for name in ("01_first", "03_third") for kind in ("ipynb", "html")),
        *(f"02_second.{kind}" for kind in ("ipynb", "html", "log")),
    }
    (row,) = json.loads(course("results", "out", "--format", "json").stdout)
    datetime.fromisoformat(row.pop("finished"))
    assert row.pop("version") == course_utils.__version__
    number = {"lesson": "01_first", "name": "n", "value": 5, "low": 0.0, "high": 9.0}
    assert row == number | {"text": "5 (0–9)", "parameters": {"n": 5}}
    printed = course("results", "out", "--format", "csv").stdout
    assert printed == (tmp_path / "out" / "results.csv").read_text()
    shown = course("results", "out")
    assert "5 (0–9)" in shown.stdout
    assert re.search(r"03_third +│ ok .*│ \d{4}-\d\d-\d\d \d\d:\d\d │ +│\n", shown.stdout)
    assert re.search(r"01_first +│ ok .*│ n 5 ", shown.stdout)
    assert "02_second failed in cell 4 of 5" in shown.stderr


def test_a_run_adds_to_its_folder_and_all_of_it_is_shown(course, make_lesson, tmp_path):
    make_lesson("01_first", "n = 3", RECORDS)
    make_lesson("02_second", "k = 1", "k / 0")
    course("run", "--output", "out")
    assert (tmp_path / "out" / "02_second.log").exists()
    make_lesson("02_second", "k = 1", "from course_utils import record\nrecord('k', k)")
    ran = course("run", "02", "-p", "k", "7", "--output", "out")
    assert ran.exit_code == 0
    results = {one.lesson: one.record.value for one in read_results(tmp_path / "out")}
    assert results == {"01_first": 3, "02_second": 7}
    assert all(row in ran.output for row in ("01_first", "02_second", "k 7"))
    page = (tmp_path / "out" / "index.html").read_text()
    assert "2 of 2 lessons" in page and "01_first.html" in page and "k 7" in page
    assert not (tmp_path / "out" / "02_second.log").exists()
    # What can't be run leaves what was there.
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    failed = course("run", "2", "--kernel", "nonesuch", "--output", "out")
    assert failed.exit_code == 1
    assert "02_second failed before its first cell: NoSuchKernel" in failed.output
    assert "its earlier results are still there" in failed.output
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_run_never_writes_among_somebody_elses_files(course, make_lesson, tmp_path):
    executed = f"_ = open({str(tmp_path / 'executed.txt')!r}, 'a').write('once ')"
    make_lesson("01_first", "n = 3", RECORDS, executed)
    course("lab", "--prepare-only", "--folder", "mine")
    course("run", "--output", "earlier")
    changed = tmp_path / "earlier" / "01_first.html"
    changed.write_text("with my notes")
    strangers = {
        "mine": "01_first.ipynb",
        "notebooks": "01_first.ipynb",
        ".": "course_utils",
        "earlier": "01_first.html",
    }
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.html").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    for folder, name in (strangers | {"pages": "index.html", "mine/": "01_first.ipynb"}).items():
        ran = course("run", "--output", folder)
        assert ran.exit_code == 2
        assert f"{Path(folder, name)} is in the way" in " ".join(ran.output.split())
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before
    assert (tmp_path / "executed.txt").read_text() == "once "  # refused before the long work


def test_a_run_of_somebody_elses_lessons_in_the_working_folder_is_not_to_be_had(
    make_lesson, tmp_path
):
    thesis = make_lesson("01_thesis", "n = 3", RECORDS)
    before = thesis.read_bytes()
    for command in (
        ["run", "1", "-p", "n", "4"],
        ["notebooks", "01_thesis"],
        ["release", "thesis"],
    ):
        done = subprocess.run(
            [*COURSE, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stdout
        assert "thesis" not in done.stdout
    assert all_files(tmp_path) == {"notebooks/01_thesis.ipynb"}
    assert thesis.read_bytes() == before


def test_a_second_run_into_the_same_folder_is_refused(own_course, make_lesson, tmp_path):
    make_lesson("01_first", "n = 3", "import time\nopen('started', 'w').close()\ntime.sleep(600)")
    command = [*COURSE, "run", "--output", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE)
    wait_until((tmp_path / "started").exists)
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert second.returncode == 2
    assert "another command is writing to out" in second.stderr
    assert not (tmp_path / "out").exists()  # of a run that was stopped before it had anything


INTERRUPTED = """
import os, signal, sys, threading
from course_utils.__main__ import main
threading.Timer(float(sys.argv.pop(1)), lambda: os.killpg(0, signal.SIGINT)).start()
main()
"""


@pytest.mark.parametrize("seconds", ["0.1", "2", "3.5"])
def test_ctrl_c_in_the_first_seconds_of_a_run_leaves_no_traceback_and_no_file(tmp_path, seconds):
    """To all processes of the terminal: the command, and the one that it is starting."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, seconds, "run", "01", "--output", "runs/mine"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (130, False), done.stderr
    assert list(tmp_path.rglob("*.log")) == []
    assert list(tmp_path.rglob("*.ipynb")) == []


def test_lab_is_not_opened_in_the_folder_of_a_run(course, make_lesson, tmp_path):
    make_lesson("01_first", "n = 3", RECORDS)
    course("run", "--output", "out")
    before = all_files(tmp_path)
    for folder, message in (("out", "the folder of a run"), ("notebooks", "the course's own")):
        result = course("lab", "--prepare-only", "--folder", folder)
        assert result.exit_code == 2
        assert message in result.output
    assert all_files(tmp_path) == before


def test_what_the_system_refuses_is_one_line(course, make_lesson, monkeypatch):
    make_lesson("01_first", "n = 3")
    for number, words in (
        (errno.ENOSPC, "no space left on the disk"),
        (errno.EACCES, "no permission"),
        (errno.EIO, "Input/output error"),
    ):

        def refuse(*_, number=number, **__):
            raise OSError(number, os.strerror(number), "some/file")

        monkeypatch.setattr("course_utils.exercises.working_copy.make_folder", refuse)
        result = course("lab", "--prepare-only")
        assert result.exit_code == 2
        assert f"Error: some/file: {words}" in result.output


@pytest.mark.parametrize("command", [["run", "--output"], ["lab", "--prepare-only", "--folder"]])
def test_a_file_where_a_folder_is_needed_is_named(course, make_lesson, tmp_path, command):
    make_lesson("01_first", "n = 3")
    (tmp_path / "notes.txt").write_text("mine")
    for name in ("notes.txt", "notes.txt/deeper"):
        result = course(*command, name)
        assert result.exit_code == 2
        assert "notes.txt is a file, and a folder is needed" in result.output
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_latest_run_is_the_default(course, make_lesson):
    assert course("results").exit_code == 2
    make_lesson("01_first", "n = 3", RECORDS)
    ran = course("run")
    assert ran.exit_code == 0
    assert re.search(r"Results: runs/[\d_-]+/index\.html", ran.output)
    assert "01_first,n,3" in course("results", "--format", "csv").output.replace('"', "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "epochs", "3"], "no lesson to be run knows a parameter 'epochs'; known are "),
        (["-p", "n", "abc"], "parameter n: 'abc' is not a whole number (default 3; how many)"),
        (["-p", "n", "-0.5"], "parameter n: '-0.5' is not a whole number"),
        (["-p", "n"], "two words"),
        (["--dataset", "nonsense"], "known names are pixels10 and cifar10"),
        (["-p", "dataset", "nonsense"], "known names are pixels10 and cifar10"),
        (["--dataset", "pixels10", "-p", "dataset", "pixels10"], "twice"),
        (["7"], "there are 01_first"),
        (["--output", "notebooks"], "choose a new or an empty folder"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    course, make_lesson, tmp_path, arguments, message
):
    make_lesson("01_first", "n = 3  # how many\ndataset = 'pixels10'", "print(n)")
    before = all_files(tmp_path)
    result = course("run", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert all_files(tmp_path) == before


@pytest.mark.parametrize(
    ("stop", "busy"),
    [(signal.SIGINT, "while True: pass"), (signal.SIGTERM, "import time; time.sleep(600)")],
)
def test_a_run_that_is_stopped_leaves_no_kernel_and_no_half_written_file(
    own_course, make_lesson, tmp_path, stop, busy
):
    make_lesson("01_first", "n = 3", RECORDS)
    make_lesson("02_second", "n = 3", f"open('started', 'w').close()\n{busy}")
    make_lesson("03_third", "n = 3")
    process = subprocess.Popen(
        [*COURSE, "run", "--output", "out"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until((tmp_path / "started").exists)
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("ipykernel_launcher" in member.cmdline() for member in family)
    process.send_signal(stop)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped: 1 of 3 lessons had finished." in output
    assert "Traceback" not in output
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert all_files(tmp_path / "out") == {
        "01_first.ipynb",
        "01_first.html",
        "index.html",
        "results.csv",
        "run.json",
    }


def test_notebooks_stores_outputs_in_the_lessons_that_work(course, make_lesson):
    good = make_lesson("01_first", "n = 3", "print(n)")
    bad = make_lesson("02_second", "n = 3", "print(n)\n1 / 0")
    before = bad.read_bytes()
    result = course("notebooks")
    assert result.exit_code == 1
    assert "02_second.ipynb: left as it was; it failed in cell 2 of 2" in result.output
    assert bad.read_bytes() == before
    assert json.loads(good.read_text())["cells"][1]["outputs"][0]["text"] == ["3\n"]
    assert {path.name for path in good.parent.iterdir()} == {good.name, bad.name}


def test_check_reports_what_is_there(course):
    result = course("check")
    assert result.exit_code == 0
    for subject in ("Python", "Packages", "Memory", "CIFAR-10", "Jupyter", "TensorFlow"):
        assert subject in result.output
    assert "imported in" in result.output


def test_download_knows_its_names(course):
    assert course("download", "pixels10").exit_code == 0
    result = course("download", "cifar100")
    assert result.exit_code == 2
    assert "known are pixels10 and cifar10" in result.output


def test_claims_without_essays_is_one_clear_line(course, make_lesson):
    make_lesson("01_first", "n = 3")
    result = course("claims")
    assert result.exit_code == 2
    assert "has no folder 'essays'" in result.output


def test_bench_prints_and_writes_what_it_measured(course, tmp_path):
    result = course("bench", "start", "--json", "bench.json")
    assert result.exit_code == 0
    written = json.loads((tmp_path / "bench.json").read_text())
    assert {one["name"] for one in written["measurements"]} == {
        "import course_utils",
        "course --help",
    }
    assert all(one["value"] > 0 for one in written["measurements"])
    assert written["machine"].split()[1] == "cores,"
    assert "≤ 0.2 s" in result.output


@pytest.mark.parametrize("value", [0.1, 0.3])
def test_bench_says_whether_a_target_is_met(course, tmp_path, monkeypatch, value):
    def measure():
        yield Measurement("import", value, "s", at_most=0.2)
        yield Measurement("lessons", 4, "of them")
        raise KeyboardInterrupt

    monkeypatch.setattr("course_utils.bench.short.measure_start", measure)
    result = course("bench", "start", "--json", "bench.json")
    assert result.exit_code == 130
    assert re.search(
        rf"import .*{value} s.*≤ 0.2 s.*{'yes' if value == 0.1 else 'no '}", result.output
    )
    written = json.loads((tmp_path / "bench.json").read_text())["measurements"]
    assert [one["met"] for one in written] == [value == 0.1, None]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("start", "--json", "race.json"), "race.json"),
        (("start", "--json", "folder"), "folder"),
        (("start", "--json", "race.json/deeper.json"), "race.json"),
        (("training", "--full", "--dataset", "pixels10", "--json", "README.json"), "README.md"),
        (("training", "--full", "--dataset", "pixels10", "--json", "folder"), "folder"),
        (("training", "--full", "--dataset", "pixels10", "--json", "race.md"), "race.md"),
        (("training", "--full", "--dataset", "pixels10", "--json", "race.json"), "race.json"),
    ],
)
def test_bench_never_writes_over_what_it_did_not_make(course, tmp_path, command, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "race.json").write_text("the result of hours")
    (tmp_path / "README.md").write_text("mine")
    before = all_files(tmp_path)
    result = course("bench", *command)
    assert result.exit_code == 2
    assert name in result.output
    assert "Traceback" not in result.output
    assert all_files(tmp_path) == before
    assert (tmp_path / "race.json").read_text() == "the result of hours"
    assert (tmp_path / "README.md").read_text() == "mine"


def test_bench_replaces_its_own_result_and_with_force_any(course, tmp_path):
    path = tmp_path / "bench.json"
    assert course("bench", "start", "--json", path).exit_code == 0
    assert course("bench", "start", "--json", path).exit_code == 0
    path.write_text("changed")
    assert course("bench", "start", "--json", path).exit_code == 2
    assert course("bench", "start", "--json", path, "--force").exit_code == 0
    assert json.loads(path.read_text())["measurements"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--json", "a.json", "start"), "--json goes behind `start`"),
        (("--force", "start"), "--force goes behind `start`"),
        (("start", "--full"), "No such option"),
        (("grading",), "No such command"),
        (("training", "--runs", "quick=1"), "--runs goes with --full"),
        (("training", "--num-train", "9"), "--num-train goes with --full"),
        (("training", "--full", "--runs", "slow=1"), "--runs has 'slow=1'"),
        (("training", "--full", "--dataset", "nowhere"), "there is no data set 'nowhere'"),
    ],
)
def test_bench_says_which_options_do_not_go_together(course, tmp_path, arguments, message):
    result = course("bench", *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert not all_files(tmp_path)


def test_lab_prepares_the_copies_and_keeps_a_learners_work(course, make_lesson, tmp_path):
    make_lesson("01_first", "n = 3", "### BEGIN SOLUTION\nSECRET\n### END SOLUTION")
    result = course("lab", "--prepare-only", "--folder", "mine")
    assert result.exit_code == 0
    assert "mine/01_first.ipynb: new" in result.output
    mine = tmp_path / "mine" / "01_first.ipynb"
    assert "SECRET" not in mine.read_text()
    mine.write_text("my own work")
    assert "yours, left as it is" in course("lab", "--prepare-only", "--folder", "mine").output
    assert mine.read_text() == "my own work"


def test_lab_serves_the_copies_and_stops_on_ctrl_c(own_course, make_lesson, tmp_path):
    make_lesson("01_first", "n = 3")
    token = secrets.token_hex()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", f"--port={port}", "--port-retries=0", "--allow-root"]
    terminal, keyboard = pty.openpty()  # Jupyter listens for Ctrl-C where it has a terminal
    process = subprocess.Popen(
        [*COURSE, "lab", "--", *options, "--ServerApp.answer_yes=True"],
        cwd=tmp_path,
        env=os.environ | {"JUPYTER_TOKEN": token, "JUPYTER_RUNTIME_DIR": str(tmp_path / "run")},
        stdin=keyboard,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{port}/api"
    headers = {"Authorization": f"token {token}"}

    def answers():
        assert process.poll() is None, process.stdout.read()
        try:
            return requests.get(f"{address}/status", headers=headers, timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers)
        assert requests.get(f"{address}/contents", timeout=5).status_code == 403
        listed = requests.get(f"{address}/contents", headers=headers, timeout=5).json()
        names = sorted(entry["name"] for entry in listed["content"])
        assert names == ["01_first.ipynb", "solved.json"]
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(terminal)
        os.close(keyboard)
    assert "/lab/tree/01_first.ipynb" in output
    assert Path(tmp_path / "my-lessons" / "01_first.ipynb").exists()


def test_progress_shows_each_lesson_and_what_is_left(course, tmp_path):
    begin(tmp_path / "mine")
    for exercise in ("1.1", "1.3", "3.1"):
        remember(exercise, tmp_path / "mine", known=CHECKS)
    result = course("progress", "--folder", "mine")
    assert result.exit_code == 0
    rows = [line.split("│") for line in result.output.splitlines() if line.startswith("│")]
    shown = {  # what is left may go on in further lines
        row[1].strip(): [cell.strip() for cell in row[2:-1]] for row in rows if row[1].strip()
    }
    totals = Counter(exercise.partition(".")[0] for exercise in CHECKS)
    assert {lesson: int(row[1]) for lesson, row in shown.items()} == totals
    assert [shown[lesson][0] for lesson in "1234"] == ["2", "0", "1", "0"]
    assert "1.2" in shown["1"][2].split(", ")
    assert not {"1.1", "1.3"} & set(shown["1"][2].split(", "))
    assert f"3 of {len(CHECKS)} exercises solved" in result.output


def test_progress_of_a_folder_that_is_no_learners_is_an_error(course):
    result = course("progress")
    assert result.exit_code == 2
    assert "my-lessons is no learner's folder; `course lab` makes one" in result.output
