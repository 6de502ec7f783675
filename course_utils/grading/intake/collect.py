"""Collecting: submissions out of what a learning management system exports, into ``submitted/``.

Only notebooks are taken out of an archive, each read as a whole before a file is written, and
written under a name that is made here. An archive whose structure is hostile is refused as a whole:
names that leave its folder, links and special files, passwords, overlapping or far too many
members. Whatever else is wrong with a file costs only the learner who handed it in.
"""

import csv
import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from course_utils.datasets.zip_names import name_of
from course_utils.grading.intake.submission import MAX_BYTES, is_notebook_name

Form = Literal["canvas", "moodle", "plain"]
Status = Literal["new", "unchanged", "replaced", "kept"]

MAX_MEMBERS = 20_000
MAX_TOTAL_BYTES = 4 * 2**30
MAX_LEARNER_BYTES = 5 * MAX_BYTES
MAX_RATIO = 300
_HARMLESS_BYTES = 2**20  # a member of this size may be packed as tightly as it can be

# Canvas and Moodle take underscores out of the names of people, and put them first: what a learner
# calls a file cannot look like someone else's submission.
_CANVAS = re.compile(
    r"(?P<name>[^_/]+)_(?:(?P<late>LATE)_)?(?P<number>[0-9]+)_[0-9]+_(?P<file>[^/]+)", re.DOTALL
)
# What was typed into Canvas's text box.
_CANVAS_TEXT = re.compile(
    r"(?P<name>[^_/]+)_(?:(?P<late>LATE)_)?(?P<number>[0-9]+)_(?P<file>text\.html)"
)
_CANVAS_ANONYMOUS = re.compile(r"anon_(?:LATE_)?[0-9A-Za-z]+_.+", re.DOTALL)
_MOODLE = re.compile(
    r"(?P<name>[^_/]+)_(?P<number>[0-9]+)_assignsubmission_[a-z]+(?:_/|/|_)(?P<file>.+)", re.DOTALL
)
_ARCHIVE_NAME = re.compile(r".+\.(zip|tar|gz|tgz|bz2|xz|7z|rar)", re.IGNORECASE | re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:")
# Left behind by file managers and Jupyter.
_NOT_FILES = {"__MACOSX", "Thumbs.db", "desktop.ini", ".DS_Store", ".ipynb_checkpoints"}
_MAX_NAME = 60  # characters: at most 240 bytes of the 255 that a file's name may have


class CollectError(Exception):
    """An export cannot be collected; the message says why, and what to do."""


class _RefusedError(Exception):
    """One learner's submission cannot be collected."""


@dataclass(frozen=True)
class CollectedSubmission:
    """A submission out of an export.

    Attributes:
        learner: the learner's identifier, the name of the folder in ``submitted/``.
        name: what the export calls the learner.
        files: the notebooks.
        status: ``new``; ``unchanged`` if the same notebooks were there already; ``replaced`` if
            others were, now in ``.course/replaced/``; ``kept`` if the others stayed.
        is_late: whether the export says so.
    """

    learner: str
    name: str
    files: tuple[str, ...]
    status: Status
    is_late: bool


@dataclass(frozen=True)
class Refusal:
    """A submission that was not collected.

    Attributes:
        name: what the export calls the learner.
        message: why, and what to do.
    """

    name: str
    message: str


@dataclass(frozen=True)
class Collected:
    """What came of an export.

    Attributes:
        form: how its files are named.
        submissions: what was collected, by learner.
        refused: what was not.
        passed_over: files that are no notebooks, as the export names them.
        unknown: learners that the gradebook doesn't have.
    """

    form: Form
    submissions: tuple[CollectedSubmission, ...]
    refused: tuple[Refusal, ...]
    passed_over: tuple[str, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Member:
    """A file of the archive: who handed it in, and what they call it."""

    info: zipfile.ZipInfo
    key: str  # the number in the learning management system, or the name
    name: str  # of the learner
    file: str
    is_late: bool = False


@dataclass
class _Submission:
    """The files of one learner."""

    key: str
    name: str
    members: list[_Member] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.name if self.key == self.name else f"{self.name} ({self.key})"


def collect(
    export: Path,
    course_folder: Path,
    *,
    assignment: str,
    form: Form | None = None,
    roster: Path | None = None,
    known: Collection[str] = (),
    replace: bool = False,
) -> Collected:
    """Unpack an export into ``submitted/{learner}/{assignment}/``.

    A learner is called by the number that Canvas (the user id) or Moodle (the participant) knows
    them by, which is what their grade files need; in a plain zip by the name of the folder or
    file, in which all but letters, digits and ``. @ _ -`` becomes ``_``.

    Args:
        export: the zip: from Canvas (``lastfirst_LATE_123_456_lesson.ipynb``), from Moodle
            (``Full name_123_assignsubmission_file_/lesson.ipynb``), or plain
            (``student/lesson.ipynb`` or ``student.ipynb``).
        course_folder: the nbgrader course.
        assignment: the assignment's name.
        form: how the files are named; None to find out.
        roster: a CSV with the columns ``id`` and ``lms_user_id``, as `nbgrader db student import`
            takes it. With it, learners are called by their ``id``, and others are refused.
        known: learners that the gradebook has, against which ids from Canvas or Moodle are checked
            where there is no roster.
        replace: whether a submission that differs takes the place of the one that is there, which
            is moved to ``.course/replaced/``.

    Raises:
        CollectError: the archive, the roster or the course cannot be used.
    """
    _check_assignment(course_folder, assignment)
    learners = _read_roster(roster) if roster else None
    with _open(export) as archive:
        infos = _list_files(archive, export.stat().st_size)
        used_form = form or _detect_form(infos)
        members, passed_over = _sort_out(infos, used_form, assignment)
        if not members:
            first = f"its first file is {name_of(infos[0])[:200]!r}" if infos else "it is empty"
            raise CollectError(f"{export} holds no submissions in the form {used_form}; {first}")
        submissions = _group(members)
        names, refused = _name_learners(submissions, learners)
        if known and not learners and not set(names.values()) & set(known):
            found, there = (", ".join(sorted(one)[:3]) for one in (set(names.values()), set(known)))
            raise CollectError(
                f"none of these learners is in the gradebook: the export has {found}, … and the "
                f"gradebook {there}, …; say who is who with --roster. Nothing was written"
            )
        collected = []
        for submission in submissions:
            if learner := names.get(submission.key):
                target = course_folder / "submitted" / learner / assignment
                try:
                    files = _read_files(archive, submission)
                except _RefusedError as error:
                    refused.append(Refusal(submission.label, str(error)))
                    continue
                status = _store(files, target, course_folder / ".course", replace=replace)
                is_late = any(member.is_late for member in submission.members)
                collected.append(
                    CollectedSubmission(learner, submission.name, tuple(files), status, is_late)
                )
    return Collected(
        used_form,
        tuple(sorted(collected, key=lambda found: found.learner)),
        tuple(sorted(refused, key=lambda found: found.name)),
        tuple(passed_over),
        tuple(sorted(set(names.values()) - set(known))) if known and not learners else (),
    )


@contextmanager
def _open(export: Path) -> Iterator[zipfile.ZipFile]:
    try:
        file = export.open("rb")
    except OSError as error:
        raise CollectError(f"{export} cannot be read: {error.strerror}") from None
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, struct.error, OSError, ValueError, RuntimeError) as error:
            message = f"{export} is no zip file, or not a whole one ({error}); download it again"
            raise CollectError(message) from None
        with archive:
            yield archive


def _check_assignment(course_folder: Path, assignment: str) -> None:
    known = sorted(path.parent.name for path in (course_folder / "source").glob("*/*.ipynb"))
    if assignment not in known:
        there_are = f"there are {', '.join(dict.fromkeys(known))}" if known else "it has none"
        raise CollectError(
            f"the course in {course_folder} has no assignment {assignment!r}; {there_are}"
        )


def _read_roster(path: Path) -> dict[str, str]:
    """Read which learner has which number in the learning management system."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        rows = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError:
        raise CollectError(
            f"the roster {path} is not written in UTF-8; save it as “CSV UTF-8”"
        ) from None
    except OSError as error:
        raise CollectError(
            f"the roster {path} cannot be read: {error.strerror}; name a CSV file"
        ) from None
    except csv.Error as error:
        raise CollectError(
            f"the roster {path} is no CSV file: {error}; export it again as CSV"
        ) from None
    names = reader.fieldnames or []
    if missing := [name for name in ("id", "lms_user_id") if name not in names]:
        raise CollectError(
            f"the roster {path} lacks the column {' and the column '.join(missing)}: its first row "
            f"is {', '.join(names)[:100] or 'empty'}; it takes commas between columns"
        )
    if not rows:
        raise CollectError(f"the roster {path} has no learners; add a row for each")
    learners: dict[str, str] = {}
    for line, row in rows:
        learner = (row["id"] or "").strip()
        if not learner or make_learner_id(learner) != learner:
            raise CollectError(
                f"the roster {path} has the id {learner!r} in line {line}; it takes letters, "
                "digits and . @ _ -"
            )
        for name in {learner, (row["lms_user_id"] or "").strip()} - {""}:
            if learners.setdefault(name, learner) != learner:
                raise CollectError(
                    f"the roster {path} has two learners {name!r}, the second in line {line}; "
                    "correct one of them"
                )
    return learners


def make_learner_id(name: str) -> str:
    """Make the name of a folder out of any text; empty when there is nothing to make it of."""
    return re.sub(r"[^\w.@-]+", "_", unicodedata.normalize("NFC", name)[:_MAX_NAME]).strip("._-")


def _list_files(archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    """List an archive's files.

    Raises:
        CollectError: it is built to do harm, or protected by a password.
    """
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise CollectError(
            f"the archive has {len(infos)} files, more than {MAX_MEMBERS}; nothing was unpacked"
        )
    for info in infos:
        if reason := _find_danger(info):
            raise CollectError(f"nothing was unpacked: {name_of(info)[:200]!r} {reason}")
    if sum(info.compress_size for info in infos) > size:
        raise CollectError("nothing was unpacked: files of the archive overlap, it is a zip bomb")
    files = [info for info in infos if _is_wanted(info)]
    total = sum(info.file_size for info in files if is_notebook_name(name_of(info)))
    if total > MAX_TOTAL_BYTES:
        raise CollectError(
            f"nothing was unpacked: its notebooks are {total / 2**30:.1f} GB large, more than "
            f"{MAX_TOTAL_BYTES / 2**30:.0f} GB"
        )
    return files


def _find_danger(info: zipfile.ZipInfo) -> str:
    """What is dangerous about the structure of a member; empty if nothing is."""
    name = name_of(info)
    if name.startswith("/") or "\\" in name or _DRIVE.match(name) or ".." in name.split("/"):
        return "would be unpacked outside its folder; no learning management system writes that"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a special file; no learning management system writes that"
    if info.flag_bits & 0x1:
        return "is protected by a password; pack the files again without one"
    return ""


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    parts = _parts(info)
    is_folder = not parts or name_of(info).endswith("/")
    return not (is_folder or any(p in _NOT_FILES or p.startswith("._") for p in parts))


def _parts(info: zipfile.ZipInfo) -> list[str]:
    return [part for part in name_of(info).split("/") if part not in ("", ".")]


def _detect_form(infos: Iterable[zipfile.ZipInfo]) -> Form:
    """Find out how the files are named.

    Raises:
        CollectError: it isn't sure, or the names don't say whose the files are.
    """
    names = ["/".join(_parts(info)) for info in infos]
    if any(_CANVAS_ANONYMOUS.fullmatch(name) for name in names):
        example = next(name for name in names if _CANVAS_ANONYMOUS.fullmatch(name))
        raise CollectError(
            f"this is an anonymous export of Canvas ({example[:100]!r} is in it): it doesn't say "
            "whose the files are; switch off anonymous grading and export again. If it isn't from "
            "Canvas, say --form plain"
        )
    patterns: dict[Form, tuple[re.Pattern[str], ...]] = {
        "canvas": (_CANVAS, _CANVAS_TEXT),
        "moodle": (_MOODLE,),
    }
    for form, known in patterns.items():
        fitting = [name for name in names if any(one.fullmatch(name) for one in known)]
        if fitting and len(fitting) == len(names):
            return form
        if fitting:
            other = next(name for name in names if name not in fitting)
            raise CollectError(
                f"{fitting[0][:100]!r} is named as {form.capitalize()} names files, and "
                f"{other[:100]!r} is not; say which it is with --form canvas, moodle or plain"
            )
    return "plain"


def _sort_out(
    infos: Sequence[zipfile.ZipInfo], form: Form, assignment: str
) -> tuple[list[_Member], list[str]]:
    """Say of each file who handed it in, and which files are of no one or no notebooks."""
    if form == "plain":
        members = _read_plain_names(infos, assignment)
    else:
        members = _read_names(infos, (_CANVAS, _CANVAS_TEXT) if form == "canvas" else (_MOODLE,))
    known = {member.info.orig_filename for member in members if is_notebook_name(member.file)}
    return members, [name_of(info) for info in infos if info.orig_filename not in known]


def _read_names(
    infos: Iterable[zipfile.ZipInfo], patterns: Sequence[re.Pattern[str]]
) -> list[_Member]:
    matches = (
        (info, pattern.fullmatch("/".join(_parts(info)))) for info in infos for pattern in patterns
    )
    return [
        _Member(
            info, match["number"], match["name"], match["file"], bool(match.groupdict().get("late"))
        )
        for info, match in matches
        if match
    ]


def _read_plain_names(infos: Sequence[zipfile.ZipInfo], assignment: str) -> list[_Member]:
    """Read ``student/…/file`` and ``student.ipynb``, in one more folder or not."""
    paths = [(info, _parts(info)) for info in infos]
    while _is_wrapped([parts for _, parts in paths], assignment):
        paths = [(info, parts[1:]) for info, parts in paths]
    members = []
    for info, parts in paths:
        if len(parts) > 1:
            members.append(_Member(info, parts[0], parts[0], "/".join(parts[1:])))
        elif is_notebook_name(parts[0]):
            name = parts[0][: parts[0].lower().rindex(".ipynb")]
            members.append(_Member(info, name, name, f"{assignment}.ipynb"))
        elif _ARCHIVE_NAME.fullmatch(parts[0]):
            members.append(_Member(info, parts[0], parts[0], parts[0]))
    return members


def _is_wrapped(paths: Sequence[Sequence[str]], assignment: str) -> bool:
    """Whether one folder holds everybody's submissions, and not one learner's files."""
    if len({parts[0] for parts in paths}) != 1 or any(len(parts) < 2 for parts in paths):
        return False
    inside = {parts[1].casefold() for parts in paths}
    is_one_learners = any(name.startswith(assignment.casefold()) for name in inside)
    return len(inside) > 1 and not is_one_learners


def _group(members: Iterable[_Member]) -> list[_Submission]:
    submissions: dict[str, _Submission] = {}
    for member in members:
        submission = submissions.setdefault(member.key, _Submission(member.key, member.name))
        submission.members.append(member)
    return list(submissions.values())


def _name_learners(
    submissions: Sequence[_Submission], learners: Mapping[str, str] | None
) -> tuple[dict[str, str], list[Refusal]]:
    """Find the learner of each submission, by its key; no two have the same."""
    names = {
        submission.key: make_learner_id(submission.key)
        if learners is None
        else learners.get(submission.key, "")
        for submission in submissions
    }
    times = Counter(name.casefold() for name in names.values())
    refused = []
    for submission in submissions:
        name = names[submission.key]
        if not name:
            reason = (
                "no folder can be called that; rename it in the archive"
                if learners is None
                else f"{submission.key!r} is not in the roster; add it, as id or lms_user_id"
            )
            refused.append(Refusal(submission.label, reason))
        elif times[name.casefold()] > 1:
            reason = f"another submission is by {name!r} too; name them apart in the archive"
            refused.append(Refusal(submission.label, reason))
    taken = {name: times[name.casefold()] for name in names.values() if name}
    return {key: name for key, name in names.items() if taken.get(name) == 1}, refused


def _read_files(archive: zipfile.ZipFile, submission: _Submission) -> dict[str, bytes]:
    """Read the notebooks of a submission, by the names that they will have.

    Raises:
        _RefusedError: one of them cannot be read, or there is none.
    """
    files: dict[str, bytes] = {}
    notebooks = [member for member in submission.members if is_notebook_name(member.file)]
    for member in notebooks:
        name = _make_file_name(member.file)
        if name.casefold() in {known.casefold() for known in files}:
            raise _RefusedError(f"two files are called {name!r}; keep one of them in the archive")
        files[name] = _read_member(archive, member)
        if sum(map(len, files.values())) > MAX_LEARNER_BYTES:
            raise _RefusedError(f"the files are larger than {MAX_LEARNER_BYTES // 2**20} MB")
    if files:
        return files
    names = ", ".join(repr(member.file) for member in submission.members[:3])
    if any(_ARCHIVE_NAME.fullmatch(member.file) for member in submission.members):
        raise _RefusedError(f"an archive within the archive ({names}); ask for the notebook itself")
    raise _RefusedError(f"no notebook, but {names}; ask for the notebook")


def _make_file_name(file: str) -> str:
    """Make a file's name; :mod:`course_utils.grading.intake.submission` says what follows from it.

    Raises:
        _RefusedError: it has control characters.
    """
    name = unicodedata.normalize("NFC", file.rsplit("/", 1)[-1])
    if any(unicodedata.category(character) == "Cc" for character in file):
        raise _RefusedError(f"the file's name {name[-100:]!r} has control characters; rename it")
    return re.sub(r"^[ .-]", "_", re.sub(r"[^\w.()@ -]", "_", name)[-_MAX_NAME:])


def _read_member(archive: zipfile.ZipFile, member: _Member) -> bytes:
    info, name = member.info, member.file[-100:]
    if info.file_size > max(_HARMLESS_BYTES, MAX_RATIO * info.compress_size):
        raise _RefusedError(f"{name!r} would unpack to {MAX_RATIO} times its size: a zip bomb")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _RefusedError(f"{name!r} is compressed in an unusual way; pack it again")
    try:
        with archive.open(info) as stream:
            content = stream.read(MAX_BYTES + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
    ) as error:
        raise _RefusedError(f"{name!r} is damaged ({error}); export it again") from None
    if len(content) > MAX_BYTES:
        raise _RefusedError(
            f"{name!r} is larger than {MAX_BYTES // 2**20} MB; ask for it without its outputs"
        )
    return content


def _store(files: Mapping[str, bytes], target: Path, state: Path, *, replace: bool) -> Status:
    """Put a submission into its folder as a whole, by renaming.

    Raises:
        CollectError: it cannot be written.
    """
    try:
        is_there = target.exists()
        if is_there and _holds(target, files):
            return "unchanged"
        if is_there and not replace:
            return "kept"
        state.mkdir(exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=state, prefix="collect-") as temporary:
            fresh = Path(temporary, "submission")
            fresh.mkdir()
            for name, content in files.items():
                (fresh / name).write_bytes(content)
            if is_there:
                moment = f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
                older = state / "replaced" / target.parent.name / target.name / moment
                older.parent.mkdir(parents=True, exist_ok=True)
                target.rename(older)
            fresh.rename(target)
    except OSError as error:
        raise CollectError(
            f"{error.filename or target} cannot be written: {error.strerror}; the submissions "
            "before it are whole, and the same command goes on"
        ) from None
    return "replaced" if is_there else "new"


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Whether a folder's notebooks are just these."""
    notebooks = {path.name: path for path in folder.iterdir() if is_notebook_name(path.name)}
    return notebooks.keys() == files.keys() and all(
        path.is_file()
        and path.stat().st_size == len(files[name])
        and path.read_bytes() == files[name]
        for name, path in notebooks.items()
    )
