"""The workers of a batch: processes on this computer, or those of a Dask scheduler."""

import logging
import re
import warnings
from asyncio import CancelledError
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from course_utils.grading.batch.plan import BatchError
from course_utils.grading.records.judgements import find_package_fingerprint
from course_utils.grading.sandbox.guard import Limits
from course_utils.processes import kill, list_family

if TYPE_CHECKING:
    from distributed import Client, Future

LOG_VARIABLE = "COURSE_WORKER_LOG"  # tells a worker where to write what it prints

_WORKER_MEMORY = 400_000_000  # bytes of a worker and the judge that it starts, beside the kernel
_POLL_SECONDS = 5.0
_LONELY_SECONDS = 300.0  # without any worker; on a busy computer they start slowly
_CONNECT_SECONDS = 10.0
_WORKERS_SECONDS = 60.0  # for a scheduler to have one
_STOP_SECONDS = 10.0

_DASK = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.preload": ["course_utils.grading.batch.tasks"],
}
_ADDRESS = re.compile(r"[a-z]+://\S+:\d+")
_ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


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
class Pool:
    """Workers.

    Attributes:
        client: the connection to them.
        num_workers: how many tasks they do at a time.
    """

    client: "Client"
    num_workers: int

    def submit(self, function: Callable[..., Any], *arguments: object) -> "Future[Any]":
        """Have a worker call a function."""
        return self.client.submit(function, *arguments, pure=False)

    def wait(self, futures: "Collection[Future[Any]]") -> "Future[Any]":
        """Wait for the first of some tasks to end.

        Raises:
            BatchError: there are no workers any more.
        """
        from distributed import wait

        lonely = 0.0
        while lonely < _LONELY_SECONDS:
            try:
                with self.client.as_current():
                    wait([*futures], timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
            except TimeoutError:
                lonely = 0.0 if self.client.nthreads() else lonely + _POLL_SECONDS
            except CancelledError:
                break
            for future in futures:
                if future.done():  # not lost again with the computer that had the result
                    return future
        raise BatchError("the workers are gone; call again to go on")


def choose_fork_server(
    kernel: str, sources: Iterable[str], folder: Path
) -> AbstractContextManager[dict[str, str]]:
    """Start a server that forks sandboxed kernels with what the instructor's notebooks import."""
    from course_utils.grading.sandbox.fork_server import find_imports, start_fork_server
    from course_utils.grading.sandbox.provisioner import KERNEL_NAME

    if kernel != KERNEL_NAME:
        return nullcontext({})
    modules = [name for source in sources for name in find_imports(source)]
    return start_fork_server(modules, folder, variables=_ONE_THREAD)


@contextmanager
def start_workers(
    num_workers: int,
    *,
    fork_server: AbstractContextManager[dict[str, str]],
    temporary: Path,
    log: Path,
) -> Iterator[Pool]:
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
            yield Pool(client, num_workers)
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
    for child in active_children():
        if "Dask Worker" in child.name and child.pid is not None:
            kill(list_family(child.pid))


@contextmanager
def connect(address: str) -> Iterator[Pool]:
    """Connect to a scheduler and its workers, which stay.

    Raises:
        BatchError: it cannot be reached, has no workers, or they have another version of this
            package.
    """
    from distributed import Client

    if not _ADDRESS.fullmatch(address):
        raise BatchError(
            f"{address!r} is not the address of a scheduler; one is tcp://192.0.2.1:8786, as "
            "`dask scheduler` prints it when it starts"
        )
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise BatchError(f"no workers to be had from the scheduler {address}: {error}") from None
    pool = Pool(client, sum(client.nthreads().values()))
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
