"""Measurements of another process: a Python that tells its result as JSON."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

import psutil

from course_utils.execution.lessons import RunError
from course_utils.execution.runs import peak_memory

_POLL_SECONDS = 0.2


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
            raise RunError(f"the benchmark of {name} failed: {find_reason(process, errors)}")
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


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def find_reason(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """Say why a process failed, from what it wrote to standard error."""
    if process.returncode == -9:
        return "its process was killed, often for want of memory"
    return _last_line(errors) or f"its process ended with exit code {process.returncode}"
