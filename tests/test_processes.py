"""A family of processes is found and ended, and nobody else is."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from course_utils.processes import interrupts_ignored, kill, kill_group, list_family

PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("ready", flush=True)
time.sleep(600)"""


@pytest.fixture
def parent():
    """A process with a child in a session of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        process.stdout.readline()
        family = list_family(process.pid)
        yield process
        for member in family:
            if member.is_running():
                member.kill()


def test_a_family_is_killed_as_a_whole(parent):
    family = list_family(parent.pid)
    assert [family[0].pid, len(family)] == [parent.pid, 2]
    kill(family)
    parent.wait(10)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    kill(family)  # once more does no harm


def test_a_process_that_has_ended_has_no_family(parent):
    pid = parent.pid
    parent.kill()
    parent.wait()
    assert list_family(pid) == []


def test_a_group_is_killed_and_who_left_it_is_not(parent):
    first, child = list_family(parent.pid)
    kill_group(parent.pid)
    parent.wait(10)
    time.sleep(0.1)
    assert child.is_running()
    assert not first.is_running()


@pytest.mark.parametrize("group", [None, 0, 1, os.getpgrp()])
def test_this_process_and_everybody_is_no_group_to_kill(group):
    kill_group(group)


def test_processes_started_meanwhile_do_not_hear_ctrl_c():
    """A twin that is started as usual does."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, end='')"
    child = [sys.executable, "-c", code]
    with interrupts_ignored():
        assert subprocess.check_output(child) == b"True"
    assert subprocess.check_output(child) == b"False"
