"""What there is to do in a batch: submissions that have not been graded as they are now."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path

from course_utils.grading.judgement import Judgement
from course_utils.grading.records.gradebook import Course, read_scores
from course_utils.grading.records.judgements import (
    Graded,
    autograded_file,
    find_fingerprint,
    find_package_fingerprint,
    find_submission_fingerprint,
    find_submissions,
    read_graded,
)
from course_utils.grading.sources import check_source, read_source
from course_utils.notebooks import read_notebook

_MAX_FILES_BYTES = 100_000_000

SEED_POLICY = "a secret seed, fresh for each batch"


class BatchError(Exception):
    """A batch cannot be graded; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Attributes:
        assignment: the assignment's name.
        sources: the instructor's notebooks by their names, as JSON text.
        files: what lies beside them, by the paths there.
        pending: the folders of the submissions to be graded, by learner.
        submissions: fingerprints of the submissions, by learner.
        fingerprints: of all that the judgements follow from, by learner.
        unchanged: judgements of earlier calls that still hold.
    """

    assignment: str
    sources: Mapping[str, str]
    files: Mapping[str, bytes]
    pending: Mapping[str, Path]
    submissions: Mapping[str, str]
    fingerprints: Mapping[str, str]
    unchanged: tuple[Judgement, ...]


def make_plan(
    course: Course,
    assignment: str,
    learners: Sequence[str] | None,
    *,
    conditions: Sequence[str],
    regrade: bool,
) -> Plan:
    """Find out what there is to do.

    Args:
        course: the nbgrader course.
        assignment: its name.
        learners: whose submissions; None for all.
        conditions: what the judgements follow from besides notebooks and package.
        regrade: grade them even if nothing has changed.

    Raises:
        BatchError: there is nothing to grade.
    """
    sources = _read_sources(course, assignment)
    files = read_files(course.folder / "source" / assignment)
    folders = _find_submissions(course, assignment, learners)
    common = find_fingerprint(
        SEED_POLICY,
        find_package_fingerprint(),
        json.dumps(course.marks, sort_keys=True),
        *conditions,
        *(part for pair in sources.items() for part in pair),
        *(part for pair in files.items() for part in pair),
    )
    submissions = {
        learner: find_submission_fingerprint(folder) for learner, folder in folders.items()
    }
    fingerprints = {
        learner: find_fingerprint(common, submission) for learner, submission in submissions.items()
    }
    known = {} if regrade else _find_known(course, assignment, fingerprints)
    return Plan(
        assignment,
        sources,
        files,
        {learner: folder for learner, folder in folders.items() if learner not in known},
        submissions,
        fingerprints,
        tuple(judgement for graded in known.values() for judgement in graded.judgements),
    )


def _read_sources(course: Course, assignment: str) -> dict[str, str]:
    """The notebooks of an assignment's source by their names, as JSON text."""
    folder = course.folder / "source"
    known = sorted({path.parent.name for path in folder.glob("*/*.ipynb")})
    if assignment not in known:
        raise BatchError(
            f"there is no notebook of an assignment {assignment!r} in {folder}; "
            f"there are {', '.join(known) or 'none'}"
        )
    texts = {path.stem: read_source(path) for path in sorted((folder / assignment).glob("*.ipynb"))}
    around = [_find_around(course, option) for option in ("header", "footer")]
    if any(around):
        texts = {name: _put_between(text, *around) for name, text in texts.items()}
    return texts


def _find_around(course: Course, option: str) -> Path | None:
    """The notebook that nbgrader puts above or below each of an assignment, if there is one.

    Raises:
        SourceError: it is configured, and can't be used.
    """
    path = course.around.get(option)
    if path is not None:
        check_source(path, course.marks)
    return path


def _put_between(text: str, header: Path | None, footer: Path | None) -> str:
    """A notebook with the cells that nbgrader puts above and below it when it is handed out."""
    import nbformat

    try:
        notebook = nbformat.reads(text, as_version=4)
    except (ValueError, nbformat.ValidationError):
        return text  # the instructor's run says what is wrong with it
    above, below = (
        read_notebook(path).cells if path is not None else [] for path in (header, footer)
    )
    notebook.cells = [*above, *notebook.cells, *below]
    return str(nbformat.writes(notebook))


def read_files(folder: Path) -> dict[str, bytes]:
    """Read what lies beside the notebooks of an assignment's source, such as data and modules.

    Raises:
        BatchError: a file can't be read, or they are too large to travel with each submission.
    """
    files: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        is_ours = path.suffix == ".ipynb" and path.parent == folder
        if is_ours or any(one.startswith(".") or one == "__pycache__" for one in place.parts):
            continue
        try:
            if path.is_file():
                total += path.stat().st_size
                if total > _MAX_FILES_BYTES:
                    raise BatchError(
                        f"the files in {folder} are larger than {_MAX_FILES_BYTES // 10**6} MB, "
                        f"{place} among them; make them smaller"
                    )
                files[place.as_posix()] = path.read_bytes()
        except OSError as error:
            raise BatchError(f"{path} cannot be read: {error.strerror}") from None
    return files


def _find_submissions(
    course: Course, assignment: str, learners: Sequence[str] | None
) -> dict[str, Path]:
    """The folders of the submissions, by learner."""
    found = find_submissions(course.folder, assignment)
    if not found:
        raise BatchError(
            f"nobody has handed in {assignment}: there is no folder "
            f"{course.folder / 'submitted'}/…/{assignment}; `course collect` puts submissions there"
        )
    if learners is None:
        return found
    if missing := [learner for learner in learners if learner not in found]:
        raise BatchError(
            f"no submission of {assignment} by {', '.join(missing)}; "
            f"there are those by {', '.join(found)}"
        )
    return {learner: found[learner] for learner in sorted(set(learners))}


def _find_known(
    course: Course, assignment: str, fingerprints: Mapping[str, str]
) -> dict[str, Graded]:
    """The judgements that still hold, and are in the gradebook and ``autograded/``, by learner."""
    graded = read_graded(course.folder, assignment)
    scores = read_scores(course, assignment) if graded else {}
    return {
        learner: graded[learner]
        for learner, fingerprint in fingerprints.items()
        if learner in graded
        and graded[learner].fingerprint == fingerprint
        and _is_saved(course, graded[learner], scores.get(learner, {}))
    }


def _is_saved(
    course: Course, graded: Graded, scores: Mapping[tuple[str, str], float | None]
) -> bool:
    def agree(judgement: Judgement) -> bool:
        saved = [scores.get((judgement.notebook, check.grade_id)) for check in judgement.checks]
        return all(
            number is not None and isclose(number, check.score, rel_tol=1e-6)
            for number, check in zip(saved, judgement.checks, strict=True)
        )

    return all(
        agree(judgement)
        and (
            judgement.notebook not in graded.executed
            or autograded_file(course.folder, judgement).is_file()
        )
        for judgement in graded.judgements
    )
