"""A folder for an nbgrader course: the lessons as its assignments, its configuration and gradebook.

Whatever nbgrader itself can do is left to it: ``nbgrader generate_assignment`` registers the graded
cells and writes ``release/``.
"""

import logging
import os
import re
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.execution.lessons import find_lessons
from course_utils.grading.records.gradebook import Course, read_course
from course_utils.grading.release.student_edition import (
    STUBS,
    ReleaseError,
    find_texts,
    make_student_edition,
    write_new,
)
from course_utils.grading.sources import check_source, check_sources

if TYPE_CHECKING:
    from course_utils.grading.release.example_class import Learner

_CONFIGURATION = '''\
"""nbgrader's configuration of this course; `nbgrader generate_config` lists what else there is."""

from pathlib import Path

c = get_config()

c.CourseDirectory.course_id = {course_id!r}
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
# Another gradebook, which several instructors can write to at a time:
# c.CourseDirectory.db_url = "postgresql://user:password@computer/gradebook"

# What takes the place of solutions in the student edition.
c.ClearSolutions.code_stub = {code_stub!r}
c.ClearSolutions.text_stub = {text_stub!r}
'''


class CourseFolderError(Exception):
    """The course's folder cannot be laid out; the message says why and what to do."""


@dataclass(frozen=True)
class CourseFolder:
    """What :func:`init_grading` did.

    Attributes:
        folder: the course.
        assignments: one for each lesson, in their order.
        written: the files that were written, relative to the folder.
        learners: the invented ones; empty without an example class.
    """

    folder: Path
    assignments: tuple[str, ...]
    written: tuple[str, ...]
    learners: tuple["Learner", ...]


def init_grading(
    folder: Path, *, lessons: Sequence[Path] | None = None, with_example_class: int = 0
) -> CourseFolder:
    """Lay out an nbgrader course; what is there is never overwritten.

    Called again, it adds what is missing, so that an interrupted call can be made good. The
    configuration is the instructor's from then on.

    Args:
        folder: the course, made if need be.
        lessons: the assignments; by default all that :func:`find_lessons` finds.
        with_example_class: how many invented learners hand in a lesson.

    Raises:
        CourseFolderError: another course is there, or a lesson's marks or metadata are faulty.
        GradebookError: the configuration, or the gradebook that it names, cannot be used.
        ExampleClassError: the example class cannot be written.
    """
    lessons = find_lessons() if lessons is None else lessons
    configuration = folder / "nbgrader_config.py"
    course_id = re.sub(r"[^\w-]+", "-", folder.resolve().name).strip("-") or "course"
    text = _CONFIGURATION.format(course_id=course_id, **STUBS["ClearSolutions"])
    contents = {} if configuration.exists() else {configuration: text}
    contents |= {
        folder / "source" / lesson.stem / name: path.read_text(encoding="utf-8")
        for lesson in lessons
        for name, path in ({lesson.name: lesson} | find_texts(lesson)).items()
    }
    if not configuration.exists():
        _refuse_other_course(folder)
    try:
        for lesson in lessons:
            make_student_edition(lesson)
        written = write_new(contents, advice="take another folder")
        for name in ("source", "submitted"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except (ReleaseError, OSError) as error:
        raise CourseFolderError(f"{folder} cannot be laid out as a course: {error}") from error
    course = read_course(folder)
    with scripts_on_path():
        for lesson in lessons:
            _register(course, lesson.stem)
        learners = _make_class(course, with_example_class) if with_example_class else ()
    return CourseFolder(
        folder,
        tuple(lesson.stem for lesson in lessons),
        tuple(path.relative_to(folder).as_posix() for path in written),
        learners,
    )


def _refuse_other_course(folder: Path) -> None:
    """A folder that holds parts of a course, but no configuration, is somebody else's."""
    names = ("gradebook.db", "source", "release", "submitted", "autograded", "feedback")
    found = [name for name in names if (folder / name).exists()]
    if found:
        raise CourseFolderError(
            f"{folder} holds another course already ({', '.join(found)}); take another folder"
        )


def release_assignment(course: Course, assignment: str) -> Path:
    """Write the student edition of a course's assignment, and enter it into the gradebook.

    nbgrader does both. An older edition in ``release/`` is replaced.

    Returns:
        The folder of the student edition.

    Raises:
        CourseFolderError: there is no such assignment, or nbgrader can't generate it.
        SourceError: a notebook of it can't be used.
    """
    known = sorted({path.parent.name for path in (course.folder / "source").glob("*/*.ipynb")})
    if assignment not in known:
        raise CourseFolderError(
            f"there is no assignment {assignment!r} in {course.folder / 'source'}; there are "
            f"{', '.join(known) or 'none'}"
        )
    check_sources(course.folder / "source" / assignment, course.marks)
    for path in course.around.values():
        check_source(path, course.marks)
    with scripts_on_path():
        _generate(course, assignment, force=True)
    return course.folder / "release" / assignment


def _register(course: Course, assignment: str) -> None:
    """Let nbgrader read an assignment's graded cells into the gradebook and write its release."""
    released = course.folder / "release" / assignment / f"{assignment}.ipynb"
    if released.exists() and _is_registered(course, assignment):
        return
    _generate(course, assignment, force=False)
    if not _is_registered(course, assignment):
        raise CourseFolderError(
            f"the gradebook does not know {assignment}, though it is released; call "
            f"`course release {assignment} --course {course.folder}`, which enters it"
        )


def _generate(course: Course, assignment: str, *, force: bool) -> None:
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    places = {"db_url": course.database, "root": str(course.folder)}
    around = {option: str(path) for option, path in course.around.items()}
    config = Config({"CourseDirectory": places, "IncludeHeaderFooter": around})
    directory = CourseDirectory(config=course.config.copy(), assignment_id=assignment)
    directory.update_config(config)
    converter = GenerateAssignment(coursedir=directory, config=directory.config)
    converter.force = force
    with _listen(converter.log) as said:
        try:
            converter.start()
        except (NbGraderException, RuntimeError) as error:
            reason = _find_reason(said) or error
            raise CourseFolderError(f"nbgrader cannot generate {assignment}: {reason}") from error


@contextmanager
def _listen(logger: logging.Logger | logging.LoggerAdapter[Any]) -> Iterator[list[str]]:
    """Keep the errors that a logger is told, in place of printing them."""
    said: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    inner = logger.logger if isinstance(logger, logging.LoggerAdapter) else logger
    before, propagates = inner.handlers, inner.propagate
    inner.handlers, inner.propagate = [handler], False
    try:
        yield said
    finally:
        inner.handlers, inner.propagate = before, propagates


def _find_reason(said: Sequence[str]) -> str:
    """What the last traceback that nbgrader wrote into its log ends with; empty without one."""
    tracebacks = [text for text in said if text.startswith("Traceback")]
    found = re.findall(r"^[A-Za-z_][\w.]*(?:: .*)?$", "".join(tracebacks[-1:]), re.MULTILINE)
    return found[-1] if found else ""


def _make_class(course: Course, num_learners: int) -> tuple["Learner", ...]:
    """Let invented learners hand in, and enrol them."""
    from nbgrader.api import Gradebook

    from course_utils.grading.release.example_class import make_example_class

    learners = make_example_class(course.folder, num_learners, seed=0)
    with Gradebook(course.database, course.name) as gradebook:
        for one in learners:
            gradebook.update_or_create_student(
                one.learner, first_name=one.first_name, last_name=one.last_name, email=one.email
            )
    return learners


def _is_registered(course: Course, assignment: str) -> bool:
    from nbgrader.api import Gradebook, MissingEntry

    with Gradebook(course.database, course.name) as gradebook:
        try:
            return bool(gradebook.find_notebook(assignment, assignment).grade_cells)
        except MissingEntry:
            return False


@contextmanager
def scripts_on_path() -> Iterator[None]:
    """Let nbgrader find the program ``alembic``, also where no environment was activated.

    It calls it by name when it makes a gradebook.
    """
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before
