"""The guard of a sandbox: starts it, sets its limits, watches over it, and says what it used.

Limits that Linux knows for a process or a folder are set. What all processes of a sandbox use
together it knows no limit for, short of cgroups, which need a right that few users have: the guard
adds that up, many times a second, and kills the sandbox when it is too much.
"""

import json
import os
import re
import resource
import select
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO

import psutil

from course_utils.files import write_text
from course_utils.grading.sandbox.forked_kernel import Order, connect, order_kernel
from course_utils.grading.sandbox.system_calls import make_filter

KERNEL_NAME = "course-sandbox"

OUT_OF_MEMORY = "out of memory"
TOO_MANY_PROCESSES = "too many processes"
OUT_OF_CPU_TIME = "out of CPU time"
STRANGE_FILES = "strange files among its sockets"

_POLL_SECONDS = 0.05
_START_SECONDS = 30.0
_END_SECONDS = 10.0
_LAST_WORDS = 4096  # characters
_PIPE = 65536  # bytes that fit into a pipe
_MAX_SOCKETS = 16
_ADDRESSES = 64 * 2**30  # bytes; more would let page tables grow, which nobody counts
_CPU_GRACE = 10  # seconds for the guard to notice first
_INODE = 1024  # bytes of the computer's memory that an empty file takes
_TICKS = os.sysconf("SC_CLK_TCK")
_PROGRAM = 2  # process id, in the sandbox, of what bubblewrap starts; bubblewrap has 1
_KEEPER = "cat"  # what it starts where the program is forked: keeps the sandbox until a pipe ends


class SandboxError(Exception):
    """A sandbox cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Limits:
    """What a sandbox may use.

    Attributes:
        memory: bytes that all its processes and files take at once; what a process shares with
            one that it was forked from is counted for both, libraries are counted once.
        processes: processes at once, the sandbox's own two among them.
        threads: of all of them at once; TensorFlow alone has dozens for each processor.
        open_files: open files of one process.
        file_size: bytes of one file.
        folder_size: bytes of its work folder, and of each other folder that it can write to.
        cpu_seconds: of all its processes together.
    """

    memory: int = 2_000_000_000
    processes: int = 32
    threads: int = 512
    open_files: int = 1024
    file_size: int = 200_000_000
    folder_size: int = 200_000_000
    cpu_seconds: int = 3600

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise SandboxError(
                    f"a sandbox's limit {name} is a whole number above 0, not {value!r}"
                )


@dataclass(frozen=True)
class Usage:
    """What a sandbox used.

    Attributes:
        peak_memory: most bytes at once that were seen, of all its processes and files.
        cpu_seconds: of all its processes.
        waiting_seconds: for which threads of its program could have gone on but had no processor,
            the computer being busy.
        violation: the limit that it went over and was killed for; None if there is none.
        last_words: end of what it wrote to standard output and error outside of any cell.
        forked: whether its program came from a fork server.
    """

    peak_memory: int = 0
    cpu_seconds: float = 0.0
    waiting_seconds: float = 0.0
    violation: str | None = None
    last_words: str = ""
    forked: bool = False


@dataclass(frozen=True)
class Plan:
    """A sandbox that is to be.

    Attributes:
        program: path of bubblewrap.
        options: bubblewrap's options.
        command: what to run in it.
        limits: what it may use.
        folders: where it can write; mount points, as it sees them.
        sockets: the one of them where nothing but sockets may lie.
        link: symbolic link that is to lead from here to ``sockets``.
        status: file to which its usage is written when it has ended.
        fork: path of the socket of a server that can fork a kernel instead of the command, and
            what to order from it.
    """

    program: str
    options: Sequence[str]
    command: Sequence[str]
    limits: Limits
    folders: Sequence[str]
    sockets: str
    link: Path
    status: Path | None
    fork: tuple[str, Order] | None = None


@dataclass(frozen=True)
class _Process:
    memory: int  # bytes; what it shares with a process it was forked from is counted for both
    libraries: int  # bytes of files on disk that are mapped into memory
    num_threads: int
    started: int  # clock ticks after the computer's start
    own_cpu_seconds: float
    children_cpu_seconds: float  # of those that have ended and that it waited for


@dataclass(frozen=True)
class _Sample:
    memory: int  # bytes
    num_processes: int
    num_threads: int = 0
    cpu_seconds: float = 0.0
    waiting_seconds: float = 0.0


class Guard(threading.Thread):
    """A thread that starts a sandbox, watches over it, and ends when that has ended.

    bubblewrap's sandbox dies with the thread that started it: hence this one for its whole life.

    Attributes:
        started: bubblewrap's process, once the sandbox stands; :class:`SandboxError` if it can't.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(name="course-sandbox", daemon=True)
        self.started: Future[subprocess.Popen[bytes]] = Future()
        self._plan = plan
        self._usage = Usage()
        self._cpu_seconds: dict[tuple[str, int], float] = {}  # by process id and start
        self._init = 0  # process id of the sandbox's first process; 0 while there is none
        self._init_handle = -1  # its file descriptor, which cannot come to mean another process
        self._init_lock = threading.Lock()
        self._program = _PROGRAM
        self._forked_handle = -1  # file descriptor of a forked program

    @property
    def usage(self) -> Usage:
        """What the sandbox has used so far."""
        return self._usage

    def send_signal(self, number: int) -> None:
        """Send a signal to the program in the sandbox; SIGKILL ends the whole sandbox."""
        with self._init_lock, suppress(psutil.Error, OSError):
            if not self._init:
                return
            if number == signal.SIGKILL:
                signal.pidfd_send_signal(self._init_handle, number)
                return
            if self._forked_handle >= 0:
                signal.pidfd_send_signal(self._forked_handle, number)
                return
            for child in psutil.Process(self._init).children():
                if _read_inner_pid(child.pid) == _PROGRAM:
                    child.send_signal(number)

    def run(self) -> None:
        """Start the sandbox and stay with it until its end."""
        with ExitStack() as stack:
            output, output_end = _make_pipe(stack)
            os.set_blocking(output.fileno(), False)
            try:
                process = self._start(output_end)
            except BaseException as error:
                self._keep_output(output)
                reason = self.usage.last_words.strip() or str(error)
                self.started.set_exception(
                    SandboxError(f"bubblewrap could not make the sandbox: {reason}")
                )
                return
            finally:
                output_end.close()
            self.started.set_result(process)
            try:
                self._watch(output)
            finally:
                self.send_signal(signal.SIGKILL)
                process.wait(_END_SECONDS)
                self._keep_output(output)
                self._forget_init()
                if self._plan.status:
                    write_text(self._plan.status, json.dumps(asdict(self.usage), indent=2) + "\n")

    def _start(self, output_end: IO[bytes]) -> subprocess.Popen[bytes]:
        if self._plan.fork:
            with suppress(SandboxError, OSError):
                return self._start_forked(*self._plan.fork, output_end)
        return self._start_sandbox(self._plan.command, subprocess.DEVNULL, output_end)

    def _start_forked(
        self, server: str, order: Order, output_end: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Start a sandbox that keeps until its pipe ends, and have a kernel forked into it."""
        connection = connect(server)
        if connection is None:
            raise SandboxError("the fork server is gone")
        with connection, ExitStack() as stack:
            pipe, pipe_end = _make_pipe(stack)
            process = self._start_sandbox([_KEEPER], pipe, output_end)
            try:
                self._wait_until(self._keeps, "its keeper did not start")
                files = [self._init_handle, output_end.fileno(), pipe_end.fileno()]
                pid = order_kernel(connection, order, files=files)
                self._forked_handle = os.pidfd_open(pid)
                self._program = _read_inner_pid(pid)
                _set_limits(pid, self._plan.limits)
                signal.pidfd_send_signal(self._forked_handle, signal.SIGCONT)
            except BaseException:
                self._give_up(process)
                raise
            self._usage = replace(self._usage, forked=True)
            return process

    def _start_sandbox(
        self, command: Sequence[str], input_file: int | IO[bytes], output_end: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        with ExitStack() as stack:
            info, info_end = _make_pipe(stack)
            go, go_end = _make_pipe(stack)
            options = os.fsencode("".join(option + "\0" for option in self._plan.options))
            files = {
                "--args": _make_readable(options, stack),
                "--info-fd": info_end,
                "--block-fd": go,
            }
            if refused := make_filter():
                files["--seccomp"] = _make_readable(refused, stack)
            flags = [word for name, file in files.items() for word in (name, str(file.fileno()))]
            process = subprocess.Popen(  # noqa: S603
                [self._plan.program, *flags, "--", *command],
                env={},  # it can be read in the sandbox
                stdin=input_file,
                stdout=output_end,
                stderr=output_end,
                cwd="/",
                pass_fds=[file.fileno() for file in files.values()],
                start_new_session=True,
            )
            try:
                info_end.close()
                self._init = _read_pid(info)
                self._init_handle = os.pidfd_open(self._init)
                _set_limits(self._init, self._plan.limits)
                self._make_link()
                go_end.write(b"!")
                self._wait_until(self._stands, "it did not start")
            except BaseException:
                self._give_up(process)
                raise
            return process

    def _give_up(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        self._forget_init()

    def _make_link(self) -> None:
        made = self._plan.link.with_name(f".{self._plan.link.name}")
        made.symlink_to(self._look_into(self._plan.sockets))
        made.replace(self._plan.link)

    def _wait_until(self, is_so: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not is_so():
            if self._has_ended(wait=0.005) or time.monotonic() > deadline:
                raise SandboxError(failure)

    def _stands(self) -> bool:
        return os.path.isdir(self._look_into(self._plan.sockets))  # noqa: PTH112 - loops

    def _keeps(self) -> bool:
        """Tell whether bubblewrap has started the keeper, for which it changes namespaces again."""
        return _read_command(Path(self._look_into(f"/proc/{_PROGRAM}/cmdline"))) == _KEEPER

    def _look_into(self, path: str) -> str:
        """Where a path in the sandbox is found from outside."""
        return f"/proc/{self._init}/root{path}"

    def _has_ended(self, *, wait: float) -> bool:
        waiting = select.poll()
        waiting.register(self._init_handle, select.POLLIN)
        return bool(waiting.poll(1000 * wait))

    def _forget_init(self) -> None:
        with self._init_lock:
            for handle in (self._init_handle, self._forked_handle):
                if handle >= 0:
                    os.close(handle)
            self._init, self._init_handle = 0, -1
            self._program, self._forked_handle = _PROGRAM, -1

    def _watch(self, output: IO[bytes]) -> None:
        while not self._has_ended(wait=_POLL_SECONDS):
            self._keep_output(output)
            try:
                sample = self._measure()
                violation = self._find_violation(sample)
            except OSError as error:
                if not self._has_ended(wait=_END_SECONDS):
                    self._usage = replace(self._usage, violation=f"not to be watched: {error}")
                return
            self._usage = replace(
                self._usage,
                peak_memory=max(self._usage.peak_memory, sample.memory),
                cpu_seconds=max(self._usage.cpu_seconds, sample.cpu_seconds),
                waiting_seconds=max(self._usage.waiting_seconds, sample.waiting_seconds),
                violation=violation,
            )
            if violation:
                return

    def _find_violation(self, sample: _Sample) -> str | None:
        limits = self._plan.limits
        if sample.num_processes > limits.processes or sample.num_threads > limits.threads:
            return TOO_MANY_PROCESSES
        if sample.memory > limits.memory:
            return OUT_OF_MEMORY
        if sample.cpu_seconds > limits.cpu_seconds:
            return OUT_OF_CPU_TIME
        return STRANGE_FILES if self._has_strange_files() else None

    def _measure(self) -> _Sample:
        proc = self._look_into("/proc")
        names = [name for name in os.listdir(proc) if name.isdigit()]  # noqa: PTH208
        if len(names) > self._plan.limits.processes:  # before looking at each: it is a bomb
            return _Sample(memory=0, num_processes=len(names))
        read = ((name, _read_process(Path(proc, name))) for name in names)
        known = {name: process for name, process in read if process}
        processes = list(known.values())
        libraries = max((process.libraries for process in processes), default=0)
        files = sum(_folder_memory(self._look_into(folder)) for folder in self._plan.folders)
        return _Sample(
            memory=libraries + files + sum(process.memory for process in processes),
            num_processes=len(names),
            num_threads=sum(process.num_threads for process in processes),
            cpu_seconds=self._add_cpu_seconds(known),
            waiting_seconds=_read_waiting_seconds(Path(proc, str(self._program))),
        )

    def _add_cpu_seconds(self, processes: Mapping[str, _Process]) -> float:
        """Add up what all processes have used, those included that nobody waited for."""
        for name, process in processes.items():
            self._cpu_seconds[name, process.started] = process.own_cpu_seconds
        own = sum(process.own_cpu_seconds for process in processes.values())
        children = sum(process.children_cpu_seconds for process in processes.values())
        return round(max(own + children, sum(self._cpu_seconds.values())), 2)

    def _has_strange_files(self) -> bool:
        modes = []
        try:
            with os.scandir(self._look_into(self._plan.sockets)) as entries:
                for entry in islice(entries, _MAX_SOCKETS + 1):
                    with suppress(FileNotFoundError):
                        modes.append(entry.stat(follow_symlinks=False).st_mode)
        except PermissionError:
            return True
        return len(modes) > _MAX_SOCKETS or not all(map(stat.S_ISSOCK, modes))

    def _keep_output(self, output: IO[bytes]) -> None:
        text = (output.read(_PIPE) or b"").decode("utf-8", errors="replace")
        if text:
            shown = "".join(one for one in text if one.isprintable() or one == "\n")
            kept = (self._usage.last_words + shown)[-_LAST_WORDS:]
            self._usage = replace(self._usage, last_words=kept)


def _make_pipe(stack: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reader, writer = os.pipe()
    return (
        stack.enter_context(os.fdopen(reader, "rb", buffering=0)),
        stack.enter_context(os.fdopen(writer, "wb", buffering=0)),
    )


def _make_readable(content: bytes, stack: ExitStack) -> IO[bytes]:
    """Make a file to read from that lies on no disk."""
    reader, writer = _make_pipe(stack)
    with writer:
        writer.write(content)
    return reader


def _read_pid(info: IO[bytes]) -> int:
    """Read what bubblewrap says about itself until it says the first process of its sandbox."""
    said = b""
    while not (found := re.search(rb'"child-pid":\s*(\d+)\D', said)):
        read = info.read(_LAST_WORDS)
        if not read:
            raise SandboxError("it ended at once")
        said += read
    return int(found[1])


def _read_inner_pid(pid: int) -> int:
    """Read which process id a process has in its sandbox."""
    status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    found = re.search(r"^NSpid:.*\t(\d+)$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def _read_command(path: Path) -> str:
    """Read a process's program as it was called; empty while it cannot be."""
    with suppress(OSError):
        return path.read_bytes().partition(b"\0")[0].decode(errors="replace")
    return ""


def _set_limits(pid: int, limits: Limits) -> None:
    """Set the limits of a process, and of those that it will start."""
    values = {
        # What one process may ask for, which is more than it will touch: threads' stacks, heaps.
        resource.RLIMIT_DATA: 2 * limits.memory + 2**30,
        resource.RLIMIT_AS: max(_ADDRESSES, 2 * limits.memory),
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CPU: limits.cpu_seconds + _CPU_GRACE,
        resource.RLIMIT_CORE: 0,
    }
    if _linux_version() >= (5, 14):  # before, this counted what the user runs outside as well
        values[resource.RLIMIT_NPROC] = 2 * limits.threads  # until the guard notices
    for kind, value in values.items():
        _, hard = resource.prlimit(pid, kind)
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.prlimit(pid, kind, (allowed, allowed))
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _linux_version() -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def _read_process(folder: Path) -> _Process | None:
    """Read what a process uses; None if it has just ended.

    Nothing is read here that the process could make us wait for, such as ``smaps_rollup``: Linux
    gives that out only between two forks of a process that forks on and on.
    """
    try:
        text = (folder / "status").read_text(errors="replace")
        # The second field, a name, can hold anything; behind it comes the third, the state.
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    status = dict(line.split(":", 1) for line in text.splitlines())
    anonymous, files, shared = (
        1024 * int(status.get(name, "0").split()[0]) for name in ("RssAnon", "RssFile", "RssShmem")
    )
    return _Process(
        memory=anonymous + shared,
        libraries=files,
        num_threads=int(status["Threads"]),
        started=int(fields[19]),
        own_cpu_seconds=sum(map(int, fields[11:13])) / _TICKS,
        children_cpu_seconds=sum(map(int, fields[13:15])) / _TICKS,
    )


def _read_waiting_seconds(folder: Path) -> float:
    """Read how long a process's threads have waited for a processor; 0 where nobody counts."""
    waited = 0
    with suppress(OSError):
        for thread in (folder / "task").iterdir():
            with suppress(OSError, IndexError):
                waited += int((thread / "schedstat").read_text().split()[1])
    return waited / 1e9


def _folder_memory(folder: str) -> int:
    used = os.statvfs(folder)
    return (used.f_blocks - used.f_bfree) * used.f_frsize + (used.f_files - used.f_ffree) * _INODE
