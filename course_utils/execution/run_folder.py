"""The folder of a run: the executed lessons, their pages, their results, and ``run.json``.

Only :func:`open_run` and :func:`add` write to it, and only if it is new, empty or a run's already.
Each lesson comes in one step with everything that speaks of it, so that the folder fits together
whenever a run is stopped.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from course_utils.execution.lessons import RunError
from course_utils.execution.results import (
    Result,
    index_page,
    notebook_page,
    read_results,
    results_csv,
)
from course_utils.execution.runs import LessonRun, Summary, summarise
from course_utils.files import (
    check_own,
    finish,
    first_file,
    locked,
    make_folder,
    read_ledger,
    write_own,
)

RUNS = Path("runs")
SUMMARIES = "run.json"
_MAKER = "course run"
_FOR_ALL = ("index.html", "results.csv", SUMMARIES)
_ENDINGS = (".ipynb", ".html", ".log")


@contextmanager
def open_run(folder: Path | None, lessons: Collection[Path]) -> Iterator[Path]:
    """Keep a folder for one run while a block adds lessons to it.

    Args:
        folder: the folder of the run, made if need be; None for a new one in :data:`RUNS`, named
            after the time, such as ``runs/2031-05-04_12-30-00``.
        lessons: the notebooks that will run.

    Yields:
        The folder. When the block adds nothing to a new folder, none is left behind.

    Raises:
        RunError: the folder holds something else than a run.
        FilesError: it is a file, another run writes to it, or a file in it that would be written
            isn't the run's own any more.
        OSError: it can't be made or written to.
    """
    missing = [one for one in ((folder or RUNS), *(folder or RUNS).parents) if not one.exists()]
    if folder is None:
        folder = _new_folder()
        missing.insert(0, folder)
    make_folder(folder)
    with locked(folder):
        try:
            finish(folder)
            if not is_run(folder) and (stranger := first_file(folder)):
                raise RunError(
                    f"{stranger} is in the way: {folder} is neither empty nor the folder of a run. "
                    "Nothing was written; choose a new or an empty folder"
                )
            names = [f"{lesson.stem}{ending}" for lesson in lessons for ending in _ENDINGS]
            check_own(folder, [*names, *_FOR_ALL], maker=_MAKER)
            yield folder
        finally:
            with suppress(OSError):  # not empty
                for one in missing:
                    one.rmdir()


def _new_folder() -> Path:
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    number = 1
    while True:
        folder = RUNS / (name if number == 1 else f"{name}-{number}")
        make_folder(RUNS)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def is_run(folder: Path) -> bool:
    """Tell whether ``course run`` made a folder."""
    return read_ledger(folder).get(SUMMARIES, {}).get("maker") == _MAKER


def add(run: LessonRun, lesson: Path, folder: Path) -> bool:
    """Write what came of a lesson, and the table and index of all lessons of the folder: one step.

    A lesson of which there is no executed notebook leaves an earlier one, and its results, alone.

    Args:
        run: what came of the lesson.
        lesson: its notebook.
        folder: of :func:`open_run`.

    Returns:
        Whether the folder now shows this run of the lesson, and not an earlier one.

    Raises:
        FilesError: something has come in the way since the folder was opened.
        RunError: the folder can't be written to, or is full; everything is as before then.
    """
    summaries = {one.lesson: one for one in read_summaries(folder)} if is_run(folder) else {}
    if run.executed is None and run.lesson in summaries:
        return False
    earlier = [one for one in read_results(folder) if one.lesson != run.lesson] if summaries else []
    summary = summarise(run, lesson)
    summaries[run.lesson] = summary
    ordered = sorted(summaries.values(), key=lambda one: one.lesson)
    new = [Result(run.lesson, record, **_columns(summary)) for record in run.records]
    results = sorted([*earlier, *new], key=lambda one: one.lesson)
    contents: dict[str, str | bytes] = {
        SUMMARIES: json.dumps([asdict(one) for one in ordered], indent=1, ensure_ascii=False),
        "results.csv": results_csv(results),
        "index.html": index_page(ordered, results),
    }
    if run.executed is not None:
        contents[f"{run.lesson}.ipynb"] = run.executed
        contents[f"{run.lesson}.html"] = notebook_page(run.executed, title=run.lesson)
    if run.failure and run.log:
        contents[f"{run.lesson}.log"] = run.log
    gone = {f"{run.lesson}{ending}" for ending in _ENDINGS} - contents.keys()
    try:
        write_own(folder, contents, maker=_MAKER, remove=gone)
    except OSError as error:
        raise RunError(
            f"the results of {run.lesson} can't be written to {folder}: {error.strerror}. "
            "Nothing in it has changed since the lesson before"
        ) from None
    return True


def _columns(summary: Summary) -> dict[str, str]:
    return {
        "parameters": json.dumps(summary.parameters, ensure_ascii=False),
        "finished": summary.finished,
        "version": summary.version,
    }


def read_summaries(folder: Path) -> list[Summary]:
    """Read how the lessons of a run were run; empty for a run of an earlier version.

    Raises:
        RunError: ``run.json`` can't be read.
    """
    finish(folder)
    path = folder / SUMMARIES
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [Summary(**entry | {"given": tuple(entry["given"])}) for entry in entries]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f"{path} can't be read: {error}") from None


def latest_run() -> Path:
    """Find the folder of the run that finished last, among those in ``runs``.

    Raises:
        RunError: there is none.
    """
    for folder in RUNS.glob("*/"):
        finish(folder)
    finished = list(RUNS.glob("*/results.csv"))
    if not finished:
        raise RunError(f"there is no finished run in {RUNS.resolve()}; `course run` makes one")
    return max(finished, key=lambda results: results.stat().st_mtime).parent
