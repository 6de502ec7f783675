"""A command's family is watched to its end, and none of it is left behind."""

import sys

import psutil
import pytest

from benchmarks.family import measure_family
from course_utils.execution.lessons import RunError

FORK = """
import os, time
block = b"x" * 200_000_000
if os.fork():
    os.wait()
else:
    time.sleep(1)"""
LEAVE = """
import subprocess, sys, time
stay = "import subprocess, time; ended = subprocess.Popen('true'); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", stay], start_new_session=True)
time.sleep(1)"""

BURN = r"""
import subprocess, sys, time
burn = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ntime.sleep(9)"
child = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', {burn!r}])"
for code in (burn, child):
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(0.5)
    process.kill()
    process.wait()"""


def run_family(code, folder):
    return measure_family([sys.executable, "-c", code], folder, name="an example")


@pytest.mark.skipif(sys.platform != "linux", reason="proportional set size is Linux's")
def test_what_a_family_shares_is_counted_once(tmp_path):
    family = run_family(FORK, tmp_path)
    assert 200_000_000 < family.peak_memory < 300_000_000
    assert family.seconds > 1
    assert family.left == ()


@pytest.mark.skipif(sys.platform != "linux", reason="proportional set size is Linux's")
def test_cpu_time_of_children_and_grandchildren_counts_killed_or_orphaned(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.family._END_SECONDS", 0.1)
    monkeypatch.setattr("benchmarks.family._POLL_SECONDS", 0.1)
    family = run_family(BURN, tmp_path)
    assert 1 <= family.cpu_seconds < 2
    assert len(family.left) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="proportional set size is Linux's")
def test_who_is_left_behind_is_named_and_killed_but_for_the_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.family._END_SECONDS", 0.5)
    (name,) = run_family(LEAVE, tmp_path).left
    assert name.startswith("python")
    assert not [one for one in psutil.process_iter(["cmdline"]) if "sleep(600)" in str(one.info)]


def test_a_family_that_fails_has_a_reason_and_a_folder(tmp_path):
    with pytest.raises(RunError, match=rf"the benchmark of an example failed: .*{tmp_path.name}"):
        run_family("import os; raise SystemExit(os.getcwd())", tmp_path)
    family = measure_family(
        [sys.executable, "-c", "raise SystemExit('no')"], tmp_path, name="it", may_fail=True
    )
    assert family.failure == "no"
