"""Short measurements: what starting, drawing pictures and the lessons take."""

import subprocess
import sys
import time
from collections.abc import Iterator

from course_utils.bench.measurement import Measurement

_IMPORT = """
import time
start = time.perf_counter()
import course_utils
print(time.perf_counter() - start)
"""

_DRAW = """
import os, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from course_utils.datasets import pixels10
pixels10.draw(100, seed=0)
start = time.perf_counter()
pixels10.draw(10_000, seed=0)
print(time.perf_counter() - start)
"""


def measure_lessons() -> Iterator[Measurement]:
    """Run all lessons with their default parameters.

    Raises:
        RunError: a lesson fails.
    """
    from course_utils.execution.lessons import RunError, find_lessons
    from course_utils.execution.runs import run_lesson

    total = 0.0
    for lesson in find_lessons():
        run = run_lesson(lesson, {})
        if run.failure:
            raise RunError(f"{run.lesson} failed {run.failure}")
        total += run.seconds
        yield Measurement(f"{run.lesson}: time", run.seconds, "s")
        yield Measurement(f"{run.lesson}: peak memory", run.peak_memory / 1e9, "GB", at_most=1)
    yield Measurement("all lessons: time", total, "s", at_most=120, condition="on 2 cores")


def measure_start() -> Iterator[Measurement]:
    """Import the package, and print the command's help; the best of five."""
    seconds = min(_run_python(_IMPORT) for _ in range(5))
    yield Measurement("import course_utils", seconds, "s", at_most=0.2)
    seconds = min(_time_help() for _ in range(5))
    yield Measurement("course --help", seconds, "s", at_most=0.5)


def measure_data() -> Iterator[Measurement]:
    """Draw images on one core."""
    yield Measurement("draw 10,000 images on one core", _run_python(_DRAW), "s", at_most=3)


def _run_python(code: str) -> float:
    """Run code in a Python of its own and return the number that it prints last."""
    done = subprocess.run(  # noqa: S603, code of this module
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        from course_utils.execution.lessons import RunError

        raise RunError(f"a benchmark failed: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def _time_help() -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "course_utils", "--help"]
    subprocess.run(command, capture_output=True, check=True)  # noqa: S603
    return time.perf_counter() - start
