"""A submission's files: which of them is the notebook, and what is in it.

Nothing that a learner handed in is trusted: neither names, nor links, nor sizes.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from course_utils.grading.judgement import Repair

MAX_BYTES = 20 * 2**20
_NOTEBOOK_NAME = re.compile(r"(?P<stem>.+)\.ipynb(\.txt|\.json)?", re.IGNORECASE | re.DOTALL)
_COPY_MARK = re.compile(r"([ _-]*copy\d*|[ _-]*\(\d+\)|-\d+)$")


class SubmissionError(Exception):
    """A submission cannot be graded; the message, one line, says why and what to do."""


@dataclass(frozen=True)
class FoundNotebook:
    """A submitted notebook.

    Attributes:
        path: its file.
        repairs: that it has another name than the lesson's, if it has.
    """

    path: Path
    repairs: tuple[Repair, ...]


def is_notebook_name(name: str) -> bool:
    """Whether a file of this name is a notebook, or one that a browser saved as text."""
    return _NOTEBOOK_NAME.fullmatch(name) is not None


def find_notebook(
    folder: Path, expected_name: str, *, siblings: Collection[str] = ()
) -> FoundNotebook:
    """Find a lesson's notebook among the files of a submission.

    A file of another name is taken if it is the only one whose name differs by no more than its
    case or a mark such as ``-Copy1`` or `` (1)``, or if it is the only notebook that is left over
    and this is the only one that is missing.

    Args:
        folder: the submission.
        expected_name: the lesson's file name, such as ``03_training.ipynb``.
        siblings: the file names of the assignment's notebooks, if it has several.

    Raises:
        SubmissionError: there is none, or more than one could be meant.
    """
    expected = folder / expected_name
    if _is_plain_file(expected):
        return FoundNotebook(expected, ())
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        message = f"the folder {folder.name!r} cannot be read: {error.strerror}"
        raise SubmissionError(message) from None
    notebooks = {
        file: _common_stem(match["stem"])
        for file in files
        if not file.name.startswith(".")
        and (match := _NOTEBOOK_NAME.fullmatch(file.name))
        and _is_plain_file(file)
    }
    wanted = _common_stem(Path(expected_name).stem)
    others = {_common_stem(Path(name).stem) for name in siblings} - {wanted}
    similar = [file for file, stem in notebooks.items() if stem == wanted]
    candidates = similar or [file for file, stem in notebooks.items() if stem not in others]
    only_this_is_missing = others <= set(notebooks.values())
    if len(candidates) == 1 and (similar or only_this_is_missing):
        message = f"the file is called {candidates[0].name!r}, not {expected_name!r}"
        return FoundNotebook(candidates[0], (Repair("renamed", "", message),))
    if not candidates:
        raise SubmissionError(f"there is no notebook; hand in {expected_name}")
    names = enumerate_texts(repr(file.name) for file in candidates)
    if not (similar or only_this_is_missing):
        raise SubmissionError(
            f"several notebooks are missing, and it is not clear which {names} is meant to be; "
            f"hand in one called {expected_name}"
        )
    raise SubmissionError(
        f"several notebooks could be meant ({names}); hand in one, called {expected_name}"
    )


def _is_plain_file(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink()
    except OSError:  # a folder that may not be entered
        return False


def _common_stem(stem: str) -> str:
    """What is left of a name without its case and the marks that copying adds."""
    shorter = stem.casefold().strip()
    while (cut := _COPY_MARK.sub("", shorter)) not in ("", shorter):
        shorter = cut.strip()
    return shorter


def read_submission(path: Path) -> bytes:
    """Read a submitted file, if it is one and not too large.

    Raises:
        SubmissionError: it cannot be read, is a link or no file, or is larger than
            :data:`MAX_BYTES`.
    """
    if not _is_plain_file(path):
        raise SubmissionError(f"{path.name!r} is no file; hand in the notebook itself")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SubmissionError(f"{path.name!r} cannot be read: {error.strerror}") from None
    check_size(content)
    return content


def check_size(submitted: bytes) -> None:
    """Refuse a file that is too large.

    Raises:
        SubmissionError: it is larger than :data:`MAX_BYTES`.
    """
    if len(submitted) > MAX_BYTES:
        raise SubmissionError(
            f"the file is larger than {MAX_BYTES // 2**20} MB; clear its outputs, save it and hand "
            "it in again"
        )


def enumerate_texts(texts: Iterable[str]) -> str:
    """Join texts by commas, the first eight of many."""
    listed = list(texts)
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more
