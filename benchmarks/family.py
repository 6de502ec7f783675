"""What a command costs with all processes that come of it."""

import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from course_utils.bench.process import find_reason
from course_utils.execution.lessons import RunError
from course_utils.processes import list_family

_POLL_SECONDS = 0.5  # a look at a family takes a core some hundredths of a second
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
        failure = find_reason(process, errors) if process.returncode else ""
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
        family = list_family(process.pid)
        for member in family:
            with suppress(psutil.Error):
                times = member.cpu_times()
                members[member] = times.user + times.system
        memory = max(memory, sum(map(_proportional_memory, family)))
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
            return memory


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
