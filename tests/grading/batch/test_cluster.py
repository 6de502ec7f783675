"""A batch on several computers: network namespaces with a scheduler, workers and an instructor."""

import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from course_utils.grading.batch.grade import grade
from course_utils.grading.records.gradebook import read_course, read_scores
from course_utils.grading.records.judgements import read_graded
from course_utils.grading.sandbox.provisioner import unavailable
from course_utils.processes import kill, list_family

HAS_SANDBOX = unavailable() is None
RIGHT = "def step(weight, gradient, learning_rate):\n    return weight - learning_rate * gradient"
WRONG = "def step(weight, gradient, learning_rate):\n    return None"
NUM_LEARNERS = 7
NUM_DONE = 2  # when a computer goes down
SECONDS = 400  # of patience on a busy machine
DASK = (sys.executable, "-m", "dask")
WAIT_FOR_WORKERS = """\
from distributed import Client
Client("tcp://127.0.0.1:8786", timeout=60).wait_for_workers(2, timeout=60)
"""


@dataclass(frozen=True)
class Computer:
    """Commands with a network of their own, which is that of the process ``pid``."""

    pid: int

    def command(self, *command):
        enter = ("nsenter", f"--target={self.pid}", "--user", "--net", "--preserve-credentials")
        return [*enter, *map(str, command)]

    def call(self, *command):
        subprocess.run(self.command(*command), check=True, timeout=SECONDS)


@contextmanager
def started(command, **options):
    """Have a command run during a block; in the end it is killed with all that it started."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        kill(list_family(process.pid))
        process.wait()


def wait_until(condition, process):
    end = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, f"{process.args} has ended too early"
        assert time.monotonic() < end, f"{process.args} takes too long"
        time.sleep(0.05)


@contextmanager
def computer(command):
    """A computer in a network of its own, made by a command that starts with ``unshare``."""
    with started([*command, "sleep", "infinity"]) as process:
        own = Path(f"/proc/{process.pid}/ns/net")
        known = Path("/proc/self/ns/net").readlink()
        wait_until(lambda: own.readlink() != known, process)
        made = Computer(process.pid)
        made.call("ip", "link", "set", "lo", "up")
        yield made


def join(center, other, number):
    """Lay a cable between two computers; the first has the address 10.0.NUMBER.1 at its end."""
    cable, end = f"cable{number}", "cable"
    center.call("ip", "link", "add", cable, "type", "veth", "peer", end, "netns", other.pid)
    for one, name, host in ((center, cable, 1), (other, end, 2)):
        one.call("ip", "address", "add", f"10.0.{number}.{host}/24", "dev", name)
        one.call("ip", "link", "set", name, "up")


@pytest.fixture
def computers():
    """Four computers; the first has a cable to each of the others, and they have no other."""
    with ExitStack() as stack:
        try:
            center = stack.enter_context(
                computer(["unshare", "--user", "--map-root-user", "--net"])
            )
            others = []
            for number in (1, 2, 3):
                others.append(stack.enter_context(computer(center.command("unshare", "--net"))))
                join(center, others[-1], number)
        except (OSError, AssertionError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no networks can be made here, with iproute2 and util-linux: {error}")
        yield center, *others


def test_a_computer_that_goes_down_costs_no_submission(course_folder, submit, computers, tmp_path):
    deserved = {
        f"learner-{number:02}": 0.0 if number == 1 else 2.0 for number in range(NUM_LEARNERS)
    }
    for learner, points in deserved.items():
        submit(learner, RIGHT if points else WRONG)
    alone = shutil.copytree(course_folder, tmp_path / "alone")
    center, instructor, *workers = computers
    sandbox = "--sandbox" if HAS_SANDBOX else "--no-sandbox"
    course = (sys.executable, "-m", "course_utils", "grade", "demo", sandbox)

    with ExitStack() as stack:
        stack.enter_context(started(center.command(*DASK, "scheduler"), cwd=tmp_path))
        going_down, _ = (
            stack.enter_context(
                started(
                    worker.command(
                        *(*DASK, "worker", f"tcp://10.0.{number}.1:8786", "--nthreads", 1)
                    ),
                    cwd=tmp_path,
                )
            )
            for number, worker in enumerate(workers, start=2)
        )
        center.call(sys.executable, "-c", WAIT_FOR_WORKERS)
        command = instructor.command(*course, "--scheduler", "tcp://10.0.1.1:8786")
        grading = stack.enter_context(started(command, cwd=course_folder))
        wait_until(lambda: len(read_graded(course_folder, "demo")) >= NUM_DONE, grading)
        kill(list_family(going_down.pid))
        assert len(read_graded(course_folder, "demo")) < NUM_LEARNERS
        assert grading.wait(SECONDS) == 0

    grade(alone, "demo", kernel="course-sandbox" if HAS_SANDBOX else "python3", num_workers=2)
    scores, expected = (
        read_scores(read_course(folder), "demo") for folder in (course_folder, alone)
    )
    assert scores == expected
    assert {learner: cells["demo", "check-3-1"] for learner, cells in scores.items()} == deserved
