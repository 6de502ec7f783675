"""A measurement in a process of its own answers, fails with a reason, or ends with its parent."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from course_utils.bench.process import measure
from course_utils.execution.lessons import RunError


def run(code):
    return measure(["-c", code], os.environ, name="an example")


def test_the_last_line_is_the_answer_and_memory_is_added():
    result = run(
        "import time\nblock = b'x' * 300_000_000\nprint(1)\ntime.sleep(.5)\nprint('{\"n\": 3}')"
    )
    assert result["n"] == 3
    assert result["peak_memory"] > 300_000_000
    assert result["process_seconds"] > 0.5


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "the benchmark of an example failed: ZeroDivisionError"),
        ("pass", "its process ended with exit code 0"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "often for want of memory"),
        ('print(\'{"error": "no such data set"}\')', "^no such data set$"),
    ],
)
def test_a_failure_has_a_reason(code, reason):
    with pytest.raises(RunError, match=reason):
        run(code)


def test_a_process_ends_with_its_parent():
    child = "from course_utils.bench import original\noriginal.end_with_parent()\ninput()"
    parent = (
        "import os\nfrom course_utils.bench.process import measure\n"
        f"measure(['-c', {child!r}], os.environ, name='x')"
    )
    process = subprocess.Popen([sys.executable, "-c", parent])
    end = time.monotonic() + 30
    while not (children := psutil.Process(process.pid).children()):
        assert time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
