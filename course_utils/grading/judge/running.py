"""Running a notebook with pytest and nbval, in a process of its own.

The instructor's notebook and a submission run alike, with the same seed. Their check cells publish
answers, and :mod:`~course_utils.grading.judge.scoring` compares them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.execution.lessons import Value
from course_utils.exercises.publishing import MIME_TYPE, SEED_VARIABLE
from course_utils.files import write_bytes, write_text
from course_utils.grading.judge.limits import RunLimits
from course_utils.grading.judge.plugin import EndingReport
from course_utils.grading.judgement import Ending, EndingKind
from course_utils.grading.sandbox.guard import OUT_OF_CPU_TIME, OUT_OF_MEMORY, Limits, Usage
from course_utils.notebooks import grade_id, is_check, read_notebook, tags
from course_utils.processes import kill_group

_MARGIN_SECONDS = 60.0  # for pytest itself to start and to end
_STOPPING_SECONDS = 15.0

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
        waiting_seconds: for which the kernel could have gone on but had no processor.
    """

    notebook: NotebookNode
    answers: Mapping[str, tuple[str, ...]]
    ending: Ending
    seconds: float
    peak_memory: int
    waiting_seconds: float = 0.0


def execute(
    notebook: Path | NotebookNode,
    *,
    seed: int,
    kernel: str = "course-sandbox",
    parameters: Mapping[str, Value] | None = None,
    limits: RunLimits | None = None,
    sandbox: Limits | None = None,
    files: Mapping[str, bytes] | None = None,
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
        files: what lies beside the notebook, by the paths there; a sandboxed kernel can't change
            it.

    Raises:
        JudgeError: the kernel could not be started.
        NotebookError: the file is not a notebook.
    """
    original = read_notebook(notebook) if isinstance(notebook, Path) else notebook
    limits = limits or RunLimits()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="course-judge-", ignore_cleanup_errors=True) as name:
        reports, work = Path(name, "reports"), Path(name, "work")
        reports.mkdir()
        work.mkdir()
        for place, content in (files or {}).items():
            write_bytes(work / place, content)
        plain = _strip(original, parameters or {})
        write_text(reports / "notebook.ipynb", nbformat.writes(plain))
        write_text(reports / "limits.json", json.dumps(asdict(limits)))
        write_text(reports / "pytest.ini", "[pytest]\n")
        environment = _environment(reports, work, seed=seed, sandbox=sandbox)
        in_time = _run_pytest(reports, work, environment, kernel=kernel, limits=limits)
        return _collect(
            original, plain, reports, in_time=in_time, seconds=time.monotonic() - started
        )


def _strip(original: NotebookNode, parameters: Mapping[str, Value]) -> NotebookNode:
    """Make the notebook that is run: the same code cells at the same places, and the parameters."""
    from papermill.parameterize import parameterize_notebook

    cells = []
    for cell in original.cells:
        if cell.cell_type == "code":
            source = cell.source.encode("utf-8", errors="replace").decode("utf-8")
            kept = ["parameters"] if "parameters" in tags(cell) else []
            cells.append(new_code_cell(source, metadata={"tags": kept}))
        else:
            cells.append(new_markdown_cell(metadata={"tags": []}))
    plain = new_notebook(cells=cells, metadata={"papermill": {}})
    if not parameters:
        return plain
    return parameterize_notebook(plain, dict(parameters), kernel_name="python3", language="python")


def _environment(reports: Path, work: Path, *, seed: int, sandbox: Limits | None) -> dict[str, str]:
    unwanted = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "COURSE_SANDBOX_LIMITS")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "JUPYTER_RUNTIME_DIR": str(reports.with_name("runtime")),
        "COURSE_SANDBOX_STATUS": str(reports / "status.json"),
        "COURSE_SANDBOX_FILES": str(work),
        SEED_VARIABLE: str(seed),
    }
    if sandbox is not None:
        environment["COURSE_SANDBOX_LIMITS"] = json.dumps(asdict(sandbox))
    return environment


def _run_pytest(
    reports: Path,
    work: Path,
    environment: Mapping[str, str],
    *,
    kernel: str,
    limits: RunLimits,
) -> bool:
    """Run pytest and wait for its end; tell whether that came before the last limit of time."""
    command = [
        *(sys.executable, "-P", "-c", _START, "-q", "-s", "-c", str(reports / "pytest.ini")),
        *("--rootdir", str(reports), "--noconftest", "-p", "no:cacheprovider"),
        *("-p", "course_utils.grading.judge.plugin", "-p", "nbval.plugin"),
        *("--nbval-kernel-name", kernel, "--course-answers", MIME_TYPE),
        *("--course-reports", str(reports), "--course-work", str(work)),
        str(reports / "notebook.ipynb"),
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
        index for index, cell in enumerate(plain.cells) if "injected-parameters" not in tags(cell)
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
        if is_check(cell):
            name = grade_id(cell)
            answers[name] = (*answers.get(name, ()), *report["emissions"])
    usage = _read_usage(reports)
    return Execution(
        notebook=executed,
        answers=answers,
        ending=_find_ending(plain, reports, places, in_time=in_time, violation=usage.violation),
        seconds=seconds,
        peak_memory=usage.peak_memory,
        waiting_seconds=usage.waiting_seconds,
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
    return usage if usage.peak_memory else replace(usage, peak_memory=own["peak_memory"])
