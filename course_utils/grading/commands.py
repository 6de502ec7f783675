"""The instructors' part of the ``course`` command. Nothing slow is imported at its start."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_utils.console import PLAIN, console, error_console, examples

if TYPE_CHECKING:
    from course_utils.grading.judgement import Judgement
    from course_utils.grading.records.gradebook import Course

_OUTDATED = "You have handed in another version since, which is not graded yet."
_WITHDRAWN = "This submission has been taken out of the course since it was graded."
_NEEDED = ("nbgrader", "nbval", "distributed")

Assignment = Annotated[str, typer.Argument(help="The assignment, such as [b]03_training[/].")]
CourseOption = Annotated[
    Path, typer.Option("--course", help="The course's folder; by default this one.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace a file of that name that something else made.")
]
Learners = Annotated[
    list[str] | None, typer.Option("--learner", help="Only this learner; repeatable.")
]


class CommandError(Exception):
    """A command cannot be carried out; the message says why and what to do."""


class System(StrEnum):
    """Where scores go."""

    canvas = "canvas"
    moodle = "moodle"
    csv = "csv"


class Form(StrEnum):
    """How the files of an export are named."""

    canvas = "canvas"
    moodle = "moodle"
    plain = "plain"


def add_commands(app: typer.Typer) -> None:
    """Add the instructor's commands, in the order of their work."""
    for command, *lines in (
        (
            release,
            "course release --to student-edition",
            "course release 03 --to handout",
            "course release hw1 --course my-course",
        ),
        (new_assignment, "course new-assignment hw1"),
        (
            init_grading,
            "course init-grading my-course",
            "course init-grading my-course --empty",
            "course init-grading /tmp/demo --with-example-class 12",
        ),
        (collect, "course collect submissions.zip 03_training"),
        (
            grade,
            "course grade 03_training",
            "course grade 03_training --learner ada --regrade",
            "course grade 03_training --scheduler tcp://192.0.2.1:8786",
        ),
        (feedback, "course feedback 03_training"),
        (report, "course report", "course report 03_training"),
        (
            export,
            "course export --to canvas",
            "course export 03_training --to moodle --roster worksheet.csv",
        ),
    ):
        name = command.__name__.replace("_", "-")
        app.command(name, epilog=examples(*lines), rich_help_panel="For instructors")(command)


def release(
    lessons: Annotated[
        list[str] | None,
        typer.Argument(
            help="Lessons, such as [b]03[/]; all by default. With [b]--course[/], assignments."
        ),
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder for the student edition.")] = Path("release"),
    course: Annotated[
        Path | None,
        typer.Option(help="Release assignments of this course, into its folder release/."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there and differ.")
    ] = False,
) -> None:
    """Make the student edition: lessons or assignments without solutions and hidden checks."""
    _require_packages()
    if course is not None:
        _release_assignments(course, lessons or [])
        return
    if found := [name for name in lessons or [] if Path("source", name).is_dir()]:
        names = " ".join(found)
        raise CommandError(
            f"{names}: this folder is a course that has an assignment of that name; "
            f"`course release {names} --course .` releases it"
        )
    from course_utils.execution.lessons import find_lessons, select
    from course_utils.grading.release.student_edition import release as make_release

    made = make_release(select(find_lessons(), lessons or []), to, force=force)
    for name in made.written:
        _say(f"{made.folder / name}: new")
    for name in made.unchanged:
        _say(f"{made.folder / name}: there already")


def _release_assignments(folder: Path, names: list[str]) -> None:
    from course_utils.grading.release.course_folder import release_assignment

    if not names:
        raise CommandError("say which assignments to release, such as `course release hw1`")
    course = _read_course(folder)
    for name in names:
        _say(f"{release_assignment(course, name)}: hand this out")


def new_assignment(
    name: Annotated[str, typer.Argument(help="Its name, such as [b]hw1[/].")],
    course: CourseOption = Path(),
) -> None:
    """Write a commented assignment with one check of each kind, to make one's own of."""
    _require_packages()
    from course_utils.grading.release.new_assignment import new_assignment as write_assignment

    path = write_assignment(_read_course(course), name)
    _say(f"{path}: change it as you like, in JupyterLab")
    _say(f"Next: course release {name} --course {course}")


def init_grading(
    folder: Annotated[Path, typer.Argument(help="Folder of the new course.")],
    with_example_class: Annotated[
        int, typer.Option(min=0, help="Let so many invented learners hand in lesson 3.")
    ] = 0,
    empty: Annotated[
        bool, typer.Option("--empty", help="Without the lessons: for assignments of your own.")
    ] = False,
) -> None:
    """Lay out a course for grading: an nbgrader course with the lessons as its assignments."""
    _require_packages()
    from course_utils.grading.release.course_folder import init_grading as lay_out

    if empty and with_example_class:
        raise CommandError("the example class hands in lesson 3: leave out --empty")
    with console.status("Laying out the course …"):
        course = lay_out(
            folder, lessons=[] if empty else None, with_example_class=with_example_class
        )
    if empty:
        _say(f"{folder}: an empty course")
        _say(f"Next: cd {folder} && course new-assignment hw1")
        return
    _say(f"{folder}: {len(course.assignments)} assignments: {', '.join(course.assignments)}")
    for learner in course.learners:
        points = f"{learner.expected_score:g} of {learner.max_score:g} points expected"
        _say(f"  {learner.learner}: {learner.description} ({points})")
    assignment = "03_training" if course.learners else course.assignments[0]
    following = "grade" if course.learners else "collect EXPORT.zip"
    _say(f"Next: cd {folder} && course {following} {assignment}")


def collect(  # noqa: PLR0917, a command's options
    archive: Annotated[Path, typer.Argument(help="The zip that Canvas, Moodle or you made.")],
    assignment: Assignment,
    course: CourseOption = Path(),
    form: Annotated[
        Form | None, typer.Option(help="How the files are named; found out by default.")
    ] = None,
    roster: Annotated[
        Path | None, typer.Option(help="CSV with the columns id and lms_user_id.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace submissions that differ; the old go to .course/replaced."
        ),
    ] = False,
) -> None:
    """Unpack what a learning management system exported into [b]submitted/[/].

    The exit code is 1 when a submission that differs from one that is there was not taken.
    """
    from course_utils.grading.intake.collect import collect as unpack
    from course_utils.grading.records.gradebook import read_learners

    collected = unpack(
        archive,
        course,
        known=read_learners(_read_course(course)) if form != Form.plain else (),
        assignment=assignment,
        form=form.value if form else None,
        roster=roster,
        replace=replace,
    )
    for one in collected.submissions:
        late = ", late" if one.is_late else ""
        hint = " (another one is there; --replace takes this one)" if one.status == "kept" else ""
        _say(f"{one.learner}: {one.status}{late}{hint}")
    for refused in collected.refused:
        error_console.print(f"{refused.name}: refused, {refused.message}", **PLAIN)
    if collected.passed_over:
        _say(f"Passed over, being no notebooks: {', '.join(collected.passed_over)}")
    if collected.unknown and collected.form != "plain":
        _warn([f"Not in the gradebook so far: {', '.join(collected.unknown)}"])
    _say(f"{len(collected.submissions)} submissions; next: course grade {assignment}")
    if kept := [one.learner for one in collected.submissions if one.status == "kept"]:
        what = f"{len(kept)} submissions ({', '.join(kept)})"
        _warn([f"NOT taken: {what}. Others are in submitted/; --replace takes these instead"])
        raise typer.Exit(1)


def grade(  # noqa: PLR0917, a command's options
    assignment: Assignment,
    course: CourseOption = Path(),
    learners: Learners = None,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Grade also what has not changed.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler; by default this computer.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Submissions at a time; by default what fits.")
    ] = None,
    cell_seconds: Annotated[float, typer.Option(min=1, help="Time that a cell may take.")] = 60,
    memory: Annotated[float, typer.Option(min=0.5, help="Gigabytes for each submission.")] = 2,
    asserts: Annotated[
        bool,
        typer.Option(
            "--asserts/--no-asserts",
            help="[b]--no-asserts[/] refuses assignments with checks that learners can forge.",
        ),
    ] = True,
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox/--no-sandbox",
            help="[b]--no-sandbox[/] lets submissions do on this computer whatever you can.",
        ),
    ] = True,
) -> None:
    """Grade submissions in parallel, each in a sandbox. Stop it when you like: it goes on."""
    _require_packages()
    from course_utils.grading.batch.batch_display import BatchProgress, judgements_table
    from course_utils.grading.batch.grade import BatchInterrupt
    from course_utils.grading.batch.grade import grade as grade_batch
    from course_utils.grading.judge.limits import RunLimits
    from course_utils.grading.sandbox.guard import Limits
    from course_utils.grading.sandbox.provisioner import unavailable

    if sandbox and (reason := unavailable()):
        raise CommandError(f"{reason} To grade without a sandbox say --no-sandbox.")
    try:
        with BatchProgress(console) as progress:
            result = grade_batch(
                course,
                assignment,
                learners=learners,
                regrade=regrade,
                scheduler=scheduler,
                num_workers=workers,
                kernel="course-sandbox" if sandbox else "python3",
                limits=RunLimits(cell_seconds=cell_seconds),
                sandbox=Limits(memory=int(memory * 1e9)),
                asserts=asserts,
                on_event=progress.show,
            )
    except BatchInterrupt as stopped:
        error_console.print(str(stopped), **PLAIN)
        raise typer.Exit(130) from None
    console.print(judgements_table([*result.unchanged, *result.graded]))
    _say(f"{len(result.graded)} graded now, {len(result.unchanged)} unchanged since")
    for learner, message in result.unsaved.items():
        error_console.print(f"{learner}: not saved, {message}", **PLAIN)
    if result.unsaved:
        raise typer.Exit(1)
    _say(f"Next: course feedback {assignment}, course report {assignment}, course export")


def feedback(
    assignment: Assignment, course: CourseOption = Path(), learners: Learners = None
) -> None:
    """Write a page for each learner: every check with its outcome and reason."""
    _require_packages()
    from course_utils.grading.pages.feedback import feedback as write_feedback
    from course_utils.grading.records.grades import read_grades
    from course_utils.grading.records.judgements import find_standing

    opened = _read_course(course)
    folder = opened.folder
    found = _judgements(folder, [assignment])
    grades = read_grades(opened, assignment)
    standing = find_standing(folder, assignment)
    wanted = [one for one in found if not learners or one.learner in learners]
    if missing := set(learners or ()) - {one.learner for one in wanted}:
        raise CommandError(f"{assignment} of {', '.join(sorted(missing))} has not been graded")
    for judgement in wanted:
        notice = _OUTDATED if judgement.learner in standing.outdated else ""
        notice = _WITHDRAWN if judgement.learner in standing.withdrawn else notice
        grade = grades.get((judgement.learner, judgement.notebook))
        path = write_feedback(
            judgement, folder / "feedback", grade=grade, notice=notice, settings=opened.marks
        )
        _say(str(path))
    _warn(standing.sentences())


def report(
    assignments: Annotated[
        list[str] | None, typer.Argument(help="Assignments; all that were graded by default.")
    ] = None,
    course: CourseOption = Path(),
    to: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("report"),
    force: Force = False,
) -> None:
    """Write the class at a glance: scores by exercise, commonest mistakes, failures."""
    _require_packages()
    from course_utils.grading.pages.class_report import report as write_report
    from course_utils.grading.records.grades import read_grades
    from course_utils.grading.records.judgements import find_standing

    opened = _read_course(course)
    folder = opened.folder
    judgements = _judgements(folder, assignments or [])
    names = sorted({one.assignment for one in judgements})
    grades = {
        (name, *key): grade for name in names for key, grade in read_grades(opened, name).items()
    }
    notices = [line for name in names for line in find_standing(folder, name).sentences()]
    _say(str(write_report(judgements, to, grades=grades, notices=notices, force=force)))
    _warn(notices)


def export(  # noqa: PLR0917, a command's options
    assignments: Annotated[
        list[str] | None, typer.Argument(help="Assignments; all by default.")
    ] = None,
    to: Annotated[System, typer.Option(help="Which system reads the file.")] = System.csv,
    course: CourseOption = Path(),
    roster: Annotated[
        Path | None, typer.Option(help="What Canvas or Moodle exported; Moodle needs it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The file; by default [b]scores-SYSTEM.csv[/].")
    ] = None,
    force: Force = False,
) -> None:
    """Write the scores to a file for Canvas, Moodle or a spreadsheet."""
    _require_packages()
    from course_utils.grading.lms.export import export as write_export
    from course_utils.grading.lms.scores import collect_scores
    from course_utils.grading.records.grades import refresh_penalties
    from course_utils.grading.records.judgements import find_standing

    opened = _read_course(course)
    refresh_penalties(opened, assignments or [])
    scores = collect_scores(opened, assignments=assignments or [])
    path = output or Path(f"scores-{to.value}.csv")
    if opened.database_file and path.exists() and path.samefile(opened.database_file):
        raise CommandError(f"{path} is the gradebook itself; choose another name")
    exported = write_export(scores, path, to=to.value, roster=roster, force=force)
    _say(f"{exported.path}: {exported.num_scores} scores")
    for note in exported.notes:
        _say(note)
    for title, names in (
        ("No score", exported.ungraded),
        ("Not on the roster, or not clearly so", exported.unknown),
    ):
        if names:
            error_console.print(f"{title}: {', '.join(names)}", **PLAIN)
    for name in dict.fromkeys(score.assignment for score in scores):
        scored = [one.learner for one in scores if one.assignment == name and one.submitted]
        _warn(find_standing(opened.folder, name, scored=scored).sentences())


def find_sandbox_check() -> Callable[[], str | None] | None:
    """Find what says why there is no sandbox here; None where nothing for grading is installed."""
    if any(find_spec(name) is None for name in _NEEDED):
        return None
    from course_utils.grading.sandbox.provisioner import unavailable

    return unavailable


def _require_packages() -> None:
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise CommandError(
            f"grading needs {', '.join(missing)}; install the course with its extra: "
            "pip install 'pixels-and-people[instructor]', or in a clone "
            ".venv/bin/pip install -c constraints.txt -e '.[instructor]'"
        )


def _read_course(folder: Path) -> "Course":
    from course_utils.grading.records.gradebook import read_course

    return read_course(folder)


def _judgements(course: Path, assignments: list[str]) -> "list[Judgement]":
    """What has been graded, of some assignments or all."""
    from course_utils.grading.records.judgements import find_graded, read_judgements

    graded = find_graded(course)
    if not graded:
        raise CommandError(
            f"nothing has been graded in {course} yet; `course grade ASSIGNMENT` does it"
        )
    if missing := [name for name in assignments if name not in graded]:
        raise CommandError(
            f"{', '.join(missing)} has not been graded in {course}; there are {', '.join(graded)}"
        )
    return [one for name in assignments or graded for one in read_judgements(course, name)]


def _say(text: str) -> None:
    console.print(text, **PLAIN)


def _warn(sentences: Iterable[str]) -> None:
    """Say what must not be overlooked."""
    for sentence in sentences:
        error_console.print(sentence, style="bold yellow", **PLAIN)
