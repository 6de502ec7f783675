"""Batches on real workers with real kernels: what becomes of each, and of those cut short."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import psutil
import pytest
from distributed import LocalCluster

from course_utils.files import write_text
from course_utils.grading.batch.grade import (
    Planned,
    Ready,
    SubmissionFinished,
    SubmissionPostponed,
    SubmissionStarted,
    grade,
)
from course_utils.grading.batch.plan import BatchError
from course_utils.grading.batch.workers import count_workers
from course_utils.grading.judge.limits import RunLimits
from course_utils.grading.judge.running import Execution, JudgeError
from course_utils.grading.judgement import Ending
from course_utils.grading.records.gradebook import GradebookError, read_course, read_scores
from course_utils.grading.records.judgements import StoreError, hold_lock, read_graded
from course_utils.grading.sandbox.guard import Limits
from course_utils.grading.sandbox.provisioner import unavailable
from course_utils.grading.sources import SourceError

WRONG = "def step(weight, gradient, learning_rate):\n    return weight"
RIGHT = "def step(weight, gradient, learning_rate):\n    return weight - learning_rate * gradient"
# The kernel is started by a judge, and that by a worker, which this kills.
KILLER = """\
import psutil
for process in psutil.Process().parents():
    if "spawn_main" in " ".join(process.cmdline()):
        process.kill()
        break"""
SLEEPER = "import time\ntime.sleep(600)"
GRADE = """\
import logging
import sys
from pathlib import Path
from course_utils.grading.batch.grade import BatchInterrupt, grade

def tell(event):
    print(type(event).__name__, *filter(None, [getattr(event, "learner", "")]), flush=True)

try:
    grade(Path(sys.argv[1]), "demo", kernel="python3", num_workers=2, on_event=tell)
except BatchInterrupt as interrupt:
    print(interrupt)
logging.getLogger("distributed.batched").info("a connection was closed")
print([name for name in ("dask", "nbformat", "nbgrader", "tensorflow") if name in sys.modules])
"""

COMMAND = """\
import sys
from course_utils.cli import app

sys.argv = ["course", "grade", "demo", "--no-sandbox"]
app(standalone_mode=False)
slow = ("dask", "jsonschema", "nbformat", "nbgrader", "pytest", "tensorflow")
print([name for name in slow if name in sys.modules])
"""


def start_cluster(num_threads=1, *, processes=False):
    """A scheduler with a worker; in this process it is there at once."""
    return LocalCluster(
        n_workers=1,
        threads_per_worker=num_threads,
        processes=processes,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=None,
    )


@pytest.fixture
def scheduler():
    with start_cluster() as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def quick_judge(monkeypatch, scheduler):
    """No kernels: what an exercise would answer is read from its text; workers are here."""

    def execute(notebook, **_):
        value = 1.0 if "- learning_rate * gradient" in notebook.cells[1].source else 2.0
        answer = {"case": "one", "kind": "number", "dtype": None, "shape": None}
        answers = [answer | {"value": value, "error": None}]
        emission = json.dumps({"exercise": "3.1", "answers": answers})
        ending = Ending("finished", 0, "")
        return Execution(notebook, {"check-3-1": (emission,)}, ending, 1.0, 1)

    monkeypatch.setattr("course_utils.grading.batch.tasks.execute", execute)
    return scheduler


@pytest.fixture
def start_grading(course_folder):
    """Start grading in a process of its own session, which is killed in the end."""
    processes = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", GRADE, str(course_folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def read_until(process, *words):
    """Read what a process says, until it says all of these."""
    missing = set(words)
    while missing:
        line = process.stdout.readline()
        assert line, f"it ended before it said {missing}"
        missing.discard(line.strip())


def wait_for_end(family, seconds=20):
    _, alive = psutil.wait_procs(family, timeout=seconds)
    assert alive == []


def list_listening():
    """The addresses that this process and its children listen on."""
    here = psutil.Process()
    family = {here.pid, *(child.pid for child in here.children(recursive=True))}
    return {
        connection.laddr.ip
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.pid in family
    }


def test_a_batch_grades_each_submission_and_a_bad_one_costs_only_itself(course_folder, submit):
    submit("ada")
    submit("bob", WRONG, essay="YOUR ANSWER HERE")
    submit("cyd", KILLER)
    (submit("dan") / "demo.ipynb").write_text("{")
    events, listening = [], set()

    def follow(event):
        events.append(event)
        if isinstance(event, SubmissionStarted):
            listening.update(list_listening())

    result = grade(course_folder, "demo", kernel="python3", num_workers=2, on_event=follow)

    assert (result.unchanged, result.unsaved) == ((), {})
    found = {judgement.learner: judgement for judgement in result.graded}
    assert {learner: judgement.score for learner, judgement in found.items()} == {
        "ada": 2.0,
        "bob": 0.0,
        "cyd": 0.0,
        "dan": 0.0,
    }
    assert {learner: judgement.ending.kind for learner, judgement in found.items()} == {
        "ada": "finished",
        "bob": "finished",
        "cyd": "died",
        "dan": "refused",
    }
    assert found["dan"].checks[0].reason.startswith("never reached: the file is no notebook")
    scores = read_scores(read_course(course_folder), "demo")
    assert {learner: cells["demo", "check-3-1"] for learner, cells in scores.items()} == {
        learner: judgement.score for learner, judgement in found.items()
    }
    autograded = sorted(path.parts[-3] for path in course_folder.glob("autograded/*/demo/*.ipynb"))
    assert autograded == ["ada", "bob"]

    assert events[:2] == [Planned(("ada", "bob", "cyd", "dan"), ()), Ready(2)]
    kinds = Counter(type(event) for event in events[2:])
    assert kinds == {SubmissionStarted: 4, SubmissionFinished: 4}
    assert [event for event in events if isinstance(event, SubmissionFinished)] == [
        SubmissionFinished(judgement.learner, (judgement,), "") for judgement in result.graded
    ]
    assert listening == {"127.0.0.1"}
    left = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert not any("spawn_main" in line or "ipykernel" in line for line in left)


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_sandboxed_kernels_have_what_the_instructor_imports(course_folder, submit):
    source = course_folder / "source" / "demo" / "demo.ipynb"
    source.write_text(source.read_text().replace("    return", "    import colorsys\\n    return"))
    submit("ada", "import sys\nassert 'colorsys' in sys.modules\n" + RIGHT)
    submit("bob", "import sys\nassert 'colorsys' not in sys.modules\n" + RIGHT)
    result = grade(course_folder, "demo", num_workers=2)
    scores = {judgement.learner: judgement.score for judgement in result.graded}
    assert scores == {"ada": 2.0, "bob": 0.0}


def test_whom_a_neighbour_crowded_out_is_judged_again_alone(
    course_folder, submit, quick_judge, monkeypatch
):
    from course_utils.grading.batch import tasks

    execute, num_running, lock = tasks.execute, 0, threading.Lock()

    def execute_in_a_crowd(notebook, **options):
        nonlocal num_running
        with lock:
            num_running += 1
        time.sleep(0.5)  # for another to start
        result = execute(notebook, **options)
        with lock:
            is_crowded, num_running = num_running > 1, num_running - 1
        slow = {"# waits": 0.9, "# loops": 0.1}
        share = next((slow[one] for one in slow if one in notebook.cells[1].source), None)
        if share is None or not (is_crowded or share < 0.5):
            time.sleep(1)
            return result
        ending = Ending("timed_out", 2, "timed out after 4 s at cell 2")
        return replace(result, answers={}, ending=ending, waiting_seconds=share * result.seconds)

    monkeypatch.setattr(tasks, "execute", execute_in_a_crowd)
    submit("ada", RIGHT + "  # waits")
    submit("bob", RIGHT)
    submit("cyd", RIGHT + "  # loops")
    events = []
    with start_cluster(2) as cluster:
        result = grade(
            course_folder, "demo", scheduler=cluster.scheduler_address, on_event=events.append
        )
    assert [one for one in events if isinstance(one, SubmissionPostponed)] == [
        SubmissionPostponed("ada")
    ]
    assert {one.learner: one.score for one in result.graded} == {"ada": 2.0, "bob": 2.0, "cyd": 0.0}
    assert events[-2] == SubmissionStarted("ada")


def test_workers_elsewhere_grade_and_stay(course_folder, submit):
    submit("ada")
    submit("bob", WRONG)
    with start_cluster(2, processes=True) as cluster:
        events = []
        result = grade(
            course_folder,
            "demo",
            kernel="python3",
            scheduler=cluster.scheduler_address,
            on_event=events.append,
        )
        assert len(cluster.scheduler.workers) == 1
    assert Ready(2) in events
    assert {one.learner: one.score == one.max_score for one in result.graded} == {
        "ada": True,
        "bob": False,
    }


def test_an_assignment_may_have_several_notebooks(course_folder, submit, quick_judge, run_nbgrader):
    source = course_folder / "source" / "demo"
    shutil.copy(source / "demo.ipynb", source / "more.ipynb")
    run_nbgrader(course_folder, "generate_assignment", "demo", "--force")
    for learner, others in (("ada", RIGHT), ("bob", WRONG), ("cyd", None)):
        folder = submit(learner, others or RIGHT)
        if others:
            (folder / "demo.ipynb").rename(folder / "more.ipynb")
            submit(learner)
    result = grade(course_folder, "demo", scheduler=quick_judge)
    found = {(one.learner, one.notebook): one.score for one in result.graded}
    wrong = found["bob", "more"]
    assert wrong < 2.0
    assert found == {
        ("ada", "demo"): 2.0,
        ("ada", "more"): 2.0,
        ("bob", "demo"): 2.0,
        ("bob", "more"): wrong,
        ("cyd", "demo"): 2.0,
        ("cyd", "more"): 0.0,
    }
    scores = read_scores(read_course(course_folder), "demo")
    assert {
        (learner, notebook): score
        for learner, cells in scores.items()
        for (notebook, cell), score in cells.items()
        if cell == "check-3-1"
    } == found
    assert len(grade(course_folder, "demo", scheduler=quick_judge).unchanged) == 6


def test_only_what_changed_is_graded_again(course_folder, submit, quick_judge):
    def call(**options):
        planned = []

        def follow(event):
            planned.extend(event.learners if isinstance(event, Planned) else ())

        result = grade(
            course_folder,
            "demo",
            kernel="python3",
            scheduler=quick_judge,
            on_event=follow,
            **options,
        )
        assert [judgement.learner for judgement in result.graded] == planned
        assert {judgement.learner for judgement in result.unchanged}.isdisjoint(planned)
        return planned

    submit("ada")
    submit("bob", WRONG)
    assert call() == ["ada", "bob"]
    assert call() == []
    submit("bob")
    assert call(learners=["ada"]) == []
    assert call() == ["bob"]
    assert call(learners=["ada"], regrade=True) == ["ada"]
    assert call(sandbox=Limits(memory=10**9), learners=["ada"]) == ["ada"]
    (course_folder / "autograded" / "bob" / "demo" / "demo.ipynb").unlink()
    assert call(learners=["bob"]) == ["bob"]
    (course_folder / ".course" / "graded" / "demo" / "bob.json").write_text("{")
    assert call(learners=["bob"]) == ["bob"]
    with sqlite3.connect(course_folder / "gradebook.db") as connection:
        connection.execute("UPDATE grade SET auto_score = 1.5 WHERE auto_score = 2.0")
    assert call() == ["ada", "bob"]
    assert call() == []


def test_a_second_call_imports_nothing_slow(course_folder, submit, quick_judge, start_grading):
    submit("ada")
    grade(course_folder, "demo", kernel="python3", scheduler=quick_judge)
    output, _ = start_grading().communicate()
    assert output.splitlines() == ["Planned", "[]"]


def test_a_second_call_of_the_command_imports_nothing_slow(course_folder, submit, quick_judge):
    submit("ada")
    grade(
        course_folder,
        "demo",
        kernel="python3",
        scheduler=quick_judge,
        limits=RunLimits(cell_seconds=60.0),
        sandbox=Limits(memory=2 * 10**9),
    )
    output = subprocess.run(
        [sys.executable, "-c", COMMAND],
        cwd=course_folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "0 graded now, 1 unchanged since" in output
    assert output.splitlines()[-1] == "[]"


def kill_at_random(course_folder, start, *, num_kills, seconds, seed):
    """Kill grading with all its force at random moments, then let it end.

    Args:
        course_folder: the course, with submissions.
        start: starts grading.
        num_kills: how often; fewer if it ends before.
        seconds: the longest time until it is killed.
        seed: of the moments.

    Returns:
        What the grader said in its last call.
    """
    moments = random.Random(seed)
    for _ in range(num_kills):
        process = start()
        time.sleep(moments.uniform(0, seconds))
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        wait_for_end(family)
    output, _ = start().communicate()
    return output


def test_after_kills_the_next_call_goes_on_and_the_gradebook_is_as_without(
    course_folder, submit, start_grading
):
    for learner in ("ada", "cyd"):
        submit(learner)
    submit("bob", WRONG, essay="YOUR ANSWER HERE")
    submit("dan", SLEEPER)
    process = start_grading()
    read_until(
        process,
        "SubmissionStarted dan",
        "SubmissionFinished ada",
        "SubmissionFinished bob",
        "SubmissionFinished cyd",
    )
    time.sleep(2.0)  # the kernel sleeps by now
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("ipykernel" in " ".join(member.cmdline()) for member in family)
    process.kill()
    wait_for_end(family)
    assert sorted(read_graded(course_folder, "demo")) == ["ada", "bob", "cyd"]

    submit("dan")
    output = kill_at_random(course_folder, start_grading, num_kills=2, seconds=4, seed=1)
    assert [line for line in output.splitlines() if "SubmissionFinished" in line] == [
        "SubmissionFinished dan"
    ]
    scores = read_scores(read_course(course_folder), "demo")
    assert scores["ada"] == scores["cyd"] == scores["dan"]
    assert scores["ada"] == {("demo", "check-3-1"): 2.0, ("demo", "essay"): None}
    assert not list(course_folder.glob("**/.*.ipynb.*"))


def test_ctrl_c_stops_all_at_once_and_keeps_what_is_done(course_folder, submit, start_grading):
    submit("ada")
    submit("bob", SLEEPER)
    process = start_grading()
    read_until(process, "SubmissionStarted bob", "SubmissionFinished ada")
    time.sleep(2.0)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    wait_for_end(family)
    said = "stopped; of 2 submissions 1 have been graded, and `course grade demo` goes on with"
    assert said in output
    assert "Traceback" not in output
    assert "a connection was closed" not in output
    assert list(read_graded(course_folder, "demo")) == ["ada"]
    with hold_lock(course_folder):
        pass


def test_two_at_a_time_do_not_collide(course_folder, submit):
    submit("ada")
    with (
        hold_lock(course_folder),
        pytest.raises(StoreError, match=rf"process {os.getpid()}\)"),
    ):
        grade(course_folder, "demo", kernel="python3")


def test_what_there_is_not_is_said(course_folder, submit):
    with pytest.raises(BatchError, match=r"nobody has handed in demo.*course collect"):
        grade(course_folder, "demo")
    submit("ada")
    with pytest.raises(BatchError, match=r"'dome' in .*; there are demo"):
        grade(course_folder, "dome")
    with pytest.raises(BatchError, match=r"by bob, cyd; there are those by ada"):
        grade(course_folder, "demo", learners=["bob", "ada", "cyd"])


def fail(*_, **__):
    raise JudgeError("no such kernel")


def test_a_source_that_fails_stops_the_batch(course_folder, submit, quick_judge, monkeypatch):
    submit("ada")
    monkeypatch.setattr("course_utils.grading.batch.tasks.execute", fail)
    with pytest.raises(
        BatchError, match=r"source/demo/demo\.ipynb cannot be graded with: no such kernel"
    ):
        grade(course_folder, "demo", scheduler=quick_judge)
    assert read_graded(course_folder, "demo") == {}


def test_marks_that_cannot_be_used_stop_the_batch_before_anybody_gets_no_points(
    course_folder, submit, quick_judge
):
    submit("ada")
    source = course_folder / "source" / "demo" / "demo.ipynb"
    source.write_text(source.read_text().replace("### END SOLUTION", ""))
    with pytest.raises(SourceError, match=r"demo\.ipynb, cell 2 \(exercise-3-1\) has 'BEGIN SOL"):
        grade(course_folder, "demo", scheduler=quick_judge)
    assert read_graded(course_folder, "demo") == {}


def test_settings_that_no_submission_fits_stop_the_batch(course_folder, submit, quick_judge):
    submit("ada")
    with (course_folder / "nbgrader_config.py").open("a") as file:
        file.write("get_config().ClearSolutions.code_stub = {'R': 'stop()'}\n")
    with pytest.raises(BatchError, match=r"no submission could be brought .*nbgrader_config\.py"):
        grade(course_folder, "demo", scheduler=quick_judge)
    assert read_graded(course_folder, "demo") == {}


def test_a_judge_that_fails_costs_one_submission_that_is_tried_again(
    course_folder, submit, quick_judge, monkeypatch
):
    submit("ada")
    with monkeypatch.context() as patch:
        patch.setattr("course_utils.grading.batch.tasks.score", fail)
        first = grade(course_folder, "demo", scheduler=quick_judge)
    (judgement,) = first.graded
    assert judgement.ending == Ending(
        "interrupted", 0, "it could not be judged: JudgeError: no such kernel"
    )
    assert (judgement.score, judgement.max_score) == (0.0, 2.0)
    second = grade(course_folder, "demo", scheduler=quick_judge)
    assert [judgement.score for judgement in second.graded] == [2.0]


def test_a_source_the_gradebook_does_not_know_stops_the_batch(course_folder, submit, quick_judge):
    submit("ada")
    source = course_folder / "source" / "demo" / "demo.ipynb"
    source.write_text(source.read_text().replace("callable(step)", "True"))
    with pytest.raises(GradebookError, match="check-3-1"):
        grade(course_folder, "demo", scheduler=quick_judge)


def test_workers_with_another_version_are_refused(course_folder, submit, quick_judge, monkeypatch):
    submit("ada")
    monkeypatch.setattr(
        "course_utils.grading.batch.workers.find_package_fingerprint",
        lambda: str(threading.get_ident()),
    )
    with pytest.raises(BatchError, match=r"tcp://127\.0\.0\.1:\d+ have another version"):
        grade(course_folder, "demo", scheduler=quick_judge)


def test_a_scheduler_that_is_not_there_is_named(course_folder, submit, monkeypatch):
    submit("ada")
    monkeypatch.setattr("course_utils.grading.batch.workers._CONNECT_SECONDS", 0.5)
    with pytest.raises(BatchError, match=r"tcp://127\.0\.0\.1:9"):
        grade(course_folder, "demo", scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "192.0.2.1:8786", "tcp://192.0.2.1"])
def test_what_is_no_schedulers_address_is_said_at_once(course_folder, submit, address):
    submit("ada")
    with pytest.raises(BatchError, match=r"is not the address of a scheduler; one is tcp://192"):
        grade(course_folder, "demo", scheduler=address)


def test_a_gradebook_that_cannot_be_written_costs_no_verdict(
    course_folder, submit, quick_judge, monkeypatch
):
    submit("ada")
    submit("bob")

    def write(path, text):
        if "bob" in path.parts:
            raise OSError("disk full")
        write_text(path, text)

    with monkeypatch.context() as patch:
        patch.setattr("course_utils.grading.records.gradebook.write_text", write)
        result = grade(course_folder, "demo", scheduler=quick_judge)
    assert result.unsaved == {"bob": "disk full"}
    again = grade(course_folder, "demo", scheduler=quick_judge)
    assert [judgement.learner for judgement in again.graded] == ["bob"]
    assert [judgement.learner for judgement in again.unchanged] == ["ada"]


@pytest.mark.parametrize(
    ("memory", "processors", "num_pending", "num_workers"),
    [(100e9, 4, 50, 4), (100e9, 4, 3, 3), (5e9, 4, 50, 2), (1e9, 4, 50, 1)],
)
def test_workers_fit_processors_memory_and_work(
    monkeypatch, memory, processors, num_pending, num_workers
):
    available = psutil.virtual_memory()._replace(available=int(memory))
    monkeypatch.setattr("psutil.virtual_memory", lambda: available)
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 10**12)
    monkeypatch.setattr("dask.system.CPU_COUNT", processors)
    assert count_workers(Limits(memory=2 * 10**9), num_pending) == num_workers
