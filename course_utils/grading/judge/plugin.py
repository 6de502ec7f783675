"""A pytest plugin that runs one notebook with nbval's classes, and writes down what came of it.

:func:`course_utils.grading.judge.running.execute` starts pytest with it in a process of its own.
Unlike nbval it compares nothing and believes nothing: no tag, comment, execution count or output in
the notebook changes what happens, and every message of the kernel may be forged. Cells run in
order, whether or not those before them raised an error, until the kernel is dead or a limit is
reached.

What happened is written cell by cell, each file whole, so that it outlives whatever happens later.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
import zmq
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams

from course_utils.files import write_text
from course_utils.grading.judge.comparison import MAX_LENGTH
from course_utils.grading.judge.limits import SLOWEST_CLOCK, RunLimits
from course_utils.grading.judgement import EndingKind
from course_utils.processes import kill_group

_POLL_MILLISECONDS = 100
_DYING_SECONDS = 3.0  # from the end of a connection to that of its process
_STOPPING_SECONDS = 10.0
_SPARE_MEMORY = 600_000_000  # bytes that the kernel's messages may make this process grow by
_MAX_WAITING = 100  # messages that wait to be read


@dataclass
class CellReport:
    """What came of a cell, as far as it got.

    Attributes:
        outputs: the cell's outputs, as in a notebook file, without the answers.
        emissions: the answers that it published, each as JSON text; empty text for what could not
            be written as JSON.
    """

    outputs: list[Any] = field(default_factory=list)
    emissions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class EndingReport:
    """How the run ended.

    Attributes:
        kind: ``finished`` or what ended it.
        index: of the cell that it ended at, counted from 0; -1 when it ended at none.
        message: what happened, such as ``timed out after 60 s``.
    """

    kind: EndingKind
    index: int
    message: str


@dataclass(frozen=True)
class Message:
    """A message of the kernel, whose content may be anything."""

    type: str
    parent: str
    content: dict[str, Any]


class EndedError(Exception):
    """The notebook cannot go on."""

    def __init__(self, kind: EndingKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that :func:`course_utils.grading.judge.running.execute` sets."""
    parser.addoption(
        "--course-reports", type=Path, help="folder for what came of each cell; has limits.json"
    )
    parser.addoption("--course-work", type=Path, help="folder in which the kernel works")
    parser.addoption("--course-answers", help="MIME type of the display data that hold answers")


def pytest_configure(config: pytest.Config) -> None:
    """End with the process that started this one, which holds the other end of the input."""
    threading.Thread(target=_follow_parent, name="follow-parent", daemon=True).start()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "JudgedFile | None":
    """Collect notebooks."""
    if file_path.suffix == ".ipynb":
        made: JudgedFile = JudgedFile.from_parent(parent, path=file_path)
        return made
    return None


def _follow_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_STOPPING_SECONDS)
    os._exit(1)


class JudgedFile(IPyNbFile):
    """A notebook with its kernel and the state of its run."""

    kernel: "JudgedKernel | None" = None

    def collect(self) -> "Iterator[JudgedCell]":
        """Make an item of each code cell; nothing that is written in it is an option."""
        self.nb = nbformat.read(self.path, as_version=4)
        self.reports: Path = self.config.getoption("course_reports")
        self.ending: EndingReport | None = None
        self.num_waiting = sum(cell.cell_type == "code" for cell in self.nb.cells)
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type == "code":
                yield JudgedCell.from_parent(
                    self, name=f"Cell {index}", cell_num=index, cell=cell, options={}
                )

    def setup(self) -> None:
        """Start the kernel."""
        self.limits = RunLimits(**json.loads((self.reports / "limits.json").read_text("utf-8")))
        name = self.config.getoption("nbval_kernel_name")
        try:
            folder = self.config.getoption("course_work")
            self.kernel = JudgedKernel(name, cwd=folder, limits=self.limits)
        except Exception as error:
            self.report("failure", {"message": f"{type(error).__name__}: {error}"})
            raise
        self.report("kernel", self.kernel.identify())
        self.deadline = self.kernel.now() + self.limits.notebook_seconds

    def teardown(self) -> None:
        """Write how the run ended, and stop the kernel, be it dead or alive."""
        if self.kernel is None:
            return
        if self.ending is None and self.num_waiting == 0:
            self.ending = EndingReport("finished", -1, "")
            self.report("ending", asdict(self.ending))
        self.kernel.stop()
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.report("usage", {"peak_memory": used * (1 if sys.platform == "darwin" else 1024)})

    def report(self, name: str, content: dict[str, Any]) -> None:
        """Write a report."""
        write_text(self.reports / f"{name}.json", json.dumps(content))


class JudgedCell(IPyNbCell):
    """A code cell. That its test passes only says that it was run."""

    def setup(self) -> None:
        """Do nothing: nbval would expect cells to fail after a time-out."""

    def runtest(self) -> None:
        """Run the cell, unless the run has ended."""
        notebook = self.parent
        if notebook.ending is not None:
            pytest.skip(notebook.ending.message)
        report = CellReport()
        try:
            deadline = notebook.kernel.now() + notebook.limits.cell_seconds
            self._run(report, min(deadline, notebook.deadline))
            notebook.num_waiting -= 1
        except EndedError as end:
            notebook.ending = EndingReport(end.kind, self.cell_num, str(end))
            notebook.report("ending", asdict(notebook.ending))
        finally:
            report.outputs = coalesce_streams(report.outputs)
            notebook.report(f"cell-{self.cell_num}", asdict(report))

    def _run(self, report: CellReport, deadline: float) -> None:
        kernel: JudgedKernel = self.parent.kernel
        request = kernel.kc.execute(self.cell.source, allow_stdin=False, stop_on_error=False)
        answers_type = self.config.getoption("course_answers")
        awaited = {"reply", "idle"}
        for message in kernel.read_messages(deadline):
            if message.parent != request:
                continue
            if message.type == "execute_reply":
                awaited.discard("reply")
            elif message.type == "status":
                if message.content.get("execution_state") == "idle":
                    awaited.discard("idle")
            else:
                take_message(message, report, mime_type=answers_type)
            if not awaited:
                return
        raise EndedError("timed_out", self._describe_timeout(deadline))

    def _describe_timeout(self, deadline: float) -> str:
        limits = self.parent.limits
        if deadline == self.parent.deadline:
            return f"the notebook took more than {limits.notebook_seconds:g} s"
        return f"timed out after {limits.cell_seconds:g} s"


def take_message(message: Message, report: CellReport, *, mime_type: str) -> None:
    """Add a message to the report of its cell.

    Args:
        message: a sound message in reply to the cell's request.
        report: what came of the cell.
        mime_type: that of display data with answers.
    """
    data = message.content.get("data")
    if message.type == "display_data" and isinstance(data, dict) and mime_type in data:
        report.emissions.append(_write_json(data.pop(mime_type)))
    if message.type == "clear_output":
        report.outputs.clear()
    elif (output := make_output(message)) is not None:
        report.outputs.append(output)


def make_output(message: Message) -> NotebookNode | None:
    """Make the output that a message asks for; None if it asks for none in a sound way.

    Texts are kept, pictures among them; metadata and what only a program could show are not.
    """
    content = message.content
    if message.type == "stream":
        if content.get("name") in ("stdout", "stderr") and isinstance(content.get("text"), str):
            return new_output("stream", name=content["name"], text=content["text"])
    elif message.type == "error":
        texts = {name: content.get(name) for name in ("ename", "evalue")}
        lines = content.get("traceback")
        if isinstance(lines, list) and all(
            isinstance(line, str) for line in (*texts.values(), *lines)
        ):
            return new_output("error", **texts, traceback=lines)
    elif message.type in ("display_data", "execute_result"):
        data = content.get("data")
        if isinstance(data, dict):
            texts = {mime: text for mime, text in data.items() if isinstance(text, str)}
            return new_output(message.type, data=texts) if texts else None
    return None


def _write_json(value: object) -> str:
    try:
        text = json.dumps(value)
    except (ValueError, TypeError, RecursionError):
        return ""
    return text[: MAX_LENGTH + 1]


class JudgedKernel(RunningKernel):
    """A kernel whose messages are limited in size and number, and whose death is noticed."""

    def __init__(self, kernel_name: str, *, cwd: Path, limits: RunLimits) -> None:
        """Start a kernel and wait until it answers.

        Raises:
            RuntimeError: it does not answer.
        """
        context = zmq.Context()
        context.sockopts[zmq.MAXMSGSIZE] = limits.output_bytes
        context.sockopts[zmq.RCVHWM] = _MAX_WAITING
        self._limits = limits
        self._num_bytes = 0
        self._num_messages = 0
        self._started = time.monotonic()
        self.km = KernelManager(kernel_name=kernel_name, context=context)
        self.km.start_kernel(cwd=str(cwd), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.kc = self.km.client(context=context)
            self.kc.start_channels(stdin=False, hb=False, control=False)
            self.kc.wait_for_ready(timeout=limits.start_seconds)
            self._sockets = (self.kc.shell_channel.socket, self.kc.iopub_channel.socket)
            self._monitors = tuple(
                socket.get_monitor_socket(zmq.EVENT_DISCONNECTED) for socket in self._sockets
            )
            self._poller = zmq.Poller()
            for socket in (*self._sockets, *self._monitors):
                self._poller.register(socket, zmq.POLLIN)
        except BaseException:
            self.stop()
            raise
        _limit_memory(_SPARE_MEMORY + limits.output_bytes)

    def identify(self) -> dict[str, float]:
        """The process of the kernel, so that another one can make an end of it."""
        pid = getattr(self.km.provisioner, "pid", None) or 0
        with suppress(psutil.Error):
            return {"pid": pid, "created": psutil.Process(pid).create_time()}
        return {"pid": 0, "created": 0.0}

    def now(self) -> float:
        """Seconds on a clock that stands still while a sandboxed kernel waits for a processor.

        It never stands still for long: who starts a hundred processes makes the kernel wait, too.
        """
        passed = time.monotonic() - self._started
        usage = getattr(self.km.provisioner, "usage", None)
        waited = usage.waiting_seconds if usage else 0.0
        return max(passed - waited, SLOWEST_CLOCK * passed)

    def read_messages(self, deadline: float) -> Iterator[Message]:
        """Read the kernel's messages on all channels, sound ones only, until the deadline.

        Args:
            deadline: in the seconds of :meth:`now`.

        Raises:
            EndedError: the kernel is dead, all its messages being read, or sent too much.
        """
        while self.now() < deadline:
            ready = dict(self._poller.poll(_POLL_MILLISECONDS))
            for socket in self._sockets:
                if socket in ready:
                    message = self._receive(socket)
                    if message is not None:
                        yield message
            if not any(socket in ready for socket in self._sockets):
                self._require_alive(disconnected=bool(ready))

    def stop(self) -> None:
        """Stop the kernel and all that it started in its process group."""
        group = getattr(self.km.provisioner, "pgid", None)
        kill_group(group)
        if hasattr(self, "kc"):
            self.kc.stop_channels()
        self.km.shutdown_kernel(now=True)

    def _receive(self, socket: "zmq.Socket[bytes]") -> Message | None:
        try:
            frames = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        except MemoryError:
            raise EndedError("too_much_output", "more output than fits into memory") from None
        self._num_messages += 1
        self._num_bytes += sum(map(len, frames))
        if self._num_bytes > self._limits.output_bytes:
            size = self._limits.output_bytes / 1e6
            raise EndedError("too_much_output", f"more than {size:g} MB of output")
        if self._num_messages > self._limits.messages:
            raise EndedError(
                "too_much_output", f"more than {self._limits.messages} messages of output"
            )
        return read_message(self.kc.session, frames)

    def _require_alive(self, *, disconnected: bool) -> None:
        if not disconnected and self.is_alive():
            return
        patience = time.monotonic() + _DYING_SECONDS
        while self.is_alive():
            if time.monotonic() > patience:
                size = self._limits.output_bytes / 1e6
                raise EndedError(
                    "too_much_output",
                    f"a message of more than {size:g} MB, or a connection that it cut",
                )
            time.sleep(_POLL_MILLISECONDS / 1000)
        raise EndedError("died", "the kernel died")


def read_message(session: Session, frames: list[bytes]) -> Message | None:
    """Read a message; None when it is none, whatever the reason."""
    try:
        _, parts = session.feed_identities(frames)
        message = session.deserialize(parts)
        found = Message(
            message["header"]["msg_type"], message["parent_header"]["msg_id"], message["content"]
        )
    except Exception:  # a stranger's bytes may raise anything here
        return None
    sound = isinstance(found.type, str) and isinstance(found.content, dict)
    return found if sound and isinstance(found.parent, str) else None


def _limit_memory(num_bytes: int) -> None:
    """Let this process grow by so much and no more; the kernel, which runs already, is as free."""
    limit = psutil.Process().memory_info().vms + num_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        with suppress(ValueError, OSError):  # macOS has no such limit
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
