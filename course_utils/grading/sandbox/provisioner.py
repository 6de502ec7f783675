"""A kernel in a sandbox: a Jupyter kernel provisioner that starts it under bubblewrap.

The kernel sees Python, the course's package without its grader, and nothing else of this computer:
no network, no other processes, no home, no environment. All it can write to is memory: a work
folder, a home and a ``/tmp`` of limited size that end with it. It is talked to over IPC sockets
that lie in the sandbox too, and are reached through ``/proc``, so that not even those touch the
disk.

Whatever starts kernels by name can use it: ``papermill -k course-sandbox``,
``pytest --nbval --nbval-kernel-name course-sandbox``, JupyterLab. Four variables in the
environment that a kernel is started with say more:

- ``COURSE_SANDBOX_LIMITS``: those of the :class:`Limits` that differ from the kernel
  specification's, as JSON, such as ``{"memory": 1000000000}``;
- ``COURSE_SANDBOX_STATUS``: a file to which the :class:`Usage` is written, as JSON, when the kernel
  has ended;
- ``COURSE_SANDBOX_FILES``: a folder whose content can be read in the kernel's work folder;
- ``COURSE_SANDBOX_FORK_SERVER``: the socket of a
  :mod:`~course_utils.grading.sandbox.fork_server`, from which the kernel is forked if that can be.

The bytes of output are for the client to limit, before it starts the kernel:
``manager.context.sockopts[zmq.MAXMSGSIZE]`` bounds a message, ``[zmq.RCVHWM]`` their number.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import psutil
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Dict

import course_utils
from course_utils import backend
from course_utils.files import write_text
from course_utils.grading.sandbox.forked_kernel import Order
from course_utils.grading.sandbox.guard import KERNEL_NAME, Guard, Limits, Plan, SandboxError, Usage

__all__ = [
    "FORK_SERVER",
    "KERNEL_NAME",
    "WORK",
    "Limits",
    "SandboxError",
    "SandboxProvisioner",
    "Usage",
    "make_environment",
    "unavailable",
]

FORK_SERVER = "COURSE_SANDBOX_FORK_SERVER"

WORK = "/sandbox/work"
_HOME = "/sandbox/home"
_CONNECTION_FILE = "/sandbox/connection.json"
_FOLDERS = (WORK, _HOME, "/tmp", "/dev/shm")  # noqa: S108 - in the sandbox

_ISOLATION = (
    *("--unshare-user", "--disable-userns", "--unshare-ipc", "--unshare-pid", "--unshare-net"),
    *("--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox"),
    *("--uid", "1000", "--gid", "1000"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
)
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PARTS_OF_PYTHON = ("bin", "lib", "lib64", "share", "pyvenv.cfg")
_CONFIGURATION = ("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime")
_PASSED_ON = (
    *backend.SETTINGS,
    *("COURSE_GRADING_SEED", "LANG", "LC_ALL", "TZ", "PYTHONHASHSEED", "MALLOC_ARENA_MAX"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_DETERMINISTIC_OPS"),
)
_LINK = "sockets"
_CHANNEL = "channel"
_MAX_SOCKET_PATH = 107  # bytes; Linux's limit

_INSTALL = (
    "Install it with `sudo apt-get install bubblewrap` (Debian, Ubuntu) or "
    "`sudo dnf install bubblewrap` (Fedora)."
)


def unavailable() -> str | None:
    """Say why kernels cannot be sandboxed here, and what to do; None if they can."""
    if sys.platform == "darwin":
        return "Kernels can be sandboxed only on Linux: on macOS, grade in a Linux container."
    if sys.platform != "linux":
        return "Kernels can be sandboxed only on Linux: on Windows, grade in WSL."
    program = shutil.which("bwrap")
    if program is None:
        return f"Kernels are sandboxed with bubblewrap, and there is no `bwrap` here. {_INSTALL}"
    return _try_out(program)


@cache
def _try_out(program: str) -> str | None:
    tried = subprocess.run(  # noqa: S603
        [program, *_ISOLATION, "--ro-bind", "/", "/", "--proc", "/proc", "--", "/bin/true"],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if tried.returncode == 0:
        return None
    said = tried.stderr.strip().partition("\n")[0]
    if "nknown option" in said:
        return f"The bubblewrap here is too old: 0.8 is needed ({said}). {_INSTALL}"
    return (
        f"bubblewrap cannot make a sandbox here: {said}. It needs user namespaces: allow them with "
        "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu) or "
        "`sudo sysctl user.max_user_namespaces=15000` (others); start a container with "
        "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        "--security-opt systempaths=unconfined`."
    )


class SandboxProvisioner(LocalProvisioner):
    """Starts a kernel in a sandbox.

    Attributes:
        limits: those of the :class:`Limits` that differ from the default, by name; set in the
            kernel specification (``metadata.kernel_provisioner.config.limits``).
    """

    limits = Dict(help="limits of the sandbox that differ from the default").tag(config=True)

    _guard: Guard | None = None
    _folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def usage(self) -> Usage:
        """What the kernel has used so far, or until its end."""
        return self._guard.usage if self._guard else Usage()

    @property
    def violation(self) -> str | None:
        """The limit that the kernel went over and was killed for; None if there is none."""
        return self.usage.violation

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Have the manager use IPC sockets, and write its connection file.

        Raises:
            SandboxError: kernels cannot be sandboxed here.
        """
        if reason := unavailable():
            raise SandboxError(reason)
        if self._folder is None:
            self._folder = _make_folder()
        self.parent.cache_ports = False
        self.parent.transport = "ipc"
        self.parent.ip = str(Path(self._folder.name, _LINK, _CHANNEL))
        return cast(dict[str, Any], await super().pre_launch(**kwargs))

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel in a fresh sandbox.

        Raises:
            SandboxError: the limits make no sense, or bubblewrap could not make the sandbox.
        """
        assert self._folder is not None
        await self._end_guard()
        try:
            self._guard = Guard(self._plan(cmd, kwargs["env"], Path(self._folder.name)))
            self._guard.start()
            self.process = await asyncio.wrap_future(self._guard.started)
        except SandboxError:
            await self.cleanup()
            raise
        self.pid = self.process.pid
        return self.connection_info

    def _plan(self, command: list[str], environment: Mapping[str, str], folder: Path) -> Plan:
        sockets = f"/sandbox/{secrets.token_hex(8)}"  # no other kernel's
        limits = _read_limits(self.limits, environment.get("COURSE_SANDBOX_LIMITS", "{}"))
        status = environment.get("COURSE_SANDBOX_STATUS")
        connection = os.path.realpath(self.parent.connection_file)
        kernels = json.loads(Path(connection).read_text()) | {"ip": f"{sockets}/{_CHANNEL}"}
        write_text(folder / "connection.json", json.dumps(kernels))
        options = [
            *_ISOLATION,
            *_writable_folders((*_FOLDERS, sockets), limits.folder_size),
            *_readable_folders(),
            *_readable_files(environment.get("COURSE_SANDBOX_FILES", "")),
            *("--ro-bind", str(folder / "connection.json"), _CONNECTION_FILE),
            *("--remount-ro", "/", "--chdir", WORK),
        ]
        variables = make_environment(environment)
        for name, value in variables.items():
            options += ("--setenv", name, value)
        command = [word.replace(connection, _CONNECTION_FILE) for word in command]
        is_known = command[1:3] == ["-m", "ipykernel_launcher"]
        server = environment.get(FORK_SERVER, "") if is_known else ""
        return Plan(
            program=shutil.which("bwrap") or "bwrap",
            options=options,
            command=command,
            limits=limits,
            folders=(*_FOLDERS, sockets),
            sockets=sockets,
            link=folder / _LINK,
            status=Path(status) if status else None,
            fork=(server, Order(command[3:], variables, WORK)) if server else None,
        )

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel; SIGKILL ends its sandbox."""
        if self._guard:
            self._guard.send_signal(signum)

    async def cleanup(self, restart: bool = False) -> None:
        """End what is left of the sandbox, and leave nothing behind unless it is to restart."""
        await self._end_guard()
        if self._folder and not restart:
            self._folder.cleanup()
            self._folder = None
        await super().cleanup(restart=restart)

    async def _end_guard(self) -> None:
        if self._guard:
            self._guard.send_signal(signal.SIGKILL)
            while self._guard.is_alive():
                await asyncio.sleep(0.01)

    def resolve_path(self, path_str: str) -> str | None:
        """Find a file of the kernel's: there is none out here."""
        return None


def _make_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder of this process for the link to a sandbox; remove those of dead processes.

    Raises:
        SandboxError: the folder of temporary files is another user's, or its name is too long.
    """
    parent = Path(tempfile.gettempdir(), f"course-sandbox-{os.getuid()}")
    parent.mkdir(mode=0o700, exist_ok=True)
    found = parent.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise SandboxError(f"{parent} is not this user's folder: remove it, or set TMPDIR")
    for old in parent.iterdir():
        owner = old.name.partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(old, ignore_errors=True)
    made = tempfile.TemporaryDirectory(
        dir=parent, prefix=f"{os.getpid()}-", ignore_cleanup_errors=True
    )
    longest = Path(made.name, _LINK, f"{_CHANNEL}-5")
    if len(os.fsencode(longest)) > _MAX_SOCKET_PATH:
        made.cleanup()
        raise SandboxError(
            f"the folder of temporary files has too long a name for sockets ({longest}): "
            "set TMPDIR to a shorter one, such as /tmp"
        )
    return made


def _read_limits(configured: Mapping[str, int], text: str) -> Limits:
    try:
        given = json.loads(text)
        return replace(Limits(), **(dict(configured) | given))
    except (ValueError, TypeError):
        known = ", ".join(field.name for field in fields(Limits))
        raise SandboxError(
            f"COURSE_SANDBOX_LIMITS is a JSON object with any of {known}, not {text!r}"
        ) from None


def _writable_folders(folders: Iterable[str], size: int) -> Iterator[str]:
    """Options for /proc and /dev, of which nothing can be written, and for what can."""
    yield from ("--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev")
    for folder in folders:
        yield from ("--perms", "0700", "--size", str(size), "--tmpfs", folder)
    yield from ("--remount-ro", "/dev")


def _readable_folders() -> Iterator[str]:
    """Options for the system, for Python and for the course's package.

    Where answers stand is hidden: in the lessons, and in the grader with its example class.
    """
    yield from ("--ro-bind", "/usr", "/usr")
    for folder in (Path("/", name) for name in _SYSTEM):
        if folder.is_symlink():
            yield from ("--symlink", str(folder.readlink()), str(folder))
        elif folder.exists():
            yield from ("--ro-bind", str(folder), str(folder))
    for name in _CONFIGURATION:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    prefixes = {sys.prefix, sys.base_prefix, *map(os.path.realpath, (sys.prefix, sys.base_prefix))}
    empty = sorted(prefix for prefix in prefixes if not Path(prefix).is_relative_to("/usr"))
    for prefix in empty:
        yield from ("--tmpfs", prefix)
    for folder in _python_folders():
        yield from ("--ro-bind", str(folder), str(folder))
    for prefix in empty:
        yield from ("--remount-ro", prefix)
    for folder in _folders_with_answers():
        yield from ("--tmpfs", str(folder), "--remount-ro", str(folder))


def _readable_files(folder: str) -> Iterator[str]:
    """Options for what lies in a folder and is to lie in the work folder, too."""
    for path in sorted(Path(folder).iterdir()) if folder else ():
        yield from ("--ro-bind", str(path), f"{WORK}/{path.name}")


def find_exposed(places: Iterable[Path]) -> list[Path]:
    """Find those of some places that a sandboxed kernel could read.

    That is so where they lie in a folder of the system's or of Python's, such as one that was made
    inside of an environment.
    """
    readable = [Path("/usr"), *(Path("/", name) for name in _SYSTEM), *_python_folders()]
    readable = [folder.resolve() for folder in readable if folder.exists()]
    return [
        place
        for place in places
        if any(place.resolve().is_relative_to(folder) for folder in readable)
    ]


def _python_folders() -> list[Path]:
    """What this Python needs of its prefixes, and the package, as named and as they really are.

    An environment may be made in the folder of a project, and hold the project or a clone of it
    beside its own folders: nothing else of a prefix is seen.
    """
    package = Path(course_utils.__file__).parent
    prefixes = {sys.base_prefix, sys.prefix}
    parts = (Path(prefix, part) for prefix in prefixes for part in _PARTS_OF_PYTHON)
    named = [package, *(part for part in parts if part.exists())]
    wanted = {*named, *(folder.resolve() for folder in named)}
    chosen: list[Path] = []
    for folder in sorted(wanted):
        if not any(folder.is_relative_to(other) for other in (Path("/usr"), *chosen)):
            chosen.append(folder)
    return chosen


def _folders_with_answers() -> Iterator[Path]:
    """Folders within the readable ones that hold the lessons and the grader."""
    for prefix in {sys.prefix, sys.base_prefix, sysconfig.get_path("data"), "/usr", "/usr/local"}:
        lessons = Path(prefix, "share", "pixels-and-people")
        if lessons.is_dir():
            yield lessons
    grader = Path(__file__).parent.parent
    yield from {grader, grader.resolve()}


def make_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Make the variables of a sandbox: a few of those that are given, and its own."""
    return {name: given[name] for name in _PASSED_ON if name in given} | {
        "HOME": _HOME,
        "USER": "learner",
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "JPY_PARENT_PID": "1",  # not to be looked after: bubblewrap does
    }
