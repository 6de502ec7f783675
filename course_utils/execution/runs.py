"""A run: lessons executed one after the other, each in its own process, and what came of them."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from course_utils.execution.lessons import RunError, Value
from course_utils.execution.records import Record, collect
from course_utils.execution.worker import Finished, Started, Task, work

RUNS = Path("runs")
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
        return f"cell {self.cell} of {self.num_cells}, “{self.heading}”: {self.error}"


@dataclass(frozen=True)
class LessonRun:
    """What came of running one lesson.

    Attributes:
        lesson: its name, such as ``03_training``.
        seconds: wall time, starting and stopping of the kernel included.
        peak_memory: largest resident memory of its kernel, in bytes.
        executed: the notebook with its outputs, as far as it got; None if there is none.
        records: its results.
        failure: where it failed; None if it did not.
    """

    lesson: str
    seconds: float
    peak_memory: int
    executed: Path | None
    records: tuple[Record, ...]
    failure: Failure | None

    @property
    def status(self) -> str:
        """``ok`` or ``failed``."""
        return "failed" if self.failure else "ok"


def new_run_folder() -> Path:
    """Name the folder of a run that starts now, ``runs/2031-05-04_12-30-00``."""
    return RUNS / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


def latest_run() -> Path:
    """Find the folder of the run that finished last, among those in ``runs``.

    Raises:
        RunError: there is none.
    """
    finished = list(RUNS.glob("*/results.csv"))
    if not finished:
        raise RunError(f"there is no finished run in {RUNS.resolve()}; `course run` makes one")
    return max(finished, key=lambda results: results.stat().st_mtime).parent


def run_lesson(
    lesson: Path,
    parameters: dict[str, Value],
    *,
    output: Path,
    kernel: str = "python3",
    timeout: float | None = None,
    on_cell: Callable[[Started], None] = lambda _: None,
) -> LessonRun:
    """Run a lesson in a process of its own and write the executed notebook.

    When this is interrupted (Ctrl-C), the process and its kernel are stopped and nothing is
    written.

    Args:
        lesson: the notebook.
        parameters: those that differ from the lesson's defaults.
        output: the folder for the executed notebook; an older one of that name is replaced.
        kernel: name of the Jupyter kernel.
        timeout: seconds that one cell may take; None for no limit.
        on_cell: called when a cell starts.

    Raises:
        RunError: the executed notebook would overwrite the lesson.
    """
    executed = output / lesson.name
    if executed.resolve() == lesson.resolve():
        raise RunError(f"the output folder {output} holds the lesson itself; choose another")
    output.mkdir(parents=True, exist_ok=True)
    executed.unlink(missing_ok=True)
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    task = Task(lesson, executed.resolve(), parameters, kernel, timeout)
    process = context.Process(target=work, args=(sender, task), daemon=True)
    start = time.perf_counter()
    process.start()
    sender.close()
    log = executed.with_suffix(".log")
    try:
        last, error, peak_memory = _follow(receiver, process, on_cell)
        process.join()
    except BaseException:
        _stop(process)
        log.unlink(missing_ok=True)
        raise
    seconds = time.perf_counter() - start
    if not error or not log.stat().st_size:
        log.unlink(missing_ok=True)
    written = executed if executed.exists() else None
    return LessonRun(
        lesson=lesson.stem,
        seconds=seconds,
        peak_memory=peak_memory,
        executed=written,
        records=tuple(collect(written).values()) if written else (),
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
    family = []
    with suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.join(_STOP_SECONDS)
    process.kill()
    for member in family:
        with suppress(psutil.Error):
            member.kill()


def _failure(last: Started | None, error: str) -> Failure:
    if last is None:
        return Failure(0, 0, "", error)
    return Failure(last.index + 1, last.num_cells, last.heading, error)
