"""What the grader remembers of a course, in its folder ``.course/``: judgements, and who works.

A judgement is kept with the fingerprint of all that it follows from, so that only what has changed
is graded again. The executed notebooks lie beside the judgements, which are many and read often.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

import course_utils
from course_utils.files import write_text
from course_utils.grading.judgement import Judgement

FOLDER = ".course"

_MAX_BYTES = 20 * 2**20  # of a file whose content counts; of a larger one, its size and time do
_TEMPORARY_PREFIX = "course-grade-"
_TEMPORARY = re.compile(r"\..+\.\d+")  # names that write_text gives
_CONTENT_COUNTS = re.compile(r"timestamp\.txt|.+\.ipynb(\.txt|\.json)?", re.IGNORECASE)


class StoreError(Exception):
    """The grader's folder cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Graded:
    """A submission that has been graded.

    Attributes:
        fingerprint: of all that the judgement follows from; empty where it is not to last.
        executed: names of the notebooks of which there is an executed one.
        judgements: one for each notebook of the assignment, without the executed notebook.
        submission: fingerprint of the submission; empty where an earlier version graded it.
    """

    fingerprint: str
    executed: frozenset[str]
    judgements: Annotated[tuple[Judgement, ...], Field(min_length=1)]
    submission: str = ""

    @property
    def learner(self) -> str:
        """Whose it is."""
        return self.judgements[0].learner


@dataclass(frozen=True)
class Standing:
    """How the judgements on an assignment stand to what is in ``submitted/`` now.

    Attributes:
        assignment: its name.
        outdated: learners who have handed in something else since they were graded.
        withdrawn: learners who were graded and of whom there is no submission any more.
        ungraded: learners whose submission has not been graded at all.
    """

    assignment: str
    outdated: tuple[str, ...]
    withdrawn: tuple[str, ...]
    ungraded: tuple[str, ...]

    def sentences(self) -> list[str]:
        """Say what does not fit; nothing when all does."""
        name, grade = self.assignment, f"`course grade {self.assignment}`"
        parts = (
            (self.outdated, "older than the submission", f"{grade} grades what is there now"),
            (self.withdrawn, "without a submission any more", "the gradebook keeps the scores"),
            (self.ungraded, "not graded at all", f"{grade} does it"),
        )
        return [
            f"{name}: {len(learners)} {'is' if len(learners) == 1 else 'are'} {words} "
            f"({', '.join(learners)}); {advice}"
            for learners, words, advice in parts
            if learners
        ]


def write_graded(
    course_folder: Path,
    *,
    judgements: tuple[Judgement, ...],
    fingerprint: str,
    submission: str = "",
) -> None:
    """Remember the judgement on a submission.

    Args:
        course_folder: the nbgrader course.
        judgements: one for each notebook of one submission.
        fingerprint: of all that they follow from; empty to have it graded again by the next call.
        submission: fingerprint of the submission that was graded.
    """
    first = judgements[0]
    for judgement in judgements:
        write_text(_executed_file(course_folder, judgement), judgement.executed)
    graded = Graded(
        fingerprint,
        frozenset(judgement.notebook for judgement in judgements if judgement.executed),
        tuple(replace(judgement, executed="") for judgement in judgements),
        submission,
    )
    path = _graded_folder(course_folder, first.assignment) / f"{first.learner}.json"
    write_text(path, json.dumps(asdict(graded), default=sorted, allow_nan=False, indent=1))


def read_graded(course_folder: Path, assignment: str) -> dict[str, Graded]:
    """Read the judgements on an assignment, by learner; damaged files are passed over."""
    folder = _graded_folder(course_folder, assignment)
    found = (_read_file(path) for path in sorted(folder.glob("*.json")))
    return {graded.learner: graded for graded in found if graded}


def find_graded(course_folder: Path) -> list[str]:
    """Find the assignments of which something has been graded."""
    return sorted(path.name for path in (course_folder / FOLDER / "graded").glob("*"))


def read_judgements(course_folder: Path, assignment: str) -> list[Judgement]:
    """Read the judgements on an assignment with the executed notebooks, in the learners' order."""
    return [
        replace(judgement, executed=_read_executed(course_folder, judgement))
        for graded in read_graded(course_folder, assignment).values()
        for judgement in graded.judgements
    ]


def find_standing(course_folder: Path, assignment: str, *, scored: Iterable[str] = ()) -> Standing:
    """Compare the judgements on an assignment with what is in ``submitted/``.

    Args:
        course_folder: the nbgrader course.
        assignment: its name.
        scored: learners who have a score from elsewhere, such as the gradebook.
    """
    graded = read_graded(course_folder, assignment)
    there = find_submissions(course_folder, assignment)
    known = {*graded, *scored}
    return Standing(
        assignment,
        outdated=tuple(
            learner
            for learner, folder in there.items()
            if learner in graded
            and graded[learner].submission not in ("", find_submission_fingerprint(folder))
        ),
        withdrawn=tuple(sorted(known - there.keys())),
        ungraded=tuple(learner for learner in there if learner not in known),
    )


def find_submissions(course_folder: Path, assignment: str) -> dict[str, Path]:
    """Find the folders of the submissions of an assignment, by learner."""
    return {
        path.parent.name: path
        for path in sorted((course_folder / "submitted").glob(f"*/{assignment}"))
        if path.is_dir() and not path.parent.name.startswith(".")
    }


def autograded_file(course_folder: Path, judgement: Judgement) -> Path:
    """Where nbgrader looks for an executed notebook."""
    folder = course_folder / "autograded" / judgement.learner / judgement.assignment
    return folder / f"{judgement.notebook}.ipynb"


def _read_executed(course_folder: Path, judgement: Judgement) -> str:
    with suppress(OSError):
        return _executed_file(course_folder, judgement).read_text(encoding="utf-8")
    return ""


def _executed_file(course_folder: Path, judgement: Judgement) -> Path:
    folder = course_folder / FOLDER / "executed" / judgement.assignment / judgement.learner
    return folder / f"{judgement.notebook}.ipynb"


def _graded_folder(course_folder: Path, assignment: str) -> Path:
    return course_folder / FOLDER / "graded" / assignment


def _read_file(path: Path) -> Graded | None:
    with suppress(OSError, ValidationError):
        return _adapter().validate_json(path.read_bytes(), strict=True, extra="forbid")
    return None


@cache
def _adapter() -> TypeAdapter[Graded]:
    return TypeAdapter(Graded)


def find_fingerprint(*parts: str | bytes) -> str:
    """Find the fingerprint (SHA-256) of texts and bytes, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()


def find_submission_fingerprint(folder: Path) -> str:
    """Find the fingerprint of a submission, whatever it holds.

    The content of notebooks and of ``timestamp.txt`` counts; of other files, links and folders
    only that they are there. What can't be read counts as that.
    """
    parts: list[str | bytes] = []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        return find_fingerprint(f"unreadable: {error.errno}")
    for path in paths:
        try:
            details = path.lstat()
        except OSError as error:
            parts += [os.fsencode(path.name), f"unreadable: {error.errno}"]
            continue
        parts += [os.fsencode(path.name), str(stat.S_IFMT(details.st_mode))]
        if not stat.S_ISREG(details.st_mode) or not _CONTENT_COUNTS.fullmatch(path.name):
            continue
        if details.st_size > _MAX_BYTES:
            parts.append(f"{details.st_size} {details.st_mtime_ns}")
        else:
            parts.append(_read_bytes(path))
    return find_fingerprint(*parts)


# What a judgement doesn't follow from, though it is in the package: figures, pages, commands.
_WITHOUT_EFFECT = (
    *("bench", "plots", "looks.py", "labs"),
    *("cli.py", "claims.py", "environment.py", "console.py"),
)
_WITHOUT_EFFECT_IN_GRADING = ("pages", "lms", "release", "commands.py")


def find_package_fingerprint() -> str:
    """Find the fingerprint of the Python files of the package that a judgement follows from."""
    package = Path(course_utils.__file__).parent
    files = (path for path in sorted(package.rglob("*.py")) if _has_effect(path, package))
    return _fingerprint_files(files, package)


def _has_effect(path: Path, package: Path) -> bool:
    parts = path.relative_to(package).parts
    return parts[0] not in _WITHOUT_EFFECT and not (
        parts[0] == "grading" and parts[1] in _WITHOUT_EFFECT_IN_GRADING
    )


def _fingerprint_files(paths: Iterable[Path], folder: Path) -> str:
    parts: list[str | bytes] = []
    for path in paths:
        parts += [path.relative_to(folder).as_posix(), path.read_bytes()]
    return find_fingerprint(*parts)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        return f"unreadable: {error.errno}".encode()


@contextmanager
def hold_lock(course_folder: Path) -> Iterator[Path]:
    """Keep other graders out of a course; a lock whose process has died is taken over.

    What a process that was killed left behind is removed.

    Args:
        course_folder: the nbgrader course.

    Yields:
        A folder for temporary files, removed at the end.

    Raises:
        StoreError: another process is grading, or the folder cannot be written.
    """
    path = course_folder / FOLDER / "lock"
    try:
        path.parent.mkdir(exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(_explain_lock(path, course_folder)) from None
        _remove_leftovers(course_folder, path)
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX))
        try:
            _write_lock(path, temporary)
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            path.write_text("", encoding="utf-8")


def _write_lock(path: Path, temporary: Path) -> None:
    """Say in the lock file, which must stay the same file, who holds it."""
    path.write_text(json.dumps({"pid": os.getpid(), "temporary": str(temporary)}), encoding="utf-8")


def _read_lock(path: Path) -> dict[str, object]:
    with suppress(OSError, ValueError):
        holder = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(holder, dict):
            return holder
    return {}


def _explain_lock(path: Path, course_folder: Path) -> str:
    process = _read_lock(path).get("pid", "unknown")
    return (
        f"another `course grade` (process {process}) is at work in {course_folder}; "
        "wait until it has ended, or stop it with Ctrl-C, and call again"
    )


def _remove_leftovers(course_folder: Path, path: Path) -> None:
    """Remove what a killed process left: its temporary folder, and files half written."""
    temporary = Path(str(_read_lock(path).get("temporary")))
    if temporary.name.startswith(_TEMPORARY_PREFIX):
        shutil.rmtree(temporary, ignore_errors=True)
    for step in (f"{FOLDER}/graded/*", f"{FOLDER}/executed/*/*", "autograded/*/*"):
        for file in course_folder.glob(f"{step}/.*"):
            if _TEMPORARY.fullmatch(file.name) and file.is_file():
                file.unlink(missing_ok=True)
