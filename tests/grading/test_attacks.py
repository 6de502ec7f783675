"""Attacks on the grader, each by a real submission in the real sandbox.

None of them earns a point, and none leaves a trace outside: no changed file, no process, no
connection, no line in the terminal.
"""

import functools
import hashlib
import json
import os
import socket
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.grading.guard import Limits
from course_utils.grading.plugin import RunLimits
from course_utils.grading.sandbox import unavailable
from course_utils.grading.tasks import (
    Settings,
    Submitted,
    Task,
    judge_submission,
    make_reference,
)

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

SEED = 0x5EED5EED5EED
STUB = 'raise NotImplementedError("Replace this line by your code.")'
HIDDEN = """\
### BEGIN HIDDEN TESTS
from course_utils.exercises import emit

emit("{exercise}", {function})
### END HIDDEN TESTS"""
FORGED = """\
from IPython.display import publish_display_data
from course_utils.exercises import probes

def forge(exercise):
    answers = {"exercise": exercise, "answers": [
        {"case": f"case {i}", "kind": "number", "dtype": None, "shape": None, "value": 0.0,
         "error": None} for i in range(8)]}
    publish_display_data({probes.MIME_TYPE: answers})
"""

# Code that a learner runs instead of solving the exercises. TARGET is a folder of the grader's
# computer, with the answers of another learner in it; PORT is listened to.
CODE = {
    "hidden checks read from memory": """
        import gc, inspect, sys
        from course_utils.exercises import probes
        found = [one for one in gc.get_objects() if isinstance(one, str) and "return weight" in one]
        frames = [frame.f_locals for frame in sys._current_frames().values()]
        step = lambda *arguments: found[0] if found else None""",
    "emit replaced": """
        import course_utils.exercises as exercises
        exercises.emit = lambda exercise, answer: print("✓ all right")""",
    "emit made to publish what it likes": """
        from course_utils.exercises import probes
        probes._call = probes._describe = probes._answer = lambda *_, **__: 0.0
        probes.PROBES.clear()""",
    "cases made easy": """
        import numpy as np
        np.random.default_rng = lambda *_: (_ for _ in ()).throw(SystemExit)
        step = lambda *_: 0""",
    "equal to everything": """
        class Any(float):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            def __hash__(self): return 0
            def __array__(self, *_, **__): raise SystemExit
            def __abs__(self): return 0
            def __sub__(self, other): return self
            def __rsub__(self, other): return self
            def __lt__(self, other): return True
            def __le__(self, other): return True
            def __deepcopy__(self, memo): return self
        step = lambda *_: Any(0)
        best_epoch = lambda *_: Any(0)""",
    "not a number, infinite, huge": """
        step = lambda *_: float("nan")
        best_epoch = lambda *_: 10**400""",
    "comparisons and built-ins overridden": """
        import builtins, math
        import numpy as np
        np.allclose = np.isclose = np.array_equal = math.isclose = lambda *_, **__: True
        builtins.isinstance = lambda *_: True
        builtins.print = builtins.abs = builtins.type = lambda *_, **__: 0
        step = lambda *_: 0""",
    "answers published in another cell": """
        FORGED
        forge("3.1"); forge("3.2")""",
    "answers published by the function": """
        FORGED
        def step(*_):
            forge("3.1")
            return 0
        best_epoch = lambda losses: forge("3.2")""",
    "answers published before each cell": """
        FORGED
        events = get_ipython().events
        events.register("pre_run_cell", lambda *_: (forge("3.1"), forge("3.2")))
        events.register("post_run_cell", lambda *_: (forge("3.1"), forge("3.2")))""",
    "answers published from a thread": """
        FORGED
        import threading, time
        def later():
            for _ in range(400):
                forge("3.1"); forge("3.2"); time.sleep(0.01)
        threading.Thread(target=later, daemon=True).start()""",
    "forged kernel messages": """
        kernel = get_ipython().kernel
        session = kernel.session
        sockets = [kernel.iopub_socket, *getattr(kernel, "shell_streams", [])]
        for kind in ("execute_reply", "status", "error", "execute_input", "shutdown_reply"):
            content = {"status": "ok", "execution_state": "idle", "execution_count": 99}
            for parent in (None, kernel.get_parent("shell")):
                for one in sockets:
                    try: session.send(one, kind, content, parent=parent)
                    except Exception: pass""",
    "tracebacks silenced": """
        shell = get_ipython()
        shell.showtraceback = shell.showsyntaxerror = lambda *_, **__: None
        shell.run_cell_async = shell.run_cell = lambda *_, **__: None""",
    "cells rewritten before they run": """
        get_ipython().input_transformers_cleanup.append(lambda lines: ["print('3.1 ✓')\\n"])""",
    "sys.exit": "import sys; sys.exit(0)",
    "os._exit": "import os; os._exit(0)",
    "kernel killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "everything killed": """
        import os, signal
        for number in (os.getppid(), 1, -1, *range(2, 5000)):
            try: os.kill(number, signal.SIGKILL)
            except OSError: pass""",
    "endless loop": "while True: pass",
    "endless loop that cannot be interrupted": """
        while True:
            try:
                while True: pass
            except BaseException: pass""",
    "fork bomb": "import os\nwhile True: os.fork()",
    "memory bomb": "kept = []\nwhile True: kept.append(b'x' * 2**24)",
    "endless output": "while True: print('x' * 1000)",
    "endless output in great pieces": "while True: print('x' * 100_000)",
    "a gigabyte of output": "print('x' * 10**9)",
    "work folder filled": """
        for number in range(1000):
            with open(f"junk{number}", "wb") as file: file.write(b"x" * 2**22)""",
    "files outside written": """
        import os, pathlib
        for path in ("TARGET/grades.json", "TARGET/mine", "/etc/passwd", "/tmp/../TARGET/x"):
            try: pathlib.Path(path).write_text("full marks")
            except OSError: pass
        os.symlink("TARGET/grades.json", "link")
        try: open("link", "w").write("full marks")
        except OSError: pass""",
    "another submission read": """
        import pathlib
        print(pathlib.Path("TARGET/grades.json").read_text())""",
    "results forged where the judge looks": """
        import glob, os
        for name, path in os.environ.items():
            if path.startswith("/"):
                try: open(path, "w").write('{"violation": null, "score": 5}')
                except OSError: pass
        for path in glob.glob("/tmp/*") + glob.glob("/sandbox/*"):
            try: os.unlink(path)
            except OSError: pass""",
    "secrets sent over the network": """
        import socket
        for address in ("127.0.0.1", "localhost", "0.0.0.0", "::1"):
            try: socket.create_connection((address, PORT), timeout=1).sendall(b"secret")
            except OSError: pass""",
    "a process left behind": """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # COURSE-LEFTOVER"],
                         start_new_session=True)""",
    "the terminal written to": r"""
        import os
        for name in ("/dev/tty", "/proc/1/fd/1", "/dev/console"):
            try: open(name, "w").write("\x1b]0;COURSE-TERMINAL\x07")
            except OSError: pass
        os.system("echo COURSE-TERMINAL; echo COURSE-TERMINAL >&2")""",
    "magic comments": "# NBVAL_SKIP\n# NBVAL_IGNORE_OUTPUT\n# NBVAL_RAISES_EXCEPTION",
}  # fmt: skip


def _mark(cell, grade_id, **marks):
    flags = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = flags | {"schema_version": 3, "grade_id": grade_id} | marks
    return cell


def _function(name, arguments, body):
    return f"def {name}({arguments}):\n    {body}"


def _solved(body):
    return f"### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION"


def _make_lesson(bodies, hidden):
    cells = [new_markdown_cell("# A lesson"), new_code_cell("import math")]
    for exercise, function, arguments, points in (
        ("3.1", "step", "weight, gradient, learning_rate", 2),
        ("3.2", "best_epoch", "losses", 3),
    ):
        name = exercise.replace(".", "-")
        check = f"assert callable({function})"
        if hidden:
            check += "\n" + HIDDEN.format(exercise=exercise, function=function)
        solution = new_code_cell(_function(function, arguments, bodies[function]))
        cells += [
            _mark(solution, f"exercise-{name}", solution=True),
            _mark(new_code_cell(check), f"check-{name}", grade=True, locked=True, points=points),
        ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


SOURCE = _make_lesson(
    {
        "step": _solved("return weight - learning_rate * gradient"),
        "best_epoch": _solved("return min(range(len(losses)), key=losses.__getitem__) + 1"),
    },
    hidden=True,
)


def _student_edition():
    return _make_lesson({"step": STUB, "best_epoch": STUB}, hidden=False)


def _by_code(code):
    notebook = _student_edition()
    notebook.cells[2].source = textwrap.dedent(code).replace("FORGED", FORGED)
    compile(notebook.cells[2].source, "attack", "exec")
    return notebook


def _tags_everywhere():
    notebook = _student_edition()
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "nbval-skip", "raises-exception", "parameters"]
    return notebook


def _stored_outputs():
    notebook = _student_edition()
    for cell in notebook.cells[1:]:
        cell.execution_count = None
        cell.outputs = [new_output("stream", text="3.1 ✓")]
    return notebook


def _edited_checks():
    notebook = _student_edition()
    for cell in notebook.cells:
        if "check" in cell.metadata.get("nbgrader", {}).get("grade_id", ""):
            cell.source = "print('✓')"
            cell.metadata["nbgrader"]["points"] = 1000
    return notebook


def _deleted_checks():
    notebook = _student_edition()
    del notebook.cells[3], notebook.cells[-1]
    return notebook


def _renamed_checks():
    notebook = _student_edition()
    notebook.cells[3].metadata["nbgrader"]["grade_id"] = "exercise-3-1"
    notebook.cells[-1].metadata["nbgrader"] |= {"solution": True, "grade": False, "locked": False}
    return notebook


def _another_kernel():
    notebook = _student_edition()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "mine", "argv": ["true"]}
    notebook.metadata["course"] = {"grading": {"epochs": 0}}
    return notebook


NOTEBOOKS = {
    "tags on every cell": _tags_everywhere,
    "stored outputs and no execution counts": _stored_outputs,
    "checks edited": _edited_checks,
    "checks deleted": _deleted_checks,
    "checks renamed": _renamed_checks,
    "another kernel and other parameters": _another_kernel,
}
ATTACKS = [*CODE, *NOTEBOOKS]


class _Outside:
    """What lies outside the sandbox, and what reaches it."""

    def __init__(self, folder):
        self.folder = folder
        self.grades = folder / "grades.json"
        self.grades.write_text('{"ada": "OTHER-LEARNERS-ANSWER"}')
        self.listener = socket.create_server(("", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                self.connections.append(self.listener.accept()[1])
            except OSError:
                return

    def state(self):
        files = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [*self.folder.rglob("*"), *map(type(self.folder), ["/etc/passwd"])]
            if path.is_file()
        }
        return files, list(self.connections)

    def leftovers(self):
        """Processes that are still there, known by the seed or their command line."""
        return [
            process.pid
            for process in psutil.process_iter()
            if process.pid != os.getpid() and _belongs(process)
        ]


def _belongs(process):
    try:
        return process.environ().get("COURSE_GRADING_SEED") == str(
            SEED
        ) or "COURSE-LEFTOVER" in " ".join(process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    place = _Outside(tmp_path_factory.mktemp("outside"))
    yield place
    place.listener.close()


@functools.cache
def run_source(settings):
    return make_reference("demo", nbformat.writes(SOURCE), settings)


def judge(name, notebook, *, limits, sandbox):
    """The verdict on a notebook, by the way that a worker of a batch takes."""
    settings = Settings(SEED, "course-sandbox", limits, sandbox)
    reference = run_source(settings)
    submitted = Submitted("demo", nbformat.writes(notebook).encode(), (), "")
    return judge_submission(Task(name, "demo", (submitted,), (reference,), settings))[0]


@pytest.fixture(scope="module")
def verdicts(outside):
    """The verdict on each attack, and the state outside before and after all of them."""
    limits = RunLimits(cell_seconds=8, notebook_seconds=40, output_bytes=2_000_000)
    sandbox = Limits(memory=600_000_000, processes=100, folder_size=50_000_000)

    def attack(name):
        if name in CODE:
            code = CODE[name].replace("TARGET", str(outside.folder))
            notebook = _by_code(code.replace("PORT", str(outside.port)))
        else:
            notebook = NOTEBOOKS[name]()
        return judge(name, notebook, limits=limits, sandbox=sandbox)

    before = outside.state()
    with ThreadPoolExecutor(2) as pool:
        judged = dict(zip(ATTACKS, pool.map(attack, ATTACKS), strict=True))
    return judged, before, outside.state()


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_earns_a_point(verdicts, name):
    judgement = verdicts[0][name]
    assert judgement.max_score == 5
    assert judgement.score == 0, judgement.checks
    assert "OTHER-LEARNERS-ANSWER" not in judgement.executed
    json.loads(judgement.executed)


def test_nothing_outside_has_changed(verdicts, outside):
    assert verdicts[1] == verdicts[2]
    assert outside.leftovers() == []


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("endless loop", "timed_out"),
        ("endless loop that cannot be interrupted", "timed_out"),
        ("memory bomb", "out_of_memory"),
        ("endless output", "too_much_output"),
        ("os._exit", "died"),
        ("kernel killed", "died"),
        ("magic comments", "finished"),
        ("tags on every cell", "finished"),
        ("checks deleted", "finished"),
    ],
)
def test_how_it_ended_is_told(verdicts, name, ending):
    assert verdicts[0][name].ending.kind == ending


def test_an_honest_answer_earns_its_points_beside_them():
    honest = (
        "def step(weight, gradient, learning_rate):\n    return weight - gradient * learning_rate"
    )
    assert judge("ada", _by_code(honest), limits=RunLimits(), sandbox=Limits()).score == 2


def test_nothing_reaches_the_terminal(capfd):
    notebook = _by_code(CODE["the terminal written to"])
    judge("ada", notebook, limits=RunLimits(), sandbox=Limits())
    captured = capfd.readouterr()
    assert "COURSE-TERMINAL" not in captured.out + captured.err
