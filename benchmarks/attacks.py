"""Hand the attacks of attacks.py in to nbgrader and to this course's grader, and compare.

nbgrader runs a submission unprotected, with the rights of who grades. So here each ``nbgrader
autograde`` runs in a sandbox of its own, which the course's own guard watches over: no network, a
read-only system, its own processes, a copy of the course in memory, limits to memory and processes.
What the submission does to nbgrader and to the other submissions, it does in there.
"""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks import autograde_in_sandbox as inside
from course_utils.grading.sandbox import provisioner
from course_utils.grading.sandbox.guard import Guard, Limits, Plan, SandboxError
from tests.grading.attacks.catalogue import (
    ATTACKS,
    RUN_LIMITS,
    SANDBOX_LIMITS,
    judge,
    make_attack,
    submit_code,
)
from tests.grading.attacks.lesson import (
    ANSWERS,
    ASSERTED,
    MAX_SCORE,
    make_source,
    make_student_edition,
    write,
)

# An attack of the catalogue in the form that fits nbgrader, which looks at its database.
FITTED = {
    "results forged where the judge looks, for nbgrader": """
        import sqlite3
        with sqlite3.connect("../../../gradebook.db") as gradebook:
            gradebook.execute("UPDATE grade SET manual_score = 2.5")""",
}  # fmt: skip
CONTROLS = {
    "(everything solved)": write(make_student_edition(ANSWERS)),
    "(nothing done)": write(make_student_edition()),
}

LIMITS = Limits(memory=2_000_000_000, processes=100, threads=100, folder_size=300_000_000)
_HOME = "/sandbox/home"
_SOCKETS = "/sandbox/sockets"  # the guard wants one; nothing lies there
_SCRIPT = "/sandbox/autograde.py"
_STOPPED_HERE = "stopped by this sandbox"
_FULL = re.compile("disk is full|No space left")
_SLACK = 120.0  # seconds for what the sandbox does besides running nbgrader


@dataclass(frozen=True)
class Autograded:
    """What nbgrader made of a submission.

    Attributes:
        points: in its gradebook.
        ended: ``graded``, or what happened instead.
        stopped: whether nbgrader did not get to a next submission, at least not by itself.
        outside: what the submission got at that it should not.
    """

    points: float
    ended: str
    stopped: bool
    outside: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A submission under both graders.

    Attributes:
        name: of the attack, or what else it is.
        nbgrader: what nbgrader made of it.
        points: that the course's grader gives.
        ending: how its run ended for the course's grader.
    """

    name: str
    nbgrader: Autograded
    points: float
    ending: str


def make_attacks() -> dict[str, bytes]:
    """Every attack, by its name."""
    target = inside.COURSE / "submitted" / inside.NEIGHBOUR
    attacks = {name: make_attack(name, target=target, port=inside.PORT) for name in ATTACKS}
    return attacks | {name: submit_code(code) for name, code in FITTED.items()}


def make_course(folder: Path) -> None:
    """Make a course with a lesson that the neighbour has handed in."""
    _write(write(make_source(ASSERTED)), folder / "source" / inside.ASSIGNMENT)
    submitted = folder / "submitted" / inside.NEIGHBOUR
    _write(write(make_student_edition(ANSWERS)), submitted / inside.ASSIGNMENT)
    (submitted / "grades.json").write_text(json.dumps({inside.NEIGHBOUR: inside.SECRET}))
    (folder / "nbgrader_config.py").write_text('get_config().CourseDirectory.course_id = "demo"\n')


def _write(content, folder):
    folder.mkdir(parents=True)
    folder.joinpath(f"{inside.ASSIGNMENT}.ipynb").write_bytes(content)


def autograde(learner: str, course: Path, *, seconds: float, report: Path) -> Autograded:
    """Run nbgrader on a learner's submission in a sandbox.

    Args:
        learner: the name of the submission's folder.
        course: nbgrader's folder; it is only read.
        seconds: how long nbgrader may take.
        report: a new folder, the only one on disk that the sandbox can write to.

    Raises:
        SandboxError: there is no sandbox to be had, or nobody knows why it ended.
    """
    report.mkdir()
    guard = Guard(_plan(learner, course, seconds=seconds, report=report))
    guard.start()
    guard.started.result()
    guard.join(seconds + _SLACK)
    guard.send_signal(signal.SIGKILL)
    guard.join()
    return _read_report(report, guard, seconds)


def _plan(learner, course, *, seconds, report):
    folders = (str(inside.COURSE), _HOME, "/tmp", "/dev/shm", _SOCKETS)
    options = [
        *provisioner._ISOLATION,
        "--as-pid-1",
        *provisioner._writable_folders(folders, LIMITS.folder_size),
        *provisioner._readable_folders(),
        *("--ro-bind", str(course), str(inside.ORIGINAL)),
        *("--ro-bind", inside.__file__, _SCRIPT),
        *("--bind", str(report), str(inside.REPORT)),
        *("--remount-ro", "/", "--chdir", str(inside.COURSE)),
    ]
    for name, value in provisioner.make_environment(os.environ).items():
        options += ("--setenv", name, value)
    return Plan(
        program=shutil.which("bwrap") or "bwrap",
        options=options,
        command=[sys.executable, _SCRIPT, learner, str(seconds)],
        limits=LIMITS,
        folders=folders,
        sockets=_SOCKETS,
        link=report.with_name(f"{report.name}.link"),
        status=None,
    )


def _read_report(folder, guard, seconds):
    if violation := guard.usage.violation:
        return Autograded(0.0, f"{_STOPPED_HERE}: {violation}", True, ())
    path = folder / "report.json"
    if not path.exists():
        raise SandboxError(f"the sandbox ended without a report: {guard.usage.last_words}")
    report = json.loads(path.read_text())
    outside = tuple(what for what, happened in report["outside"].items() if happened)
    ended = _describe_end(report, seconds)
    return Autograded(report["points"], ended, not report["went_on"], outside)


def _describe_end(report, seconds):
    return_code, error = report["return_code"], report["error"]
    if return_code is None:
        return f"timed out after {seconds:g} s"
    if return_code < 0:
        return f"nbgrader killed by {signal.Signals(-return_code).name}"
    if _FULL.search(error):
        return f"{_STOPPED_HERE}: folder full"
    return f"failed: {error}" if return_code else "graded"


def compare(submissions: Mapping[str, bytes], *, seconds: float) -> Iterator[Row]:
    """Hand submissions in to both graders, two at a time.

    Args:
        submissions: the notebooks' contents, by the names of the rows.
        seconds: how long nbgrader may take for one.

    Raises:
        SandboxError: there is no sandbox to be had, or nobody knows why one ended.
    """
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        folder = Path(name)
        make_course(folder / "course")
        autograde(inside.NEIGHBOUR, folder / "course", seconds=seconds, report=folder / "first")
        course = folder / "first" / "course"
        for one, content in submissions.items():
            _write(content, course / "submitted" / _to_id(one) / inside.ASSIGNMENT)

        def run(one):
            learner = _to_id(one)
            nbgrader = autograde(learner, course, seconds=seconds, report=folder / learner)
            judgement = judge(one, submissions[one], limits=RUN_LIMITS, sandbox=SANDBOX_LIMITS)
            return Row(one, nbgrader, judgement.score, judgement.ending.kind)

        yield from pool.map(run, submissions)


def _to_id(name):
    return re.sub(r"\W+", "-", name.lower()).strip("-_")


def make_table(rows: Sequence[Row]) -> Table:
    """A line for each submission."""
    limits = f"{LIMITS.memory / 1e9:g} GB of memory, {LIMITS.processes} processes"
    table = Table(
        "submission",
        title=f"Points of {MAX_SCORE}, and how the run ended",
        caption=f"The sandbox around nbgrader, which has none: {limits}, "
        f"{LIMITS.folder_size / 1e6:g} MB of files.",
    )
    table.add_column("nbgrader", justify="right")
    table.add_column("", overflow="fold")
    table.add_column("got at, outside", overflow="fold")
    table.add_column("course", justify="right")
    table.add_column("")
    for row in rows:
        cells = (row.name, f"{row.nbgrader.points:g}", row.nbgrader.ended)
        outside = ", ".join(row.nbgrader.outside)
        table.add_row(*cells, outside, f"{row.points:g}", row.ending, style=_style(row))
    return table


def _style(row):
    return "red" if row.nbgrader.points and row.name not in CONTROLS else None


def summarize(attacks: Sequence[Row]) -> str:
    """The counts, in words."""
    ended = [row.nbgrader for row in attacks]
    sandboxed = [one for one in ended if one.ended.startswith(_STOPPED_HERE)]
    stopped = [one for one in ended if one.stopped and one not in sandboxed]
    failed = [one for one in ended if one.ended.startswith("failed")]
    lines = [
        f"{len(attacks)} attacks under nbgrader:",
        f"{sum(one.points > 0 for one in ended):4} gained points",
        f"{sum(bool(one.outside) for one in ended):4} got at something outside",
        f"{len(failed):4} could not be graded, and the batch goes on",
        f"{len(stopped):4} killed nbgrader or kept it busy: the batch ends there",
        f"{len(sandboxed):4} were stopped by nothing but the sandbox around nbgrader",
        "under the course's grader:",
        f"{sum(row.points > 0 for row in attacks):4} gained points",
    ]
    return "\n".join(lines)


def is_fair(rows: Sequence[Row]) -> bool:
    """Tell whether both graders give what is solved all points, and what is not done none."""
    controls = [(row.nbgrader.points, row.points) for row in rows if row.name in CONTROLS]
    return controls == [(MAX_SCORE, MAX_SCORE), (0, 0)]
