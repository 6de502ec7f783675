"""Measurements of other processes: a Python that tells its result as JSON, a command's family."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from course_utils.execution.lessons import RunError
from course_utils.execution.runs import peak_memory

_POLL_SECONDS = 0.2
_FAMILY_POLL_SECONDS = 0.5  # a look at a family takes a core some hundredths of a second
_END_SECONDS = 10.0  # for a family to end after its oldest member


@dataclass(frozen=True)
class Family:
    """A process and all that it started, which have ended.

    Attributes:
        seconds: from the start to the end of the first process.
        cpu_seconds: that they were seen to have computed, in user mode and in the kernel. Up to
            half a second of each is missing; what the system adds up where a parent waits for its
            children misses everything in a sandbox, whose first process nobody waits for.
        peak_memory: most bytes that they were seen to have at once; memory that several processes
            share is counted once (Linux's proportional set size).
        left: names of those that did not end with the first; they have been killed.
        failure: why the first process ended with another exit code than 0; empty if it did not.
    """

    seconds: float
    cpu_seconds: float
    peak_memory: int
    left: tuple[str, ...]
    failure: str


def measure(
    arguments: Sequence[str], environment: Mapping[str, str], *, name: str
) -> dict[str, Any]:
    """Run Python and read what it answers.

    Standard input is a pipe that closes when this process ends, however that comes: a process that
    watches it (:func:`course_utils.bench.original.end_with_parent`) isn't left behind.

    Args:
        arguments: for Python. The last line that it prints is a JSON object.
        environment: all of the variables that it sees.
        name: what an error calls it.

    Returns:
        The object, with ``peak_memory`` (largest resident memory in bytes) and ``process_seconds``.

    Raises:
        RunError: the process failed; the message is the object's ``error``, or the last line that
            was written to standard error.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603, code of this package
            [sys.executable, *arguments],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
        )
        with process:
            try:
                memory = _follow(process)
            finally:
                process.kill()
        answer = _last_line(output)
        if process.returncode or not answer:
            raise RunError(f"the benchmark of {name} failed: {_reason(process, errors)}")
    result: dict[str, Any] = json.loads(answer)
    if "error" in result:
        raise RunError(result["error"])
    return result | {"peak_memory": memory, "process_seconds": time.perf_counter() - start}


def _follow(process: subprocess.Popen[bytes]) -> int:
    """Wait until a process has ended; the most memory that it was seen to have."""
    memory = 0
    while True:
        with suppress(psutil.Error):
            memory = max(memory, peak_memory(psutil.Process(process.pid)))
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
            return memory


def measure_family(
    command: Sequence[str], folder: Path, *, name: str, may_fail: bool = False
) -> Family:
    """Run a command and watch over all processes that come of it; on Linux only.

    Args:
        command: the program and its arguments.
        folder: where to run it.
        name: what an error calls it.
        may_fail: whether :attr:`Family.failure` tells that it failed, instead of an error.

    Raises:
        RunError: it failed.
    """
    members: dict[psutil.Process, float] = {}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        try:
            with subprocess.Popen(  # noqa: S603, a command of this package
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            ) as process:
                try:
                    memory = _follow_family(process, members)
                finally:
                    process.kill()
            seconds = time.perf_counter() - start
        finally:
            left = _end(members)
        failure = _reason(process, errors) if process.returncode else ""
    if failure and not may_fail:
        raise RunError(f"the benchmark of {name} failed: {failure}")
    return Family(seconds, sum(members.values()), memory, left, failure)


def _follow_family(process: subprocess.Popen[bytes], members: dict[psutil.Process, float]) -> int:
    """Wait until a process has ended; the most memory of its family.

    Args:
        process: the oldest of them.
        members: here go all of them, with the CPU seconds that each was last seen to have used.
    """
    memory = 0
    while True:
        family = _list_family(process.pid)
        for member in family:
            with suppress(psutil.Error):
                times = member.cpu_times()
                members[member] = times.user + times.system
        memory = max(memory, sum(map(_proportional_memory, family)))
        with suppress(subprocess.TimeoutExpired):
            process.wait(_FAMILY_POLL_SECONDS)
            return memory


def _list_family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


def _proportional_memory(process: psutil.Process) -> int:
    """Bytes that a process has in memory, shared ones in part; 0 if it has ended."""
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


def _end(members: Iterable[psutil.Process]) -> tuple[str, ...]:
    """Wait until processes have ended, kill those that don't, and name them.

    One that has ended and that nobody asked how (a zombie) is not left behind.
    """
    _, alive = psutil.wait_procs(members, timeout=_END_SECONDS)
    left = {}
    for member in alive:
        with suppress(psutil.Error):
            if member.status() != psutil.STATUS_ZOMBIE:
                left[member] = member.name()
                member.kill()
    psutil.wait_procs(left, timeout=_END_SECONDS)
    return tuple(left.values())


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _reason(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    if process.returncode == -9:
        return "its process was killed, often for want of memory"
    return _last_line(errors) or f"its process ended with exit code {process.returncode}"
