"""The judge: runs a notebook with pytest and nbval, and compares its answers with the expected.

The instructor's notebook and a submission run alike, each in a process of its own and with the same
seed; their check cells publish answers; the comparison happens here. The rule that decides which
answers count: those in display data that the kernel sent in reply to the check cell's own request.
There has to be one such message, and it has to be of the check's exercise. With none, several, or
another exercise's the check earns nothing. Who forges one still has to know what is right.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.execution.lessons import Value, read_notebook
from course_utils.exercises.probes import MIME_TYPE, PROBES, SEED_VARIABLE
from course_utils.files import write_text
from course_utils.grading.comparison import (
    Emission,
    EmissionError,
    compare,
    describe,
    parse_emission,
    shorten,
)
from course_utils.grading.guard import OUT_OF_CPU_TIME, OUT_OF_MEMORY, Limits, Usage
from course_utils.grading.plugin import EndingReport, RunLimits, kill_group
from course_utils.grading.results import CheckResult, Ending, EndingKind, Judgement, Repair

_MARGIN_SECONDS = 60.0  # for pytest itself to start and to end
_STOPPING_SECONDS = 15.0
_NOT_DONE = "NotImplementedError"

# jsonschema, which nbformat imports, would spend a second on a grammar of addresses.
_START = "import sys; sys.modules['rfc3987_syntax'] = None; import pytest; pytest.console_main()"
_VIOLATIONS: dict[str, EndingKind] = {
    OUT_OF_MEMORY: "out_of_memory",
    OUT_OF_CPU_TIME: "timed_out",
}


class JudgeError(Exception):
    """A notebook cannot be judged, through no fault of its learner; the message says why."""


@dataclass(frozen=True)
class Execution:
    """A notebook that was run.

    Attributes:
        notebook: a copy with the outputs of this run and no others.
        answers: for each check cell that was reached, by its ``grade_id``, the answers that it
            published, as JSON text that nobody has looked at yet.
        ending: how the run ended.
        seconds: wall time, with the start and the end of the kernel.
        peak_memory: most memory that the kernel held at a time, in bytes; 0 where it is not known.
    """

    notebook: NotebookNode
    answers: Mapping[str, tuple[str, ...]]
    ending: Ending
    seconds: float
    peak_memory: int


@dataclass(frozen=True)
class Check:
    """A check cell of the source.

    Attributes:
        grade_id: its name.
        points: that it can earn.
        solution: the ``grade_id`` of the learner's cell above it; empty where there is none.
    """

    grade_id: str
    points: float
    solution: str


def execute(
    notebook: Path | NotebookNode,
    *,
    seed: int,
    kernel: str = "course-sandbox",
    parameters: Mapping[str, Value] | None = None,
    limits: RunLimits | None = None,
    sandbox: Limits | None = None,
) -> Execution:
    """Run a notebook in a process of its own, to its end or that of its limits.

    Of the notebook only the sources of its cells count, their ``grade_id`` and the tag
    ``parameters``.

    Args:
        notebook: the notebook, or the path of its file; it stays as it is.
        seed: what the check cells draw their inputs from.
        kernel: name of the Jupyter kernel.
        parameters: values for the lesson's parameters, set below its parameters cell.
        limits: of the run; by default those of :class:`RunLimits`.
        sandbox: limits of the sandboxed kernel; by default its own.

    Raises:
        JudgeError: the kernel could not be started.
        RunError: the file is no notebook.
    """
    original = read_notebook(notebook) if isinstance(notebook, Path) else notebook
    limits = limits or RunLimits()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="course-judge-", ignore_cleanup_errors=True) as name:
        reports, work = Path(name, "reports"), Path(name, "work")
        reports.mkdir()
        work.mkdir()
        plain = _strip(original, parameters or {})
        write_text(work / "notebook.ipynb", nbformat.writes(plain))
        write_text(reports / "limits.json", json.dumps(asdict(limits)))
        write_text(reports / "pytest.ini", "[pytest]\n")
        environment = _environment(reports, seed=seed, sandbox=sandbox)
        in_time = _run_pytest(
            work / "notebook.ipynb", reports, environment, kernel=kernel, limits=limits
        )
        return _collect(
            original, plain, reports, in_time=in_time, seconds=time.monotonic() - started
        )


def score(
    source: NotebookNode,
    *,
    expected: Execution,
    found: Execution,
    student: str,
    assignment: str,
    notebook: str,
    repairs: Sequence[Repair] = (),
    tolerances: Mapping[str, float] | None = None,
) -> Judgement:
    """Compare a submission's answers with the instructor's.

    Args:
        source: the instructor's notebook, which alone says what is checked for how many points.
        expected: its run.
        found: the submission's run, with the same seed.
        student: the learner's identifier.
        assignment: the assignment's name.
        notebook: the notebook's name.
        repairs: what was put right in the submission.
        tolerances: for each exercise the largest difference between numbers that still count as
            equal; by default those of :data:`course_utils.exercises.probes.PROBES`.

    Raises:
        JudgeError: the instructor's notebook or its run is broken.
    """
    if tolerances is None:
        tolerances = {exercise: probe.tolerance for exercise, probe in PROBES.items()}
    emissions = read_expected(source, expected, exercises=tolerances)
    checks = tuple(
        _judge_check(check, emissions[check.grade_id], found, tolerances)
        for check in find_checks(source)
    )
    executed = nbformat.writes(found.notebook).encode("utf-8", errors="replace").decode("utf-8")
    return Judgement(
        student=student,
        assignment=assignment,
        notebook=notebook,
        checks=checks,
        repairs=tuple(repairs),
        ending=found.ending,
        seconds=found.seconds,
        peak_memory=found.peak_memory,
        executed=executed,
    )


def find_checks(source: NotebookNode) -> list[Check]:
    """Find the check cells: code that earns points and is not the learner's to write.

    Raises:
        JudgeError: two of them have one ``grade_id``.
    """
    checks: list[Check] = []
    solution = ""
    for cell in source.cells:
        marks = _marks(cell)
        if marks.get("solution"):
            solution = marks.get("grade_id", "")
        elif marks.get("grade") and cell.cell_type == "code":
            if any(check.grade_id == marks["grade_id"] for check in checks):
                raise JudgeError(f"the source has two check cells {marks['grade_id']!r}")
            checks.append(Check(marks["grade_id"], float(marks.get("points", 0)), solution))
    return checks


def read_expected(
    source: NotebookNode, expected: Execution, *, exercises: Mapping[str, float] | None = None
) -> dict[str, Emission]:
    """Read the expected answers of each check cell, by its ``grade_id``.

    Args:
        source: the instructor's notebook.
        expected: its run.
        exercises: those that there are; by default those that have probes.

    Raises:
        JudgeError: the run did not get to its end, a cell of it raised an error, or a check cell
            did not publish answers that a learner's can be compared with.
    """
    if expected.ending.kind != "finished":
        raise JudgeError(f"the instructor's notebook fails: {expected.ending.message}")
    for place, cell in enumerate(expected.notebook.cells, start=1):
        if (error := _find_error(cell)) and "raises-exception" not in _tags(cell):
            raise JudgeError(f"the instructor's notebook fails: cell {place} raised {error}")
    return {
        check.grade_id: _read_expected_answers(
            check, expected, exercises=PROBES if exercises is None else exercises
        )
        for check in find_checks(source)
    }


def _read_expected_answers(
    check: Check, expected: Execution, *, exercises: Mapping[str, Any]
) -> Emission:
    place = f"the instructor's check cell {check.grade_id!r}"
    published = expected.answers.get(check.grade_id, ())
    if len(published) != 1:
        raise JudgeError(f"{place} published answers {len(published)} times, not once")
    try:
        emission = parse_emission(published[0])
    except EmissionError as error:
        raise JudgeError(f"{place} published no answers: {error}") from None
    if emission.exercise not in exercises:
        raise JudgeError(f"{place} is of an unknown exercise, {emission.exercise!r}")
    if not emission.answers:
        raise JudgeError(f"{place} tried out no cases")
    for answer in emission.answers:
        if answer.kind in ("error", "other"):
            raise JudgeError(f"{place} has no answer to {answer.case!r}: {answer.error}")
    return emission


def _judge_check(
    check: Check, expected: Emission, found: Execution, tolerances: Mapping[str, float]
) -> CheckResult:
    def fail(reason: str) -> CheckResult:
        return CheckResult(check.grade_id, expected.exercise, 0.0, check.points, (), reason, "")

    published = found.answers.get(check.grade_id)
    if published is None:
        return fail(f"never reached: {found.ending.message or 'there is no such cell'}")
    if not published:
        return fail(_explain_silence(check, found))
    if len(published) > 1:
        return fail(f"the check published answers {len(published)} times, so none of them counts")
    try:
        emission = parse_emission(published[0])
    except EmissionError as error:
        return fail(f"the check published no sound answers: {error}")
    if emission.exercise != expected.exercise:
        return fail(f"the check published answers to exercise {shorten(emission.exercise)}")
    tolerance = tolerances[expected.exercise]
    answers = compare(expected.answers, emission.answers, tolerance=tolerance)
    by_case = {answer.case: answer for answer in emission.answers}
    wrong = [
        by_case[answer.case] for answer in answers if not answer.passed and answer.case in by_case
    ]
    num_right = sum(answer.passed for answer in answers)
    not_done = all(answer.reason.startswith(_NOT_DONE) for answer in answers)
    return CheckResult(
        grade_id=check.grade_id,
        exercise=expected.exercise,
        score=check.points * num_right / len(answers),
        max_score=check.points,
        answers=tuple(answers),
        reason="not done" if not_done else "",
        found=describe(wrong[0]) if wrong and not not_done else "",
    )


def _explain_silence(check: Check, found: Execution) -> str:
    """Why a check cell that was reached published nothing."""
    cells = dict(_graded_cells(found.notebook))
    if _find_error(cells.get(check.solution)).startswith(_NOT_DONE):
        return "not done"
    place = found.ending.cell
    if place and found.notebook.cells[place - 1] is cells.get(check.grade_id):
        return f"not finished: {found.ending.message}"
    if error := _find_error(cells.get(check.grade_id)):
        return f"the check could not run: {error}"
    return "the check published no answers"


def _find_error(cell: NotebookNode | None) -> str:
    """The error that a cell raised, in one line; empty when it raised none."""
    for output in cell.get("outputs", []) if cell else []:
        if output.output_type == "error":
            return shorten(f"{output.ename}: {output.evalue}")
    return ""


def _marks(cell: NotebookNode) -> dict[str, Any]:
    """What nbgrader's metadata say of a cell."""
    marks = cell.metadata.get("nbgrader")
    return marks if isinstance(marks, dict) else {}


def _tags(cell: NotebookNode) -> list[Any]:
    tags = cell.metadata.get("tags")
    return tags if isinstance(tags, list) else []


def _graded_cells(notebook: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    for cell in notebook.cells:
        grade_id = _marks(cell).get("grade_id")
        if grade_id and cell.cell_type == "code":
            yield grade_id, cell


def _strip(original: NotebookNode, parameters: Mapping[str, Value]) -> NotebookNode:
    """Make the notebook that is run: the same code cells at the same places, and the parameters."""
    from papermill.parameterize import parameterize_notebook

    cells = []
    for cell in original.cells:
        if cell.cell_type == "code":
            source = cell.source.encode("utf-8", errors="replace").decode("utf-8")
            tags = ["parameters"] if "parameters" in _tags(cell) else []
            cells.append(new_code_cell(source, metadata={"tags": tags}))
        else:
            cells.append(new_markdown_cell(metadata={"tags": []}))
    plain = new_notebook(cells=cells, metadata={"papermill": {}})
    if not parameters:
        return plain
    return parameterize_notebook(plain, dict(parameters), kernel_name="python3", language="python")


def _environment(reports: Path, *, seed: int, sandbox: Limits | None) -> dict[str, str]:
    unwanted = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "COURSE_SANDBOX_LIMITS")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "JUPYTER_RUNTIME_DIR": str(reports.with_name("runtime")),
        "COURSE_SANDBOX_STATUS": str(reports / "status.json"),
        SEED_VARIABLE: str(seed),
    }
    if sandbox is not None:
        environment["COURSE_SANDBOX_LIMITS"] = json.dumps(asdict(sandbox))
    return environment


def _run_pytest(
    notebook: Path,
    reports: Path,
    environment: Mapping[str, str],
    *,
    kernel: str,
    limits: RunLimits,
) -> bool:
    """Run pytest and wait for its end; tell whether that came before the last limit of time."""
    command = [
        *(sys.executable, "-P", "-c", _START, "-q", "-s", "-c", str(reports / "pytest.ini")),
        *("--rootdir", str(reports), "--noconftest", "-p", "no:cacheprovider"),
        *("-p", "course_utils.grading.plugin", "-p", "nbval.plugin"),
        *("--nbval-kernel-name", kernel, "--course-answers", MIME_TYPE),
        *("--course-reports", str(reports), str(notebook)),
    ]
    with (reports / "log.txt").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=reports,
            env=dict(environment),
            start_new_session=True,
        )
    try:
        process.wait(limits.longest_seconds + _MARGIN_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    finally:
        _stop(process, reports)
    return True


def _stop(process: subprocess.Popen[bytes], reports: Path) -> None:
    """End a process and the kernel that it started: politely, then by force."""
    assert process.stdin is not None
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOPPING_SECONDS)
    kill_group(process.pid)
    process.wait()
    started = _read_report(reports, "kernel")
    with suppress(psutil.Error):
        if started and psutil.Process(started["pid"]).create_time() == started["created"]:
            kill_group(started["pid"])


def _read_report(reports: Path, name: str) -> dict[str, Any] | None:
    path = reports / f"{name}.json"
    found: dict[str, Any] | None = None
    if path.exists():
        found = json.loads(path.read_text("utf-8"))
    return found


def _collect(
    original: NotebookNode, plain: NotebookNode, reports: Path, *, in_time: bool, seconds: float
) -> Execution:
    """Put together what the reports tell."""
    _require_started(plain, reports)
    places = [
        index for index, cell in enumerate(plain.cells) if "injected-parameters" not in _tags(cell)
    ]
    executed = nbformat.from_dict(json.loads(json.dumps(original)))
    answers: dict[str, tuple[str, ...]] = {}
    count = 0
    for index, cell in zip(places, executed.cells, strict=True):
        if cell.cell_type != "code":
            continue
        report = _read_report(reports, f"cell-{index}")
        cell.outputs, cell.execution_count = [], None
        if report is None:
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = [nbformat.from_dict(output) for output in report["outputs"]]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
        marks = _marks(cell)
        if marks.get("grade") and not marks.get("solution"):
            grade_id = marks["grade_id"]
            answers[grade_id] = (*answers.get(grade_id, ()), *report["emissions"])
    usage = _read_usage(reports)
    return Execution(
        notebook=executed,
        answers=answers,
        ending=_find_ending(plain, reports, places, in_time=in_time, violation=usage.violation),
        seconds=seconds,
        peak_memory=usage.peak_memory,
    )


def _require_started(plain: NotebookNode, reports: Path) -> None:
    if _read_report(reports, "kernel") or all(cell.cell_type != "code" for cell in plain.cells):
        return
    failure = _read_report(reports, "failure")
    log = (reports / "log.txt").read_text("utf-8", errors="replace")
    said = failure["message"] if failure else log.strip()[-2000:]
    raise JudgeError(f"no kernel could be started to run the notebook: {said}")


def _find_ending(
    plain: NotebookNode,
    reports: Path,
    places: Sequence[int],
    *,
    in_time: bool,
    violation: str | None,
) -> Ending:
    code = [index for index, cell in enumerate(plain.cells) if cell.cell_type == "code"]
    reached = [index for index in code if (reports / f"cell-{index}.json").exists()]
    waiting = [index for index in code if index not in reached]
    report = EndingReport("finished", -1, "")
    if found := _read_report(reports, "ending"):
        report = EndingReport(**found)
    elif code:
        kind: EndingKind = "died" if in_time else "timed_out"
        message = "the kernel's messages could not be read" if in_time else "timed out"
        report = EndingReport(kind, (waiting or reached)[0], message)
    if report.kind == "finished":
        return Ending("finished", 0, "")
    kind, message = report.kind, report.message
    if kind in ("died", "too_much_output") and violation:
        kind, message = _VIOLATIONS.get(violation, "died"), violation
    cell = sum(place <= report.index for place in places)
    return Ending(kind, cell, f"{message} at cell {cell}")


def _read_usage(reports: Path) -> Usage:
    """What the sandbox says that it used, or, where there is none, the kernel's process."""
    try:
        usage = Usage(**(_read_report(reports, "status") or {}))
    except (ValueError, TypeError):
        usage = Usage()
    own = _read_report(reports, "usage") or {"peak_memory": 0}
    return usage if usage.peak_memory else Usage(own["peak_memory"], violation=usage.violation)
