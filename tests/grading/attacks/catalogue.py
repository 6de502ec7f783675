"""The catalogue of attacks on a grader, and the verdicts on them.

Each is a submission that solves no exercise, and so should earn nothing. Each has a twin in
``weak_graders``: a grader without the defence that it is stopped by, where it reaches its aim.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

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
from tests.grading.attacks.code import CODE, expand
from tests.grading.attacks.files import HANDED_IN, READ
from tests.grading.attacks.lesson import EMITTED, make_source, make_student_edition, write

SEED = 0x5EED5EED5EED
RUN_LIMITS = RunLimits(cell_seconds=5, notebook_seconds=25, output_bytes=2_000_000, messages=1000)
SANDBOX_LIMITS = Limits(memory=600_000_000, processes=100, threads=100, folder_size=50_000_000)
GUESSES = "step = best_epoch = lambda *_: 0\n"
ATTACKS = [*CODE, *HANDED_IN, *READ]


def make_attack(name: str, *, target: Path | str, port: int) -> bytes:
    """The submission of an attack on another learner's folder and on a port that is listened to."""
    if name in READ:
        return READ[name]()
    if name in HANDED_IN:
        notebook = make_student_edition()
        HANDED_IN[name](notebook)
        return write(notebook)
    return submit_code(_aim(name, target, port))


def make_joint_attack(names: Sequence[str], *, target: Path | str, port: int) -> bytes:
    """The submission that has a cell for each of these attacks by code."""
    notebook = nbformat.reads(submit_code(""), as_version=4)
    cells = [new_code_cell(expand(_aim(name, target, port))) for name in names]
    notebook.cells[3:3] = cells
    return write(notebook)


def _aim(name, target, port):
    return CODE[name].replace("TARGET", str(target)).replace("PORT", str(port))


def submit_code(code: str) -> bytes:
    """The submission that has this code, behind two guesses, in the place of the answers."""
    notebook = make_student_edition()
    notebook.cells[2].source = GUESSES + expand(code)
    notebook.cells[4].source = "# done above"
    compile(notebook.cells[2].source, "attack", "exec")
    return write(notebook)


@functools.cache
def run_source(limits: RunLimits = RUN_LIMITS, sandbox: Limits = SANDBOX_LIMITS) -> Reference:
    """The instructor's lesson, and what its checks expect."""
    settings = Settings(SEED, "course-sandbox", limits, sandbox)
    return make_reference("demo", nbformat.writes(make_source(EMITTED)), settings)


def judge(name: str, content: bytes, *, limits: RunLimits, sandbox: Limits) -> Judgement:
    """The verdict on a submission, by the way that a worker of a batch takes."""
    settings = Settings(SEED, "course-sandbox", limits, sandbox)
    reference = run_source(limits, sandbox)
    submitted = Submitted("demo", content, (), "")
    return judge_submission(SubmissionTask(name, "demo", (submitted,), (reference,), settings))[0]
