"""Families of processes: who belongs to one, and how it is ended."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import psutil


def list_family(pid: int) -> list[psutil.Process]:
    """List a process and all that came of it; empty if it has ended."""
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill processes; those that have ended are passed over."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def kill_group(group: int | None) -> None:
    """Kill a process group, if there is one, other than this process's own."""
    if group and group > 1 and group != os.getpgrp():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C, as processes that are started meanwhile do until they decide otherwise."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
