"""Attacks on the grader, each by a real submission in the real sandbox, forked as in a batch.

None of them earns a point, and none leaves a trace outside: no changed file, no process, no
connection, no line in the terminal. And each bites: a grader that lacks the defence falls for it.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from course_utils.grading.judge.limits import RunLimits
from course_utils.grading.sandbox.fork_server import start_fork_server
from course_utils.grading.sandbox.guard import Limits
from course_utils.grading.sandbox.provisioner import unavailable
from tests.grading.attacks.catalogue import (
    ATTACKS,
    RUN_LIMITS,
    SANDBOX_LIMITS,
    SEED,
    judge,
    make_attack,
    make_joint_attack,
    run_source,
)
from tests.grading.attacks.code import (
    APART,
    ASSERTS,
    BELIEVED,
    CALLS,
    CARELESS,
    INSIDE,
    LIFTED,
    OPEN,
)
from tests.grading.attacks.files import HANDED_IN, READ
from tests.grading.attacks.lesson import ANSWERS, MAX_SCORE, make_student_edition, write
from tests.grading.attacks.outside import SECRET, Outside
from tests.grading.attacks.weak_graders import open_sandbox, reaches_its_aim

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

_MARK = "COURSE-LEFTOVER"
_WEAKNESSES = (ASSERTS, BELIEVED, CARELESS, OPEN, CALLS, LIFTED, HANDED_IN, READ)
_HARMLESS = [*(next(iter(attacks)) for attacks in _WEAKNESSES), *INSIDE]


def _find_leftovers():
    """Processes that are there, known by the seed or their command line.

    A forked kernel has that of its server.
    """
    return {
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _belongs(process)
    }


def _belongs(process):
    try:
        return process.environ().get("COURSE_GRADING_SEED") == str(SEED) or _MARK in " ".join(
            process.cmdline()
        )
    except psutil.Error:
        return False


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    place = Outside(tmp_path_factory.mktemp("outside") / "course")
    yield place
    place.close()


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Five threads, which mostly wait; their kernels come from a fork server."""
    folder = tmp_path_factory.mktemp("server")
    with (
        start_fork_server([_MARK, "course_utils.exercises"], folder) as variables,
        pytest.MonkeyPatch.context() as patch,
        ThreadPoolExecutor(5) as pool,
    ):
        for variable, value in variables.items():
            patch.setenv(variable, value)
        run_source(RUN_LIMITS, SANDBOX_LIMITS)
        yield pool


@pytest.fixture(scope="module")
def verdicts(outside, pool):
    """The verdict on each attack, the state outside before and after, and what is left running.

    Attacks that leave the answers and each other alone are handed in together.
    """

    aim = {"target": outside.folder, "port": outside.port}
    contents = {name: make_attack(name, **aim) for name in ATTACKS if name not in APART}
    contents["together"] = make_joint_attack(APART, **aim)

    def attack(name):
        return judge(name, contents[name], limits=RUN_LIMITS, sandbox=SANDBOX_LIMITS)

    before, server = outside.state(), _find_leftovers()
    judged = dict(zip(contents, pool.map(attack, contents), strict=True))
    judged |= dict.fromkeys(APART, judged["together"])
    _, alive = psutil.wait_procs(_find_leftovers() - server, timeout=10)
    return judged, before, outside.state(), alive


def _try_weak_graders(names, pool, folder, *, harmless=False):
    """Whether each attack reaches its aim where the defence against it is taken away."""

    def try_weak_grader(name):
        place = Outside(folder / str(names.index(name)))
        try:
            return reaches_its_aim(name, place, harmless=harmless)
        finally:
            place.close()

    outdoors = [name for name in names if name in OPEN or name in CALLS]
    indoors = [name for name in names if name not in outdoors]
    aims = dict(zip(indoors, pool.map(try_weak_grader, indoors), strict=True))
    with open_sandbox(folder):
        return aims | dict(zip(outdoors, pool.map(try_weak_grader, outdoors), strict=True))


@pytest.fixture(scope="module")
def aims(pool, tmp_path_factory):
    return _try_weak_graders(ATTACKS, pool, tmp_path_factory.mktemp("aims"))


@pytest.fixture(scope="module")
def harmless_aims(pool, tmp_path_factory):
    """The same for the student edition as it is, with each of the weak graders."""
    return _try_weak_graders(_HARMLESS, pool, tmp_path_factory.mktemp("aims"), harmless=True)


def test_there_are_more_than_sixty_kinds():
    assert len(set(ATTACKS)) == len(ATTACKS) > 60
    contents = [make_attack(name, target="target", port=1) for name in ATTACKS]
    assert len(set(contents)) == len(ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_earns_a_point(verdicts, name):
    judgement = verdicts[0][name]
    assert judgement.max_score == MAX_SCORE
    assert judgement.score == 0, judgement.checks
    assert SECRET not in judgement.executed
    assert judgement.ending.kind == "refused" or json.loads(judgement.executed)["cells"]


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_bites_where_the_defence_is_taken_away(aims, name):
    assert aims[name]


@pytest.mark.parametrize("name", _HARMLESS)
def test_not_even_a_weak_grader_gives_something_for_nothing(harmless_aims, name):
    assert not harmless_aims[name]


def test_nothing_outside_has_changed(verdicts):
    assert verdicts[1] == verdicts[2]
    assert verdicts[3] == []


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("endless loop", "timed_out"),
        ("endless loop that cannot be interrupted", "timed_out"),
        ("memory bomb", "out_of_memory"),
        ("endless output", "too_much_output"),
        ("os._exit", "died"),
        ("kernel killed", "died"),
        ("a gigabyte of output", "out_of_memory"),
        ("a flood of messages", "too_much_output"),
        ("waiting for an input", "finished"),
        ("magic comments", "finished"),
        ("tags on every cell", "finished"),
        ("checks deleted", "finished"),
        ("together", "finished"),
        ("a file that is nested too deep", "refused"),
        ("a file of too many parts", "refused"),
    ],
)
def test_how_it_ended_is_told(verdicts, name, ending):
    assert verdicts[0][name].ending.kind == ending


def test_an_honest_answer_earns_its_points_beside_them(pool):
    honest = write(make_student_edition({"step": ANSWERS["step"]}))
    assert judge("ada", honest, limits=RUN_LIMITS, sandbox=SANDBOX_LIMITS).score == 2


def test_nothing_reaches_the_terminal(capfd):
    attack = make_attack("the terminal written to", target="", port=0)
    judge("ada", attack, limits=RunLimits(), sandbox=Limits())
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
