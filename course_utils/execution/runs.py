"""A lesson executed in a process of its own, and what came of it."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from course_utils.execution.lessons import PROJECT, Value, all_values
from course_utils.execution.records import Record, collect
from course_utils.execution.worker import Finished, Started, Task, work
from course_utils.processes import interrupts_ignored, kill, list_family

_PACKAGES = (PROJECT, "keras", "tensorflow", "tensorflow-cpu")
_POLL_SECONDS = 0.2
_STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Failure:
    """Where and why a lesson failed.

    Attributes:
        cell: number of the failing cell, from 1; 0 when no cell had started.
        num_cells: how many cells the executed notebook has.
        heading: the heading above the cell, or its first line.
        error: the error, in one line.
    """

    cell: int
    num_cells: int
    heading: str
    error: str

    def __str__(self) -> str:
        if not self.cell:
            return f"before its first cell: {self.error}"
        return f"in cell {self.cell} of {self.num_cells}, “{self.heading}”: {self.error}"


@dataclass(frozen=True)
class LessonRun:
    """What came of running one lesson.

    Attributes:
        lesson: its name, such as ``03_training``.
        parameters: those that it was given; the others had the lesson's defaults.
        started: when it started, with its time zone.
        seconds: wall time, starting and stopping of the kernel included.
        peak_memory: largest resident memory of its kernel, in bytes.
        executed: the notebook with its outputs, as far as it got, as the text of its file; None if
            there is none.
        log: what the kernel printed outside the notebook.
        records: its results.
        failure: where it failed; None if it did not.
    """

    lesson: str
    parameters: Mapping[str, Value]
    started: datetime
    seconds: float
    peak_memory: int
    executed: str | None
    log: bytes
    records: tuple[Record, ...]
    failure: Failure | None

    @property
    def status(self) -> str:
        """``ok`` or ``failed``."""
        return "failed" if self.failure else "ok"


@dataclass(frozen=True)
class Summary:
    """How a lesson was run, as ``run.json`` keeps it.

    Attributes:
        lesson: its name.
        status: ``ok`` or ``failed``.
        failure: where and why it failed; empty if it didn't.
        started: ISO 8601, with the time zone.
        finished: likewise.
        seconds: wall time.
        peak_memory: of its kernel, in bytes.
        parameters: the value of each parameter.
        given: names of the parameters that were set; the others had their defaults.
        versions: of the course, Keras and TensorFlow, by the names of the packages.
        has_notebook: whether there is an executed notebook.
    """

    lesson: str
    status: str
    failure: str
    started: str
    finished: str
    seconds: float
    peak_memory: int
    parameters: Mapping[str, object]
    given: tuple[str, ...]
    versions: Mapping[str, str]
    has_notebook: bool

    @property
    def when(self) -> str:
        """When it ended, to the minute, such as ``2031-05-04 12:30``."""
        return self.finished[:16].replace("T", " ")

    @property
    def settings(self) -> str:
        """The parameters that were set, such as ``epochs 3, pooling blur``."""
        return ", ".join(f"{name} {self.parameters.get(name)}" for name in self.given)

    @property
    def version(self) -> str:
        """The version of the course."""
        return self.versions.get(PROJECT, "")


def summarise(run: LessonRun, lesson: Path) -> Summary:
    """Say how a lesson was run, with the parameters that its notebook has by default."""
    values = all_values(lesson, run.parameters) if run.executed else dict(run.parameters)
    return Summary(
        lesson=run.lesson,
        status=run.status,
        failure=str(run.failure or ""),
        started=run.started.isoformat(timespec="seconds"),
        finished=(run.started + timedelta(seconds=run.seconds)).isoformat(timespec="seconds"),
        seconds=run.seconds,
        peak_memory=run.peak_memory,
        parameters=json.loads(json.dumps(values, default=repr)),
        given=tuple(run.parameters),
        versions={name: found for name in _PACKAGES if (found := _version(name))},
        has_notebook=run.executed is not None,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def run_lesson(
    lesson: Path,
    parameters: Mapping[str, Value],
    *,
    kernel: str = "python3",
    timeout: float | None = None,
    on_cell: Callable[[Started], None] = lambda _: None,
) -> LessonRun:
    """Run a lesson in a process of its own; the lesson itself stays as it is.

    When this is interrupted (Ctrl-C), the process and its kernel are stopped.

    Args:
        lesson: the notebook.
        parameters: those that differ from the lesson's defaults.
        kernel: name of the Jupyter kernel.
        timeout: seconds that one cell may take; None for no limit.
        on_cell: called when a cell starts.
    """
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        executed = Path(folder, lesson.name)
        context = get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        task = Task(lesson, executed, dict(parameters), kernel, timeout)
        process = context.Process(target=work, args=(sender, task), daemon=True)
        started = datetime.now().astimezone()
        start = time.perf_counter()
        with interrupts_ignored():  # else Ctrl-C would hit the process while it imports
            process.start()
        sender.close()
        try:
            last, error, peak_memory = _follow(receiver, process, on_cell)
            process.join()
        except BaseException:
            _stop(process)
            raise
        seconds = time.perf_counter() - start
        written = executed.read_text(encoding="utf-8") if executed.exists() else None
        log = executed.with_suffix(".log")
        return LessonRun(
            lesson=lesson.stem,
            parameters=dict(parameters),
            started=started,
            seconds=seconds,
            peak_memory=peak_memory,
            executed=written,
            log=log.read_bytes() if log.exists() else b"",
            records=tuple(collect(json.loads(written)).values()) if written else (),
            failure=_failure(last, error) if error else None,
        )


def _follow(
    receiver: Any, process: Any, on_cell: Callable[[Started], None]
) -> tuple[Started | None, str, int]:
    """Follow a lesson to its end: the last cell started, the error if any, peak memory."""
    last: Started | None = None
    kernel: psutil.Process | None = None
    memory = 0
    while True:
        if receiver.poll(_POLL_SECONDS):
            try:
                event = receiver.recv()
            except EOFError:
                process.join()
                return last, f"its process ended early (exit code {process.exitcode})", memory
            if isinstance(event, Finished):
                return last, event.error, memory
            last = event
            on_cell(event)
        with suppress(psutil.Error, IndexError):
            kernel = kernel or (psutil.Process(process.pid).children()[0] if last else None)
            memory = max(memory, peak_memory(kernel) if kernel else 0)


def peak_memory(process: psutil.Process) -> int:
    """Largest resident memory of a process so far; where nobody keeps count, that of now."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        memory = process.memory_info()
        return int(getattr(memory, "peak_wset", memory.rss))
    kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes[0]) * 1024 if kilobytes else 0


def _stop(process: Any) -> None:
    """Stop a lesson's process, which stops its kernel; kill both if that takes too long."""
    family = list_family(process.pid)
    process.terminate()
    process.join(_STOP_SECONDS)
    kill(family)


def _failure(last: Started | None, error: str) -> Failure:
    if last is None:
        return Failure(0, 0, "", error)
    return Failure(last.index + 1, last.num_cells, last.heading, error)
