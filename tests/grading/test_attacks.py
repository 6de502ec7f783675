"""Attacks on the grader, each by a real submission in the real sandbox, forked as in a batch.

None of them earns a point, and none leaves a trace outside: no changed file, no process, no
connection, no line in the terminal.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from course_utils.grading.judge.limits import RunLimits
from course_utils.grading.sandbox.fork_server import start_fork_server
from course_utils.grading.sandbox.guard import Limits
from course_utils.grading.sandbox.provisioner import unavailable
from tests.grading.attacks import (
    ATTACKS,
    CODE,
    MAX_SCORE,
    RUN_LIMITS,
    SANDBOX_LIMITS,
    SEED,
    judge,
    make_attack,
    submit_code,
)

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


_MARK = "COURSE-LEFTOVER"


class _Outside:
    """What lies outside the sandbox, and what reaches it."""

    def __init__(self, folder):
        self.folder = folder
        self.grades = folder / "grades.json"
        self.grades.write_text('{"ada": "OTHER-LEARNERS-ANSWER"}')
        self.listener = socket.create_server(("", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                self.connections.append(self.listener.accept()[1])
            except OSError:
                return

    def state(self):
        files = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [*self.folder.rglob("*"), *map(type(self.folder), ["/etc/passwd"])]
            if path.is_file()
        }
        return files, list(self.connections)

    def leftovers(self):
        """Processes that are still there, known by the seed or their command line.

        A forked kernel has that of its server.
        """
        return [
            process.pid
            for process in psutil.process_iter()
            if process.pid != os.getpid() and _belongs(process)
        ]


def _belongs(process):
    try:
        return process.environ().get("COURSE_GRADING_SEED") == str(SEED) or _MARK in " ".join(
            process.cmdline()
        )
    except psutil.Error:
        return False


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    place = _Outside(tmp_path_factory.mktemp("outside"))
    yield place
    place.listener.close()


@pytest.fixture(scope="module")
def verdicts(outside, tmp_path_factory):
    """The verdict on each attack, and the state outside before and after all of them."""

    def attack(name):
        notebook = make_attack(name, target=outside.folder, port=outside.port)
        return judge(name, notebook, limits=RUN_LIMITS, sandbox=SANDBOX_LIMITS)

    before, folder = outside.state(), tmp_path_factory.mktemp("server")
    with (
        start_fork_server([_MARK, "course_utils.exercises"], folder) as variables,
        pytest.MonkeyPatch.context() as patch,
        ThreadPoolExecutor(2) as pool,
    ):
        for variable, value in variables.items():
            patch.setenv(variable, value)
        judged = dict(zip(ATTACKS, pool.map(attack, ATTACKS), strict=True))
    return judged, before, outside.state()


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_earns_a_point(verdicts, name):
    judgement = verdicts[0][name]
    assert judgement.max_score == MAX_SCORE
    assert judgement.score == 0, judgement.checks
    assert "OTHER-LEARNERS-ANSWER" not in judgement.executed
    json.loads(judgement.executed)


def test_nothing_outside_has_changed(verdicts, outside):
    assert verdicts[1] == verdicts[2]
    assert outside.leftovers() == []


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("endless loop", "timed_out"),
        ("endless loop that cannot be interrupted", "timed_out"),
        ("memory bomb", "out_of_memory"),
        ("endless output", "too_much_output"),
        ("os._exit", "died"),
        ("kernel killed", "died"),
        ("magic comments", "finished"),
        ("tags on every cell", "finished"),
        ("checks deleted", "finished"),
    ],
)
def test_how_it_ended_is_told(verdicts, name, ending):
    assert verdicts[0][name].ending.kind == ending


def test_an_honest_answer_earns_its_points_beside_them():
    honest = (
        "def step(weight, gradient, learning_rate):\n    return weight - gradient * learning_rate"
    )
    assert judge("ada", submit_code(honest), limits=RunLimits(), sandbox=Limits()).score == 2


def test_nothing_reaches_the_terminal(capfd):
    notebook = submit_code(CODE["the terminal written to"])
    judge("ada", notebook, limits=RunLimits(), sandbox=Limits())
    captured = capfd.readouterr()
    assert "COURSE-TERMINAL" not in captured.out + captured.err


def test_nbgrader_can_be_given_the_same_attacks(tmp_path):
    name = "cells rewritten before they run"
    rows = tmp_path / "rows.json"
    command = [sys.executable, "-m", "benchmarks", "attacks", name, "--json", str(rows)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert run.returncode == 0, run.stdout + run.stderr
    attack = {row["name"]: row for row in json.loads(rows.read_text())}[name]
    assert attack["nbgrader"]["points"] == MAX_SCORE
    assert attack["points"] == 0
