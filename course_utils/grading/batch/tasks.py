"""What a worker of a batch does: run the instructor's notebook, judge a submission.

All that it needs travels in the task, and it writes nowhere but into its own temporary folder.
Dask imports this module when a worker starts.
"""

import os
import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from course_utils.grading.batch.workers import LOG_VARIABLE
from course_utils.grading.intake.repair import repair
from course_utils.grading.intake.submission import (
    FoundNotebook,
    SubmissionError,
    find_notebook,
    read_submission,
)
from course_utils.grading.judge.limits import RunLimits
from course_utils.grading.judge.running import Execution, JudgeError, execute
from course_utils.grading.judge.scoring import Check, read_expected, score
from course_utils.grading.judgement import CheckResult, Ending, EndingKind, Judgement, Repair
from course_utils.grading.sandbox.guard import Limits
from course_utils.notebooks import NbgraderSettings, get

if TYPE_CHECKING:
    from distributed import Worker
    from nbformat import NotebookNode


@dataclass(frozen=True)
class Settings:
    """How the notebooks of a batch are run.

    Attributes:
        seed: what the check cells draw their inputs from; a secret.
        kernel: name of the Jupyter kernel.
        limits: of the run of a notebook.
        sandbox: of a sandboxed kernel.
        asserts: whether checks that learners can forge are graded.
        marks: nbgrader's settings of what is a solution, a hidden test and a stub.
        files: what lies beside the notebooks, by the paths there.
    """

    seed: int
    kernel: str
    limits: RunLimits
    sandbox: Limits
    asserts: bool = True
    marks: NbgraderSettings = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """The instructor's notebook and what its run gave.

    Attributes:
        name: the notebook's name, without ``.ipynb``.
        source: the notebook, as JSON text.
        checks: what it checks, with what is expected.
    """

    name: str
    source: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Submitted:
    """A submitted notebook.

    Attributes:
        name: its lesson's name.
        content: of its file; empty if there is none that could be read.
        repairs: that it has another name than its lesson's, if it has.
        error: why there is none; empty if there is.
    """

    name: str
    content: bytes
    repairs: tuple[Repair, ...]
    error: str


@dataclass(frozen=True)
class SubmissionTask:
    """A submission to be judged.

    Attributes:
        learner: whose it is.
        assignment: the assignment's name.
        submitted: its notebooks, one for each of the references.
        references: the instructor's.
        settings: how to run them.
    """

    learner: str
    assignment: str
    submitted: tuple[Submitted, ...]
    references: tuple[Reference, ...]
    settings: Settings


def dask_setup(worker: "Worker") -> None:
    """Leave Ctrl-C to the process that grades, and what this one prints to the log; for Dask."""
    signal.signal(signal.SIGINT, lambda *_: None)
    if path := os.environ.get(LOG_VARIABLE):
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(log)


def make_reference(name: str, source: str, settings: Settings) -> Reference:
    """Run the instructor's notebook.

    Args:
        name: its name, without ``.ipynb``.
        source: the notebook, as JSON text.
        settings: how to run it.

    Raises:
        JudgeError: no submission could be brought into its form, it fails, its own answers would
            not get all points, or there is no such kernel.
    """
    notebook = nbformat.reads(source, as_version=4)
    try:
        repair(notebook, source.encode(), settings=settings.marks)
    except Exception as error:
        raise JudgeError(
            f"no submission could be brought into its form ({type(error).__name__}: {error}); "
            "look at its marks, and at the settings in nbgrader_config.py"
        ) from error
    checks = read_expected(notebook, _execute(notebook, notebook, settings))
    forgeable = [check.grade_id for check in checks if check.kind == "assert"]
    if forgeable and not settings.asserts:
        raise JudgeError(
            f"{name} has checks that learners can forge ({', '.join(forgeable)}): let them publish "
            "what they look at, or grade without --no-asserts"
        )
    if any(check.kind == "output" for check in checks):
        _require_steady_outputs(name, checks, _execute(notebook, notebook, settings))
    return Reference(name, source, tuple(checks))


def _require_steady_outputs(name: str, checks: Sequence[Check], again: Execution) -> None:
    """Run once more, the instructor's own notebook has to show the same."""
    result = score(checks, found=again, learner="", assignment="", notebook=name)
    for check in result.checks:
        if check.kind == "output" and check.score < check.max_score:
            raise JudgeError(
                f"the instructor's check cell {check.grade_id!r} doesn't show the same each time: "
                f"{check.reason}; fix what it draws, or give its metadata a course.tolerance"
            )


def read_submitted(folder: Path, name: str, *, siblings: Collection[str]) -> Submitted:
    """Read a submitted notebook.

    Args:
        folder: the submission.
        name: the lesson's name.
        siblings: the names of all of the assignment's notebooks.
    """
    names = [f"{sibling}.ipynb" for sibling in siblings]
    try:
        found: FoundNotebook = find_notebook(folder, f"{name}.ipynb", siblings=names)
        return Submitted(name, read_submission(found.path), found.repairs, "")
    except SubmissionError as error:
        return Submitted(name, b"", (), str(error))


def judge_submission(task: SubmissionTask) -> tuple[Judgement, ...]:
    """Judge the notebooks of a submission.

    Raises:
        JudgeError: one could not be run, through no fault of its author.
    """
    return tuple(
        _judge_notebook(task, submitted, reference)
        for submitted, reference in zip(task.submitted, task.references, strict=True)
    )


def _judge_notebook(task: SubmissionTask, submitted: Submitted, reference: Reference) -> Judgement:
    if submitted.error:
        return _give_nothing(task, reference, "refused", submitted.error)
    source = nbformat.reads(reference.source, as_version=4)
    try:
        repaired = repair(source, submitted.content, settings=task.settings.marks)
    except SubmissionError as error:
        return _give_nothing(task, reference, "refused", str(error))
    return score(
        reference.checks,
        found=_execute(source, repaired.notebook, task.settings),
        learner=task.learner,
        assignment=task.assignment,
        notebook=reference.name,
        repairs=(*submitted.repairs, *repaired.repairs),
    )


def _execute(source: "NotebookNode", notebook: "NotebookNode", settings: Settings) -> Execution:
    return execute(
        notebook,
        seed=settings.seed,
        kernel=settings.kernel,
        parameters=get(source.metadata.get("course"), "grading") or {},
        limits=settings.limits,
        sandbox=settings.sandbox,
        files=settings.files,
    )


def give_up(task: SubmissionTask, kind: EndingKind, message: str) -> tuple[Judgement, ...]:
    """Make the judgement on a submission whose judge did not get to one: no points.

    Args:
        task: the submission.
        kind: how its run ended.
        message: what happened.
    """
    return tuple(_give_nothing(task, reference, kind, message) for reference in task.references)


def _give_nothing(
    task: SubmissionTask, reference: Reference, kind: EndingKind, message: str
) -> Judgement:
    checks = tuple(
        CheckResult(
            check.grade_id,
            check.exercise,
            0.0,
            check.points,
            (),
            f"never reached: {message}",
            "",
            check.kind,
        )
        for check in reference.checks
    )
    ending = Ending(kind, 0, message)
    return Judgement(task.learner, task.assignment, reference.name, checks, (), ending, 0.0, 0, "")
