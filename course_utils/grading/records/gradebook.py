"""nbgrader's gradebook: the course's configuration, and the scores of its submissions.

nbgrader itself takes seconds to import and is imported only where something is written.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.files import write_text
from course_utils.grading.judgement import Judgement
from course_utils.grading.records.judgements import autograded_file
from course_utils.notebooks import grade_id, is_solution, marks

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.api import Gradebook, SubmittedNotebook
    from sqlalchemy import URL
    from traitlets.config import Config

FORGEABLE = "were given in the learner's own process, where they can be forged"

_LOCK_SECONDS = "60"  # that SQLite waits for another program's transaction
_MAX_TIMESTAMP = 200  # bytes

_SCORES = """
    SELECT submitted_assignment.student_id, notebook.name, base_cell.name, grade.auto_score
    FROM grade
    JOIN base_cell ON base_cell.id = grade.cell_id
    JOIN submitted_notebook ON submitted_notebook.id = grade.notebook_id
    JOIN notebook ON notebook.id = submitted_notebook.notebook_id
    JOIN submitted_assignment ON submitted_assignment.id = submitted_notebook.assignment_id
    JOIN assignment ON assignment.id = submitted_assignment.assignment_id
    WHERE assignment.name = :assignment
"""


_DEADLINE = """
    SELECT assignment.id
    FROM assignment
    LEFT JOIN submitted_assignment ON submitted_assignment.assignment_id = assignment.id
    LEFT JOIN submitted_notebook ON submitted_notebook.assignment_id = submitted_assignment.id
    WHERE assignment.name = :assignment
    AND (assignment.duedate IS NOT NULL OR submitted_notebook.late_submission_penalty > 0)
"""


class GradebookError(Exception):
    """The gradebook cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class Course:
    """An nbgrader course.

    Attributes:
        folder: where ``source/``, ``submitted/`` and ``autograded/`` are.
        database: SQLAlchemy's URL of the gradebook.
        config: nbgrader's configuration.
    """

    folder: Path
    database: str
    config: "Config"

    @property
    def name(self) -> str:
        """The identifier that nbgrader knows the course by; often empty."""
        return str(self.config.CourseDirectory.get("course_id", ""))

    @property
    def marks(self) -> dict[str, dict[str, object]]:
        """Nbgrader's settings of what is a solution, a hidden test, a mark scheme and a stub."""
        names = ("ClearSolutions", "ClearHiddenTests", "ClearMarkScheme")
        return {
            name: {
                option: dict(value) if isinstance(value, dict) else value
                for option, value in self.config[name].items()
                if isinstance(value, str | bool | dict)
            }
            for name in names
            if name in self.config
        }

    @property
    def around(self) -> dict[str, Path]:
        """The notebooks that nbgrader puts above and below others: ``header`` and ``footer``."""
        names = {
            option: self.config.IncludeHeaderFooter.get(option) for option in ("header", "footer")
        }
        return {
            option: self.folder / name
            for option, name in names.items()
            if isinstance(name, str) and name
        }

    @property
    def database_file(self) -> Path | None:
        """The gradebook's file where it is one that exists."""
        from sqlalchemy import make_url

        url = make_url(self.database)
        file = Path(url.database or "")
        return file if url.get_backend_name() == "sqlite" and file.is_file() else None


def read_course(folder: Path, *, database: str | None = None) -> Course:
    """Read a course's configuration from the files that nbgrader reads.

    Args:
        folder: the course.
        database: SQLAlchemy's URL of the gradebook; by default the one of the configuration, and
            ``gradebook.db`` in the course where there is none.

    Raises:
        GradebookError: the folder is no course, or its configuration cannot be read.
    """
    from jupyter_core.paths import jupyter_config_path
    from traitlets.config import Config

    folder = folder.resolve()
    config, own = Config(), _read_config(folder)
    for found in [*map(_read_config, map(Path, reversed(jupyter_config_path()))), own]:
        config.merge(found)
    _refuse_other_places(folder, config, own=own)
    if not (folder / "source").is_dir():
        raise GradebookError(
            f"{folder} is no nbgrader course: it has no folder 'source'; go to the course's "
            "folder, or make one with `course init-grading`"
        )
    url = _read_address(
        database or config.CourseDirectory.get("db_url") or "sqlite:///gradebook.db"
    )
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(folder / url.database))
        url = url.update_query_dict({"timeout": _LOCK_SECONDS})
    return Course(folder, url.render_as_string(hide_password=False), config)


_FOLDERS = ("source", "release", "submitted", "autograded", "feedback")


def _refuse_other_places(folder: Path, config: "Config", *, own: "Config") -> None:
    """Refuse settings by which nbgrader would look for the course, or its parts, elsewhere."""
    file = folder / "nbgrader_config.py"
    root = own.CourseDirectory.get("root")
    if isinstance(root, str) and root and (folder / root).resolve() != folder:
        raise GradebookError(
            f"{file} says that the course is in {root}, and it is in {folder}: correct "
            "c.CourseDirectory.root, or take that line away"
        )
    for name in _FOLDERS:
        found = config.CourseDirectory.get(f"{name}_directory", name)
        if found != name:
            raise GradebookError(
                f"nbgrader's configuration calls the folder {name!r} {found!r}, and this grader "
                f"knows it as {name!r}: take the line with c.CourseDirectory.{name}_directory away "
                f"from {file}, and rename the folder"
            )


def _read_address(database: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(database)
        url.get_dialect().import_dbapi()
    except ArgumentError:
        raise GradebookError(
            f"the gradebook's address {database!r} is none; one is sqlite:///gradebook.db, or "
            "postgresql://user:password@computer/gradebook"
        ) from None
    except ModuleNotFoundError as error:
        raise GradebookError(
            f"the gradebook {url.render_as_string(hide_password=True)} needs the driver "
            f"{error.name}, which is not installed here; install it, or name another in the "
            "address, such as postgresql+psycopg2://…"
        ) from None
    return url


def _read_config(folder: Path) -> "Config":
    from traitlets.config import Config
    from traitlets.config.loader import (
        ConfigFileNotFound,
        JSONFileConfigLoader,
        PyFileConfigLoader,
    )

    config = Config()
    for kind, suffix in ((JSONFileConfigLoader, "json"), (PyFileConfigLoader, "py")):
        name = f"nbgrader_config.{suffix}"
        try:
            config.merge(kind(name, str(folder)).load_config())
        except ConfigFileNotFound:
            continue
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise GradebookError(
                f"{folder / name}: {reason}; correct that line, or take it away"
            ) from error
    return config


def read_scores(course: Course, assignment: str) -> dict[str, dict[tuple[str, str], float | None]]:
    """Read the scores that a grader gave automatically.

    Returns:
        For each learner who has any, the score (None while there is none) of each notebook's
        cells, by the names of notebook and cell.

    Raises:
        GradebookError: there is no gradebook, or it cannot be read.
    """
    from sqlalchemy import create_engine, inspect, make_url, text
    from sqlalchemy.exc import SQLAlchemyError

    url = make_url(course.database)
    missing = GradebookError(
        f"there is no gradebook {url.set(query={}).render_as_string(hide_password=True)} yet; "
        f"`course release {assignment} --course {course.folder}` makes one"
    )
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise missing
    scores: dict[str, dict[tuple[str, str], float | None]] = {}
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("grade"):
                raise missing
            for learner, notebook, cell, score in connection.execute(
                text(_SCORES), {"assignment": assignment}
            ):
                scores.setdefault(learner, {})[notebook, cell] = score
    except SQLAlchemyError as error:
        raise explain(course, error) from error
    finally:
        engine.dispose()
    return scores


def read_learners(course: Course) -> list[str]:
    """Read the identifiers of the learners in the gradebook; none where there is no gradebook.

    Raises:
        GradebookError: it cannot be read.
    """
    return [str(row[0]) for row in _select(course, "SELECT id FROM student")]


def has_deadline(course: Course, assignment: str) -> bool:
    """Tell whether an assignment has a due date, or points were taken off when it had one.

    Raises:
        GradebookError: the gradebook cannot be read.
    """
    return bool(_select(course, _DEADLINE, assignment=assignment))


def _select(course: Course, query: str, **values: str) -> list[tuple[object, ...]]:
    """Read rows without importing nbgrader; none where there is no gradebook."""
    from sqlalchemy import create_engine, inspect, make_url, text
    from sqlalchemy.exc import SQLAlchemyError

    url = make_url(course.database)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        return []
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("student"):
                return []
            return [tuple(row) for row in connection.execute(text(query), values)]
    except SQLAlchemyError as error:
        raise explain(course, error) from error
    finally:
        engine.dispose()


def check_assignment(course: Course, assignment: str, sources: Mapping[str, str]) -> None:
    """Check that the gradebook knows an assignment as its source has it.

    Args:
        course: the nbgrader course.
        assignment: its name.
        sources: the notebooks of its source by their names, as JSON text.

    Raises:
        GradebookError: it does not, or cannot be read.
    """
    wanted = {
        name: _find_cells(text, course.folder / "source" / assignment / f"{name}.ipynb")
        for name, text in sources.items()
    }
    _load_penalties(course)
    read_scores(course, assignment)  # which says what to do if there is no gradebook
    with transaction(course) as gradebook:
        known = _read_known(gradebook, assignment)
    if known != wanted:
        raise GradebookError(
            f"the gradebook does not know {assignment} as it is in {course.folder / 'source'} "
            f"({_find_difference(wanted, known)}); call "
            f"`course release {assignment} --course {course.folder}`, which enters it anew"
        )


_Cells = dict[str, tuple[float | None, str | None]]  # by grade_id: points, text if locked


def _read_known(gradebook: "Gradebook", assignment: str) -> dict[str, _Cells]:
    from nbgrader.api import MissingEntry

    try:
        notebooks = gradebook.find_assignment(assignment).notebooks
    except MissingEntry:
        return {}
    known = {}
    for notebook in notebooks:
        points = {cell.name: cell.max_score for cell in notebook.grade_cells + notebook.task_cells}
        known[notebook.name] = {
            cell.name: (points.get(cell.name), cell.source if cell.locked else None)
            for cell in notebook.source_cells
        }
    return known


def _find_cells(text: str, path: Path) -> _Cells:
    import nbformat
    from nbgrader import utils

    try:
        notebook = nbformat.reads(text, as_version=4)
        return {
            cell.metadata.nbgrader["grade_id"]: (
                float(cell.metadata.nbgrader["points"])
                if utils.is_grade(cell) or utils.is_task(cell)
                else None,
                cell.source if utils.is_locked(cell) else None,
            )
            for cell in notebook.cells
            if utils.is_grade(cell)
            or utils.is_solution(cell)
            or utils.is_locked(cell)
            or utils.is_task(cell)
        }
    except (nbformat.ValidationError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise GradebookError(
            f"{path} is not a notebook with nbgrader's metadata ({error}); `nbgrader validate` "
            "tells more"
        ) from error


def _find_difference(wanted: Mapping[str, _Cells], known: Mapping[str, _Cells]) -> str:
    if not known:
        return "it has no such assignment"
    if names := sorted(wanted.keys() ^ known.keys()):
        return f"notebooks {', '.join(names)}"
    cells = sorted(
        cell
        for name in wanted
        for cell in wanted[name].keys() | known[name].keys()
        if wanted[name].get(cell) != known[name].get(cell)
    )
    return f"cells {', '.join(cells)}"


def save(course: Course, judgements: Sequence[Judgement]) -> None:
    """Write the judgement on a submission into the gradebook and its executed notebooks.

    It is there as a whole or not at all. Scores and comments given by hand stay as they are; what
    is left to be graded by hand, and the penalty for a late submission, are as with
    ``nbgrader autograde``. The automatic comment says which points can be forged. The notebooks
    are written before the gradebook: after a crash between the two, save it again.

    Args:
        course: the nbgrader course.
        judgements: one for each notebook of one submission.

    Raises:
        GradebookError: the gradebook cannot be written, or does not know the assignment.
    """
    learner, assignment = judgements[0].learner, judgements[0].assignment
    by_notebook = {judgement.notebook: judgement for judgement in judgements}
    submitted = _read_timestamp(course.folder / "submitted" / learner / assignment)
    with transaction(course) as gradebook:
        gradebook.update_or_create_student(learner)
        timestamp = {"timestamp": submitted} if submitted else {}
        submission = gradebook.update_or_create_submission(assignment, learner, **timestamp)
        for notebook in submission.notebooks:
            if judgement := by_notebook.get(notebook.name):
                _save_notebook(course, gradebook, notebook, judgement)
        _write_timestamp(course, learner, assignment)


def _save_notebook(
    course: Course, gradebook: "Gradebook", submitted: "SubmittedNotebook", judgement: Judgement
) -> None:
    import nbformat

    from course_utils.grading.records.harmless import make_harmless

    executed = _prepare(submitted, judgement)
    cells = {grade_id(cell): cell for cell in _graded_cells(executed)}
    _save_scores(submitted, judgement, cells)
    _save_comments(submitted, cells, forgeable=_find_forgeable(judgement, cells))
    save_penalty(course, gradebook, submitted)
    path = autograded_file(course.folder, judgement)
    if executed is None:
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        make_harmless(executed)
        write_text(path, nbformat.writes(executed) + "\n")


def _prepare(submitted: "SubmittedNotebook", judgement: Judgement) -> "NotebookNode | None":
    """The executed notebook, as nbgrader's other programs expect it: with its source's checksums.

    They tell an answer from the text that was there before.
    """
    import nbformat
    from nbgrader.preprocessors import CheckCellMetadata

    if not judgement.executed:
        return None
    notebook = nbformat.reads(judgement.executed, as_version=4)
    checksums = {cell.name: cell.checksum for cell in submitted.notebook.source_cells}
    for cell in _graded_cells(notebook):
        metadata = cell.metadata.nbgrader
        if metadata.get("grade_id") in checksums:
            metadata["checksum"] = checksums[metadata["grade_id"]]
        else:
            del cell.metadata["nbgrader"]
    CheckCellMetadata().preprocess(notebook, {})
    return notebook


def _graded_cells(notebook: "NotebookNode | None") -> "list[NotebookNode]":
    return [cell for cell in notebook.cells if marks(cell)] if notebook else []


def _save_scores(
    submitted: "SubmittedNotebook", judgement: Judgement, cells: "Mapping[str, NotebookNode]"
) -> None:
    from nbgrader import utils
    from nbgrader.api import TaskCell

    scores = {check.grade_id: check.score for check in judgement.checks}
    for grade in submitted.grades:
        cell = cells.get(grade.name)
        if grade.name in scores:
            grade.auto_score = scores[grade.name]
        elif cell is None:
            grade.auto_score = 0.0
        elif isinstance(grade.cell, TaskCell):
            continue
        elif utils.is_solution(cell) or cell.cell_type != "code":
            grade.auto_score, _ = utils.determine_grade(cell)
        else:
            # What this cell printed came from the learner's process, and decides nothing.
            grade.auto_score = 0.0
        grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None


def _find_forgeable(
    judgement: Judgement, cells: "Mapping[str, NotebookNode]"
) -> dict[str, list[str]]:
    """The checks that gave points in the learner's own process, by the answer above each.

    The formgrader has a place for comments beside answers, and none beside checks.
    """
    named = {check.grade_id for check in judgement.checks if check.can_be_forged and check.score}
    found: dict[str, list[str]] = {}
    answer = ""
    for name, cell in cells.items():
        if is_solution(cell):
            answer = name
        elif name in named:
            found.setdefault(answer, []).append(name)
    return found


def _save_comments(
    submitted: "SubmittedNotebook",
    cells: "Mapping[str, NotebookNode]",
    *,
    forgeable: Mapping[str, Sequence[str]],
) -> None:
    from nbgrader import utils

    for comment in submitted.comments:
        cell = cells.get(comment.name)
        unchanged = (
            cell is not None
            and not utils.is_task(cell)
            and cell.metadata.nbgrader["checksum"] == utils.compute_checksum(cell)
        )
        checks = forgeable.get(comment.name)
        sentences = (
            "No response." if unchanged else "",
            f"The points of {', '.join(checks)} {FORGEABLE}." if checks else "",
        )
        comment.auto_comment = " ".join(filter(None, sentences)) or None


def save_penalty(course: Course, gradebook: "Gradebook", submitted: "SubmittedNotebook") -> None:
    """Compute the penalty for a late submission as nbgrader does, from the points as they are."""
    submitted.late_submission_penalty = None
    seconds_late = submitted.assignment.total_seconds_late
    if not seconds_late:
        return
    plugin = _load_penalties(course)
    gradebook.db.flush()
    gradebook.db.refresh(submitted, attribute_names=["score"])
    try:
        penalty = plugin.late_submission_penalty(
            submitted.student.id, submitted.score, seconds_late
        )
        penalty = None if penalty is None else float(penalty)
    except Exception as error:
        raise GradebookError(
            f"the penalty of {submitted.student.id!r} for being late cannot be computed: "
            f"{type(plugin).__name__} raised {type(error).__name__}: {error}; correct it, or take "
            f"c.AssignLatePenalties away from {course.folder / 'nbgrader_config.py'}"
        ) from error
    if penalty is not None:
        submitted.late_submission_penalty = min(max(penalty, 0.0), submitted.score)


def _load_penalties(course: Course) -> Any:
    """What computes penalties: nbgrader's own plugin, or the one that is configured.

    Raises:
        GradebookError: it can't be had.
    """
    from nbgrader.preprocessors import AssignLatePenalties

    try:
        penalties = AssignLatePenalties(config=course.config)
        penalties.init_plugin()
    except Exception as error:
        name = course.config.AssignLatePenalties.get("plugin_class")
        raise GradebookError(
            f"{course.folder / 'nbgrader_config.py'}: c.AssignLatePenalties.plugin_class is "
            f"{name!r}, which cannot be loaded ({type(error).__name__}); install it, put its file "
            "where Python finds it, or take the line away"
        ) from error
    return penalties.plugin_inst


def _read_timestamp(submission: Path) -> datetime | None:
    """When a submission was made, as its ``timestamp.txt`` says; None if that says nothing."""
    from nbgrader.utils import parse_utc

    with suppress(OSError, ValueError, OverflowError):
        text = _read_small(submission / "timestamp.txt").decode().strip()
        if text:
            timestamp: datetime = parse_utc(text)
            return timestamp
    return None


def _write_timestamp(course: Course, learner: str, assignment: str) -> None:
    """Keep a copy of the time stamp: nbgrader compares the two to see what is to be graded."""
    copy = course.folder / "autograded" / learner / assignment / "timestamp.txt"
    try:
        text = _read_small(course.folder / "submitted" / learner / assignment / copy.name).decode()
    except (OSError, ValueError):
        copy.unlink(missing_ok=True)
    else:
        write_text(copy, text)


def _read_small(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        return file.read(_MAX_TIMESTAMP)


@contextmanager
def transaction(course: Course) -> Iterator["Gradebook"]:
    """A gradebook whose changes are all kept when the block ends, and none when it raises.

    nbgrader commits in each call: here its session works inside a transaction of the connection,
    which a commit of the session does not end.
    """
    from nbgrader.api import Gradebook
    from sqlalchemy.exc import SAWarning, SQLAlchemyError

    try:
        with (
            warnings.catch_warnings(action="ignore", category=SAWarning),  # of nbgrader's making
            Gradebook(course.database, course.name) as gradebook,
            gradebook.engine.begin() as connection,
        ):
            gradebook.db.remove()
            gradebook.db.configure(bind=connection, join_transaction_mode="rollback_only")
            yield gradebook
            gradebook.db.flush()
            gradebook.db.remove()
    except (SQLAlchemyError, ValueError) as error:
        raise explain(course, error) from error


def explain(course: Course, error: Exception) -> GradebookError:
    """Say that the gradebook can't be used, and why."""
    from sqlalchemy import make_url

    address = make_url(course.database).render_as_string(hide_password=True)
    reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
    if reason.startswith("Invalid isoformat"):
        reason += (
            ", where a date belongs; set the due date anew in formgrader, or with "
            "`nbgrader db assignment add ASSIGNMENT --duedate '2030-01-31 12:00 UTC'`"
        )
    return GradebookError(f"the gradebook {address} cannot be used: {reason}")
