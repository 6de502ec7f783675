"""Real kernels in real sandboxes, started there or forked into them."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

import course_utils
from course_utils.grading.sandbox import guard, provisioner
from course_utils.grading.sandbox.fork_server import start_fork_server
from course_utils.grading.sandbox.provisioner import Limits, SandboxError

ROOT = Path(__file__).parents[3]
SECRET = "s3cret-of-the-grader"
FOLDERS = Path(tempfile.gettempdir(), f"course-sandbox-{os.getuid()}")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's")


class Kernel:
    """A sandboxed kernel and a client of it."""

    def __init__(self, *, status=None, variables=None, **limits):
        self.manager = KernelManager(kernel_name=provisioner.KERNEL_NAME)
        environment = os.environ | {
            "SECRET": SECRET,
            "TF_VAR_password": SECRET,
            "COURSE_GRADING_SEED": "1234",
            "COURSE_SANDBOX_LIMITS": json.dumps(limits),
            **(variables or {}),
        }
        if status:
            environment["COURSE_SANDBOX_STATUS"] = str(status)
        self.manager.start_kernel(env=environment)
        self.provisioner = self.manager.provisioner
        self.bubblewrap = psutil.Process(self.provisioner.pid)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code, *, timeout=60):
        """Run code; return what it prints or, after ``!``, its error."""
        said = []

        def keep(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                said.append(content["text"])
            elif message["msg_type"] == "error":
                said.append(f"!{content['ename']}: {content['evalue']}")

        code = textwrap.dedent(code)
        self.client.execute_interactive(code, output_hook=keep, timeout=timeout)
        return "".join(said).strip()

    def run_to_death(self, code, *, seconds=30):
        """Run code that ends the kernel."""
        processes = self.processes()
        self.client.execute(textwrap.dedent(code))
        deadline = time.monotonic() + seconds
        while self.manager.is_alive():
            assert time.monotonic() < deadline, "the kernel lives"
            time.sleep(0.02)
        self.stop()
        assert wait_for_end(processes) == []

    def processes(self):
        """Those of the sandbox, with bubblewrap and, for a forked kernel, its parent."""
        with contextlib.suppress(psutil.Error, IndexError):
            (first,) = self.bubblewrap.children()
            namespace = find_namespace(first)
            inside = {one for one in psutil.process_iter() if find_namespace(one) == namespace}
            parents = {one.parent() for one in inside} - {None, psutil.Process()}
            return {self.bubblewrap, *inside, *parents}
        return set()

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module", params=["started", "forked"])
def variables(request, tmp_path_factory):
    """Variables for a kernel that is started in its sandbox, and for one that is forked."""
    if request.param == "started":
        yield {}
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SECRET", SECRET)
            modules = ["numpy", "matplotlib.pyplot", "no_such_module"]
            with start_fork_server(modules, tmp_path_factory.mktemp("server")) as variables:
                yield variables


@pytest.fixture(scope="module")
def kernel(variables):
    kernel = Kernel(
        file_size=8_000_000, folder_size=20_000_000, open_files=200, variables=variables
    )
    assert kernel.provisioner.usage.forked == bool(variables)
    yield kernel
    kernel.stop()


def find_namespace(process):
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{process.pid}/ns/pid").readlink())
    return ""


def wait_for_end(processes):
    """Wait for processes to end; return those that don't."""
    return psutil.wait_procs(processes, timeout=10)[1]


def own_folders():
    return list(FOLDERS.glob(f"{os.getpid()}-*"))


@pytest.fixture
def make_kernel(variables):
    """Make kernels, and see that nothing is left of them."""
    before = own_folders()
    made = []

    def make(**limits):
        made.append(Kernel(variables=variables, **limits))
        return made[-1]

    yield make
    processes = set().union(*(kernel.processes() for kernel in made))
    for kernel in made:
        kernel.stop()
    assert wait_for_end(processes) == []
    assert own_folders() == before


# What can be seen in a sandbox.


def test_it_computes(kernel):
    assert kernel.run("print(6 * 7)") == "42"
    assert kernel.run("1 / 0") == "!ZeroDivisionError: division by zero"


def test_it_imports_what_it_wrote(kernel):
    code = "open('own_module.py', 'w').write('value = 7'); import own_module"
    assert kernel.run(f"{code}; print(own_module.value)") == "7"


def test_the_courses_package_is_there_and_the_grader_and_the_lessons_are_not(kernel):
    found = kernel.run("import course_utils; print(course_utils.__file__)")
    assert found == course_utils.__file__
    grader = Path(course_utils.__file__).parent / "grading"
    assert kernel.run(f"import os; print(os.listdir({str(grader)!r}))") == "[]"
    lessons = Path(sys.prefix, "share", "pixels-and-people")
    assert kernel.run(f"import os; print(os.listdir({str(lessons)!r}))") in (
        "[]",
        f"!FileNotFoundError: [Errno 2] No such file or directory: '{lessons}'",
    )


def test_of_this_computer_it_sees_python_and_the_package_only(kernel):
    readable = [
        *("/usr", "/proc", "/dev", "/etc/alternatives", "/etc/fonts", "/etc/ld.so.conf.d"),
        *(sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix)),
        *(str(Path(course_utils.__file__).parent), "/sandbox/home", "/sandbox/work"),
    ]
    found = kernel.run(f"""
        import os
        for folder, names, files in os.walk("/"):
            names[:] = [name for name in names if os.path.join(folder, name) not in {readable!r}]
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    print(path)
    """)
    sockets = r"/sandbox/[0-9a-f]{16}/channel-[1-5]"
    others = [path for path in found.splitlines() if not re.fullmatch(sockets, path)]
    assert sorted(others) == [
        *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/sandbox/connection.json")
    ]


@pytest.mark.parametrize(
    "attempt", ["{path}", "/proc/self/root{path}", "/proc/1/root{path}", "link"]
)
def test_files_outside_cannot_be_read(kernel, tmp_path, attempt):
    path = tmp_path / "gradebook.db"
    path.write_text(SECRET)
    kernel.run(f"import os; os.path.islink('link') or os.symlink({str(path)!r}, 'link')")
    kernel.run(f"import os; os.remove('link'); os.symlink({str(path)!r}, 'link')")
    found = kernel.run(f"print(open({attempt.format(path=path)!r}).read())")
    assert found.startswith("!FileNotFoundError")


def test_it_sees_no_process_outside(kernel):
    found = kernel.run("""
        import pathlib
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            print(path.read_bytes())
    """)
    assert "ipykernel_launcher" in found or "forked_kernel" in found
    assert "pytest" not in found
    assert len(found.splitlines()) == (2 if "ipykernel_launcher" in found else 3)
    assert kernel.run(f"import os; os.kill({os.getpid()}, 0)").startswith("!ProcessLookupError")


def test_the_environment_is_another_one(kernel):
    found = kernel.run("""
        import os, pathlib
        print(dict(os.environ))
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                print(path.read_bytes())
            except OSError as error:
                print(error)
    """)
    assert SECRET not in found
    assert "'COURSE_GRADING_SEED': '1234'" in found
    assert "'HOME': '/sandbox/home'" in found


def test_the_network_cannot_be_reached(kernel):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), 5).close()
        for address in ("127.0.0.1", port), ("1.1.1.1", 53):
            found = kernel.run(f"import socket; socket.create_connection({address}, 5)")
            assert re.match("!(ConnectionRefusedError|OSError: .* unreachable)", found)


def test_local_sockets_of_this_computer_cannot_be_reached(kernel):
    name = f"\0course-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name)
        found = kernel.run(f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})")
    assert found.startswith("!ConnectionRefusedError")


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket(40, socket.SOCK_STREAM)",  # the machine's host
        "import os; os.memfd_create('hidden')",
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "if c.shmget(0, 4096, 0o1600) < 0: raise PermissionError(1, 'Operation not permitted')",
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "if c.ptrace(0, 0, 0, 0) < 0: raise PermissionError(1, 'Operation not permitted')",
    ],
)
def test_calls_that_lead_out_are_refused(kernel, code):
    assert kernel.run(code) == "!PermissionError: [Errno 1] Operation not permitted"


def test_it_can_make_no_namespace_and_has_no_capabilities(kernel):
    assert kernel.run("!unshare --user true").startswith("unshare:")
    capabilities = kernel.run("!grep Cap /proc/self/status")
    assert len(capabilities.split()) == 10
    assert set(capabilities.split()[1::2]) == {"0" * 16}


# What can be written in a sandbox.


@pytest.mark.parametrize(
    "folder",
    [
        *("/", "/usr", "/usr/lib", "/etc", "/dev", "/sandbox", sys.prefix, sys.base_prefix),
        *(str(Path(course_utils.__file__).parent), "/proc", "/proc/sys/kernel"),
    ],
)
def test_the_system_cannot_be_written(kernel, folder):
    found = kernel.run(f"open({folder + '/planted'!r}, 'w')")
    assert re.match(r"!(OSError: \[Errno 30\]|PermissionError|FileNotFoundError)", found)
    assert not Path(folder, "planted").exists()


def test_the_program_that_it_runs_cannot_be_written(kernel):
    # Not even once it runs no more; until then Linux itself refuses.
    found = kernel.run("""
        import fcntl, os
        with open("/proc/self/exe", "rb") as program:
            if os.fstatvfs(program.fileno()).f_flag & os.ST_RDONLY:
                print("read-only")
            elif fcntl.fcntl(program, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE:
                print("sealed")
    """)
    assert found in ("read-only", "sealed")


def test_it_holds_no_files_of_others(kernel):
    found = kernel.run("""
        import os
        for number in os.listdir("/proc/self/fd"):
            try:
                print(os.readlink(f"/proc/self/fd/{number}"))
            except FileNotFoundError:
                pass
    """)
    files = {path for path in found.splitlines() if path.startswith("/")}
    own = ("/dev/null", "/proc/", "/sandbox/home/")
    assert files
    assert [path for path in files if not path.startswith(own)] == []


def test_the_settings_of_linux_cannot_be_written(kernel):
    # Not written, only opened: root's grader would change them for the whole computer.
    found = kernel.run("""
        import os
        count = 0
        for folder, _, files in os.walk("/proc/sys"):
            for name in files:
                count += 1
                try:
                    os.close(os.open(os.path.join(folder, name), os.O_WRONLY))
                    print(folder, name)
                except OSError:
                    pass
        print(count > 100)
    """)
    assert found == "True"


def test_the_work_folder_is_limited_and_so_is_a_file(kernel):
    assert kernel.run("import os; print(os.getcwd())") == provisioner.WORK
    found = kernel.run("open('one', 'wb').write(bytes(10_000_000)); import os; os.remove('one')")
    assert found.startswith("!OSError: [Errno 27] File too large")
    for folder in (provisioner.WORK, "/sandbox/home", "/tmp", "/dev/shm"):
        found = kernel.run(f"""
            import os
            names = [f"{folder}/{{number}}" for number in range(4)]
            try:
                for name in names:
                    open(name, "wb").write(bytes(6_000_000))
            finally:
                for name in names:
                    os.path.exists(name) and os.remove(name)
        """)
        assert found.startswith("!OSError: [Errno 28] No space left on device"), folder


def test_open_files_are_limited(kernel):
    found = kernel.run("files = [open('/dev/null') for _ in range(300)]")
    assert "[Errno 24] Too many open files" in found
    assert kernel.run("files = []; print('alive')") == "alive"


def test_a_giant_array_is_an_error_that_the_kernel_survives(kernel):
    assert kernel.run("bytearray(200 * 10**9)").startswith("!MemoryError")
    assert kernel.run("print('alive')") == "alive"


def test_it_can_be_interrupted(kernel):
    timer = threading.Timer(1, kernel.manager.interrupt_kernel)
    timer.start()
    assert kernel.run("import time; time.sleep(60)").startswith("!KeyboardInterrupt")
    assert kernel.run("print('alive')") == "alive"


def test_it_reports_what_it_used(kernel):
    usage = kernel.provisioner.usage
    assert 20e6 < usage.peak_memory < 1e9
    assert 0 < usage.cpu_seconds < 60
    assert usage.violation is kernel.provisioner.violation is None


# What ends a kernel.


@pytest.mark.parametrize(
    ("limits", "code", "violation"),
    [
        (
            {"memory": 300_000_000},
            "kept = []\nwhile True: kept.append(b'x' * 10_000_000)",
            guard.OUT_OF_MEMORY,
        ),
        (
            {"memory": 300_000_000},
            """
            import os
            for _ in range(6):
                if os.fork() == 0:
                    kept = b"x" * 60_000_000
                    import time; time.sleep(60)
            """,
            guard.OUT_OF_MEMORY,
        ),
        (
            {"memory": 300_000_000, "folder_size": 150_000_000},
            """
            for number in range(3):
                for folder in (".", "/tmp", "/dev/shm"):
                    open(f"{folder}/{number}", "wb").write(bytes(40_000_000))
            """,
            guard.OUT_OF_MEMORY,
        ),
        (
            {"memory": 120_000_000},
            "number = 0\nwhile True:\n    open(f'/tmp/{number}', 'w').close(); number += 1",
            guard.OUT_OF_MEMORY,
        ),
        (
            {"processes": 40, "memory": 10**11},
            "import os\nwhile True: os.fork()",
            guard.TOO_MANY_PROCESSES,
        ),
        (
            {},
            """
            import threading, time
            while True:
                threading.Thread(target=time.sleep, args=(60,)).start()
            """,
            guard.TOO_MANY_PROCESSES,
        ),
        ({"cpu_seconds": 2}, "while True: pass", guard.OUT_OF_CPU_TIME),
        (
            {"cpu_seconds": 2},
            """
            import os, signal, time
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            while True:
                if os.fork() == 0:
                    while time.process_time() < 0.5: pass
                    os._exit(0)
                time.sleep(0.5)
            """,
            guard.OUT_OF_CPU_TIME,
        ),
        (
            {},
            """
            import glob, os
            folder = os.path.dirname(glob.glob("/sandbox/*/channel-1")[0])
            for number in range(10):
                open(f"{folder}/{number}", "wb").write(bytes(100_000_000))
            """,
            guard.STRANGE_FILES,
        ),
        (
            {},
            """
            import glob, os
            for name in glob.glob("/sandbox/*/channel-*"):
                os.remove(name)
                os.symlink("/run/docker.sock", name)
            """,
            guard.STRANGE_FILES,
        ),
        ({}, "import os; os.kill(os.getpid(), 9)", None),
        ({}, "import os; os._exit(0)", None),
        ({}, "import ctypes; ctypes.string_at(0)", None),
        (
            {},
            """
            import os, subprocess
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
            os._exit(0)
            """,
            None,
        ),
    ],
    ids=[
        *("memory", "memory of children", "memory in files", "memory of empty files"),
        *(
            "fork bomb",
            "threads",
            "cpu",
            "cpu of ended children",
            "junk among the sockets",
            "links for sockets",
        ),
        *("killed", "exited", "crashed", "left a process"),
    ],
)
def test_what_ends_it_is_known_and_leaves_nothing(make_kernel, tmp_path, limits, code, violation):
    status = tmp_path / "status.json"
    kernel = make_kernel(status=status, **limits)
    kernel.run_to_death(code)
    assert kernel.provisioner.violation == violation
    assert json.loads(status.read_text())["violation"] == violation
    memory = Limits(**limits).memory
    assert kernel.provisioner.usage.peak_memory < 4 * memory


def test_nothing_reaches_the_terminal_but_its_end_is_kept(make_kernel, capfd):
    kernel = make_kernel()
    kernel.run("import sys; sys.__stderr__.flush()")
    kernel.run_to_death("""
        import os
        for number in range(100):
            try:
                os.write(number, b"\\x1b]0;taken\\x07 last words\\n")
            except OSError:
                pass
        os._exit(0)
    """)
    assert capfd.readouterr() == ("", "")
    assert "last words" in kernel.provisioner.usage.last_words
    assert "\x1b" not in kernel.provisioner.usage.last_words


def test_it_restarts_where_it_was(make_kernel):
    kernel = make_kernel()
    kernel.run("open('file', 'w'); kept = 1")
    old = kernel.processes()
    kernel.manager.restart_kernel(now=True)
    assert wait_for_end(old) == []
    kernel.client.wait_for_ready(timeout=60)
    kernel.bubblewrap = psutil.Process(kernel.provisioner.pid)
    assert kernel.run("import os; print(os.listdir(), 'kept' in globals())") == "[] False"


def test_it_shuts_down_when_asked(make_kernel):
    kernel = make_kernel()
    processes = kernel.processes()
    kernel.manager.shutdown_kernel()
    assert wait_for_end(processes) == []


def test_it_outlives_the_thread_that_started_it():
    made = []
    thread = threading.Thread(target=lambda: made.append(Kernel()))
    thread.start()
    thread.join()
    try:
        assert made[0].run("import time; time.sleep(0.5); print('alive')") == "alive"
    finally:
        made[0].stop()


def test_it_dies_with_a_killed_grader_and_what_that_left_is_removed(monkeypatch):
    program = """
        import time
        from jupyter_client.manager import KernelManager
        manager = KernelManager(kernel_name="course-sandbox")
        manager.start_kernel()
        print(manager.provisioner.pid, flush=True)
        time.sleep(100)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    # Its own: whoever starts a sandbox removes what is left. Its name has to be a short one.
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr("tempfile.tempdir", folder)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as grader:
            bubblewrap = psutil.Process(int(grader.stdout.readline()))
            processes = {bubblewrap, *bubblewrap.children(recursive=True)}
            grader.send_signal(signal.SIGKILL)
        assert wait_for_end(processes) == []
        assert list(Path(folder).rglob(f"{grader.pid}-*"))
        provisioner._make_folder().cleanup()
        assert not list(Path(folder).rglob(f"{grader.pid}-*"))


# Where there can be no sandbox.


def start():
    KernelManager(kernel_name=provisioner.KERNEL_NAME).start_kernel()


def test_without_bubblewrap_it_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match=r"no `bwrap` here.*apt-get install.*dnf install"):
        start()


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("bwrap: No permissions to create new namespace", "It needs user namespaces.*sysctl"),
        ("bwrap: Unknown option --disable-userns", "too old: 0.8 is needed"),
    ],
)
def test_bubblewrap_that_fails_is_quoted(monkeypatch, tmp_path, message, advice):
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\necho '{message}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SandboxError, match=advice) as caught:
        start()
    assert message in str(caught.value)


@pytest.mark.parametrize(("platform", "advice"), [("darwin", "Linux container"), ("win32", "WSL")])
def test_elsewhere_it_says_what_to_use(monkeypatch, platform, advice):
    monkeypatch.setattr(sys, "platform", platform)
    assert advice in provisioner.unavailable()


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"memory": 0}', '{"memory": "1"}', '{"memory": true}', '{"ram": 5}']
)
def test_limits_that_make_no_sense_are_refused(monkeypatch, text):
    before = own_folders()
    monkeypatch.setenv("COURSE_SANDBOX_LIMITS", text)
    with pytest.raises(SandboxError, match=r"limit memory|COURSE_SANDBOX_LIMITS"):
        start()
    assert own_folders() == before


def test_a_program_that_bubblewrap_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr(provisioner, "_CONNECTION_FILE", "/proc/connection.json")
    with pytest.raises(SandboxError, match=r"bubblewrap could not make the sandbox: bwrap: "):
        start()


def test_the_folder_for_sockets_is_refused_where_its_name_is_too_long(monkeypatch, tmp_path):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(SandboxError, match="set TMPDIR to a shorter one"):
        start()


# By name.


def test_the_kernels_specification_is_installed():
    spec = KernelSpecManager().get_kernel_spec(provisioner.KERNEL_NAME)
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "course-sandbox"
    limits = spec.metadata["kernel_provisioner"]["config"].get("limits", {})
    assert Limits(**limits)


def test_papermill_runs_a_notebook_in_it(tmp_path):
    cells = ["import os; print(os.environ['HOME'])", "print(os.listdir())"]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    nbformat.write(notebook, tmp_path / "in.ipynb")
    subprocess.run(
        [sys.executable, "-m", "papermill", "-k", provisioner.KERNEL_NAME, "in.ipynb", "out.ipynb"],
        check=True,
        cwd=tmp_path,
        capture_output=True,
    )
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    texts = [cell.outputs[0].text for cell in executed.cells]
    assert texts == ["/sandbox/home\n", "[]\n"]


def test_nbval_checks_a_lesson_in_it():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval"),
            *("--nbval-kernel-name", provisioner.KERNEL_NAME, "notebooks/01_data_loading.ipynb"),
        ],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_a_project_whose_folder_is_the_environment_keeps_its_answers(tmp_path, monkeypatch):
    project = tmp_path / "project"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project], check=True)
    for place in ("notebooks", "src"):
        (project / place).mkdir()
        (project / place / "answers.txt").write_text("SECRET")
    monkeypatch.setattr(sys, "prefix", str(project))
    look = f"ls {project}; cat {project}/*/answers.txt; {project}/bin/python -c 'print(40 + 2)'"
    found = subprocess.run(
        ["bwrap", *provisioner._ISOLATION, *provisioner._readable_folders(), "sh", "-c", look],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SECRET" not in found.stdout
    assert set(found.stdout.split()) <= {"bin", "lib", "lib64", "share", "pyvenv.cfg", "42"}
    assert "42" in found.stdout, found.stderr
    places = [project / "notebooks", project / "lib" / "course", project / "lib2"]
    assert provisioner.find_exposed(places) == [project / "lib" / "course"]


@pytest.mark.skipif(not os.environ.get("CI"), reason="elsewhere what needs a sandbox is skipped")
def test_in_continuous_integration_there_is_a_sandbox():
    assert provisioner.unavailable() is None
