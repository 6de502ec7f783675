"""A batch: every submission of an assignment that is to be graded, in parallel on a Dask cluster.

This process alone writes into the course. Workers get texts and return judgements. Each judgement
is kept as it arrives, so that the same call goes on where an earlier one was stopped, however that
was. Nothing slow to import is imported before there is something to grade.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from course_utils.grading.batch.plan import BatchError, Plan, make_plan
from course_utils.grading.batch.workers import (
    Pool,
    choose_fork_server,
    connect,
    count_workers,
    start_workers,
)
from course_utils.grading.judgement import Judgement
from course_utils.grading.records.gradebook import (
    Course,
    GradebookError,
    check_assignment,
    has_deadline,
    read_course,
    save,
)
from course_utils.grading.records.judgements import (
    FOLDER,
    hold_lock,
    write_graded,
)
from course_utils.grading.sandbox.guard import KERNEL_NAME, Limits
from course_utils.grading.sources import check_sources

if TYPE_CHECKING:
    from distributed import Future

    from course_utils.grading.batch.tasks import Reference, Settings, SubmissionTask
    from course_utils.grading.judge.limits import RunLimits

_SEED_BITS = 63


class BatchInterrupt(KeyboardInterrupt):
    """Ctrl-C stopped a batch; the message says how to go on."""


@dataclass(frozen=True)
class Planned:
    """It is known what there is to do; sent first.

    Attributes:
        learners: whose submissions will be graded.
        unchanged: judgements of earlier calls that still hold, without the executed notebooks.
    """

    learners: tuple[str, ...]
    unchanged: tuple[Judgement, ...]


@dataclass(frozen=True)
class Ready:
    """The instructor's notebook has run; submissions are next.

    Attributes:
        num_workers: how many are graded at a time.
    """

    num_workers: int


@dataclass(frozen=True)
class SubmissionStarted:
    """A submission is being graded.

    Attributes:
        learner: whose it is.
    """

    learner: str


@dataclass(frozen=True)
class SubmissionPostponed:
    """A submission ran out of time while others kept the computer busy; it will be run alone.

    Attributes:
        learner: whose it is.
    """

    learner: str


@dataclass(frozen=True)
class SubmissionFinished:
    """A submission has been graded.

    Attributes:
        learner: whose it is.
        judgements: one for each notebook.
        error: why they could not be kept; empty if they were.
    """

    learner: str
    judgements: tuple[Judgement, ...]
    error: str


Event = Planned | Ready | SubmissionStarted | SubmissionPostponed | SubmissionFinished


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Attributes:
        graded: judgements of this call, as they arrived.
        unchanged: judgements of earlier calls that still hold, without the executed notebooks.
        unsaved: why judgements could not be kept, by learner; the next call grades them again.
    """

    graded: tuple[Judgement, ...]
    unchanged: tuple[Judgement, ...]
    unsaved: Mapping[str, str]


def grade(
    course_folder: Path,
    assignment: str,
    *,
    learners: Sequence[str] | None = None,
    regrade: bool = False,
    scheduler: str | None = None,
    num_workers: int | None = None,
    kernel: str = "course-sandbox",
    limits: "RunLimits | None" = None,
    sandbox: Limits | None = None,
    asserts: bool = True,
    database: str | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
) -> BatchResult:
    """Grade the submissions of an assignment that have not been graded as they are now.

    Args:
        course_folder: the nbgrader course, with ``source/{assignment}`` and
            ``submitted/{learner}/{assignment}``.
        assignment: its name, such as ``03_training``.
        learners: whose submissions; by default all.
        regrade: grade them even if nothing has changed.
        scheduler: address of a Dask scheduler, such as ``tcp://192.0.2.1:8786``, whose workers
            have this package; by default workers are started on this computer.
        num_workers: how many to start; by default as many as it has processors and memory for.
        kernel: name of the Jupyter kernel.
        limits: of the run of a notebook.
        sandbox: of a sandboxed kernel.
        asserts: whether checks that learners can forge are graded.
        database: SQLAlchemy's URL of the gradebook; by default the configured one.
        on_event: called with what happens, in this thread.

    Raises:
        SourceError: a notebook of the instructor's has marks or metadata that can't be used.
        BatchError: there is nothing to grade, the instructor's notebook fails, or the workers
            cannot be had.
        GradebookError: the folder is no course, or the gradebook does not know the assignment.
        StoreError: another process is grading in the course.
        BatchInterrupt: Ctrl-C.
    """
    if num_workers is not None and num_workers < 1:
        raise BatchError(f"at least one worker is needed, not {num_workers}")
    course = read_course(Path(course_folder), database=database)
    if kernel == KERNEL_NAME:
        _refuse_exposed(course)
    with hold_lock(course.folder) as temporary:
        conditions = (kernel, repr((limits, sandbox, asserts)))
        plan = make_plan(course, assignment, learners, conditions=conditions, regrade=regrade)
        on_event(Planned(tuple(plan.pending), plan.unchanged))
        finished: list[SubmissionFinished] = []
        if plan.pending:
            check_sources(course.folder / "source" / assignment, course.marks)

            from course_utils.grading.batch.tasks import Settings
            from course_utils.grading.judge.limits import RunLimits

            workers = (
                connect(scheduler)
                if scheduler
                else start_workers(
                    num_workers or count_workers(sandbox or Limits(), len(plan.pending)),
                    fork_server=choose_fork_server(kernel, plan.sources.values(), temporary),
                    temporary=temporary,
                    log=course.folder / FOLDER / "workers.log",
                )
            )
            try:
                with workers as pool:
                    settings = Settings(
                        secrets.randbits(_SEED_BITS),
                        kernel,
                        limits or RunLimits(),
                        sandbox or Limits(),
                        asserts,
                        course.marks,
                        plan.files,
                    )
                    for event in _run(pool, course, plan, settings):
                        if isinstance(event, SubmissionFinished):
                            finished.append(_keep(course, event, plan))
                        on_event(finished[-1] if isinstance(event, SubmissionFinished) else event)
            except KeyboardInterrupt:
                raise BatchInterrupt(
                    f"stopped; of {len(plan.pending)} submissions {len(finished)} have been "
                    f"graded, and `course grade {assignment}` goes on with the others"
                ) from None
    if has_deadline(course, assignment):
        from course_utils.grading.records.grades import refresh_penalties

        refresh_penalties(course, [assignment])
    return BatchResult(
        graded=tuple(judgement for event in finished for judgement in event.judgements),
        unchanged=plan.unchanged,
        unsaved={event.learner: event.error for event in finished if event.error},
    )


def _run(pool: Pool, course: Course, plan: Plan, settings: "Settings") -> Iterator[Event]:
    """Run the instructor's notebooks, then judge submissions; what happens is yielded."""
    references = _make_references(pool, course, plan, settings)
    yield Ready(pool.num_workers)
    yield from _judge(pool, plan, references, settings)


def _make_references(
    pool: Pool, course: Course, plan: Plan, settings: "Settings"
) -> "tuple[Reference, ...]":
    """Run the instructor's notebooks, and meanwhile see to it that the gradebook knows them."""
    from course_utils.grading.batch.tasks import make_reference

    futures = [
        pool.submit(make_reference, name, source, settings) for name, source in plan.sources.items()
    ]
    check_assignment(course, plan.assignment, plan.sources)
    for name, future in zip(plan.sources, futures, strict=True):
        if error := pool.wait([future]).exception():
            path = course.folder / "source" / plan.assignment / f"{name}.ipynb"
            raise BatchError(f"{path} cannot be graded with: {error}")
    return tuple(future.result() for future in futures)


def _judge(
    pool: Pool, plan: Plan, references: "tuple[Reference, ...]", settings: "Settings"
) -> Iterator[Event]:
    """Judge all submissions; those that others crowded out once more, each alone."""
    postponed = []
    tasks = _read_tasks(plan, plan.pending, references, settings)
    for event in _judge_tasks(pool, tasks, num_at_a_time=pool.num_workers):
        if pool.num_workers > 1 and _was_crowded_out(event):
            postponed.append(event.learner)
            yield SubmissionPostponed(event.learner)
        else:
            yield event
    yield from _judge_tasks(
        pool, _read_tasks(plan, postponed, references, settings), num_at_a_time=1
    )


def _was_crowded_out(event: Event) -> TypeGuard[SubmissionFinished]:
    return isinstance(event, SubmissionFinished) and any(
        judgement.was_crowded_out for judgement in event.judgements
    )


def _read_tasks(
    plan: Plan,
    learners: Iterable[str],
    references: "tuple[Reference, ...]",
    settings: "Settings",
) -> "Iterator[SubmissionTask]":
    """Read submissions, each when its turn comes."""
    from course_utils.grading.batch.tasks import SubmissionTask, read_submitted

    for learner in learners:
        submitted = tuple(
            read_submitted(plan.pending[learner], name, siblings=plan.sources)
            for name in plan.sources
        )
        yield SubmissionTask(learner, plan.assignment, submitted, references, settings)


def _judge_tasks(
    pool: Pool, tasks: "Iterator[SubmissionTask]", *, num_at_a_time: int
) -> Iterator[Event]:
    from course_utils.grading.batch.tasks import judge_submission

    running: dict[Future[Any], SubmissionTask] = {}
    while True:
        for task in islice(tasks, num_at_a_time - len(running)):
            yield SubmissionStarted(task.learner)
            running[pool.submit(judge_submission, task)] = task
        if not running:
            return
        yield _wait_for_judgement(pool, running)


def _wait_for_judgement(
    pool: Pool, running: "dict[Future[Any], SubmissionTask]"
) -> SubmissionFinished:
    """Wait for the next judgement. Dask may forget it then: nobody holds its future any more."""
    future = pool.wait(running)
    task = running.pop(future)
    return SubmissionFinished(task.learner, _find_outcome(future, task), "")


def _find_outcome(future: "Future[Any]", task: "SubmissionTask") -> tuple[Judgement, ...]:
    """The judgement on a submission; one without points if its worker died or could not judge."""
    from distributed import KilledWorker

    from course_utils.grading.batch.tasks import give_up

    error = future.exception()
    if error is None:
        judgements: tuple[Judgement, ...] = future.result()
        return judgements
    if isinstance(error, KilledWorker):
        return give_up(task, "died", "the process that judged it died, twice")
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    return give_up(task, "interrupted", f"it could not be judged: {reason}")


def _keep(course: Course, event: SubmissionFinished, plan: Plan) -> SubmissionFinished:
    """Keep a judgement; the fingerprint comes last, so that all is there where it is.

    One that came of no fault of the submission is kept without, to be tried again.
    """
    kinds = {judgement.ending.kind for judgement in event.judgements}
    try:
        save(course, event.judgements)
        write_graded(
            course.folder,
            judgements=event.judgements,
            fingerprint="" if "interrupted" in kinds else plan.fingerprints[event.learner],
            submission=plan.submissions[event.learner],
        )
    except (GradebookError, OSError) as error:
        return replace(event, error=str(error))
    return event


def _refuse_exposed(course: Course) -> None:
    """Refuse a course that the kernels of its submissions could read."""
    from course_utils.grading.sandbox.provisioner import find_exposed

    places = [course.folder, *filter(None, [course.database_file])]
    if exposed := find_exposed(places):
        raise BatchError(
            f"{exposed[0]} lies in a folder of this Python or of the system, which submissions can "
            "read: move the course to another folder"
        )
