"""Benchmarks: the time and memory that the course needs on this computer."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import course_utils
from course_utils.environment import cpu_flags, cpu_model, num_cores
from course_utils.files import write_own

MAKER = "course bench"

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


@dataclass(frozen=True)
class Measurement:
    """One measured number.

    Attributes:
        name: what was measured.
        value: the number, in ``unit``.
        unit: such as ``s`` or ``images/s``.
        target: what the course aims for; empty where there is no aim.
    """

    name: str
    value: float
    unit: str
    target: str = ""

    def __str__(self) -> str:
        digits = ".0f" if self.value >= 100 else ".3g"
        return f"{self.value:,{digits}} {self.unit}"


def machine() -> str:
    """Name the computer: its processor, what makes it fast, and the cores to be used."""
    return ", ".join([f"{num_cores():g} cores", cpu_model(), *cpu_flags()])


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
        yield Measurement(f"{run.lesson}: peak memory", run.peak_memory / 1e9, "GB", "≤ 1.0 GB")
    yield Measurement("all lessons: time", total, "s", "≤ 120 s on 2 cores")


def measure_start() -> Iterator[Measurement]:
    """Import the package, and print the command's help; the best of five."""
    seconds = min(_run_python(_IMPORT) for _ in range(5))
    yield Measurement("import course_utils", seconds, "s", "≤ 0.2 s")
    seconds = min(_time_help() for _ in range(5))
    yield Measurement("course --help", seconds, "s", "≤ 0.5 s")


def measure_data() -> Iterator[Measurement]:
    """Draw images on one core."""
    yield Measurement("draw 10,000 images on one core", _run_python(_DRAW), "s", "≤ 3 s")


def measure_training() -> Iterator[Measurement]:
    """Train a few steps of each recipe, and extrapolate."""
    from course_utils.bench import report, training

    yield from report.measurements(training.run_short())


def measure_grading(**options: int) -> Iterator[Measurement]:
    """Grade a class, here, with nbgrader and with otter; the options say how large it is."""
    from course_utils.bench import grading

    yield from grading.measure_grading(**options)


def measure_hostile_class() -> Iterator[Measurement]:
    """Grade a small class of which half is out to do harm."""
    from course_utils.bench import grading

    yield from grading.measure_hostile_class()


BENCHMARKS: dict[str, Callable[..., Iterator[Measurement]]] = {
    "start": measure_start,
    "data": measure_data,
    "training": measure_training,
    "lessons": measure_lessons,
    "grading": measure_grading,
    "hostile": measure_hostile_class,
}


def write_json(measurements: Sequence[Measurement], path: Path, *, force: bool = False) -> None:
    """Write measurements to a file, with the computer they were made on.

    Raises:
        FilesError: a file that ``course bench`` didn't write is in the way, unless ``force``.
    """
    content = {
        "machine": machine(),
        "version": course_utils.__version__,
        "measurements": [asdict(one) for one in measurements],
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_own(path.parent, {path.name: text}, maker=MAKER, force=force)


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
    command = [sys.executable, "-m", "course_utils.cli", "--help"]
    subprocess.run(command, capture_output=True, check=True)  # noqa: S603
    return time.perf_counter() - start
