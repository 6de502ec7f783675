"""A fork server: kernels that start with what they would spend seconds importing.

Importing Keras takes longer than what most lessons do with it. A fork server imports once what a
lesson imports; the sandboxed kernels of a batch are forked from it. Python's ``multiprocessing``
knows the same idea under the same name.

A kernel is forked by the server that its environment names, if that can be, and is started as usual
otherwise; see :mod:`course_utils.grading.sandbox.provisioner`.
"""

import ast
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat

from course_utils.grading.sandbox.provisioner import FORK_SERVER, make_environment

_SOCKET = "server"
_BACKEND = "module://matplotlib_inline.backend_inline"  # as a kernel tells matplotlib by itself
_END_SECONDS = 5.0


def find_imports(notebook: str) -> tuple[str, ...]:
    """Name the modules that the code cells of a notebook import, in their order.

    What cannot be read, such as a cell with a magic command, has none. The names that are taken
    from a module are named too, since they may be modules.

    Args:
        notebook: the notebook, as JSON text.
    """
    names: dict[str, None] = {}
    with suppress(ValueError, AttributeError, TypeError, nbformat.ValidationError):
        for cell in nbformat.reads(notebook, as_version=4).cells:
            if cell.cell_type == "code":
                names |= dict.fromkeys(_imports(cell.source))
    return tuple(names)


def _imports(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@contextmanager
def start_fork_server(
    modules: Sequence[str], folder: Path, *, variables: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Start a fork server; it ends with the block, or with this process.

    Args:
        modules: what it imports.
        folder: where it makes a folder for its socket and its home, and removes that in the end.
        variables: of its environment, beside those of every sandbox. What libraries read while
            they are imported is theirs to say; the rest comes with each kernel.

    Yields:
        The variable that tells sandboxed kernels of it; none where it could not be started, for
        want of a short path, say. The first kernels wait until the modules are imported.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="fork-") as home:
        path = Path(home, _SOCKET)
        environment = make_environment(os.environ | (variables or {}))
        try:
            process = _start(modules, path, environment | {"HOME": home, "MPLBACKEND": _BACKEND})
        except OSError:
            yield {}
            return
        try:
            yield {FORK_SERVER: str(path)}
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(
    modules: Sequence[str], path: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    program = _copy_program()
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            return subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-m", "course_utils.grading.sandbox.forked_kernel"),
                    *(str(listener.fileno()), *modules),
                ],
                executable=f"/proc/{os.getpid()}/fd/{program}",
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
    finally:
        os.close(program)


def _copy_program() -> int:
    """Copy Python's program into memory where nobody can change it; its file descriptor.

    A process reaches the file that it runs through ``/proc/self/exe``, whatever it sees of the
    computer otherwise. A kernel that is forked outside of its sandbox must not reach Python's own.
    """
    program = os.memfd_create("python", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with Path(sys.executable).open("rb") as source:
        while os.sendfile(program, source.fileno(), None, 2**30):
            pass
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(program, fcntl.F_ADD_SEALS, seals)
    return program
