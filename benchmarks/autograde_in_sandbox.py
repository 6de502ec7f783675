"""What compare_attacks.py runs in its sandbox: nbgrader on one submission, and what it looks at.

``autograde_in_sandbox.py LEARNER SECONDS`` is the sandbox's first process, which no other there can
kill. It grades the submission in a copy of the course in /original and writes what came of it to
/report. The neighbour, whose folder the attacks are after, comes first: the course in which that
submission has been graded goes to /report too, for the others to be graded in.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from nbgrader.api import Gradebook, MissingEntry

ORIGINAL, COURSE, REPORT = Path("/original"), Path("/course"), Path("/report")
ASSIGNMENT = "demo"
NEIGHBOUR = "neighbour"
SECRET = "OTHER-LEARNERS-ANSWER"
PORT = 8765

_GRACE = 2.0  # seconds for nbgrader's own processes to end
_ERROR = re.compile(r"^ *(?:\w+\.)*([A-Z]\w*(?:Error|Entry): .*)", re.MULTILINE)
_WENT_ON = f"There was an error processing assignment '{ASSIGNMENT}' for student"


def main(learner: str, seconds: float) -> None:
    """Grade a learner's submission within a time limit, and report."""
    shutil.copytree(ORIGINAL, COURSE, dirs_exist_ok=True)
    if learner == NEIGHBOUR:
        _run_nbgrader("generate_assignment", ASSIGNMENT, seconds=seconds)
    connections = _listen()
    before = _hash_files(learner), _read_grades(NEIGHBOUR)
    began = time.monotonic()
    return_code = _run_nbgrader("autograde", ASSIGNMENT, "--student", learner, seconds=seconds)
    passed = time.monotonic() - began
    left = _find_processes() if return_code is not None else []
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    log = Path(REPORT, "log").read_text(errors="replace")
    report = {
        "return_code": return_code,
        "seconds": round(passed, 1),
        "error": (["", *_ERROR.findall(log)])[-1],
        "went_on": return_code == 0 or _WENT_ON in log,
        "points": sum(sum(points) for points in _read_grades(learner).values()),
        "outside": {
            "other submission read": SECRET in log + _read_autograded(learner),
            "other submission changed": _hash_files(learner) != before[0],
            "other's grades changed": learner != NEIGHBOUR and _read_grades(NEIGHBOUR) != before[1],
            "process left behind": bool(left),
            "network used": bool(connections),
        },
    }
    if learner == NEIGHBOUR:
        shutil.copytree(COURSE, REPORT / "course")
    (REPORT / "report.json").write_text(json.dumps(report))


def _run_nbgrader(*arguments, seconds):
    """Return its exit status, None if it took too long."""
    with Path(REPORT, "log").open("wb") as log:
        try:
            return subprocess.run(
                [sys.executable, "-m", "nbgrader", *arguments],
                check=False,
                timeout=seconds,
                cwd=COURSE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            ).returncode
        except subprocess.TimeoutExpired:
            return None


def _listen():
    """Listen for connections, as a computer outside would; returns the list that they go to."""
    listener = socket.create_server(("", PORT))
    connections = []

    def accept():
        while True:
            connections.append(listener.accept()[1])

    threading.Thread(target=accept, daemon=True).start()
    return connections


def _hash_files(learner):
    """Digests of what the learner's grading should leave as it is."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for step in ("source", "release", "submitted", "autograded")
        for path in Path(COURSE, step).rglob("*")
        if path.is_file() and learner not in path.parts
    }


def _read_grades(learner):
    """A learner's points for each check: by nbgrader, and by hand on top or instead."""
    with Gradebook(f"sqlite:///{COURSE}/gradebook.db") as gradebook:
        try:
            submission = gradebook.find_submission(ASSIGNMENT, learner)
        except MissingEntry:
            return {}
        return {
            grade.name: (grade.score or 0, grade.extra_credit or 0)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def _read_autograded(learner):
    folder = Path(COURSE, "autograded", learner)
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*.ipynb"))


def _find_processes():
    """The processes that are still there although nbgrader has ended."""
    time.sleep(_GRACE)
    return [
        process.pid
        for process in psutil.process_iter()
        if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
    ]


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
