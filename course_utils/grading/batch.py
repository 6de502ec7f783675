"""A batch: every submission of an assignment that is to be graded, in parallel on a Dask cluster.

This process alone writes into the course. Workers get texts and return verdicts. Each verdict is
kept as it arrives, so that the same call goes on where an earlier one was stopped, however that
was. Nothing slow to import is imported before there is something to grade.
"""

import logging
import secrets
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from math import isclose
from multiprocessing import active_children
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

import psutil

from course_utils.grading.gradebook import (
    Course,
    GradebookError,
    check_assignment,
    read_course,
    read_scores,
    save,
)
from course_utils.grading.guard import Limits
from course_utils.grading.results import Judgement
from course_utils.grading.store import (
    FOLDER,
    Graded,
    autograded_file,
    find_fingerprint,
    find_package_fingerprint,
    find_submission_fingerprint,
    find_submissions,
    hold_lock,
    read_graded,
    write_graded,
)

if TYPE_CHECKING:
    from distributed import Client, Future

    from course_utils.grading.plugin import RunLimits
    from course_utils.grading.tasks import Reference, Settings, Task

LOG_VARIABLE = "COURSE_WORKER_LOG"  # tells a worker where to write what it prints
SEED_POLICY = "a secret seed, fresh for each batch"

_SEED_BITS = 63
_WORKER_MEMORY = 400_000_000  # bytes of a worker and the judge that it starts, beside the kernel
_POLL_SECONDS = 5.0
_LONELY_SECONDS = 60.0  # without any worker, until the batch is given up
_CONNECT_SECONDS = 10.0
_STOP_SECONDS = 10.0

_DASK = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.preload": ["course_utils.grading.tasks"],
}
_ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


class BatchError(Exception):
    """A batch cannot be graded; the message says why and what to do."""


class BatchInterrupt(KeyboardInterrupt):
    """Ctrl-C stopped a batch; the message says how to go on."""


@dataclass(frozen=True)
class Planned:
    """It is known what there is to do; sent first.

    Attributes:
        students: whose submissions will be graded.
        unchanged: verdicts of earlier calls that still hold, without the executed notebooks.
    """

    students: tuple[str, ...]
    unchanged: tuple[Judgement, ...]


@dataclass(frozen=True)
class Ready:
    """The instructor's notebook has run; submissions are next.

    Attributes:
        num_workers: how many are graded at a time.
    """

    num_workers: int


@dataclass(frozen=True)
class Started:
    """A submission is being graded.

    Attributes:
        student: whose it is.
    """

    student: str


@dataclass(frozen=True)
class Finished:
    """A submission has been graded.

    Attributes:
        student: whose it is.
        judgements: one for each notebook.
        error: why they could not be kept; empty if they were.
    """

    student: str
    judgements: tuple[Judgement, ...]
    error: str


Event = Planned | Ready | Started | Finished


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Attributes:
        graded: verdicts of this call, as they arrived.
        unchanged: verdicts of earlier calls that still hold, without the executed notebooks.
        unsaved: why verdicts could not be kept, by student; the next call grades them again.
    """

    graded: tuple[Judgement, ...]
    unchanged: tuple[Judgement, ...]
    unsaved: Mapping[str, str]


def grade(
    course_folder: Path,
    assignment: str,
    *,
    students: Sequence[str] | None = None,
    regrade: bool = False,
    scheduler: str | None = None,
    num_workers: int | None = None,
    kernel: str = "course-sandbox",
    limits: "RunLimits | None" = None,
    sandbox: Limits | None = None,
    database: str | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
) -> BatchResult:
    """Grade the submissions of an assignment that have not been graded as they are now.

    Args:
        course_folder: the nbgrader course, with ``source/{assignment}`` and
            ``submitted/{student}/{assignment}``.
        assignment: its name, such as ``03_training``.
        students: whose submissions; by default all.
        regrade: grade them even if nothing has changed.
        scheduler: address of a Dask scheduler, such as ``tcp://192.0.2.1:8786``, whose workers
            have this package; by default workers are started on this computer.
        num_workers: how many to start; by default as many as it has processors and memory for.
        kernel: name of the Jupyter kernel.
        limits: of the run of a notebook.
        sandbox: of a sandboxed kernel.
        database: SQLAlchemy's URL of the gradebook; by default the configured one.
        on_event: called with what happens, in this thread.

    Raises:
        BatchError: there is nothing to grade, the instructor's notebook fails, or the workers
            cannot be had.
        GradebookError: the folder is no course, or the gradebook does not know the assignment.
        StoreError: another process is grading in the course.
        BatchInterrupt: Ctrl-C.
    """
    if num_workers is not None and num_workers < 1:
        raise BatchError(f"at least one worker is needed, not {num_workers}")
    course = read_course(Path(course_folder), database=database)
    with hold_lock(course.folder) as temporary:
        conditions = (kernel, repr((limits, sandbox)))
        plan = _make_plan(course, assignment, students, conditions=conditions, regrade=regrade)
        on_event(Planned(tuple(plan.pending), plan.unchanged))
        finished: list[Finished] = []
        if plan.pending:
            workers = (
                _connect(scheduler)
                if scheduler
                else _start_workers(
                    num_workers or count_workers(sandbox or Limits(), len(plan.pending)),
                    fork_server=_choose_fork_server(kernel, plan.sources.values(), temporary),
                    temporary=temporary,
                    log=course.folder / FOLDER / "workers.log",
                )
            )
            try:
                with workers as pool:
                    settings = _choose_settings(kernel, limits, sandbox)
                    for event in _run(pool, course, plan, settings):
                        if isinstance(event, Finished):
                            finished.append(_keep(course, event, plan))
                        on_event(finished[-1] if isinstance(event, Finished) else event)
            except KeyboardInterrupt:
                raise BatchInterrupt(
                    f"stopped; of {len(plan.pending)} submissions {len(finished)} have been "
                    f"graded, and `course grade {assignment}` goes on with the others"
                ) from None
    return BatchResult(
        graded=tuple(judgement for event in finished for judgement in event.judgements),
        unchanged=plan.unchanged,
        unsaved={event.student: event.error for event in finished if event.error},
    )


@dataclass(frozen=True)
class _Plan:
    """What there is to do.

    Attributes:
        assignment: the assignment's name.
        sources: the instructor's notebooks by their names, as JSON text.
        pending: the folders of the submissions to be graded, by student.
        submissions: fingerprints of the submissions, by student.
        fingerprints: of all that the verdicts follow from, by student.
        unchanged: verdicts of earlier calls that still hold.
    """

    assignment: str
    sources: Mapping[str, str]
    pending: Mapping[str, Path]
    submissions: Mapping[str, str]
    fingerprints: Mapping[str, str]
    unchanged: tuple[Judgement, ...]


def _make_plan(
    course: Course,
    assignment: str,
    students: Sequence[str] | None,
    *,
    conditions: Sequence[str],
    regrade: bool,
) -> _Plan:
    sources = _read_sources(course, assignment)
    folders = _find_submissions(course, assignment, students)
    common = find_fingerprint(
        SEED_POLICY,
        find_package_fingerprint(),
        *conditions,
        *(part for pair in sources.items() for part in pair),
    )
    submissions = {
        student: find_submission_fingerprint(folder) for student, folder in folders.items()
    }
    fingerprints = {
        student: find_fingerprint(common, submission) for student, submission in submissions.items()
    }
    known = {} if regrade else _find_known(course, assignment, fingerprints)
    return _Plan(
        assignment,
        sources,
        {student: folder for student, folder in folders.items() if student not in known},
        submissions,
        fingerprints,
        tuple(judgement for graded in known.values() for judgement in graded.judgements),
    )


def _read_sources(course: Course, assignment: str) -> dict[str, str]:
    """The notebooks of an assignment's source by their names, as JSON text."""
    folder = course.folder / "source"
    known = sorted({path.parent.name for path in folder.glob("*/*.ipynb")})
    if assignment not in known:
        raise BatchError(
            f"there is no notebook of an assignment {assignment!r} in {folder}; "
            f"there are {', '.join(known) or 'none'}"
        )
    return {
        path.stem: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted((folder / assignment).glob("*.ipynb"))
    }


def _find_submissions(
    course: Course, assignment: str, students: Sequence[str] | None
) -> dict[str, Path]:
    """The folders of the submissions, by student."""
    found = find_submissions(course.folder, assignment)
    if not found:
        raise BatchError(
            f"nobody has handed in {assignment}: there is no folder "
            f"{course.folder / 'submitted'}/…/{assignment}; `course collect` puts submissions there"
        )
    if students is None:
        return found
    if missing := [student for student in students if student not in found]:
        raise BatchError(
            f"no submission of {assignment} by {', '.join(missing)}; "
            f"there are those by {', '.join(found)}"
        )
    return {student: found[student] for student in sorted(set(students))}


def _find_known(
    course: Course, assignment: str, fingerprints: Mapping[str, str]
) -> dict[str, Graded]:
    """The verdicts that still hold, and are in the gradebook and ``autograded/``, by student."""
    graded = read_graded(course.folder, assignment)
    scores = read_scores(course, assignment) if graded else {}
    return {
        student: graded[student]
        for student, fingerprint in fingerprints.items()
        if student in graded
        and graded[student].fingerprint == fingerprint
        and _is_saved(course, graded[student], scores.get(student, {}))
    }


def _is_saved(
    course: Course, graded: Graded, scores: Mapping[tuple[str, str], float | None]
) -> bool:
    def agree(judgement: Judgement) -> bool:
        saved = [scores.get((judgement.notebook, check.grade_id)) for check in judgement.checks]
        return all(
            number is not None and isclose(number, check.score, rel_tol=1e-6)
            for number, check in zip(saved, judgement.checks, strict=True)
        )

    return all(
        agree(judgement)
        and (
            judgement.notebook not in graded.executed
            or autograded_file(course.folder, judgement).is_file()
        )
        for judgement in graded.judgements
    )


def count_workers(sandbox: Limits, num_pending: int) -> int:
    """How many submissions this computer has processors and memory to grade at a time.

    Args:
        sandbox: what the kernel of each may take.
        num_pending: how many there are to grade.
    """
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    memory = min(psutil.virtual_memory().available, MEMORY_LIMIT)
    num_fitting = int(memory // (sandbox.memory + _WORKER_MEMORY))
    return max(1, min(int(CPU_COUNT), num_fitting, num_pending))


@dataclass(frozen=True)
class _Pool:
    """Workers.

    Attributes:
        client: the connection to them.
        num_workers: how many tasks they do at a time.
        done: futures, as their tasks end.
    """

    client: "Client"
    num_workers: int
    done: "Queue[Future[Any]]"

    def submit(self, function: Callable[..., Any], *arguments: object) -> "Future[Any]":
        future = self.client.submit(function, *arguments, pure=False)
        future.add_done_callback(self.done.put)
        return future

    def wait(self) -> "Future[Any]":
        """Wait for the next task to end.

        Raises:
            BatchError: there are no workers any more.
        """
        lonely = 0.0
        while lonely < _LONELY_SECONDS:
            try:
                future = self.done.get(timeout=_POLL_SECONDS)
            except Empty:
                lonely = 0.0 if self.client.nthreads() else lonely + _POLL_SECONDS
            else:
                if future.status not in ("finished", "error"):
                    break
                return future
        raise BatchError("the workers are gone; call again to go on")


def _choose_fork_server(
    kernel: str, sources: Iterable[str], folder: Path
) -> AbstractContextManager[dict[str, str]]:
    """A server that forks sandboxed kernels with what the instructor's notebooks import."""
    from course_utils.grading.fork_server import find_imports, start_fork_server
    from course_utils.grading.sandbox import KERNEL_NAME

    if kernel != KERNEL_NAME:
        return nullcontext({})
    modules = [name for source in sources for name in find_imports(source)]
    return start_fork_server(modules, folder, variables=_ONE_THREAD)


@contextmanager
def _start_workers(
    num_workers: int,
    *,
    fork_server: AbstractContextManager[dict[str, str]],
    temporary: Path,
    log: Path,
) -> Iterator[_Pool]:
    """Start workers on this computer, one process each, which die with this one."""
    import dask
    from distributed import Client, LocalCluster

    log.unlink(missing_ok=True)
    environment = {**_ONE_THREAD, "TMPDIR": str(temporary), LOG_VARIABLE: str(log)}
    folders = {"temporary-directory": str(temporary)}
    for handler in logging.getLogger("distributed").handlers:
        handler.setLevel(logging.CRITICAL)  # for good: the last messages come after the end
    with fork_server as variables, dask.config.set(_DASK | folders):
        with warnings.catch_warnings(action="ignore"):  # that another program uses Dask's port
            cluster = LocalCluster(
                n_workers=0,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                security=True,
                dashboard_address=None,
                local_directory=str(temporary),
                env=environment | variables,
                silence_logs=logging.CRITICAL,
            )
        client = Client(cluster)
        try:
            cluster.scale(num_workers)
            yield _Pool(client, num_workers, Queue())
        finally:
            for nanny in cluster.workers.values():
                nanny.close_gracefully()  # not to start another worker in a killed one's place
            _kill_workers()
            for closing in (client, cluster):
                with suppress(TimeoutError):
                    closing.close(timeout=_STOP_SECONDS)


def _kill_workers() -> None:
    """Kill workers with all that they started: closing a cluster waits for what they do.

    By now they do nothing, or nothing that anyone waits for.
    """
    workers = [child for child in active_children() if "Dask Worker" in child.name]
    family = []
    for worker in workers:
        with suppress(psutil.Error):
            family += psutil.Process(worker.pid).children(recursive=True)
        worker.kill()
    for member in family:
        with suppress(psutil.Error):
            member.kill()


@contextmanager
def _connect(address: str) -> Iterator[_Pool]:
    """Connect to a scheduler and its workers, which stay.

    Raises:
        BatchError: it cannot be reached, has no workers, or they have another version of this
            package.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=_LONELY_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise BatchError(f"no workers to be had from the scheduler {address}: {error}") from None
    pool = _Pool(client, sum(client.nthreads().values()), Queue())
    try:
        _check_versions(client)
        yield pool
    finally:
        client.close(timeout=_STOP_SECONDS)


def _check_versions(client: "Client") -> None:
    try:
        found = client.run(find_package_fingerprint)
    except Exception as error:
        raise BatchError(
            f"the workers lack this package ({error}); install pixels-and-people[instructor] "
            "where they run, and start them again"
        ) from None
    expected = find_package_fingerprint()
    if others := sorted(worker for worker, version in found.items() if version != expected):
        raise BatchError(
            f"the workers {', '.join(others)} have another version of this package than this "
            "process; install the same one there, and start them again"
        )


def _run(pool: _Pool, course: Course, plan: _Plan, settings: "Settings") -> Iterator[Event]:
    """Run the instructor's notebooks, then judge submissions; what happens is yielded."""
    references = _make_references(pool, course, plan, settings)
    yield Ready(pool.num_workers)
    yield from _judge(pool, plan, references, settings)


def _make_references(
    pool: _Pool, course: Course, plan: _Plan, settings: "Settings"
) -> "tuple[Reference, ...]":
    """Run the instructor's notebooks, and meanwhile see to it that the gradebook knows them."""
    from course_utils.grading.tasks import make_reference

    futures = [
        pool.submit(make_reference, name, source, settings) for name, source in plan.sources.items()
    ]
    check_assignment(course, plan.assignment, plan.sources)
    for _ in futures:
        future = pool.wait()
        if future.status == "error":
            raise BatchError(f"{plan.assignment} cannot be graded: {future.exception()}")
    return tuple(future.result() for future in futures)


def _judge(
    pool: _Pool, plan: _Plan, references: "tuple[Reference, ...]", settings: "Settings"
) -> Iterator[Event]:
    """Judge submissions, as many at a time as there are workers."""
    from course_utils.grading.tasks import Task, judge_submission, read_submitted

    waiting = deque(plan.pending)
    running: dict[object, Task] = {}
    while waiting or running:
        while waiting and len(running) < pool.num_workers:
            student = waiting.popleft()
            submitted = tuple(
                read_submitted(plan.pending[student], name, siblings=plan.sources)
                for name in plan.sources
            )
            task = Task(student, plan.assignment, submitted, references, settings)
            yield Started(student)
            running[pool.submit(judge_submission, task).key] = task
        yield _wait_for_verdict(pool, running)


def _wait_for_verdict(pool: _Pool, running: "dict[object, Task]") -> Finished:
    """Wait for the next verdict. Dask may forget it then: nobody holds its future any more."""
    future = pool.wait()
    task = running.pop(future.key)
    return Finished(task.student, _find_outcome(future, task), "")


def _find_outcome(future: "Future[Any]", task: "Task") -> tuple[Judgement, ...]:
    """The verdict on a submission; one without points if its worker died or could not judge."""
    from distributed import KilledWorker

    from course_utils.grading.tasks import give_up

    error = future.exception()
    if error is None:
        judgements: tuple[Judgement, ...] = future.result()
        return judgements
    if isinstance(error, KilledWorker):
        return give_up(task, "died", "the process that judged it died, twice")
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    return give_up(task, "interrupted", f"it could not be judged: {reason}")


def _keep(course: Course, event: Finished, plan: _Plan) -> Finished:
    """Keep a verdict; the fingerprint comes last, so that all is there where it is.

    One that came of no fault of the submission is kept without, to be tried again.
    """
    try:
        save(course, event.judgements)
    except (GradebookError, OSError) as error:
        return replace(event, error=str(error))
    kinds = {judgement.ending.kind for judgement in event.judgements}
    write_graded(
        course.folder,
        judgements=event.judgements,
        fingerprint="" if "interrupted" in kinds else plan.fingerprints[event.student],
        submission=plan.submissions[event.student],
    )
    return event


def _choose_settings(kernel: str, limits: "RunLimits | None", sandbox: Limits | None) -> "Settings":
    from course_utils.grading.plugin import RunLimits
    from course_utils.grading.tasks import Settings

    seed = secrets.randbits(_SEED_BITS)
    return Settings(seed, kernel, limits or RunLimits(), sandbox or Limits())
