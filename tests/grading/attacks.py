"""The catalogue of attacks on a grader, the lesson that they are handed in for, and the verdicts.

Each is a submission that solves no exercise, and so should earn nothing.
"""

import functools
import textwrap
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.grading.batch.tasks import (
    Reference,
    Settings,
    SubmissionTask,
    Submitted,
    judge_submission,
    make_reference,
)
from course_utils.grading.judge.limits import RunLimits
from course_utils.grading.judgement import Judgement
from course_utils.grading.sandbox.guard import Limits

SEED = 0x5EED5EED5EED
MAX_SCORE = 5
RUN_LIMITS = RunLimits(cell_seconds=8, notebook_seconds=40, output_bytes=2_000_000)
SANDBOX_LIMITS = Limits(memory=600_000_000, processes=100, folder_size=50_000_000)

# --- The lesson

STUB = 'raise NotImplementedError("Replace this line by your code.")'
ANSWERS = {
    "step": "return weight - learning_rate * gradient",
    "best_epoch": "return min(range(len(losses)), key=losses.__getitem__) + 1",
}
EMITTED = {
    function: f'from course_utils.exercises import emit\n\nemit("{exercise}", {function})'
    for exercise, function in (("3.1", "step"), ("3.2", "best_epoch"))
}


def make_source(hidden: Mapping[str, str]) -> NotebookNode:
    """The instructor's lesson, with these hidden tests of each function."""
    bodies = {
        function: f"### BEGIN SOLUTION\n    {answer}\n    ### END SOLUTION"
        for function, answer in ANSWERS.items()
    }
    tests = {
        function: f"\n### BEGIN HIDDEN TESTS\n{test}\n### END HIDDEN TESTS"
        for function, test in hidden.items()
    }
    return _make_lesson(bodies, tests)


def make_student_edition(answers: Mapping[str, str] | None = None) -> NotebookNode:
    """The lesson as learners get it, with these bodies of the functions instead of the stubs."""
    stubs = dict.fromkeys(ANSWERS, STUB)
    return _make_lesson(stubs | dict(answers or {}), dict.fromkeys(ANSWERS, ""))


def _make_lesson(bodies, hidden):
    cells = [new_markdown_cell("# A lesson"), new_code_cell("import math")]
    for exercise, function, arguments, points in (
        ("3-1", "step", "weight, gradient, learning_rate", 2),
        ("3-2", "best_epoch", "losses", 3),
    ):
        solution = new_code_cell(f"def {function}({arguments}):\n    {bodies[function]}")
        check = new_code_cell(f"assert callable({function}){hidden[function]}")
        cells += [
            _mark(solution, f"exercise-{exercise}", solution=True),
            _mark(check, f"check-{exercise}", grade=True, locked=True, points=points),
        ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _mark(cell, grade_id, **marks):
    flags = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = flags | {"schema_version": 3, "grade_id": grade_id} | marks
    return cell


# --- Attacks by code

FORGED = """\
from IPython.display import publish_display_data
from course_utils.exercises import probes, publishing

def forge(exercise):
    import numpy
    cases = probes.PROBES[exercise].cases(numpy.random.default_rng(0))
    answers = {"exercise": exercise, "tolerance": 1e9, "answers": [
        {"case": case.name, "kind": "number", "dtype": None, "shape": None, "value": 0.0,
         "error": None} for case in cases]}
    publish_display_data({publishing.MIME_TYPE: answers})
"""

# Code that a learner runs instead of solving the exercises. TARGET is a folder of the grader's
# computer, with the answers of another learner in it; PORT is listened to.
CODE = {
    "hidden checks read from memory": """
        import gc, inspect, sys
        from course_utils.exercises import probes
        inside = (one for some in gc.get_objects() if isinstance(some, (dict, list, tuple))
                  for one in (some.values() if isinstance(some, dict) else some))
        found = [one for one in inside if isinstance(one, str) and "return weight" in one]
        frames = [frame.f_locals for frame in sys._current_frames().values()]
        step = lambda *arguments: found[0] if found else None""",
    "emit replaced": """
        import course_utils.exercises as exercises
        exercises.emit = lambda exercise, answer: print("✓ all right")""",
    "emit made to publish what it likes": """
        from course_utils.exercises import probes
        assert callable(probes._try)
        probes._try = lambda *_: {"kind": "number", "dtype": None, "shape": [], "value": 0.0,
                                  "error": None}""",
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
        import signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True: pass""",
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
    "right answers taken from the course's package": """
        from course_utils.grading.release.example_class import SOLUTIONS
        for exercise, head in (("3.1", "step(weight, gradient, learning_rate)"),
                               ("3.2", "best_epoch(losses)")):
            body = SOLUTIONS[exercise]["another way"].body.replace("\\n", "\\n    ")
            exec(f"def {head}:\\n    {body}")""",
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


# --- Attacks by the notebook's form


def _tags_everywhere():
    notebook = make_student_edition()
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "nbval-skip", "raises-exception", "parameters"]
    return notebook


def _stored_outputs():
    notebook = make_student_edition()
    for cell in notebook.cells[1:]:
        cell.execution_count = None
        cell.outputs = [new_output("stream", text="3.1 ✓")]
    return notebook


def _edited_checks():
    notebook = make_student_edition()
    for cell in notebook.cells:
        if "check" in cell.metadata.get("nbgrader", {}).get("grade_id", ""):
            cell.source = "print('✓')"
            cell.metadata["nbgrader"]["points"] = 1000
    return notebook


def _deleted_checks():
    notebook = make_student_edition()
    del notebook.cells[3], notebook.cells[-1]
    return notebook


def _renamed_checks():
    notebook = make_student_edition()
    notebook.cells[3].metadata["nbgrader"]["grade_id"] = "exercise-3-1"
    notebook.cells[-1].metadata["nbgrader"] |= {"solution": True, "grade": False, "locked": False}
    return notebook


def _another_kernel():
    notebook = make_student_edition()
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


# --- Submissions and verdicts


def make_attack(name: str, *, target: Path | str, port: int) -> NotebookNode:
    """The submission of an attack on another learner's folder and on a port that is listened to."""
    if name in NOTEBOOKS:
        return NOTEBOOKS[name]()
    return submit_code(CODE[name].replace("TARGET", str(target)).replace("PORT", str(port)))


def submit_code(code: str) -> NotebookNode:
    """The submission that has this code in the place of the first exercise's."""
    notebook = make_student_edition()
    notebook.cells[2].source = textwrap.dedent(code).replace("FORGED", FORGED)
    compile(notebook.cells[2].source, "attack", "exec")
    return notebook


@functools.cache
def _run_source(limits: RunLimits, sandbox: Limits) -> Reference:
    settings = Settings(SEED, "course-sandbox", limits, sandbox)
    return make_reference("demo", nbformat.writes(make_source(EMITTED)), settings)


def judge(name: str, notebook: NotebookNode, *, limits: RunLimits, sandbox: Limits) -> Judgement:
    """The verdict on a notebook, by the way that a worker of a batch takes."""
    settings = Settings(SEED, "course-sandbox", limits, sandbox)
    reference = _run_source(limits, sandbox)
    submitted = Submitted("demo", nbformat.writes(notebook).encode(), (), "")
    return judge_submission(SubmissionTask(name, "demo", (submitted,), (reference,), settings))[0]
