"""The attacks' twins: graders that lack one defence, each of which some attacks get past.

They run what is handed in in the sandbox, too, so that no attack harms the computer of the tests.
"""

import gc
import json
import os
import queue
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbformat
import pytest
import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, output_from_msg
from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.utils import determine_grade
from nbval.plugin import find_comment_markers, find_metadata_tags

from course_utils.exercises.publishing import MIME_TYPE, SEED_VARIABLE
from course_utils.grading.intake.repair import repair
from course_utils.grading.judge.comparison import Emission, compare, parse_emission
from course_utils.grading.sandbox import guard, provisioner
from course_utils.grading.sandbox.guard import TOO_MANY_PROCESSES, Limits, Usage
from course_utils.notebooks import grade_id, is_check, marks, tags
from tests.grading.attacks.catalogue import (
    RUN_LIMITS,
    SANDBOX_LIMITS,
    SEED,
    make_attack,
    run_source,
)
from tests.grading.attacks.code import (
    ASSERTS,
    BELIEVED,
    CALLS,
    CARELESS,
    DOSES,
    INSIDE,
    LIFTED,
    OPEN,
)
from tests.grading.attacks.files import HANDED_IN, READ
from tests.grading.attacks.lesson import (
    ASSERTED,
    EMITTED,
    MAX_SCORE,
    make_source,
    make_student_edition,
    write,
)
from tests.grading.attacks.outside import SECRET, Outside

BITTEN = "COURSE-BITTEN"  # printed by an attack that has got its way
FULL_MARKS = "FULL MARKS"
LIFTED_LIMITS = Limits(memory=1_200_000_000, processes=200, threads=200, folder_size=200_000_000)
_SILENCE = 0.05  # seconds without a message after which none is waited for
_NOTEBOOKS = Path(__file__).parents[3] / "notebooks"


@dataclass
class Run:
    """What came of a notebook.

    Attributes:
        cells: with their outputs.
        contents: of all messages that the kernel published.
        num_bytes: of these.
        usage: of the sandbox.
    """

    cells: Sequence[NotebookNode]
    contents: list[dict] = field(default_factory=list)
    num_bytes: int = 0
    usage: Usage = field(default_factory=Usage)

    @property
    def is_full(self) -> bool:
        """Whether it is enough to show what the real grader's limits are for."""
        return self.num_bytes > 2 * RUN_LIMITS.output_bytes or (
            len(self.contents) > 2 * RUN_LIMITS.messages
        )

    @property
    def text(self) -> str:
        """All that the cells print."""
        return "".join(
            one.get("text", "") for cell in self.cells for one in cell.get("outputs", ())
        )


def reaches_its_aim(name: str, place: Outside, *, harmless: bool = False) -> bool:
    """Tell whether an attack has success with the grader that lacks the defence against it.

    Those of ``OPEN`` and ``CALLS`` are to be tried in an :func:`open_sandbox`.

    Args:
        name: of the attack.
        place: what lies outside the sandbox.
        harmless: whether the student edition as it is gets handed in instead.
    """
    content = make_attack(name, target=place.folder, port=place.port)
    if harmless:
        content = write(make_student_edition())
    if name in HANDED_IN:
        return _believes_notebook(name, harmless=harmless)
    if name in INSIDE:
        return _keeps_results_inside(name, content)
    if name in OPEN or name in CALLS:
        return _leaves_doors_open(content, place, calls=name in CALLS)
    graders = {_asserts: ASSERTS, _believes_messages: BELIEVED, _compares_carelessly: CARELESS}
    graders |= {_lifts_limits: LIFTED, _reads_trustingly: READ}
    return next(grader for grader, attacks in graders.items() if name in attacks)(content)


def run(
    cells: Sequence[NotebookNode],
    *,
    seconds: float = 60,
    sandbox: Limits = SANDBOX_LIMITS,
    environment: dict[str, str] | None = None,
) -> Run:
    """Run cells as a client does that trusts them, until one takes too long or the kernel dies."""
    result = Run(cells)
    manager = KernelManager(kernel_name="course-sandbox", context=zmq.Context())
    variables = {SEED_VARIABLE: str(SEED), "COURSE_SANDBOX_LIMITS": json.dumps(asdict(sandbox))}
    manager.start_kernel(env=os.environ | variables | (environment or {}))
    client = manager.blocking_client()
    client.start_channels(hb=False)
    try:
        client.wait_for_ready(timeout=60)
        for cell in cells:
            if _is_to_run(cell) and not _run_cell(cell, client, manager, result, seconds):
                break
        with suppress(queue.Empty):
            while not result.is_full:
                _take(client.get_iopub_msg(timeout=_SILENCE), result)
        result.usage = manager.provisioner.usage
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return result


def _is_to_run(cell):
    if cell.cell_type != "code" or cell.get("outputs") or "skip-execution" in tags(cell):
        return False
    options = dict([*find_comment_markers(cell.source), *find_metadata_tags(cell.metadata)])
    return not options.get("skip")


def _run_cell(cell, client, manager, result, seconds):
    request = client.execute(cell.source, allow_stdin=True, stop_on_error=False)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not result.is_full:
        try:
            message = client.get_iopub_msg(timeout=0.2)
        except queue.Empty:
            if manager.is_alive():
                continue
            return False
        _take(message, result)
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            return True
        if kind == "clear_output":
            cell.outputs = []
        with suppress(ValueError):
            cell.outputs.append(output_from_msg(message))
    return False


def _take(message, result):
    result.contents.append(message["content"])
    result.num_bytes += len(json.dumps(message["content"]))


def _asserts(content: bytes) -> bool:
    """Runs tests with their answers in the learner's process, and takes silence for success."""
    notebook = repair(make_source(ASSERTED), content).notebook
    run(notebook.cells, seconds=3)
    return sum(determine_grade(cell)[0] for cell in notebook.cells if is_check(cell)) > 0


def _believes_messages(content: bytes) -> bool:
    """Takes answers from whatever message has some, and the tolerance that comes with them."""
    result = run(repair(make_source(EMITTED), content).notebook.cells)
    expected = _expect()
    for answers in _find_answers(result.contents):
        found = parse_emission(json.dumps(answers))
        tolerance = max((one.tolerance for one in found.answers), default=0.0)
        compared = compare(expected[found.exercise].answers, found.answers, tolerance=tolerance)
        if any(one.passed for one in compared):
            return True
    return False


def _expect() -> dict[str, Emission]:
    return {check.exercise: check.emission for check in run_source().checks if check.emission}


def _find_answers(value) -> Iterator[dict]:
    if isinstance(value, str) and '"answers"' in value:
        with suppress(ValueError):
            yield from _find_answers(json.loads(value))
    elif isinstance(value, dict) and "answers" in value:
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _find_answers(one)


def _compares_carelessly(content: bytes) -> bool:
    """Takes off the weight of each answer that is too far from the right one."""
    notebook = repair(make_source(EMITTED), content).notebook
    run(notebook.cells)
    expected = _expect()
    for found in _find_published(notebook):
        cases = {one.case: one for one in expected[found.exercise].answers}
        try:
            if not any(
                map(_weigh_fault, [cases[one.case] for one in found.answers], found.answers)
            ):
                return True
        except OverflowError:  # the end of the batch
            return True
    return False


def _find_published(notebook: NotebookNode) -> list[Emission]:
    """What the check cells have published, in reply to their own requests."""
    return [
        parse_emission(json.dumps(one.data[MIME_TYPE]))
        for cell in filter(is_check, notebook.cells)
        for one in cell.outputs
        if MIME_TYPE in one.get("data", {})
    ]


def _weigh_fault(expected, found):
    if found.kind != "number":
        return found.weight
    is_wrong = abs(float(found.items[0]) - expected.items[0]) > expected.tolerance
    return found.weight * is_wrong


def _keeps_results_inside(name: str, content: bytes) -> bool:
    """Keeps results, answers or checks where the learner's process gets at them."""
    before, _, after = map(textwrap.dedent, INSIDE[name])
    submitted = repair(make_source(EMITTED), content).notebook.cells[2].source
    cells = [
        new_code_cell(f"SUBMITTED = {submitted!r}\n{before}"),
        new_code_cell(submitted),
        new_code_cell(f"{after}\nprint({FULL_MARKS!r} * bool(is_right))"),
    ]
    return FULL_MARKS in run(cells, seconds=30).text


def _leaves_doors_open(content: bytes, place: Outside, *, calls: bool) -> bool:
    """Has a sandbox that is open; to system calls, too, where its kernel isn't forked."""
    before = place.state()
    notebook = repair(make_source(EMITTED), content).notebook
    text = run(notebook.cells, environment={provisioner.FORK_SERVER: ""} if calls else {}).text
    expected = _expect()
    earned = any(
        answer.passed
        for found in _find_published(notebook)
        for answer in compare(expected[found.exercise].answers, found.answers)
    )
    return earned or BITTEN in text or SECRET in text or place.state() != before


@contextmanager
def open_sandbox(folder: Path) -> Iterator[None]:
    """Let sandboxes have the network, a folder to write to, the lessons, and all system calls."""
    readable = provisioner._readable_folders
    closed = ("--unshare-net", "--disable-userns")

    def open_folders():
        yield from readable()
        yield from ("--bind", str(folder), str(folder))
        yield from ("--ro-bind", str(_NOTEBOOKS), str(_NOTEBOOKS))

    with pytest.MonkeyPatch.context() as patch:
        isolation = [one for one in provisioner._ISOLATION if one not in closed]
        patch.setattr(provisioner, "_ISOLATION", isolation)
        patch.setattr(provisioner, "_readable_folders", open_folders)
        patch.setattr(provisioner, "_folders_with_answers", lambda: ())
        patch.setattr(guard, "make_filter", lambda: b"")
        yield


def _lifts_limits(content: bytes) -> bool:
    """Allows more than the limits, which the attack goes past, as far as these limits allow."""
    text = content.decode()
    for strong, weak in DOSES.items():
        text = text.replace(strong, weak)
    notebook = repair(make_source(EMITTED), text.encode()).notebook
    count = new_code_cell("import os\nprint(sum(os.stat(name).st_size for name in os.listdir()))")
    result = run([notebook.cells[2], count], sandbox=LIFTED_LIMITS)
    written = "".join(one.get("text", "") for one in count.outputs)
    return (
        result.usage.violation == TOO_MANY_PROCESSES
        or result.usage.peak_memory > SANDBOX_LIMITS.memory
        or result.num_bytes > RUN_LIMITS.output_bytes
        or len(result.contents) > RUN_LIMITS.messages
        or int(written or 0) > SANDBOX_LIMITS.folder_size
    )


def _believes_notebook(name: str, *, harmless: bool) -> bool:
    """Runs the submitted notebook as it is, with its own tests, marks and points."""
    notebook = make_student_edition(tests=ASSERTED)
    if not harmless:
        HANDED_IN[name](notebook)
    run(notebook.cells)
    checks = {
        grade_id(cell): cell
        for cell in notebook.cells
        if is_check(cell) and cell.cell_type == "code"
    }
    passed, failed = 0, 0
    for cell in checks.values():
        if any(one.output_type == "error" for one in cell.outputs):
            failed += marks(cell)["points"]
        else:
            passed += marks(cell)["points"]
    return max(passed, MAX_SCORE - failed) > 0


def _reads_trustingly(content: bytes) -> bool:
    """Reads a file as a sound notebook; what it can't be read for ends the batch."""
    try:
        num_objects = len(gc.get_objects())
        parsed = json.loads(content)
        if len(gc.get_objects()) > num_objects + 500_000:
            raise MemoryError
        notebook = nbformat.reads(json.dumps(parsed), as_version=4)
        ClearHiddenTests().preprocess(notebook, {})
        nbformat.writes(notebook).encode()
        KernelSpecManager().get_kernel_spec(notebook.metadata.kernelspec.name)
    except Exception:
        return True
    return False
