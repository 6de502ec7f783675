"""What a fork server's process does: import modules once, and fork kernels that have them.

Each kernel runs in a sandbox that bubblewrap has made for it alone. A child of this process enters
that sandbox's namespaces as ``nsenter`` does, and its own child, which only then is seen in there,
gives up its rights, files and environment as bubblewrap's would, and becomes the kernel.

This process knows nothing worth stealing: it gets a path, names of modules and no answer of
anybody's, and nothing that a learner wrote runs in it.
"""

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from course_utils.grading.sandbox.system_calls import make_filter

_HELLO = b"!"
_CHUNK = 65536
_NUM_FILES = 3  # that come with an order
_ANSWER_SECONDS = 120.0

# Constants of sched.h, sys/prctl.h and linux/seccomp.h.
_NAMESPACES = (
    0x00020000  # mount
    | 0x02000000  # cgroup
    | 0x04000000  # uts
    | 0x08000000  # ipc
    | 0x10000000  # user
    | 0x20000000  # pid
    | 0x40000000  # net
)
_SET_DUMPABLE, _SET_SECCOMP, _DROP_BOUNDING_CAPABILITY, _NO_NEW_PRIVILEGES = 4, 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522
_INSTRUCTION = 8  # bytes
_MAX_CAPABILITIES = 64


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


@dataclass(frozen=True)
class Order:
    """What a kernel is to be.

    Attributes:
        arguments: of ipykernel, such as ``-f connection.json``.
        environment: all of its variables.
        folder: where it works.
    """

    arguments: Sequence[str]
    environment: dict[str, str]
    folder: str


def order_kernel(connection: socket.socket, order: Order, *, files: Sequence[int]) -> int:
    """Have a fork server fork a kernel, which waits for SIGCONT.

    Args:
        connection: to the server, which has said hello.
        order: what it is to be.
        files: descriptors: of the process whose namespaces it enters, of its output, and of a pipe
            that is closed when it ends.

    Returns:
        Its process id, as it is seen here.

    Raises:
        OSError: the sandbox cannot be entered.
    """
    socket.send_fds(connection, [json.dumps(asdict(order)).encode() + b"\n"], files)
    answer = json.loads(_read_line(connection) or '{"error": "the fork server is gone"}')
    if "error" in answer:
        raise OSError(answer["error"])
    return int(answer["pid"])


def connect(path: str) -> socket.socket | None:
    """Connect to a fork server, and wait until it has imported its modules.

    Returns:
        None if it is gone, or does not answer within two minutes.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_ANSWER_SECONDS)
    try:
        connection.connect(path)
        if connection.recv(len(_HELLO)) == _HELLO:
            return connection
    except OSError:
        pass
    connection.close()
    return None


def serve(listener: socket.socket, modules: Sequence[str]) -> None:
    """Import modules, then fork a kernel for whoever connects, until standard input ends.

    A module that cannot be imported is left to the kernels, where its error is seen. Where one
    makes memory that the kernels would share with each other, none is forked.
    """
    for name in ("ipykernel.kernelapp", "ipykernel.ipkernel", *modules):
        with suppress(Exception):
            import_module(name)
    if _shares_memory():
        return
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, _reap)
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    waiting.register(listener, select.POLLIN)
    while 0 not in [number for number, _ in waiting.poll()]:
        connection, _ = listener.accept()
        with connection:
            if os.fork() == 0:
                _leave(_take_order, connection)


def _shares_memory() -> bool:
    """Tell whether there is memory that a forked process could write for this one to read."""
    with open("/proc/self/smaps", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
        return any("sh" in line.split() for line in lines if line.startswith("VmFlags:"))


def _reap(*_: object) -> None:
    """Take note of ended children, so that what they used counts as used by this process."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _leave(function: Any, *arguments: object) -> None:
    """Call a function in a forked process and end that; its parent's code is not to go on in it."""
    status = 1
    try:
        function(*arguments)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _take_order(connection: socket.socket) -> None:
    """Enter a sandbox, start a kernel in it and wait for its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection.sendall(_HELLO)
    text, (sandbox, output, _) = _receive(connection)
    order = Order(**json.loads(text))
    try:
        _call("setns", sandbox, _NAMESPACES)
        kernel = os.fork()
        if kernel == 0:
            _leave(_become_kernel, order, output)
        _, status = os.waitpid(kernel, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            raise OSError("a forked kernel could not give up its rights")
    except OSError as error:
        connection.sendall(json.dumps({"error": str(error)}).encode() + b"\n")
        return
    connection.sendall(json.dumps({"pid": kernel}).encode() + b"\n")
    connection.close()
    os.close(output)
    os.waitpid(kernel, 0)


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a line of text and the files that come with it."""
    text, files, _, _ = socket.recv_fds(connection, _CHUNK, _NUM_FILES)
    return (text if text.endswith(b"\n") else text + _read_line(connection)), files


def _read_line(connection: socket.socket) -> bytes:
    read = b""
    while not read.endswith(b"\n") and (more := connection.recv(_CHUNK)):
        read += more
    return read


def _become_kernel(order: Order, output: int) -> None:
    """Become a kernel that has nothing of its parent but the imported modules."""
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    for number, file in enumerate((nothing, output, output)):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    _give_up_rights()
    _draw_anew()
    os.kill(os.getpid(), signal.SIGSTOP)  # until its limits are set

    from ipykernel.kernelapp import IPKernelApp

    sys.argv = ["ipykernel_launcher", *order.arguments]
    IPKernelApp.launch_instance(list(order.arguments))


def _give_up_rights() -> None:
    """Give up all capabilities, those of programs to come too, and system calls."""
    for number in range(_MAX_CAPABILITIES):
        with suppress(OSError):
            _control(_DROP_BOUNDING_CAPABILITY, number)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _control(_NO_NEW_PRIVILEGES, 1)
    _control(_SET_DUMPABLE, 1)  # as a program that was started in the sandbox is
    if refused := make_filter():
        program = _Program(len(refused) // _INSTRUCTION, refused)
        _control(_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))


def _draw_anew() -> None:
    """Seed NumPy's global generator afresh; Python does so with its own."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _control(operation: int, *arguments: int) -> None:
    """Call prctl."""
    values = (*arguments, 0, 0, 0, 0)[:4]
    _call("prctl", operation, *map(ctypes.c_ulong, values))


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns 0, or -1 and an error."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    del sys.path[0]  # the folder that this was started in; a kernel adds its own
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
